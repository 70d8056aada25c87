//! Routes from real configuration files.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use mer_core::{Bound, Classified as _, ConnParams, FailureKind};

use super::{Route, parse_spec, route};
use crate::ssh::{
    SshConfig, SshEnvironment, SshError,
    target::{Identity, Method, Origin, Password},
};

/// Independent of the umask: a file that is writable for others is ignored.
fn write(file: &Path, text: &str) {
    fs::write(file, text).expect("a file");
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).expect("a mode");
}

fn named(identities: &[Identity]) -> Vec<(PathBuf, Origin)> {
    identities.iter().map(|identity| (identity.path.clone(), identity.origin)).collect()
}

fn plan(config: &str, params: ConnParams) -> (Result<Route, SshError>, tempfile::TempDir) {
    let home = tempfile::tempdir().expect("folder");
    let folder = home.path().join(".ssh");
    fs::create_dir(&folder).expect("folder");
    write(&folder.join("config"), config);
    let environment = SshEnvironment {
        home: Some(home.path().to_owned()),
        folder: Some(folder),
        user: Some("me".to_owned()),
        agent: Some(PathBuf::from("/agent")),
        system_folder: None,
        variables: Arc::default(),
    };
    let config = SshConfig { server: "gpu1".to_owned(), params, environment, secrets: None, accept_new: false };
    (route(&config), home)
}

#[test]
fn field_ssh_7_the_registry_wins_over_the_config() {
    let config = "Host gpu1\n HostName %h.org\n User u\n Port 1\n IdentityFile ~/k-%r\n ServerAliveInterval 9\n";
    let (route, home) = plan(config, ConnParams::default());
    let target = route.expect("a route").target;
    assert_eq!((target.host.as_str(), target.port, target.user.as_str()), ("gpu1.org", 1, "u"));
    assert_eq!(target.known_name, "[gpu1.org]:1");
    assert_eq!(named(&target.identities), [(home.path().join("k-u"), Origin::Config)]);
    assert_eq!((target.keepalive, target.keepalive_count), (Duration::from_secs(9), 3));
    assert_eq!(target.agent, Some(PathBuf::from("/agent")));

    let params = ConnParams {
        user: Some("r".to_owned()),
        port: Some(2),
        identity_file: Some("~/own".to_owned()),
        known_hosts: Some("~/known".to_owned()),
        password_env: Some("PW".to_owned()),
        connect_timeout: Some(Bound::secs(3)),
        ..ConnParams::default()
    };
    let (route, home) = plan(config, params);
    let target = route.expect("a route").target;
    assert_eq!((target.port, target.user.as_str()), (2, "r"));
    let (own, other) = (home.path().join("own"), home.path().join("k-r"));
    assert_eq!(named(&target.identities), [(own, Origin::Registry), (other, Origin::Config)]);
    assert_eq!(target.known_hosts, [home.path().join("known")]);
    assert_eq!(target.password, Some(Password::Env("PW".to_owned())));
    assert_eq!(target.connect_timeout, Duration::from_secs(3));
}

#[test]
fn field_ssh_7_jumps_lead_through_jumps() {
    let config = "Host gpu1\n ProxyJump b,c:23\nHost b\n HostName bb\n ProxyJump x@a\nHost c\n ProxyJump never\n";
    let route = plan(config, ConnParams::default()).0.expect("a route");
    let labels: Vec<_> = route.jumps.iter().map(|hop| format!("{}@{}", hop.user, hop.label())).collect();
    assert_eq!(labels, ["x@a", "me@bb", "me@c:23"]);
    let circle = plan("Host gpu1 a\n ProxyJump a\n", ConnParams::default()).0;
    assert!(matches!(circle, Err(SshError::Config { .. })), "{circle:?}");
    let params = ConnParams { proxy_jump: Some("none".to_owned()), ..ConnParams::default() };
    assert!(plan(config, params).0.expect("a route").jumps.is_empty());
}

#[test]
fn field_ssh_7_include_by_pattern_from_the_folder() {
    let (_, home) = plan("", ConnParams::default());
    let folder = home.path().join(".ssh");
    fs::create_dir(folder.join("conf.d")).expect("folder");
    write(&folder.join("conf.d/1.conf"), "Port 5\n");
    write(&folder.join("config"), "Include conf.d/[0-9].conf ~/.ssh/none\nPort 6\n");
    let environment = SshEnvironment { folder: Some(folder), user: Some("me".to_owned()), ..SshEnvironment::default() };
    let server = "gpu1".to_owned();
    let config = SshConfig { server, params: ConnParams::default(), environment, secrets: None, accept_new: false };
    assert_eq!(route(&config).expect("a route").target.port, 5);
}

#[test]
fn field_ssh_8_no_home_no_user_no_agent() {
    let folder = PathBuf::from("/settings/ssh");
    let mut config = SshConfig {
        server: "gpu1".to_owned(),
        params: ConnParams { identity_file: Some("~/.ssh/k".to_owned()), ..ConnParams::default() },
        environment: SshEnvironment { folder: Some(folder.clone()), ..SshEnvironment::default() },
        secrets: None,
        accept_new: false,
    };
    let error = route(&config).expect_err("nobody logs in");
    assert!(error.to_string().contains("set `user`"), "{error}");
    config.params.user = Some("u".to_owned());
    let target = route(&config).expect("a route").target;
    assert_eq!(target.agent, None);
    assert_eq!(target.known_hosts, [folder.join("known_hosts"), folder.join("known_hosts2")]);
    assert_eq!(named(&target.identities), [(folder.join("k"), Origin::Registry)]);
}

#[test]
fn jump_hosts_in_all_their_forms() {
    for (text, user, alias, port) in [
        ("h", None, "h", None),
        ("u@h:22", Some("u"), "h", Some(22)),
        ("ssh://u@h:9", Some("u"), "h", Some(9)),
        ("ssh://h/", None, "h", None),
        ("[::1]:9", None, "::1", Some(9)),
        ("::1", None, "::1", None),
        ("a@b@h", Some("a@b"), "h", None),
    ] {
        let spec = parse_spec(text).expect(text);
        assert_eq!((spec.user.as_deref(), spec.alias.as_str(), spec.port), (user, alias, port), "{text}");
    }
    for text in ["", "u@", "h:x", "[::1]9"] {
        assert_eq!(parse_spec(text), None, "{text}");
    }
}

#[test]
fn field_ssh_8_a_container_has_no_name_for_its_user() {
    let nameless = |user: Option<&str>| {
        let params = ConnParams { user: user.map(str::to_owned), ..ConnParams::default() };
        let (environment, server) = (SshEnvironment::default(), "gpu1".to_owned());
        route(&SshConfig { server, params, environment, secrets: None, accept_new: false })
    };
    assert_eq!(nameless(Some("ada")).expect("a route").target.user, "ada");
    let error = nameless(None).expect_err("nobody to be");
    assert_eq!(error.failure_kind(), FailureKind::Config);
    assert!(error.to_string().contains("set `user`"), "{error}");
}

#[test]
fn names_in_the_machines_own_file_are_relative_to_its_folder() {
    let folder = tempfile::tempdir().expect("folder");
    let (own, system) = (folder.path().join("own"), folder.path().join("system"));
    for place in [&own, &system] {
        fs::create_dir_all(place.join("conf.d")).expect("folder");
        write(&place.join("conf.d/a.conf"), &format!("IdentityFile {}/k\n", place.display()));
    }
    write(&own.join("config"), "Host *\n");
    write(&system.join("ssh_config"), "Include conf.d/*.conf\n");
    let environment = SshEnvironment {
        folder: Some(own.clone()),
        system_folder: Some(system.clone()),
        user: Some("me".to_owned()),
        ..SshEnvironment::default()
    };
    let config = SshConfig {
        server: "h".to_owned(),
        params: ConnParams::default(),
        environment,
        secrets: None,
        accept_new: false,
    };
    assert_eq!(named(&route(&config).expect("a route").target.identities), [(system.join("k"), Origin::Config)]);
    write(&own.join("config"), "Include conf.d/*.conf\n");
    let found = named(&route(&config).expect("a route").target.identities);
    assert_eq!(found, [(own.join("k"), Origin::Config), (system.join("k"), Origin::Config)]);
}

#[test]
fn tokens_of_jump_hosts_and_commands() {
    let config = "Host gpu1\n HostName %h.org\n User u\n Port 23\n ProxyJump %r@bastion-%p\nHost bastion-*\n ProxyCommand nc %h %p %n %r %%\n";
    let route = plan(config, ConnParams::default()).0.expect("a route");
    assert_eq!(route.jumps.len(), 1);
    let jump = &route.jumps[0];
    assert_eq!((jump.user.as_str(), jump.host.as_str()), ("u", "bastion-23"));
    let command = jump.proxy_command.as_ref().expect("a command");
    assert_eq!(
        (command.line.as_str(), command.shell.as_path()),
        ("nc bastion-23 22 bastion-23 u %", Path::new("/bin/sh"))
    );
    assert!(route.target.proxy_command.is_none());
    // Only the first of several jump hosts may have a proxy of its own.
    let config = "Host gpu1\n ProxyJump a,b\nHost b\n ProxyCommand never\n";
    let route = plan(config, ConnParams::default()).0.expect("a route");
    assert!(route.jumps.iter().all(|jump| jump.proxy_command.is_none()));
    // The registry's route takes precedence over the configuration's.
    let params = ConnParams { proxy_jump: Some("none".to_owned()), ..ConnParams::default() };
    let route = plan("ProxyCommand never\n", params).0.expect("a route");
    assert!(route.target.proxy_command.is_none() && route.jumps.is_empty());
}

#[test]
fn the_registrys_known_hosts_hold_for_jump_hosts_and_record_nothing_elsewhere() {
    let params = ConnParams { known_hosts: Some("/k".to_owned()), ..ConnParams::default() };
    let config = "GlobalKnownHostsFile none\nUserKnownHostsFile /u\nHost gpu1\n ProxyJump j\n";
    let route = plan(config, params).0.expect("a route");
    assert_eq!(route.target.known_hosts, [PathBuf::from("/k")]);
    assert_eq!(route.jumps[0].known_hosts, ["/k", "/u"].map(PathBuf::from));
    assert_eq!(route.jumps[0].record_in, Some(PathBuf::from("/k")));
    let target = plan("UserKnownHostsFile /h/%k\nHostKeyAlias lab\n", ConnParams::default()).0.expect("a route").target;
    assert_eq!((target.record_in, target.known_name.as_str()), (Some(PathBuf::from("/h/lab")), "lab"));
    let config = "UserKnownHostsFile none\nGlobalKnownHostsFile /g\n";
    let target = plan(config, ConnParams::default()).0.expect("a route").target;
    assert_eq!((target.known_hosts, target.record_in), (vec![PathBuf::from("/g")], None));
}

#[test]
fn a_variable_that_is_not_set_is_an_error_that_names_it() {
    let error = plan("IdentityFile ${NO_SUCH}/k\n", ConnParams::default()).0.expect_err("no such variable");
    assert_eq!(error.failure_kind(), FailureKind::Config);
    assert!(error.to_string().contains("`NO_SUCH`"), "{error}");
    let error = plan("CertificateFile ~no-such-user/k\n", ConnParams::default()).0.expect_err("no such user");
    assert!(error.to_string().contains("`no-such-user`"), "{error}");
}

#[test]
fn methods_of_the_configuration_and_of_the_registry() {
    let of = |config: &str, params: ConnParams| plan(config, params).0.expect("a route").target.methods;
    let usual = [Method::PublicKey, Method::KeyboardInteractive, Method::Password];
    assert_eq!(of("", ConnParams::default()), usual);
    assert_eq!(of("PubkeyAuthentication no\n", ConnParams::default()), usual[1..]);
    let preferred = "PreferredAuthentications gssapi-with-mic,password\n";
    assert_eq!(of(preferred, ConnParams::default()), [Method::Password]);
    let params = ConnParams { identity_file: Some("k".to_owned()), ..ConnParams::default() };
    assert_eq!(of(preferred, params), [Method::Password, Method::PublicKey]);
}
