//! Ways as they are planned, with real files.

use std::{fs, path::PathBuf, time::Duration};

use mer_core::{Bound, ConnParams};

use super::{Route, parse_spec, route};
use crate::ssh::{SshConfig, SshError, SshPlaces, target::Password};

fn plan(config: &str, params: ConnParams) -> (Result<Route, SshError>, tempfile::TempDir) {
    let home = tempfile::tempdir().expect("folder");
    let folder = home.path().join(".ssh");
    fs::create_dir(&folder).expect("folder");
    fs::write(folder.join("config"), config).expect("config");
    let places = SshPlaces {
        home: Some(home.path().to_owned()),
        folder: Some(folder),
        user: Some("me".to_owned()),
        agent: Some(PathBuf::from("/agent")),
        system_folder: None,
    };
    let config = SshConfig { server: "gpu1".to_owned(), params, places, secrets: None, accept_new: false };
    (route(&config), home)
}

#[test]
fn field_ssh_7_the_registry_wins_over_the_config() {
    let config = "Host gpu1\n HostName %h.org\n User u\n Port 1\n IdentityFile ~/k-%r\n ServerAliveInterval 9\n";
    let (route, home) = plan(config, ConnParams::default());
    let target = route.expect("a route").target;
    assert_eq!((target.host.as_str(), target.port, target.user.as_str()), ("gpu1.org", 1, "u"));
    assert_eq!(target.known_name, "[gpu1.org]:1");
    assert_eq!(target.identities, [(home.path().join("k-u"), false)]);
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
    assert_eq!(target.identities, [(home.path().join("own"), true), (home.path().join("k-r"), false)]);
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
    fs::write(folder.join("conf.d/1.conf"), "Port 5\n").expect("file");
    fs::write(folder.join("config"), "Include conf.d/*.conf ~/.ssh/none\nPort 6\n").expect("file");
    let places = SshPlaces { folder: Some(folder), user: Some("me".to_owned()), ..SshPlaces::default() };
    let server = "gpu1".to_owned();
    let config = SshConfig { server, params: ConnParams::default(), places, secrets: None, accept_new: false };
    assert_eq!(route(&config).expect("a route").target.port, 5);
}

#[test]
fn field_ssh_8_no_home_no_user_no_agent() {
    let folder = PathBuf::from("/settings/ssh");
    let mut config = SshConfig {
        server: "gpu1".to_owned(),
        params: ConnParams { identity_file: Some("~/.ssh/k".to_owned()), ..ConnParams::default() },
        places: SshPlaces { folder: Some(folder.clone()), ..SshPlaces::default() },
        secrets: None,
        accept_new: false,
    };
    let error = route(&config).expect_err("nobody logs in");
    assert!(error.to_string().contains("set `user`"), "{error}");
    config.params.user = Some("u".to_owned());
    let target = route(&config).expect("a route").target;
    assert_eq!(target.agent, None);
    assert_eq!(target.known_hosts, [folder.join("known_hosts")]);
    assert_eq!(target.identities, [(folder.join("k"), true)]);
}

#[test]
fn jump_hosts_in_all_their_forms() {
    for (text, user, alias, port) in [
        ("h", None, "h", None),
        ("u@h:22", Some("u"), "h", Some(22)),
        ("ssh://u@h:9", Some("u"), "h", Some(9)),
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
        let (places, server) = (SshPlaces::default(), "gpu1".to_owned());
        route(&SshConfig { server, params, places, secrets: None, accept_new: false })
    };
    assert_eq!(nameless(Some("ada")).expect("a route").target.user, "ada");
    let error = nameless(None).expect_err("nobody to be");
    assert_eq!(error.exit_code(), 78);
    assert!(error.to_string().contains("set `user`"), "{error}");
}
