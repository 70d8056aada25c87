//! No process stays behind on the server.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use mer_core::{Bound, Classified as _, Exit, FailureKind};
use mer_meal::{Cancel, EndCause, Executor, Input, SshConfig};
use mer_testkit::{
    network::{Cable, Direction, Proxy},
    processes,
    sshd::Sshd,
};

use crate::{
    common::{bounds, collect},
    support::{self, BOUND, command, config, fake, is_ended_by, run, text},
};

/// The remote processes of the fake model, without the shells beside them.
fn models(sshd: &Sshd) -> Vec<u32> {
    let is_model = |pid: &u32| processes::describe(*pid).contains("fake-model");
    processes::with_nonce(sshd.nonce()).into_iter().filter(is_model).filter(|pid| processes::alive(*pid)).collect()
}

fn until_gone(sshd: &Sshd, bound: Duration) {
    processes::until("the models over there are gone", bound, || models(sshd).is_empty());
}

#[tokio::test]
async fn a_cancelled_run_has_an_exit_only_when_its_group_is_gone() {
    let Some(sshd) = Sshd::start() else { return };
    let executor = Executor::ssh(config(&sshd));
    for (args, signal) in [(&["say-and-sleep"][..], 15), (&["ignore-term"], 9)] {
        is_ended_by(signal, &executor, args).await;
        // At once, because the end was verified.
        assert_eq!(models(&sshd), [0; 0]);
    }
}

#[tokio::test]
async fn a_timeout_ends_the_group_with_its_grandchildren() {
    let Some(sshd) = Sshd::start() else { return };
    let executor = Executor::ssh(config(&sshd));
    let mut spec =
        command(&["sh", "-c", &format!("{} sleep & {} ignore-term & wait", crate::common::FAKE, crate::common::FAKE)]);
    spec.bounds = bounds(500);
    let (ended, _) = run(&executor, &spec, b"").await;
    assert!(matches!(ended.cause, EndCause::Timeout { .. }), "{:?}", ended.cause);
    assert!(ended.exit.is_some(), "it is proven to be gone");
    assert_eq!(models(&sshd), [0; 0]);
}

/// A grandchild that inherits stdout does not keep the run open.
#[tokio::test]
async fn a_grandchild_that_holds_the_pipes_does_not_hold_the_run() {
    let Some(sshd) = Sshd::start() else { return };
    let executor = Executor::ssh(config(&sshd));
    let begin = Instant::now();
    let (ended, out) = run(&executor, &fake(&["grandchild", "60"]), b"").await;
    assert_eq!((ended.cause, ended.exit), (EndCause::Done, Some(Exit::Code(0))));
    assert!(!out.is_empty() && begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
    until_gone(&sshd, BOUND);
}

#[tokio::test]
async fn dropping_a_run_ends_it() {
    let Some(sshd) = Sshd::start() else { return };
    let executor = Executor::ssh(config(&sshd));
    drop(executor.start(&fake(&["ignore-term"])).await.expect("starts"));
    until_gone(&sshd, BOUND);
    drop(executor.start(&fake(&["sleep"])).await.expect("starts"));
    // Drops the executor and all its sessions too.
    drop(executor);
    until_gone(&sshd, BOUND);
}

/// The client is killed.
#[tokio::test]
async fn kill_minus_9_ends_the_remote_group() {
    let Some(sshd) = Sshd::start() else { return };
    let mut client = Command::new(crate::common::FAKE)
        .args(["remote-parent", &sshd.host(), &sshd.port().to_string(), sshd.user(), &text(sshd.client_key())])
        .args([text(&sshd.known_hosts_file())])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the client");
    let mut line = String::new();
    let out = client.stdout.take().expect("stdout");
    std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line).expect("a line");
    assert_eq!(line, "started\n");
    assert_eq!(models(&sshd).len(), 1);
    client.kill().expect("killed");
    client.wait().expect("ended");
    // The model ignores TERM: KILL comes after the grace period.
    until_gone(&sshd, BOUND);
}

/// The cable is pulled, and the server does not know it. A black hole stands for the cable.
#[tokio::test]
async fn a_silent_client_is_missed_after_orphan_after() {
    let Some(sshd) = Sshd::start() else { return };
    let proxy = Proxy::to(sshd.addresses()[0]);
    let (executor, run) = through(&sshd, &proxy).await;
    proxy.hold();
    until_gone(&sshd, BOUND);
    drop((run, executor));
}

/// A connection that is cut while it is made is made again, or is lost. It is never taken for a refusal, wherever it is
/// cut.
#[tokio::test]
async fn a_connection_that_is_cut_while_it_logs_in_was_not_refused() {
    let Some(sshd) = Sshd::start() else { return };
    let whole = Proxy::to(sshd.addresses()[0]);
    let through_whole = Executor::ssh(config_through(&sshd, &whole));
    through_whole.connect().await.expect("connects");
    let lengths = [Direction::ToServer, Direction::ToClient].map(|direction| (direction, whole.forwarded(direction)));
    for (direction, length) in lengths {
        let mut again = 0;
        for part in 1..=40 {
            let proxy = Proxy::to(sshd.addresses()[0]);
            proxy.cut_after(direction, length * part / 40);
            let executor = Executor::ssh(config_through(&sshd, &proxy));
            match executor.connect().await {
                Ok(()) => again += u32::from(proxy.connections() > 1),
                Err(error) => assert_eq!(error.failure_kind(), FailureKind::Unreachable, "{part} of 40: {error}"),
            }
        }
        // What the watchdog sends after the login may be in the length too.
        assert!(again >= 10, "{direction:?}: only {again} of 40 were made again");
    }
    drop(through_whole);
}

async fn through(sshd: &Sshd, proxy: &Proxy) -> (Executor, mer_meal::Run) {
    let executor = Executor::ssh(config_through(sshd, proxy));
    let mut run = executor.start(&fake(&["ignore-term"])).await.expect("starts");
    assert_eq!(run.stdout.next().await.expect("read").as_deref(), Some(&b"ready\n"[..]));
    (executor, run)
}

fn config_through(sshd: &Sshd, proxy: &Proxy) -> SshConfig {
    let mut config = config(sshd);
    let file = sshd.folder().join("known_by_proxy");
    let (_, key) = sshd.known_hosts().trim().split_once(' ').map(|(a, b)| (a.to_owned(), b.to_owned())).expect("key");
    std::fs::write(&file, format!("[127.0.0.1]:{} {key}\n", proxy.address().port())).expect("written");
    config.params.known_hosts = Some(text(&file));
    config.params.host = Some("127.0.0.1".to_owned());
    config.params.port = Some(proxy.address().port());
    config.params.orphan_after = Some(Bound::After(Duration::from_millis(1500)));
    config.params.keepalive_interval = Some(Bound::secs(2));
    config.params.keepalive_count = Some(1);
    config
}

/// A half-open connection is noticed within its bound, and the run gets an error.
#[tokio::test]
async fn a_half_open_link_is_noticed() {
    let Some(sshd) = Sshd::start() else { return };
    let proxy = Proxy::to(sshd.addresses()[0]);
    let (executor, mut run) = through(&sshd, &proxy).await;
    proxy.hold();
    let begin = Instant::now();
    assert_eq!(run.control.wait().await, Exit::Lost);
    assert!(begin.elapsed() < BOUND);
    // The next run makes a new connection.
    proxy.release();
    let (ended, _) = support::run(&executor, &fake(&["exit", "6"]), b"").await;
    assert_eq!(ended.exit, Some(Exit::Code(6)));
}

/// A connection that stalls and recovers is kept.
#[tokio::test]
async fn a_stall_that_recovers_is_not_killed() {
    let Some(sshd) = Sshd::start() else { return };
    let mut config = config(&sshd);
    config.params.orphan_after = Some(Bound::secs(30));
    let executor = Executor::ssh(config);
    let mut run = executor.start(&command(&["cat"])).await.expect("starts");
    sshd.freeze();
    assert_eq!(run.stdin.write(b"hello").await.expect("written"), 5);
    let silence = tokio::time::timeout(Duration::from_millis(700), run.stdout.next()).await;
    sshd.thaw();
    assert!(silence.is_err(), "it was frozen");
    assert_eq!(run.stdout.next().await.expect("read").as_deref(), Some(&b"hello"[..]));
    drop(run.stdin);
    assert_eq!(run.control.wait().await, Exit::Code(0));
}

#[tokio::test]
async fn a_connection_cut_in_the_middle_is_lost_and_the_next_one_works() {
    let Some(sshd) = Sshd::start() else { return };
    let proxy = Proxy::to(sshd.addresses()[0]);
    let (executor, run) = through(&sshd, &proxy).await;
    let spec = fake(&["ignore-term"]);
    let cut = async { proxy.cut() };
    let cancel = Cancel::new();
    let (ended, ()) = tokio::join!(collect(run, Input::Bytes(Vec::new().into()), &spec.bounds, &cancel), cut);
    assert_eq!((ended.0.cause, ended.0.exit), (EndCause::Done, Some(Exit::Lost)));
    until_gone(&sshd, BOUND);
    let (ended, _) = support::run(&executor, &fake(&["exit", "6"]), b"").await;
    assert_eq!(ended.exit, Some(Exit::Code(6)));
    // Cut again after some bytes of a reply.
    proxy.cut_after(Direction::ToClient, proxy.forwarded(Direction::ToClient) + 100_000);
    let (ended, out) = support::run(&executor, &command(&["cat"]), &vec![b'x'; 4_000_000]).await;
    assert_eq!(ended.exit, Some(Exit::Lost));
    assert!(out.len() < 4_000_000);
}

/// A real cable is pulled: both ends end the run by themselves.
#[test]
fn the_cable_is_pulled() {
    let Some(cable) = Cable::new() else { return };
    let Some(sshd) = Sshd::builder().at_server_of(&cable).start() else { return };
    let mut config = config(&sshd);
    config.params.orphan_after = Some(Bound::After(Duration::from_millis(1500)));
    config.params.keepalive_interval = Some(Bound::secs(2));
    config.params.keepalive_count = Some(1);
    let cable = &cable;
    let sshd = &sshd;
    cable.at_client(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let executor = Executor::ssh(config);
            let mut run = executor.start(&fake(&["ignore-term"])).await.expect("starts");
            assert_eq!(run.stdout.next().await.expect("read").as_deref(), Some(&b"ready\n"[..]));
            cable.pull();
            assert_eq!(run.control.wait().await, Exit::Lost);
        });
    });
    until_gone(sshd, BOUND);
}

/// A watchdog that is killed ends no run, and its groups do not stay unguarded.
#[tokio::test]
async fn a_watchdog_that_is_killed() {
    let Some(sshd) = Sshd::start() else { return };
    let executor = Executor::ssh(config(&sshd));
    let mut first = executor.start(&command(&["cat"])).await.expect("starts");
    // It has answered, so that the shell beside it has its child by now.
    assert_eq!(first.stdin.write(b"w").await.expect("written"), 1);
    assert_eq!(first.stdout.next().await.expect("read").as_deref(), Some(&b"w"[..]));
    let is_watchdog = |pid: &u32| {
        let below = processes::descendants(*pid);
        processes::describe(*pid).contains("sh -c")
            && !below.iter().any(|pid| processes::describe(*pid).ends_with(" cat"))
    };
    let watchdogs: Vec<_> = processes::with_nonce(sshd.nonce()).into_iter().filter(is_watchdog).collect();
    assert!(!watchdogs.is_empty());
    watchdogs.into_iter().for_each(processes::kill);
    assert_eq!(first.stdin.write(b"x").await.expect("written"), 1);
    assert_eq!(first.stdout.next().await.expect("read").as_deref(), Some(&b"x"[..]));
    let (ended, _) = run(&executor, &fake(&["exit", "6"]), b"").await;
    assert_eq!(ended.exit, Some(Exit::Code(6)));
    // The new watchdog guards the old groups too.
    let cancel = Cancel::new();
    cancel.cancel();
    let (_sender, open) = tokio::sync::mpsc::channel(1);
    let (ended, _) = collect(first, Input::Stream(open), &bounds(5000), &cancel).await;
    assert_eq!((ended.cause, ended.exit), (EndCause::Cancelled, Some(Exit::Signal(15))));
}

/// The shell beside the model ignores TERM, the model does not: also between its fork and its exec.
#[tokio::test]
async fn a_run_that_is_cancelled_at_once_ends_by_the_first_signal() {
    let Some(sshd) = Sshd::start() else { return };
    let executor = Executor::ssh(config(&sshd));
    for round in 0..40 {
        let spec = command(&["sleep", "600"]);
        let run = executor.start(&spec).await.expect("starts");
        let cancel = Cancel::new();
        cancel.cancel();
        let (ended, _) = collect(run, Input::Bytes(Vec::new().into()), &spec.bounds, &cancel).await;
        assert_eq!((ended.cause, ended.exit), (EndCause::Cancelled, Some(Exit::Signal(15))), "round {round}");
    }
}
