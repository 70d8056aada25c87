//! What the files say about one host.

use std::time::Duration;

/// `StrictHostKeyChecking`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::ssh) enum Strict {
    /// Unknown keys are refused (`yes`, and `ask`: there is nobody to ask).
    #[default]
    Yes,
    /// Unknown keys are accepted and written down; changed ones are refused (`accept-new`, and `no`).
    AcceptNew,
}

/// The first value of each key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::ssh) struct Settings {
    pub(in crate::ssh) host_name: Option<String>,
    pub(in crate::ssh) user: Option<String>,
    pub(in crate::ssh) port: Option<u16>,
    pub(in crate::ssh) identity_files: Vec<String>,
    pub(in crate::ssh) identities_only: Option<bool>,
    pub(in crate::ssh) identity_agent: Option<String>,
    /// `none` switches a later value off.
    pub(in crate::ssh) proxy_jump: Option<String>,
    pub(in crate::ssh) user_known_hosts: Option<Vec<String>>,
    pub(in crate::ssh) global_known_hosts: Option<Vec<String>>,
    pub(in crate::ssh) host_key_alias: Option<String>,
    pub(in crate::ssh) strict: Option<Strict>,
    pub(in crate::ssh) alive_interval: Option<Duration>,
    pub(in crate::ssh) alive_count: Option<u32>,
    pub(in crate::ssh) connect_timeout: Option<Duration>,
    pub(in crate::ssh) warnings: Vec<String>,
    proxy_command: bool,
}

/// What changes nothing for a program that runs commands over pipes, or is a matter of taste.
const HARMLESS: &[&str] = &[
    "addkeystoagent",
    "batchmode",
    "canonicaldomains",
    "canonicalizefallbacklocal",
    "canonicalizemaxdots",
    "channeltimeout",
    "checkhostip",
    "clearallforwardings",
    "compression",
    "compressionlevel",
    "connectionattempts",
    "controlmaster",
    "controlpath",
    "controlpersist",
    "enableescapecommandline",
    "enablesshkeysign",
    "escapechar",
    "exitonforwardfailure",
    "fingerprinthash",
    "forkafterauthentication",
    "forwardagent",
    "forwardx11",
    "forwardx11timeout",
    "forwardx11trusted",
    "gatewayports",
    "gssapiauthentication",
    "gssapidelegatecredentials",
    "gssapikeyexchange",
    "gssapirenewalforceskey",
    "gssapitrustdns",
    "hashknownhosts",
    "hostbasedauthentication",
    "ignoreunknown",
    "ipqos",
    "kbdinteractiveauthentication",
    "challengeresponseauthentication",
    "loglevel",
    "logverbose",
    "nohostauthenticationforlocalhost",
    "numberofpasswordprompts",
    "obscurekeystroketiming",
    "passwordauthentication",
    "permitlocalcommand",
    "permitremoteopen",
    "pubkeyauthentication",
    "rekeylimit",
    "requesttty",
    "sendenv",
    "sessiontype",
    "stdinnull",
    "streamlocalbindmask",
    "streamlocalbindunlink",
    "syslogfacility",
    "tag",
    "tcpkeepalive",
    "tunnel",
    "tunneldevice",
    "updatehostkeys",
    "usekeychain",
    "visualhostkey",
    "warnweakcrypto",
    "xauthlocation",
    "protocol",
    "useroaming",
    "rsaauthentication",
];

/// What a file may ask for and MER cannot do. The value that asks for nothing.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("addressfamily", "any"),
    ("bindaddress", ""),
    ("bindinterface", ""),
    ("canonicalizehostname", "no"),
    ("canonicalizepermittedcnames", "none"),
    ("casignaturealgorithms", ""),
    ("certificatefile", "none"),
    ("ciphers", ""),
    ("dynamicforward", ""),
    ("hostbasedacceptedalgorithms", ""),
    ("hostkeyalgorithms", ""),
    ("kexalgorithms", ""),
    ("knownhostscommand", "none"),
    ("localcommand", ""),
    ("localforward", ""),
    ("macs", ""),
    ("pkcs11provider", "none"),
    ("preferredauthentications", ""),
    ("proxyusefdpass", "no"),
    ("pubkeyacceptedalgorithms", ""),
    ("pubkeyacceptedkeytypes", ""),
    ("refuseconnection", ""),
    ("remotecommand", "none"),
    ("remoteforward", ""),
    ("requiredrsasize", ""),
    ("revokedhostkeys", "none"),
    ("securitykeyprovider", "internal"),
    ("setenv", ""),
    ("verifyhostkeydns", "no"),
    ("versionaddendum", "none"),
];

impl Settings {
    /// Takes a value, unless there was one before.
    pub(super) fn set(&mut self, keyword: &str, args: &[String], place: &str) {
        let Some(first) = args.first() else {
            self.warn(format!("{place}: `{keyword}` has no value"));
            return;
        };
        let mut wrong = false;
        match keyword {
            "hostname" => keep(&mut self.host_name, Some(first.clone())),
            "user" => keep(&mut self.user, Some(first.clone())),
            "port" => keep_parsed(&mut self.port, first.parse().ok(), &mut wrong),
            "identityfile" => self.identity_files.push(first.clone()),
            "identitiesonly" => keep_parsed(&mut self.identities_only, yes_no(first), &mut wrong),
            "identityagent" => keep(&mut self.identity_agent, Some(first.clone())),
            // Whichever of the two comes first switches the other off.
            "proxyjump" if !self.proxy_command => keep(&mut self.proxy_jump, Some(first.clone())),
            "proxycommand" if self.proxy_jump.is_none() && !self.proxy_command => {
                self.proxy_command = true;
                if !first.eq_ignore_ascii_case("none") {
                    self.warn(format!("{place}: `ProxyCommand` is not supported, and not used; use `ProxyJump`"));
                }
            }
            "proxyjump" | "proxycommand" => {}
            "userknownhostsfile" => keep(&mut self.user_known_hosts, Some(args.to_vec())),
            "globalknownhostsfile" => keep(&mut self.global_known_hosts, Some(args.to_vec())),
            "hostkeyalias" => keep(&mut self.host_key_alias, Some(first.clone())),
            "stricthostkeychecking" => self.set_strict(first, place, &mut wrong),
            "serveraliveinterval" => keep_parsed(&mut self.alive_interval, seconds(first), &mut wrong),
            "serveralivecountmax" => keep_parsed(&mut self.alive_count, first.parse().ok(), &mut wrong),
            "connecttimeout" => {
                let value = if first.eq_ignore_ascii_case("none") { Some(Duration::ZERO) } else { seconds(first) };
                keep_parsed(&mut self.connect_timeout, value, &mut wrong);
            }
            _ if HARMLESS.contains(&keyword) => {}
            _ => match UNSUPPORTED.iter().find(|(name, _)| *name == keyword) {
                Some((_, nothing)) if first.eq_ignore_ascii_case(nothing) => {}
                Some(_) => self.warn(format!("{place}: `{keyword}` is not supported, and not used")),
                None => self.warn(format!("{place}: `{keyword}` is not known, and not used")),
            },
        }
        if wrong {
            self.warn(format!("{place}: the value `{first}` of `{keyword}` is not valid"));
        }
    }

    fn set_strict(&mut self, value: &str, place: &str, wrong: &mut bool) {
        let strict = match value.to_ascii_lowercase().as_str() {
            "yes" | "true" | "ask" => Some(Strict::Yes),
            "accept-new" => Some(Strict::AcceptNew),
            "no" | "off" | "false" => {
                if self.strict.is_none() {
                    self.warn(format!(
                        "{place}: `StrictHostKeyChecking {value}` accepts unknown keys only; changed ones are refused"
                    ));
                }
                Some(Strict::AcceptNew)
            }
            _ => None,
        };
        keep_parsed(&mut self.strict, strict, wrong);
    }

    /// Each thing is said once.
    pub(super) fn warn(&mut self, warning: String) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }
}

fn keep<T>(slot: &mut Option<T>, value: Option<T>) {
    if slot.is_none() {
        *slot = value;
    }
}

fn keep_parsed<T>(slot: &mut Option<T>, value: Option<T>, wrong: &mut bool) {
    *wrong |= value.is_none();
    keep(slot, value);
}

fn yes_no(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "yes" | "true" | "on" => Some(true),
        "no" | "false" | "off" => Some(false),
        _ => None,
    }
}

/// A time as sshd writes it: `15`, `1m30s`, `2h`.
fn seconds(value: &str) -> Option<Duration> {
    let (mut total, mut number) = (0_u64, None::<u64>);
    for c in value.chars() {
        match c.to_digit(10) {
            Some(digit) => number = Some(number.unwrap_or(0).checked_mul(10)?.checked_add(digit.into())?),
            None => {
                let unit = match c.to_ascii_lowercase() {
                    's' => 1,
                    'm' => 60,
                    'h' => 3600,
                    'd' => 86_400,
                    'w' => 604_800,
                    _ => return None,
                };
                total = total.checked_add(number.take()?.checked_mul(unit)?)?;
            }
        }
    }
    Some(Duration::from_secs(total.checked_add(number.unwrap_or(0))?)).filter(|_| !value.is_empty())
}
