//! `~/.ssh/config` is followed, and what is not supported gives a warning.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{ConfigOwner, Files, Proxy, Settings, StrictHostKeyChecking, matches_glob, matches_pattern, settings_for};

struct Memory(BTreeMap<PathBuf, String>);

impl Files for Memory {
    fn read(&self, path: &Path, _of: ConfigOwner) -> Result<Option<String>, String> {
        Ok(self.0.get(path).cloned())
    }

    fn expand(&self, pattern: &str, _of: ConfigOwner) -> Vec<PathBuf> {
        let matching = |path: &&PathBuf| matches_pattern(pattern, &path.to_string_lossy());
        self.0.keys().filter(matching).cloned().collect()
    }
}

fn ask_as(alias: &str, user: Option<&str>, files: &[(&str, &str)]) -> Settings {
    let memory = Memory(files.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned())).collect());
    settings_for(&memory, &[(PathBuf::from("config"), ConfigOwner::User)], alias, user, Some("me"))
}

fn ask(alias: &str, text: &str) -> Settings {
    ask_as(alias, None, &[("config", text)])
}

#[test]
fn field_ssh_7_the_first_value_wins() {
    let text = "Host gpu1\n  Port 2201\n  User a\nHost *\n  Port 9\n  User b\n  ConnectTimeout 7\n";
    let settings = ask("gpu1", text);
    assert_eq!((settings.port, settings.user.as_deref()), (Some(2201), Some("a")));
    assert_eq!(settings.connect_timeout, Some(Duration::from_secs(7)));
    assert_eq!(ask("gpu2", text).port, Some(9));
    // Lines before the first block apply to all hosts, and come first.
    assert_eq!(ask("gpu1", &format!("Port 1\n{text}")).port, Some(1));
}

#[test]
fn field_ssh_7_each_listed_key_is_read() {
    let text = "hostname = %h.example.org\nUser=u\nPort 22\nIdentityFile ~/.ssh/a\nIdentityFile \"~/b c\"\n\
                IdentitiesOnly yes\nProxyJump j1,u@j2:23\nUserKnownHostsFile /k1 /k2\nGlobalKnownHostsFile /g\n\
                StrictHostKeyChecking accept-new\nServerAliveInterval 1m30s\nServerAliveCountMax 4\n\
                HostKeyAlias name # why\nIdentityAgent none\n";
    let settings = ask("gpu1", text);
    assert_eq!(settings.host_name.as_deref(), Some("%h.example.org"));
    assert_eq!(settings.identity_files, ["~/.ssh/a", "~/b c"]);
    assert_eq!(settings.identities_only, Some(true));
    assert_eq!(settings.proxy, Some(Proxy::Jump("j1,u@j2:23".to_owned())));
    assert_eq!(settings.user_known_hosts, Some(vec!["/k1".to_owned(), "/k2".to_owned()]));
    assert_eq!(settings.global_known_hosts, Some(vec!["/g".to_owned()]));
    assert_eq!(settings.strict, Some(StrictHostKeyChecking::AcceptNew));
    assert_eq!((settings.alive_interval, settings.alive_count), (Some(Duration::from_secs(90)), Some(4)));
    assert_eq!(settings.host_key_alias.as_deref(), Some("name"));
    assert_eq!(settings.identity_agent.as_deref(), Some("none"));
    assert_eq!(settings.warnings, [""; 0]);
}

#[test]
fn field_ssh_7_host_patterns_and_negation() {
    let text = "Host *.org !bad.org ?x\n  Port 5\n";
    for (alias, port) in [("a.org", Some(5)), ("bad.org", None), ("ax", Some(5)), ("abx", None), ("org", None)] {
        assert_eq!(ask(alias, text).port, port, "{alias}");
    }
}

#[test]
fn field_ssh_7_match_host_sees_the_host_name_so_far() {
    let text =
        "Host g\n  HostName GPU1.example.org\nMatch host *.example.org\n  Port 7\nMatch originalhost g\n  User o\n";
    let settings = ask("g", text);
    assert_eq!((settings.port, settings.user.as_deref()), (Some(7), Some("o")));
    assert_eq!(ask("other", text).port, None);
    let by_user = "Match user root,adm* host !x,*\n  Port 8\nMatch all\n  Port 9\n";
    assert_eq!(ask_as("h", Some("admin"), &[("config", by_user)]).port, Some(8));
    assert_eq!(ask_as("x", Some("admin"), &[("config", by_user)]).port, Some(9));
    assert_eq!(ask_as("h", Some("u"), &[("config", by_user)]).port, Some(9));
    assert_eq!(ask("h", "Match !host h\n  Port 8\n").port, None);
    assert_eq!(ask("h", "Match localuser=me\n  Port 8\n").port, Some(8));
}

#[test]
fn field_ssh_7_include_counts_where_its_block_does() {
    let files = [
        ("config", "Host a\n  Include conf.d/*\nHost *\n  Port 9\n"),
        ("conf.d/1", "Port 5\nHost b\n  User never\n"),
        ("conf.d/2", "Host a\n  User a\n"),
    ];
    let settings = ask_as("a", None, &files);
    assert_eq!((settings.port, settings.user.as_deref()), (Some(5), Some("a")));
    let settings = ask_as("b", None, &files);
    assert_eq!((settings.port, settings.user), (Some(9), None));
    let endless = ask_as("a", None, &[("config", "Include config\nPort 3\n")]);
    assert_eq!(endless.port, Some(3));
    assert_eq!(endless.warnings.len(), 1);
}

#[test]
fn field_ssh_7_what_is_not_supported_is_said_once_and_only_where_it_counts() {
    let text = "Host a\n  ProxyUseFdpass yes\n  ProxyCommand nc %h %p\n  ProxyJump j\n  Compression yes\n  Whatever 1\n\
                Host b\n  ProxyJump j\n  ProxyCommand nc\n  ProxyUseFdpass no\nMatch exec true\n  Port 3\n\
                Host c\n  Port x\n  StrictHostKeyChecking no\n  User\n";
    let a = ask("a", text);
    assert_eq!(a.proxy, Some(Proxy::Command("nc %h %p".to_owned())), "the first of the two counts");
    for (part, said) in ["proxyusefdpass", "whatever", "Match exec"].iter().zip(&a.warnings) {
        assert!(said.contains(part), "{said}");
    }
    assert_eq!(a.warnings.len(), 3);
    let b = ask("b", text);
    assert_eq!((b.proxy, b.port, b.warnings.len()), (Some(Proxy::Jump("j".to_owned())), None, 1));
    let c = ask("c", text);
    assert_eq!((c.strict, c.port, c.warnings.len()), (Some(StrictHostKeyChecking::AcceptNew), None, 4));
}

#[test]
fn patterns() {
    for (pattern, text) in [("*", ""), ("a*b*c", "aXbYbZc"), ("??", "ab"), ("**a", "a"), ("10.*.1", "10.0.0.1")] {
        assert!(matches_pattern(pattern, text), "{pattern} {text}");
    }
    for (pattern, text) in [("?", ""), ("a*b", "abc"), ("", "a"), ("a", "")] {
        assert!(!matches_pattern(pattern, text), "{pattern} {text}");
    }
}

#[test]
fn a_command_is_taken_as_it_stands() {
    let settings = ask("a", "ProxyCommand = sh -c 'exec nc \"$@\"' - %h %p # no comment\n");
    assert_eq!(settings.proxy, Some(Proxy::Command("sh -c 'exec nc \"$@\"' - %h %p # no comment".to_owned())));
    assert_eq!(ask("a", "ProxyCommand none\nProxyJump j\n").proxy, Some(Proxy::Command("none".to_owned())));
}

#[test]
fn what_is_unknown_may_be_ignored_and_what_changes_nothing_is_never_said() {
    let text = "Whatever 1\nIgnoreUnknown What*,Other\nWhatever 2\nother x\nThird 1\n";
    let said = ask("a", text).warnings;
    assert_eq!(
        said,
        ["`config` line 1: `whatever` is unknown, and ignored", "`config` line 5: `third` is unknown, and ignored"]
    );
    let quiet = "LocalForward 8080 localhost:80\nDynamicForward 1080\nLocalCommand echo\nPermitLocalCommand no\n\
                 SendEnv LANG LC_*\nCiphers aes256-ctr\nHashKnownHosts yes\nGSSAPIAuthentication yes\n\
                 AddressFamily any\nUsePrivilegedPort no\nMatch canonical all\n  Whatever 1\n";
    assert_eq!(ask("a", quiet).warnings, [""; 0]);
    let said = ask("a", "RemoteForward 1 localhost:1\nPermitLocalCommand yes\n").warnings;
    assert_eq!(said.len(), 2, "{said:?}");
}

#[test]
fn variables_are_collected_and_taken_away() {
    let settings = ask("a", "SendEnv LANG LC_*\nSendEnv -LC_* FOO\nSetEnv A=1 B='two words' A=2\nSetEnv C=3\n");
    assert_eq!(settings.send_env, ["LANG", "FOO"]);
    let expected = [("A", "1"), ("B", "two words")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(settings.set_env, expected);
}

#[test]
fn what_the_machines_own_file_sends_is_not_sent() {
    let memory = Memory([(PathBuf::from("system"), "SendEnv LANG\nSetEnv A=1\n".to_owned())].into());
    let settings = settings_for(&memory, &[(PathBuf::from("system"), ConfigOwner::System)], "a", None, None);
    assert_eq!((settings.send_env.len(), settings.set_env.len(), settings.warnings.len()), (0, 1, 0));
}

#[test]
fn match_final_holds_in_a_round_of_its_own() {
    let text =
        "Match final host *.org\n  Port 7\n  IdentityFile k\nHost a\n  HostName a.org\n  IdentityFile k\n  Port 8\n";
    let settings = ask("a", text);
    assert_eq!((settings.port, settings.identity_files), (Some(8), vec!["k".to_owned()]));
    let settings = ask("b", "Host b\n  HostName b.org\nMatch final host b.org\n  Port 7\n");
    assert_eq!((settings.port, settings.warnings.len()), (Some(7), 0));
}

#[test]
fn globs() {
    for (pattern, name) in
        [("[0-9]*.conf", "10-a.conf"), ("[!a]x", "bx"), ("[]a]", "]"), ("\\*", "*"), ("a[", "a["), ("*[ab]?", "xxby")]
    {
        assert!(matches_glob(pattern, name), "{pattern} {name}");
    }
    for (pattern, name) in [("[0-9]*", "a"), ("[!a]x", "ax"), ("\\*", "a"), ("[a-]", "b"), ("?", "")] {
        assert!(!matches_glob(pattern, name), "{pattern} {name}");
    }
}
