//! Compares what MER reads from generated files with what `ssh -G` reads from them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use mer_testkit::require;

use super::{ConfigOwner, Files, Proxy, Settings, StrictHostKeyChecking, settings_for};

/// A random number generator with a fixed sequence, so that failures can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % most
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

const ALIASES: [&str; 4] = ["gpu1", "gpu2.lab.org", "bastion", "10.0.0.7"];

/// Keywords and some values of each.
const VALUES: &[(&str, &[&str])] = &[
    ("HostName", &["%h.example.org", "10.1.2.3", "host-%%"]),
    ("User", &["ada", "\"grace\"", "'root'"]),
    ("Port", &["22", "2222", "65535"]),
    ("IdentityFile", &["/k/a", "\"/k/b c\"", "/k/d\\ e", "/k/a"]),
    ("CertificateFile", &["/k/a-cert.pub", "/k/b-cert.pub"]),
    ("IdentitiesOnly", &["yes", "no", "YES"]),
    ("IdentityAgent", &["none", "/run/agent", "SSH_AUTH_SOCK", "$OTHER_AGENT"]),
    ("ProxyJump", &["j1", "u@j2:23,j3", "none"]),
    ("ProxyCommand", &["nc %h %p", "sh -c 'exec nc \"$@\"' - %h # no comment", "none"]),
    ("UserKnownHostsFile", &["/h/a /h/b", "\"/h/c d\"", "/dev/null"]),
    ("GlobalKnownHostsFile", &["/g/a", "/g/b /g/c"]),
    ("HostKeyAlias", &["cluster", "\"cluster two\""]),
    ("StrictHostKeyChecking", &["yes", "no", "ask", "accept-new", "off"]),
    ("ServerAliveInterval", &["15", "1m", "0"]),
    ("ServerAliveCountMax", &["2", "5"]),
    ("ConnectTimeout", &["7", "1m30s"]),
    ("ConnectionAttempts", &["3", "10"]),
    ("PubkeyAuthentication", &["yes", "no", "unbound"]),
    ("PreferredAuthentications", &["publickey", "password,publickey", "keyboard-interactive"]),
    ("NoHostAuthenticationForLocalhost", &["yes", "no"]),
    ("SendEnv", &["LANG LC_*", "FOO BAR", "-LC_*", "-F*"]),
    ("SetEnv", &["A=1", "A=2 B=3", "C=\"x y\""]),
    ("Compression", &["yes"]),
    ("LogLevel", &["ERROR"]),
];

const BLOCKS: &[&str] = &[
    "Host *",
    "Host gpu1",
    "Host gpu? !gpu2",
    "Host *.lab.org bastion",
    "Host !bastion *",
    "Host = \"10.0.0.7\" gpu1",
    "Match all",
    "Match host *.example.org",
    "Match originalhost gpu1,bastion",
    "Match user ada",
    "Match !user ada host gpu*,10.*",
    "Match final host *.example.org",
];

fn config(numbers: &mut Random, included: &Path) -> String {
    let mut text = String::new();
    let lines = |numbers: &mut Random, text: &mut String| {
        for _ in 0..numbers.below(6) {
            let (keyword, values) = VALUES[numbers.below(VALUES.len())];
            let value = numbers.one(values);
            let keyword = if numbers.below(4) == 0 { keyword.to_lowercase() } else { keyword.to_owned() };
            let between = numbers.one(&[" ", "=", " = ", "\t"]);
            let end = if keyword.eq_ignore_ascii_case("proxycommand") || keyword.eq_ignore_ascii_case("proxyjump") {
                ""
            } else {
                numbers.one(&["", "", "  ", " # why", "\r"])
            };
            text.push_str(&format!("{}{keyword}{between}{value}{end}\n", numbers.one(&["", "  ", "\t"])));
        }
        if numbers.below(6) == 0 {
            text.push_str(&format!("  Include {}/in[0-9]*.conf\n", included.display()));
        }
    };
    lines(numbers, &mut text);
    for _ in 0..numbers.below(5) {
        text.push_str(&format!("# a comment\n\n{}\n", BLOCKS[numbers.below(BLOCKS.len())]));
        lines(numbers, &mut text);
    }
    text
}

/// Reads real files, and expands `Include` by the same function as the product.
struct LocalFiles;

impl Files for LocalFiles {
    fn read(&self, path: &Path, _of: ConfigOwner) -> Result<Option<String>, String> {
        Ok(fs::read_to_string(path).ok())
    }

    fn expand(&self, pattern: &str, _of: ConfigOwner) -> Vec<PathBuf> {
        let pattern = Path::new(pattern);
        let (folder, name) = (pattern.parent().expect("a folder"), pattern.file_name().expect("a name"));
        let entries = fs::read_dir(folder).expect("the folder").flatten().map(|entry| entry.path());
        let is = |path: &PathBuf| {
            let file = path.file_name().expect("a name").to_string_lossy().into_owned();
            super::matches_glob(&name.to_string_lossy(), &file)
        };
        let mut found: Vec<_> = entries.filter(is).collect();
        found.sort();
        found
    }
}

/// The settings as lines, sorted.
fn ours(settings: &Settings, alias: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut say = |name: &str, value: Option<String>| out.extend(value.map(|value| format!("{name} {value}")));
    let host = settings
        .host_name
        .as_deref()
        .map_or_else(|| alias.to_owned(), |name| name.replace("%%", "\0").replace("%h", alias).replace('\0', "%"));
    say("hostname", Some(host));
    say("user", settings.user.clone());
    say("port", Some(settings.port.unwrap_or(22).to_string()));
    for file in &settings.identity_files {
        say("identityfile", Some(file.clone()));
    }
    for file in &settings.certificate_files {
        say("certificatefile", Some(file.clone()));
    }
    let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
    say("identitiesonly", Some(yes(settings.identities_only.unwrap_or(false))));
    say("identityagent", settings.identity_agent.clone());
    match &settings.proxy {
        Some(Proxy::Jump(text) | Proxy::Command(text)) if text == "none" => {}
        Some(Proxy::Jump(list)) => say("proxyjump", Some(list.clone())),
        Some(Proxy::Command(line)) => say("proxycommand", Some(line.clone())),
        None => {}
    }
    say("userknownhostsfile", settings.user_known_hosts.as_ref().map(|files| files.join(" ")));
    say("globalknownhostsfile", settings.global_known_hosts.as_ref().map(|files| files.join(" ")));
    say("hostkeyalias", settings.host_key_alias.clone());
    let strict = match settings.strict {
        Some(StrictHostKeyChecking::AcceptNew) => "accepts",
        _ => "refuses",
    };
    say("stricthostkeychecking", Some(strict.to_owned()));
    say("serveraliveinterval", Some(settings.alive_interval.map_or(0, |time| time.as_secs()).to_string()));
    say("serveralivecountmax", Some(settings.alive_count.unwrap_or(3).to_string()));
    say("connecttimeout", settings.connect_timeout.map(|time| time.as_secs().to_string()));
    say("connectionattempts", Some(settings.connection_attempts.unwrap_or(1).to_string()));
    say("pubkeyauthentication", Some(yes(settings.pubkey.unwrap_or(true))));
    say("preferredauthentications", settings.preferred_authentications.as_ref().map(|names| names.join(",")));
    let unchecked = settings.no_host_authentication_for_localhost.unwrap_or(false);
    say("nohostauthenticationforlocalhost", Some(yes(unchecked)));
    for name in &settings.send_env {
        say("sendenv", Some(name.clone()));
    }
    for (name, value) in &settings.set_env {
        say("setenv", Some(format!("{name}={value}")));
    }
    out.sort();
    // Sending a name twice is the same as once.
    out.dedup();
    out
}

/// The output of `ssh -G`, without the defaults that MER sets elsewhere.
fn theirs(printed: &str, settings: &Settings) -> Vec<String> {
    let mut out = Vec::new();
    for line in printed.lines() {
        let (name, value) = line.split_once(' ').unwrap_or((line, ""));
        let named = match name {
            "hostname"
            | "port"
            | "identitiesonly"
            | "serveraliveinterval"
            | "serveralivecountmax"
            | "connectionattempts"
            | "nohostauthenticationforlocalhost"
            | "certificatefile"
            | "sendenv"
            | "setenv"
            | "proxyjump"
            | "proxycommand"
            | "hostkeyalias" => true,
            "user" => settings.user.is_some(),
            "identityfile" => !settings.identity_files.is_empty(),
            "identityagent" => settings.identity_agent.is_some(),
            "userknownhostsfile" => settings.user_known_hosts.is_some(),
            "globalknownhostsfile" => settings.global_known_hosts.is_some(),
            "connecttimeout" => settings.connect_timeout.is_some(),
            "preferredauthentications" => settings.preferred_authentications.is_some(),
            "pubkeyauthentication" => {
                let is = !matches!(value, "no" | "false");
                out.push(format!("pubkeyauthentication {}", if is { "yes" } else { "no" }));
                false
            }
            "stricthostkeychecking" => {
                let accepts = matches!(value, "accept-new" | "no" | "off" | "false");
                out.push(format!("stricthostkeychecking {}", if accepts { "accepts" } else { "refuses" }));
                false
            }
            _ => false,
        };
        if named {
            out.push(line.to_owned());
        }
    }
    out.sort();
    // Sending a name twice is the same as once.
    out.dedup();
    out
}

#[test]
fn field_ssh_7_what_is_read_is_what_openssh_reads() {
    let Some(ssh) = require::program("ssh", &[]) else {
        require::missing("ssh", "OpenSSH is not installed");
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config");
    let mut numbers = Random(7);
    let mut compared = 0;
    for round in 0..96 {
        for name in ["in1.conf", "in20.conf", "inx.conf"] {
            let text = config(&mut numbers, &folder.path().join("none"));
            // An empty folder, so that included files include nothing.
            fs::create_dir_all(folder.path().join("none")).expect("a folder");
            fs::write(folder.path().join(name), text).expect("an included file");
        }
        let text = config(&mut numbers, folder.path());
        fs::write(&file, &text).expect("a configuration");
        let alias = numbers.one(&ALIASES);
        let query = Command::new(&ssh).arg("-F").arg(&file).args(["-G", alias]).env("OTHER_AGENT", "/o").output();
        let query = query.expect("`ssh` runs");
        // Files that `ssh` rejects are not compared.
        if !query.status.success() {
            continue;
        }
        compared += 1;
        let roots = [(file.clone(), ConfigOwner::User)];
        let local = Command::new("id").arg("-un").output().expect("`id` runs");
        let local = String::from_utf8_lossy(&local.stdout).trim().to_owned();
        let settings = settings_for(&LocalFiles, &roots, alias, None, Some(&local));
        let printed = String::from_utf8_lossy(&query.stdout);
        assert_eq!(ours(&settings, alias), theirs(&printed, &settings), "round {round}, `{alias}`:\n{text}");
    }
    assert!(compared > 60, "only {compared} were compared");
}
