//! The limits of sshd.

use mer_core::Exit;
use mer_meal::{Cancel, EndCause, Executor, Input};
use mer_testkit::sshd::Sshd;

use crate::{
    common::collect,
    support::{command, config, fake, run},
};

async fn many(sshd: &Sshd, sessions: u32, runs: usize) -> Executor {
    let mut config = config(sshd);
    config.params.max_sessions = Some(sessions);
    let executor = Executor::ssh(config);
    let mut tasks = Vec::new();
    for index in 0..runs {
        let executor = executor.clone();
        tasks.push(tokio::spawn(async move {
            let code = (index % 100).to_string();
            let (ended, out) =
                run(&executor, &command(&["sh", "-c", &format!("sleep 0.02; cat; exit {code}")]), code.as_bytes())
                    .await;
            assert_eq!(
                (ended.cause, ended.exit, ended.lost, String::from_utf8_lossy(&out).into_owned()),
                (EndCause::Done, Some(Exit::Code(code.parse().expect("number"))), None, code)
            );
        }));
    }
    for task in tasks {
        task.await.expect("a run");
    }
    executor
}

/// The number of logins in the log of sshd.
fn connections(sshd: &Sshd) -> usize {
    sshd.log().matches("Accepted publickey").count()
}

#[tokio::test]
async fn max_sessions_10() {
    let Some(sshd) = Sshd::start() else { return };
    many(&sshd, 2, 40).await;
    assert_eq!(connections(&sshd), 2);
}

/// Channels that are opened, closed and wait for their command at the same time do not take each other's replies.
#[tokio::test]
async fn runs_that_begin_while_others_end() {
    let Some(sshd) = Sshd::start() else { return };
    many(&sshd, 1, 200).await;
    assert_eq!(connections(&sshd), 1);
}

#[tokio::test]
async fn max_sessions_2() {
    let Some(sshd) = Sshd::builder().max_sessions(2).start() else { return };
    many(&sshd, 3, 12).await;
    assert!(connections(&sshd) <= 3, "{}", connections(&sshd));
}

/// One channel per connection: the watchdog has its own connection.
#[tokio::test]
async fn max_sessions_1() {
    let Some(sshd) = Sshd::builder().max_sessions(1).start() else { return };
    let executor = many(&sshd, 2, 8).await;
    assert!(connections(&sshd) <= 3, "{}", connections(&sshd));
    let run = executor.start(&fake(&["sleep"])).await.expect("starts");
    let cancel = Cancel::new();
    cancel.cancel();
    let spec = fake(&["sleep"]);
    let (ended, _) = collect(run, Input::Bytes(Vec::new().into()), &spec.bounds, &cancel).await;
    assert_eq!((ended.cause, ended.exit), (EndCause::Cancelled, Some(Exit::Signal(15))));
}

/// A refused channel does not close the connection, and its runs go on.
#[tokio::test]
async fn a_refused_channel_leaves_the_others_alone() {
    let Some(sshd) = Sshd::builder().max_sessions(2).start() else { return };
    let mut config = config(&sshd);
    config.params.max_sessions = Some(1);
    let executor = Executor::ssh(config);
    let mut first = executor.start(&command(&["cat"])).await.expect("starts");
    let second = tokio::spawn({
        let executor = executor.clone();
        async move { run(&executor, &fake(&["exit", "2"]), b"").await.0.exit }
    });
    // The second is refused, and waits.
    for _ in 0..50 {
        assert_eq!(first.stdin.write(b"still here").await.expect("written"), 10);
        assert_eq!(first.stdout.next().await.expect("read").as_deref(), Some(&b"still here"[..]));
    }
    assert!(!second.is_finished());
    drop(first.stdin);
    assert_eq!(first.control.wait().await, Exit::Code(0));
    assert_eq!(second.await.expect("ran"), Some(Exit::Code(2)));
    assert_eq!(connections(&sshd), 1);
}
