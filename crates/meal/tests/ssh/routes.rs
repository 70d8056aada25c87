//! Routes to a server: `ProxyCommand`, host keys under other names, and variables of the configuration.

use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use mer_core::{Bound, Classified as _, Exit, FailureKind};
use mer_meal::{Executor, SshConfig, SshError};
use mer_testkit::{processes, sshd::Sshd};

use crate::{
    keys::{refused, works},
    support::{BOUND, Home, command, config, fake, folder, run, text},
};

/// `ssh -W` through another server, with text in front.
fn through(jump: &Sshd, before: &str) -> String {
    let file = jump.folder().join("proxy_config");
    fs::write(&file, jump.ssh_config("jump")).expect("a configuration");
    format!("sh -c '{before} exec ssh -F {} -o BatchMode=yes -W [%h]:%p jump'", file.display())
}

fn environment() -> Arc<std::collections::BTreeMap<String, String>> {
    let path = std::env::var("PATH").expect("a PATH");
    Arc::new([("PATH".to_owned(), path), ("SHELL".to_owned(), "/bin/sh".to_owned())].into())
}

fn proxied(home: &Home, sshd: &Sshd) -> SshConfig {
    let mut config = home.config(sshd);
    config.params.identity_file = Some(text(sshd.client_key()));
    config.environment.variables = environment();
    config
}

#[tokio::test]
async fn a_proxy_command_carries_the_connection_and_ends_with_it() {
    let (Some(jump), Some(sshd)) = (Sshd::start(), Sshd::start()) else { return };
    let (_folder, path) = folder();
    let pids = path.join("pids");
    // The command leaves a process in its group.
    let before = format!("sleep 300 & echo $! $$ > {};", pids.display());
    let home = Home::new(&format!("ProxyCommand {}\n", through(&jump, &before)));
    let executor = Executor::ssh(proxied(&home, &sshd));
    let input = vec![b'p'; 3_000_000];
    let (ended, out) = run(&executor, &fake(&["echo"]), &input).await;
    assert_eq!((ended.exit, out.len()), (Some(Exit::Code(0)), input.len()));
    assert_eq!(executor.warnings(), [""; 0]);
    assert!(jump.log().contains("Accepted publickey"), "passed through");
    let pids = fs::read_to_string(pids).expect("pids");
    let pids: Vec<u32> = pids.split_whitespace().map(|pid| pid.parse().expect("a pid")).collect();
    assert!(pids.iter().all(|pid| processes::alive(*pid)));
    drop(executor);
    processes::until("the end of its group", BOUND, || !pids.iter().any(|pid| processes::alive(*pid)));
}

#[tokio::test]
async fn a_proxy_command_that_fails_is_told_with_its_words() {
    let Some(sshd) = Sshd::start() else { return };
    let home = Home::new("ProxyCommand sh -c 'echo no way to %h:%p as %r >&2; exit 3'\n");
    let error = refused(proxied(&home, &sshd)).await;
    let SshError::ProxyCommand { detail, .. } = &error else { panic!("{error:?}") };
    let said = format!("no way to {}:{} as {}", sshd.host(), sshd.port(), sshd.user());
    assert!(detail.contains("exit status: 3") && detail.contains(&said), "{error}");
    assert_eq!(error.failure_kind(), FailureKind::Unreachable);
    let mut config = proxied(&home, &sshd);
    config.environment.variables = Arc::new([("SHELL".to_owned(), "/no/shell".to_owned())].into());
    let error = refused(config).await;
    assert!(matches!(&error, SshError::ProxyCommand { detail, .. } if detail.contains("/no/shell")), "{error:?}");
}

#[tokio::test]
async fn a_proxy_command_that_says_nothing_has_its_bound() {
    let Some(sshd) = Sshd::start() else { return };
    let (_folder, path) = folder();
    let pid = path.join("pid");
    let home = Home::new(&format!("ProxyCommand sh -c 'echo $$ > {}; exec sleep 300'\n", pid.display()));
    let mut config = proxied(&home, &sshd);
    config.params.connect_timeout = Some(Bound::After(Duration::from_millis(700)));
    let begin = Instant::now();
    let error = refused(config).await;
    assert!(matches!(error, SshError::ConnectTimedOut { .. }), "{error:?}");
    assert!(begin.elapsed() < BOUND);
    let pid = fs::read_to_string(pid).expect("a pid").trim().parse().expect("a number");
    processes::until("the end of the command", BOUND, || !processes::alive(pid));
}

#[tokio::test]
async fn a_jump_host_may_have_a_proxy_command() {
    let (Some(first), Some(jump), Some(sshd)) = (Sshd::start(), Sshd::start(), Sshd::start()) else { return };
    let home = Home::new(&format!("Host {}\n  ProxyJump %r@middle\n", sshd.host()));
    let block = jump.ssh_config("middle") + &format!("  ProxyCommand {}\n", through(&first, ""));
    home.append(&block);
    works(proxied(&home, &sshd)).await;
    assert!(first.log().contains("Accepted publickey") && jump.log().contains("Accepted publickey"));
}

#[tokio::test]
async fn a_key_that_is_known_without_the_port() {
    let Some(sshd) = Sshd::start() else { return };
    let (_folder, path) = folder();
    let file = path.join("known");
    let known = sshd.known_hosts();
    let (_, key) = known.trim().split_once(' ').expect("names and key");
    fs::write(&file, format!("{} {key}\n", sshd.host())).expect("written");
    let mut config = config(&sshd);
    config.params.known_hosts = Some(text(&file));
    works(config).await;
}

#[tokio::test]
async fn the_second_usual_file_of_known_hosts() {
    let Some(sshd) = Sshd::start() else { return };
    let home = Home::new("");
    fs::write(home.folder().join("known_hosts2"), sshd.known_hosts()).expect("written");
    let mut config = proxied(&home, &sshd);
    config.params.known_hosts = None;
    works(config).await;
}

#[tokio::test]
async fn a_new_key_that_cannot_be_written_down_is_accepted_with_a_warning() {
    let Some(sshd) = Sshd::start() else { return };
    let (_folder, path) = folder();
    let file = path.join("file");
    fs::write(&file, "").expect("written");
    let below = file.join("known");
    for text in [
        format!("StrictHostKeyChecking accept-new\nUserKnownHostsFile {}\n", below.display()),
        "StrictHostKeyChecking no\nUserKnownHostsFile none\n".to_owned(),
        "StrictHostKeyChecking no\nUserKnownHostsFile /dev/null\n".to_owned(),
    ] {
        let home = Home::new(&text);
        let mut config = proxied(&home, &sshd);
        config.params.known_hosts = None;
        works(config).await;
    }
    // If recording the key was requested, a failure to do so is an error.
    let mut config = config(&sshd);
    config.params.known_hosts = Some(text(&below));
    config.accept_new = true;
    let error = refused(config).await;
    assert!(matches!(error, SshError::KnownHosts { .. }), "{error:?}");
}

#[tokio::test]
async fn this_machine_needs_no_known_key_where_the_configuration_says_so() {
    let Some(sshd) = Sshd::start() else { return };
    for (value, known) in [("yes", true), ("no", false)] {
        let home = Home::new(&format!("NoHostAuthenticationForLocalhost {value}\n"));
        let mut config = proxied(&home, &sshd);
        config.params.known_hosts = None;
        if known {
            works(config).await;
        } else {
            assert!(matches!(refused(config).await, SshError::KeyUnknown { .. }));
        }
    }
}

#[tokio::test]
async fn the_known_hosts_of_the_registry_hold_for_jump_hosts() {
    let (Some(jump), Some(sshd)) = (Sshd::start(), Sshd::start()) else { return };
    let block = jump.ssh_config("jump");
    let block: Vec<_> = block.lines().filter(|line| !line.contains("UserKnownHostsFile")).collect();
    let home = Home::new(&format!("Host {}\n  ProxyJump jump\n{}\n", sshd.host(), block.join("\n")));
    let mut config = proxied(&home, &sshd);
    let file = home.folder().join("both");
    fs::write(&file, sshd.known_hosts() + &jump.known_hosts()).expect("written");
    config.params.known_hosts = Some(text(&file));
    works(config.clone()).await;
    fs::write(&file, sshd.known_hosts()).expect("written");
    let error = refused(config).await;
    assert!(matches!(&error, SshError::Jump { source, .. } if matches!(**source, SshError::KeyUnknown { .. })));
}

#[tokio::test]
async fn variables_of_the_configuration_reach_the_model() {
    let Some(sshd) = Sshd::start() else { return };
    let home = Home::new("SendEnv SENT_* NEVER\nSendEnv -NEVER\nSetEnv FIXED='two words' SENT_B=fixed OWN=config\n");
    let mut config = proxied(&home, &sshd);
    let variables = [("SENT_A", "a"), ("SENT_B", "b"), ("NEVER", "n"), ("OTHER", "o")];
    let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    config.environment.variables = Arc::new(variables.collect());
    let print = "printf '%s|' \"$SENT_A\" \"$SENT_B\" \"$NEVER\" \"$OTHER\" \"$FIXED\" \"$OWN\"";
    let mut spec = command(&["sh", "-c", print]);
    spec.env.insert("OWN".into(), "model".into());
    let (ended, out) = run(&Executor::ssh(config), &spec, b"").await;
    assert_eq!(ended.exit, Some(Exit::Code(0)));
    assert_eq!(String::from_utf8_lossy(&out), "a|fixed|||two words|model|");
}

#[tokio::test]
async fn a_refused_connection_is_tried_as_often_as_the_configuration_says() {
    let Some(sshd) = Sshd::start() else { return };
    let home = Home::new("ConnectionAttempts 2\n");
    let mut config = proxied(&home, &sshd);
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its number").port();
    config.params.port = Some(port);
    let begin = Instant::now();
    let error = refused(config.clone()).await;
    assert!(matches!(error, SshError::Refused { .. }), "{error:?}");
    assert!(begin.elapsed() >= Duration::from_secs(1), "there is a second between the two");
    // Within the bound.
    config.params.connect_timeout = Some(Bound::After(Duration::from_millis(500)));
    let begin = Instant::now();
    refused(config).await;
    assert!(begin.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn the_algorithms_of_the_configuration_are_asked_for() {
    let Some(sshd) = Sshd::builder().option("Ciphers", "aes256-ctr").start() else { return };
    works(proxied(&Home::new("Ciphers aes256-ctr,unknown-cipher\nMACs -umac*\nKexAlgorithms ^curve25519*\n"), &sshd))
        .await;
    let error = refused(proxied(&Home::new("Ciphers aes128-ctr\n"), &sshd)).await;
    assert!(matches!(error, SshError::NothingInCommon { .. }), "{error:?}");
    let error = refused(proxied(&Home::new("HostKeyAlgorithms ssh-unknown\n"), &sshd)).await.to_string();
    assert!(error.contains("`HostKeyAlgorithms ssh-unknown` of the SSH configuration leaves none"), "{error}");
}

#[tokio::test]
async fn a_configuration_that_others_may_write_to_is_not_used() {
    use std::os::unix::fs::PermissionsExt;
    let Some(sshd) = Sshd::start() else { return };
    let (_folder, path) = folder();
    let ran = path.join("ran");
    let home = Home::new(&format!("ProxyCommand touch {}\n", ran.display()));
    let file = home.folder().join("config");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).expect("a mode");
    let executor = Executor::ssh(proxied(&home, &sshd));
    let (ended, _) = run(&executor, &command(&["true"]), b"").await;
    assert_eq!(ended.exit, Some(Exit::Code(0)));
    assert!(!ran.exists());
    let warnings = executor.warnings();
    assert!(warnings.len() == 1 && warnings[0].contains("is not used: it belongs to another user"), "{warnings:?}");
}
