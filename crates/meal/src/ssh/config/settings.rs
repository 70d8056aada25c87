//! What the files say about one host.

use std::time::Duration;

use super::{
    line::Line,
    pattern::{matches_list, matches_pattern},
};

/// `StrictHostKeyChecking`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::ssh) enum Strict {
    /// Unknown keys are refused (`yes`, and `ask`: nothing asks).
    #[default]
    Yes,
    /// Unknown keys are accepted and written down; changed ones are refused (`accept-new`, and `no`).
    AcceptNew,
}

/// How a host is reached, where it is not reached directly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ssh) enum Proxy {
    /// `ProxyJump`: a list of hosts.
    Jump(String),
    /// `ProxyCommand`: a line for the user's shell.
    Command(String),
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
    /// All of them, in their order.
    pub(in crate::ssh) certificate_files: Vec<String>,
    /// Whichever of `ProxyJump` and `ProxyCommand` comes first; `none` switches a later value off.
    pub(in crate::ssh) proxy: Option<Proxy>,
    pub(in crate::ssh) user_known_hosts: Option<Vec<String>>,
    pub(in crate::ssh) global_known_hosts: Option<Vec<String>>,
    pub(in crate::ssh) host_key_alias: Option<String>,
    pub(in crate::ssh) strict: Option<Strict>,
    pub(in crate::ssh) alive_interval: Option<Duration>,
    pub(in crate::ssh) alive_count: Option<u32>,
    pub(in crate::ssh) connect_timeout: Option<Duration>,
    pub(in crate::ssh) connection_attempts: Option<u32>,
    pub(in crate::ssh) pubkey: Option<bool>,
    pub(in crate::ssh) preferred_authentications: Option<Vec<String>>,
    pub(in crate::ssh) no_host_authentication_for_localhost: Option<bool>,
    /// Names of variables, as patterns.
    pub(in crate::ssh) send_env: Vec<String>,
    pub(in crate::ssh) set_env: Vec<(String, String)>,
    pub(in crate::ssh) algorithms: Algorithms,
    pub(in crate::ssh) warnings: Vec<String>,
    ignore_unknown: Option<Vec<String>>,
}

/// Lists of algorithms as they are written: names, or what to add to (`+`), take from (`-`) or put before (`^`) ours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::ssh) struct Algorithms {
    pub(in crate::ssh) ciphers: Option<String>,
    pub(in crate::ssh) macs: Option<String>,
    pub(in crate::ssh) kex: Option<String>,
    pub(in crate::ssh) host_key: Option<String>,
    pub(in crate::ssh) pubkey: Option<String>,
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
    // Ports of this machine, for other programs on it.
    "dynamicforward",
    "localforward",
    // Without `PermitLocalCommand` it does nothing, and that is said.
    "localcommand",
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
    "ipqos",
    "kbdinteractiveauthentication",
    "challengeresponseauthentication",
    "loglevel",
    "logverbose",
    "numberofpasswordprompts",
    "obscurekeystroketiming",
    "passwordauthentication",
    "permitremoteopen",
    "rekeylimit",
    "requesttty",
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
    // What OpenSSH itself passes over today.
    "afstokenpassing",
    "cipher",
    "fallbacktorsh",
    "globalknownhostsfile2",
    "gssapikexalgorithms",
    "gssapiclientidentity",
    "gssapiserveridentity",
    "hostbasedkeytypes",
    "keepalive",
    "kerberosauthentication",
    "kerberostgtpassing",
    "protocolkeepalives",
    "rhostsauthentication",
    "rhostsrsaauthentication",
    "setuptimeout",
    "skeyauthentication",
    "smartcarddevice",
    "tisauthentication",
    "useprivilegedport",
    "userknownhostsfile2",
    "usersh",
];

/// What a file may ask for and MER cannot do. The value that asks for nothing.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("addressfamily", "any"),
    ("bindaddress", ""),
    ("bindinterface", ""),
    ("canonicalizehostname", "no"),
    ("canonicalizepermittedcnames", "none"),
    ("casignaturealgorithms", ""),
    ("hostbasedacceptedalgorithms", ""),
    ("knownhostscommand", "none"),
    ("pkcs11provider", "none"),
    ("permitlocalcommand", "no"),
    ("proxyusefdpass", "no"),
    ("refuseconnection", ""),
    ("remotecommand", "none"),
    ("remoteforward", ""),
    ("requiredrsasize", ""),
    ("revokedhostkeys", "none"),
    ("securitykeyprovider", "internal"),
    ("verifyhostkeydns", "no"),
    ("versionaddendum", "none"),
];

impl Settings {
    /// Takes a value, unless there was one before.
    pub(super) fn set(&mut self, line: &Line, place: &str) {
        let (keyword, args) = (line.keyword.as_str(), line.args.as_slice());
        let Some(first) = args.first() else {
            self.warn(format!("{place}: `{keyword}` has no value"));
            return;
        };
        let mut wrong = false;
        match keyword {
            "hostname" => keep(&mut self.host_name, Some(first.clone())),
            "user" => keep(&mut self.user, Some(first.clone())),
            "port" => {
                keep_parsed(&mut self.port, first.parse().ok().filter(|port| *port > 0), &mut wrong);
            }
            // Read twice where there is a `Match final`.
            "identityfile" if !self.identity_files.contains(first) => self.identity_files.push(first.clone()),
            "certificatefile" if !self.certificate_files.contains(first) => self.certificate_files.push(first.clone()),
            "identityfile" | "certificatefile" => {}
            "identitiesonly" => keep_parsed(&mut self.identities_only, yes_no(first), &mut wrong),
            "identityagent" => keep(&mut self.identity_agent, Some(first.clone())),
            "proxyjump" => keep(&mut self.proxy, Some(Proxy::Jump(line.rest.clone()))),
            "proxycommand" => keep(&mut self.proxy, Some(Proxy::Command(line.rest.clone()))),
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
            "connectionattempts" => keep_parsed(&mut self.connection_attempts, first.parse().ok(), &mut wrong),
            "pubkeyauthentication" => {
                let value = match first.to_ascii_lowercase().as_str() {
                    "unbound" | "host-bound" => Some(true),
                    _ => yes_no(first),
                };
                keep_parsed(&mut self.pubkey, value, &mut wrong);
            }
            "preferredauthentications" => {
                let names = first.split(',').map(|name| name.trim().to_ascii_lowercase());
                keep(&mut self.preferred_authentications, Some(names.collect()));
            }
            "nohostauthenticationforlocalhost" => {
                keep_parsed(&mut self.no_host_authentication_for_localhost, yes_no(first), &mut wrong);
            }
            "ciphers" => keep(&mut self.algorithms.ciphers, Some(first.clone())),
            "macs" => keep(&mut self.algorithms.macs, Some(first.clone())),
            "kexalgorithms" => keep(&mut self.algorithms.kex, Some(first.clone())),
            "hostkeyalgorithms" => keep(&mut self.algorithms.host_key, Some(first.clone())),
            "pubkeyacceptedalgorithms" | "pubkeyacceptedkeytypes" => {
                keep(&mut self.algorithms.pubkey, Some(first.clone()));
            }
            "sendenv" => self.send(args, place),
            "setenv" => self.set_variables(args, place),
            "ignoreunknown" => {
                keep(&mut self.ignore_unknown, Some(first.split(',').map(str::to_ascii_lowercase).collect()));
            }
            _ if HARMLESS.contains(&keyword) => {}
            _ => match UNSUPPORTED.iter().find(|(name, _)| *name == keyword) {
                Some((_, nothing)) if first.eq_ignore_ascii_case(nothing) => {}
                Some(_) => self.warn(format!("{place}: `{keyword}` is not supported, and not used")),
                None if self.is_ignored(keyword) => {}
                None => self.warn(format!("{place}: `{keyword}` is not known, and not used")),
            },
        }
        if wrong {
            self.warn(format!("{place}: the value `{first}` of `{keyword}` is not valid"));
        }
    }

    /// Whether `IgnoreUnknown`, further up, names an unknown keyword.
    fn is_ignored(&self, keyword: &str) -> bool {
        let patterns = self.ignore_unknown.iter().flatten();
        matches_list(patterns.map(String::as_str), keyword)
    }

    /// `SendEnv` adds names, and takes those away again that it names with a `-`.
    fn send(&mut self, args: &[String], place: &str) {
        for arg in args {
            match arg.strip_prefix('-') {
                Some(pattern) => self.send_env.retain(|name| !matches_pattern(pattern, name)),
                None if arg.is_empty() || arg.contains('=') => {
                    self.warn(format!("{place}: `{arg}` is no name of a variable"));
                }
                None if self.send_env.contains(arg) => {}
                None => self.send_env.push(arg.clone()),
            }
        }
    }

    /// Only the first line with `SetEnv` counts, and in it the first value of a name.
    fn set_variables(&mut self, args: &[String], place: &str) {
        if !self.set_env.is_empty() {
            return;
        }
        for arg in args {
            match arg.split_once('=') {
                Some((name, _)) if self.set_env.iter().any(|(other, _)| other == name) => {}
                Some((name, value)) if !name.is_empty() => self.set_env.push((name.to_owned(), value.to_owned())),
                _ => self.warn(format!("{place}: `SetEnv` takes `NAME=VALUE`, not `{arg}`")),
            }
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
