//! Host keys, and logging in.

use std::{
    fs,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use mer_core::{Bound, Classified as _, ConnParams, Exit, FailureKind};
use mer_meal::{Executor, SecretRequest, SshConfig, SshEnvironment, SshError, StartError, StepKind};
use mer_testkit::{
    faulty_ssh::FaultySsh,
    ssh_agent::SshAgent,
    sshd::{KeyType, Sshd},
};

use crate::support::{command, config, fake, faulty, folder, plain, run, secret, text, write_private};

pub(crate) async fn refused(config: SshConfig) -> SshError {
    match Executor::ssh(config).start(&fake(&["exit", "0"])).await {
        Err(StartError::Ssh(error)) => error,
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn works(config: SshConfig) {
    let (ended, _) = run(&Executor::ssh(config), &fake(&["exit", "5"]), b"").await;
    assert_eq!(ended.exit, Some(Exit::Code(5)));
}

#[tokio::test]
async fn an_unknown_key_is_refused_with_its_fingerprint_and_accepted_on_demand() {
    let Some(sshd) = Sshd::start() else { return };
    let (_folder, path) = folder();
    let mut config = config(&sshd);
    config.params.known_hosts = Some(text(&path.join("none_yet")));
    let error = refused(config.clone()).await;
    let SshError::KeyUnknown { fingerprint, .. } = &error else { panic!("{error:?}") };
    let shown = Command::new("ssh-keygen").args(["-lf", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut shown = shown.expect("ssh-keygen");
    std::io::Write::write_all(&mut shown.stdin.take().expect("stdin"), sshd.known_hosts().as_bytes()).expect("written");
    let shown = String::from_utf8(shown.wait_with_output().expect("output").stdout).expect("text");
    assert!(shown.contains(fingerprint.as_str()), "{fingerprint} is none of {shown}");
    assert_eq!(error.failure_kind(), FailureKind::Refused);
    assert!(!path.join("none_yet").exists(), "nothing is written without being asked");
    config.accept_new = true;
    works(config.clone()).await;
    config.accept_new = false;
    works(config).await;
    assert_eq!(fs::read_to_string(path.join("none_yet")).expect("written").lines().count(), 1);
}

#[tokio::test]
async fn a_changed_key_is_refused_even_when_new_ones_are_accepted() {
    let Some(server) = FaultySsh::builder().wrong_host_key().start() else { return };
    let mut config = faulty(&server);
    config.accept_new = true;
    let error = refused(config).await;
    let SshError::KeyChanged { fingerprint, expected, line: 1, .. } = &error else { panic!("{error:?}") };
    assert!(!expected.contains(fingerprint.as_str()) && expected.contains("SHA256:"), "{error}");
    assert_eq!(error.failure_kind(), FailureKind::Refused);
}

#[tokio::test]
async fn a_revoked_key_is_refused_though_it_is_known() {
    let Some(sshd) = Sshd::start() else { return };
    let mut config = config(&sshd);
    let file = sshd.folder().join("with_revoked");
    let known = sshd.known_hosts();
    let (_, key) = known.trim().split_once(' ').expect("names and key");
    fs::write(&file, format!("{known}\n@revoked * {key}\n")).expect("written");
    config.params.known_hosts = Some(text(&file));
    config.accept_new = true;
    let error = refused(config).await;
    assert!(matches!(error, SshError::KeyRevoked { .. }), "{error:?}");
    assert_eq!(error.failure_kind(), FailureKind::Refused);
}

#[tokio::test]
async fn hashed_names_and_every_type_of_key() {
    for kind in [KeyType::Ed25519, KeyType::Ecdsa, KeyType::Rsa] {
        let Some(sshd) = Sshd::builder().host_keys(&[kind]).client_key(kind).start() else { return };
        let mut config = config(&sshd);
        let file = sshd.folder().join("hashed");
        fs::write(&file, sshd.known_hosts_hashed()).expect("written");
        config.params.known_hosts = Some(text(&file));
        works(config).await;
    }
}

/// The server has three keys and prefers another one than the recorded one: this is no changed key.
#[tokio::test]
async fn the_known_type_of_key_is_asked_for() {
    let kinds = [KeyType::Ed25519, KeyType::Ecdsa, KeyType::Rsa];
    let Some(sshd) = Sshd::builder().host_keys(&kinds).start() else { return };
    for word in ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"] {
        let file = sshd.folder().join(word);
        let known = sshd.known_hosts();
        let lines: Vec<_> = known.lines().filter(|line| line.contains(word)).collect();
        assert_eq!(lines.len(), 1, "{word}");
        fs::write(&file, lines[0]).expect("written");
        let mut config = config(&sshd);
        config.params.known_hosts = Some(text(&file));
        works(config).await;
    }
}

#[tokio::test]
async fn a_key_with_a_passphrase() {
    let Some(sshd) = Sshd::builder().passphrase("open sesame").start() else { return };
    let mut config = config(&sshd);
    let error = refused(config.clone()).await;
    assert!(error.to_string().contains("passphrase"), "{error}");
    config.secrets = secret("wrong");
    assert!(matches!(refused(config.clone()).await, SshError::AuthFailed { .. }));
    config.secrets = secret("open sesame");
    works(config).await;
}

#[tokio::test]
async fn passwords_by_both_methods() {
    for keyboard in [false, true] {
        let builder = FaultySsh::builder().no_keys();
        let builder = if keyboard { builder.keyboard_interactive("s3cret") } else { builder.password("s3cret") };
        let Some(server) = builder.start() else { return };
        let asked = Arc::new(Mutex::new(Vec::new()));
        let mut config = faulty(&server);
        config.params.password_env = Some("PW".to_owned());
        let record = Arc::clone(&asked);
        config.secrets = Some(Arc::new(move |request: SecretRequest<'_>| {
            record.lock().expect("lock").push(format!("{request:?}"));
            Ok(Some("s3cret".to_owned()))
        }));
        works(config.clone()).await;
        assert_eq!(*asked.lock().expect("lock"), ["Env(\"PW\")"]);
        config.params.password_env = None;
        config.params.password = Some("s3cret".to_owned());
        config.secrets = None;
        works(config.clone()).await;
        config.params.password = Some("wrong-pw".to_owned());
        let error = refused(config).await;
        assert!(matches!(error, SshError::AuthFailed { .. }) && !error.to_string().contains("wrong-pw"), "{error}");
    }
}

#[tokio::test]
async fn what_was_tried_is_told() {
    let Some(sshd) = Sshd::builder().no_public_key().offer_password().start() else { return };
    let mut config = config(&sshd);
    config.params.password = Some("nobody-has-this".to_owned());
    let error = refused(config).await;
    let SshError::AuthFailed { tried, .. } = &error else { panic!("{error:?}") };
    assert!(tried.iter().any(|what| what.starts_with("password")), "{tried:?}");
    assert_eq!(error.failure_kind(), FailureKind::Refused);
    let Some(sshd) = Sshd::start() else { return };
    let mut config = config_with_other_key(&sshd);
    let SshError::AuthFailed { tried, .. } = refused(config.clone()).await else { panic!("another error") };
    assert!(tried[0].contains("other_key"), "{tried:?}");
    config.params.identity_file = Some("/no/such/key".to_owned());
    let error = refused(config).await;
    assert!(error.to_string().contains("/no/such/key"), "{error}");
}

fn config_with_other_key(sshd: &Sshd) -> SshConfig {
    let file = sshd.folder().join("other_key");
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&file).status();
    assert!(made.expect("ssh-keygen").success());
    let mut config = config(sshd);
    config.params.identity_file = Some(text(&file));
    config
}

#[tokio::test]
async fn authentication_that_hangs_has_its_bound() {
    let Some(server) = FaultySsh::builder().authentication_hangs().start() else { return };
    let mut config = faulty(&server);
    config.params.auth_timeout = Some(Bound::After(Duration::from_millis(300)));
    let begin = Instant::now();
    let error = refused(config).await;
    assert!(matches!(error, SshError::AuthTimedOut { .. }), "{error:?}");
    assert!(begin.elapsed() < Duration::from_secs(5));
    assert_eq!(error.failure_kind(), FailureKind::Unreachable);
}

#[tokio::test]
async fn the_ways_not_to_arrive_are_told_apart() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its number").port();
    let at = |host: &str, port: u16| {
        plain(ConnParams {
            host: Some(host.to_owned()),
            port: Some(port),
            user: Some("u".to_owned()),
            connect_timeout: Some(Bound::After(Duration::from_millis(400))),
            ..ConnParams::default()
        })
    };
    let error = refused(at("127.0.0.1", port)).await;
    assert!(matches!(error, SshError::Refused { .. }), "{error:?}");
    let error = refused(at("no-such-host.invalid", 22)).await;
    let unresolved = matches!(error, SshError::NotResolved { .. } | SshError::ConnectTimedOut { .. });
    assert!(unresolved, "{error:?}");
    // A server that accepts connections and sends nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let error = refused(at("127.0.0.1", silent.local_addr().expect("its number").port())).await;
    assert!(matches!(error, SshError::ConnectTimedOut { .. }), "{error:?}");
    assert_eq!(error.failure_kind(), FailureKind::Unreachable);
}

/// An alias of `~/.ssh/config` is enough.
#[tokio::test]
async fn an_alias_of_the_config_is_enough() {
    let Some(sshd) = Sshd::start() else { return };
    let (_folder, home) = folder();
    fs::create_dir(home.join(".ssh")).expect("folder");
    write_private(&home.join(".ssh/config"), &(sshd.ssh_config("gpu1") + "  RemoteForward 1 localhost:1\n"));
    let mut config = plain(ConnParams { host: Some("gpu1".to_owned()), ..ConnParams::default() });
    config.environment =
        SshEnvironment { folder: Some(home.join(".ssh")), home: Some(home), ..SshEnvironment::default() };
    let executor = Executor::ssh(config);
    let (ended, _) = run(&executor, &fake(&["exit", "5"]), b"").await;
    assert_eq!(ended.exit, Some(Exit::Code(5)));
    let warnings = executor.warnings();
    assert!(warnings.len() == 1 && warnings[0].contains("remoteforward"), "{warnings:?}");
}

#[tokio::test]
async fn two_jump_hosts_in_a_row() {
    let (Some(one), Some(two), Some(last)) = (Sshd::start(), Sshd::start(), Sshd::start()) else { return };
    let (_folder, home) = folder();
    fs::create_dir(home.join(".ssh")).expect("folder");
    let text = one.ssh_config("one") + &two.ssh_config("two") + &last.ssh_config("gpu1") + "  ProxyJump one,two\n";
    write_private(&home.join(".ssh/config"), &text);
    let mut config = plain(ConnParams { host: Some("gpu1".to_owned()), ..ConnParams::default() });
    config.environment =
        SshEnvironment { folder: Some(home.join(".ssh")), home: Some(home), ..SshEnvironment::default() };
    let executor = Executor::ssh(config.clone());
    let report = executor.ping().await.expect("a report");
    assert!(report.failed.is_none(), "{report:?}");
    let hosts: Vec<_> =
        report.steps.iter().filter(|step| step.kind == StepKind::Authenticate).map(|step| &step.host).collect();
    assert_eq!(hosts.len(), 3);
    let input = vec![b'j'; 5_000_000];
    let (ended, out) = run(&executor, &fake(&["echo"]), &input).await;
    assert_eq!((ended.exit, out.len()), (Some(Exit::Code(0)), input.len()));
    for sshd in [&one, &two] {
        assert!(sshd.log().contains("Accepted publickey"), "passed through");
    }
    // The error names a jump host that refuses the login.
    let Some(wall) = Sshd::builder().option("AllowTcpForwarding", "no").start() else { return };
    write_private(
        &config.environment.folder.as_ref().expect("folder").join("config"),
        &(wall.ssh_config("one") + &last.ssh_config("gpu1") + "  ProxyJump one\n"),
    );
    let error = refused(config).await;
    let SshError::NoWayOn { host, hop, .. } = &error else { panic!("{error:?}") };
    assert!(host.ends_with(&last.port().to_string()) && hop.ends_with(&wall.port().to_string()), "{error:?}");
}

/// Without HOME, agent and user name; and with an agent.
#[tokio::test]
async fn the_agent_where_there_is_one() {
    let Some(sshd) = Sshd::start() else { return };
    let Some(agent) = SshAgent::start() else { return };
    agent.add(sshd.client_key());
    let mut config = config(&sshd);
    config.params.identity_file = None;
    config.environment.agent = Some(agent.socket().to_owned());
    works(config.clone()).await;
    config.environment.agent = Some(agent.socket().with_extension("missing"));
    let error = refused(config).await;
    assert!(error.to_string().contains("agent"), "{error}");
}

#[tokio::test]
async fn ping_reports_each_step_and_the_error() {
    let Some(sshd) = Sshd::start() else { return };
    let report = Executor::ssh(config(&sshd)).ping().await.expect("a report");
    let kinds: Vec<_> = report.steps.iter().map(|step| step.kind).collect();
    use StepKind::{Authenticate, Command, Connect, HostKey, Resolve};
    assert_eq!(kinds, [Resolve, Connect, HostKey, Authenticate, Command]);
    let mut unknown = config(&sshd);
    unknown.params.known_hosts = Some("/no/such/file".to_owned());
    let report = Executor::ssh(unknown).ping().await.expect("a report");
    let (step, error) = report.failed.expect("a step that failed");
    assert_eq!(step.kind, HostKey);
    assert!(matches!(error, SshError::KeyUnknown { .. }));
    assert_eq!(report.steps.len(), 2);
}

#[tokio::test]
async fn addresses_of_both_versions() {
    let Some(sshd) = Sshd::start() else { return };
    for address in sshd.addresses() {
        let mut config = config(&sshd);
        config.params.host = Some(address.ip().to_string());
        works(config).await;
    }
    let mut config = config(&sshd);
    config.params.host = Some("localhost".to_owned());
    works(config.clone()).await;
    let (ended, _) = run(&Executor::ssh(config), &command(&["true"]), b"").await;
    assert_eq!(ended.exit, Some(Exit::Code(0)));
}
