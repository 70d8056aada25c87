//! Applies the lines of the SSH configuration to the settings of one host.

use std::time::Duration;

use super::{
    keywords::{HARMLESS, UNSUPPORTED},
    line::Line,
    pattern::{matches_list, matches_pattern},
    settings::{Proxy, Settings, StrictHostKeyChecking},
    values::{parse_time, yes_no},
};

impl Settings {
    /// Sets a value, unless it was set before.
    pub(super) fn set(&mut self, line: &Line, location: &str) {
        let (keyword, args) = (line.keyword.as_str(), line.args.as_slice());
        let Some(first) = args.first() else {
            self.warn(format!("{location}: `{keyword}` has no value"));
            return;
        };
        let mut wrong = false;
        match keyword {
            "hostname" => set_once(&mut self.host_name, Some(first.clone())),
            "user" => set_once(&mut self.user, Some(first.clone())),
            "port" => {
                set_parsed(&mut self.port, first.parse().ok().filter(|port| *port > 0), &mut wrong);
            }
            // The second round of `Match final` reads the same lines again.
            "identityfile" if !self.identity_files.contains(first) => self.identity_files.push(first.clone()),
            "certificatefile" if !self.certificate_files.contains(first) => self.certificate_files.push(first.clone()),
            "identityfile" | "certificatefile" => {}
            "identitiesonly" => set_parsed(&mut self.identities_only, yes_no(first), &mut wrong),
            "identityagent" => set_once(&mut self.identity_agent, Some(first.clone())),
            "proxyjump" => set_once(&mut self.proxy, Some(Proxy::Jump(line.rest.clone()))),
            "proxycommand" => set_once(&mut self.proxy, Some(Proxy::Command(line.rest.clone()))),
            "userknownhostsfile" => set_once(&mut self.user_known_hosts, Some(args.to_vec())),
            "globalknownhostsfile" => set_once(&mut self.global_known_hosts, Some(args.to_vec())),
            "hostkeyalias" => set_once(&mut self.host_key_alias, Some(first.clone())),
            "stricthostkeychecking" => self.set_strict(first, location, &mut wrong),
            "serveraliveinterval" => set_parsed(&mut self.alive_interval, parse_time(first), &mut wrong),
            "serveralivecountmax" => set_parsed(&mut self.alive_count, first.parse().ok(), &mut wrong),
            "connecttimeout" => {
                let value = if first.eq_ignore_ascii_case("none") { Some(Duration::ZERO) } else { parse_time(first) };
                set_parsed(&mut self.connect_timeout, value, &mut wrong);
            }
            "connectionattempts" => set_parsed(&mut self.connection_attempts, first.parse().ok(), &mut wrong),
            "pubkeyauthentication" => {
                let value = match first.to_ascii_lowercase().as_str() {
                    "unbound" | "host-bound" => Some(true),
                    _ => yes_no(first),
                };
                set_parsed(&mut self.pubkey, value, &mut wrong);
            }
            "preferredauthentications" => {
                let names = first.split(',').map(|name| name.trim().to_ascii_lowercase());
                set_once(&mut self.preferred_authentications, Some(names.collect()));
            }
            "nohostauthenticationforlocalhost" => {
                set_parsed(&mut self.no_host_authentication_for_localhost, yes_no(first), &mut wrong);
            }
            "ciphers" => set_once(&mut self.algorithms.ciphers, Some(first.clone())),
            "macs" => set_once(&mut self.algorithms.macs, Some(first.clone())),
            "kexalgorithms" => set_once(&mut self.algorithms.kex, Some(first.clone())),
            "hostkeyalgorithms" => set_once(&mut self.algorithms.host_key, Some(first.clone())),
            "pubkeyacceptedalgorithms" | "pubkeyacceptedkeytypes" => {
                set_once(&mut self.algorithms.pubkey, Some(first.clone()));
            }
            "sendenv" => self.send(args, location),
            "setenv" => self.set_variables(args, location),
            "ignoreunknown" => {
                set_once(&mut self.ignore_unknown, Some(first.split(',').map(str::to_ascii_lowercase).collect()));
            }
            _ if HARMLESS.contains(&keyword) => {}
            _ => match UNSUPPORTED.iter().find(|(name, _)| *name == keyword) {
                Some((_, nothing)) if first.eq_ignore_ascii_case(nothing) => {}
                Some(_) => self.warn(format!("{location}: `{keyword}` is not supported, and ignored")),
                None if self.is_ignored(keyword) => {}
                None => self.warn(format!("{location}: `{keyword}` is unknown, and ignored")),
            },
        }
        if wrong {
            self.warn(format!("{location}: the value `{first}` of `{keyword}` is not valid"));
        }
    }

    /// Whether an earlier `IgnoreUnknown` names the keyword.
    fn is_ignored(&self, keyword: &str) -> bool {
        let patterns = self.ignore_unknown.iter().flatten();
        matches_list(patterns.map(String::as_str), keyword)
    }

    /// Applies `SendEnv`: adds names, and removes names with a leading `-`.
    fn send(&mut self, args: &[String], location: &str) {
        for arg in args {
            match arg.strip_prefix('-') {
                Some(pattern) => self.send_env.retain(|name| !matches_pattern(pattern, name)),
                None if arg.is_empty() || arg.contains('=') => {
                    self.warn(format!("{location}: `{arg}` is not the name of a variable"));
                }
                None if self.send_env.contains(arg) => {}
                None => self.send_env.push(arg.clone()),
            }
        }
    }

    /// Applies `SetEnv`: only the first line counts, and in it the first value of a name.
    fn set_variables(&mut self, args: &[String], location: &str) {
        if !self.set_env.is_empty() {
            return;
        }
        for arg in args {
            match arg.split_once('=') {
                Some((name, _)) if self.set_env.iter().any(|(other, _)| other == name) => {}
                Some((name, value)) if !name.is_empty() => self.set_env.push((name.to_owned(), value.to_owned())),
                _ => self.warn(format!("{location}: `SetEnv` takes `NAME=VALUE`, not `{arg}`")),
            }
        }
    }

    fn set_strict(&mut self, value: &str, location: &str, wrong: &mut bool) {
        let strict = match value.to_ascii_lowercase().as_str() {
            "yes" | "true" | "ask" => Some(StrictHostKeyChecking::Yes),
            "accept-new" => Some(StrictHostKeyChecking::AcceptNew),
            "no" | "off" | "false" => {
                if self.strict.is_none() {
                    self.warn(format!(
                        "{location}: `StrictHostKeyChecking {value}` accepts unknown keys only; changed ones are refused"
                    ));
                }
                Some(StrictHostKeyChecking::AcceptNew)
            }
            _ => None,
        };
        set_parsed(&mut self.strict, strict, wrong);
    }

    /// Adds a warning, once.
    pub(super) fn warn(&mut self, warning: String) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }
}

fn set_once<T>(slot: &mut Option<T>, value: Option<T>) {
    if slot.is_none() {
        *slot = value;
    }
}

fn set_parsed<T>(slot: &mut Option<T>, value: Option<T>, wrong: &mut bool) {
    *wrong |= value.is_none();
    set_once(slot, value);
}
