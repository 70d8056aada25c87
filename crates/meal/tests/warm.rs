//! Breaks in the field with processes and pipes, for `lines` and `token`.

mod common;

use std::time::{Duration, Instant};

use bytes::Bytes;
use common::{Warm, eventually, executor, runs, serve};
use mer_core::{Bound, Exit, Protocol};
use mer_meal::{BoundName, Cancel, EndCause, WarmError, WarmProcess};
use tokio::sync::mpsc;

const BOTH: [Protocol; 2] = [Protocol::Lines, Protocol::Token];

#[tokio::test]
async fn one_process_serves_many_requests_and_leaves_when_asked() {
    for protocol in BOTH {
        let mut warm = Warm::start(&serve(protocol, "at-once")).await.expect("starts");
        for at in 0..200 {
            let (ended, reply) = warm.ask(&format!("request {at}")).await;
            assert_eq!((ended.cause, reply), (EndCause::Done, format!("request {at}\n")));
            assert_eq!(ended.exit, None);
            assert!(warm.0.is_alive());
        }
        let begin = Instant::now();
        let exit = warm.0.stop(Duration::from_secs(20), &Cancel::new()).await;
        assert_eq!(exit, Some(Exit::Code(0)));
        assert!(begin.elapsed() < Duration::from_secs(5));
    }
}

#[tokio::test]
async fn token_carries_many_lines_and_is_heard_before_it_has_ended() {
    let mut warm = Warm::start(&serve(Protocol::Token, "0")).await.expect("starts");
    let (ended, reply) = warm.ask("a\n\n@!#START#!@\n STOP\r\nlast").await;
    assert_eq!((ended.cause, reply.as_str()), (EndCause::Done, "a\n\n@!#START#!@\n STOP\r\nlast\n"));
    let (out, mut taken) = mpsc::channel::<Bytes>(4);
    let cancel = Cancel::new();
    let pid = warm.0.pid();
    let ask = warm.0.request(b"drip", &out, Bound::secs(20), &cancel);
    let watch = async {
        assert_eq!(taken.recv().await.as_deref(), Some(&b"Once upon"[..]));
        cancel.cancel();
    };
    let (ended, ()) = tokio::join!(ask, watch);
    // It waits for a token that never comes, and is ended after the grace period.
    assert_eq!((ended.cause, ended.stdout_bytes), (EndCause::Cancelled, 9));
    assert!(!runs(pid) && !warm.0.is_alive());
}

#[tokio::test]
async fn long_replies_stream_and_long_requests_do_not_block() {
    for protocol in BOTH {
        let mut warm = Warm::start(&serve(protocol, "0")).await.expect("starts");
        let (ended, reply) = warm.ask("long 20000000").await;
        assert_eq!((ended.cause, reply.len()), (EndCause::Done, 20_000_000 + "long 20000000\n".len()));
        let request = "y".repeat(3_000_000);
        let (ended, reply) = warm.ask(&request).await;
        assert_eq!((ended.cause, reply == request + "\n"), (EndCause::Done, true));
    }
}

/// 256 KiB of stderr come before the reply.
#[tokio::test]
async fn stderr_is_drained_before_during_and_between_requests() {
    for protocol in BOTH {
        let mut warm = Warm::start(&serve(protocol, "0")).await.expect("starts");
        let (ended, _) = warm.ask("stderr 262144").await;
        assert_eq!((ended.cause, ended.stderr_bytes, ended.stderr_tail.len()), (EndCause::Done, 262_144, 16 * 1024));
        let (ended, _) = warm.ask("quiet").await;
        assert_eq!((ended.cause, ended.stderr_bytes), (EndCause::Done, 0));
    }
}

/// The process has ended, and a grandchild holds its pipes.
#[tokio::test]
async fn a_grandchild_does_not_keep_a_request_waiting() {
    let mut warm = Warm::start(&serve(Protocol::Lines, "0")).await.expect("starts");
    let begin = Instant::now();
    let (ended, _) = warm.ask("kill-leaving 60").await;
    assert_eq!((ended.cause, ended.exit), (EndCause::Died, Some(Exit::Signal(9))));
    assert!(begin.elapsed() < Duration::from_secs(5));
}

/// A process that is killed fails the waiting request at once and counts as dead, and another one can be started.
#[tokio::test]
async fn a_process_that_dies_fails_its_request_at_once() {
    for protocol in BOTH {
        for (request, exit) in [("die", Exit::Code(3)), ("kill", Exit::Signal(9))] {
            let mut warm = Warm::start(&serve(protocol, "0")).await.expect("starts");
            let (ended, reply) = warm.ask(request).await;
            assert_eq!((ended.cause, ended.exit, reply.as_str()), (EndCause::Died, Some(exit), ""));
            assert!(ended.run < Duration::from_millis(400), "{:?}", ended.run);
            if request == "die" {
                assert_eq!(ended.stderr_tail, b"Traceback: out of ideas\n");
            }
            assert!(!warm.0.is_alive());
            let (ended, _) = warm.ask("again").await;
            assert_eq!((ended.cause, ended.exit), (EndCause::Died, Some(exit)));
        }
    }
}

/// The process dies between two requests.
#[tokio::test]
async fn a_process_that_was_killed_between_requests_is_not_alive() {
    let mut warm = Warm::start(&serve(Protocol::Lines, "0")).await.expect("starts");
    assert!(warm.0.is_alive());
    let pid = rustix::process::Pid::from_raw(warm.0.pid().cast_signed()).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("killed");
    eventually("it is dead", || !warm.0.is_alive());
    assert_eq!(warm.ask("x").await.0.exit, Some(Exit::Signal(9)));
}

#[tokio::test]
async fn a_closed_stdout_counts_as_dead() {
    let mut warm = Warm::start(&serve(Protocol::Lines, "0")).await.expect("starts");
    let (ended, _) = warm.ask("close").await;
    assert_eq!((ended.cause, ended.exit), (EndCause::Died, Some(Exit::Signal(15))));
    assert!(!warm.0.is_alive());
}

/// The reply of a request that was given up is thrown away, and the process stays usable.
#[tokio::test]
async fn a_late_reply_never_reaches_the_next_request() {
    for protocol in BOTH {
        let mut warm = Warm::start(&serve(protocol, "0")).await.expect("starts");
        let pid = warm.0.pid();
        let (ended, reply) = warm.ask_within("slow 200", 50, &Cancel::new()).await;
        assert!(matches!(ended.cause, EndCause::Timeout { bound: BoundName::Timeout, .. }));
        assert_eq!((ended.exit, reply.as_str()), (None, ""));
        assert!(warm.0.is_alive());
        let (ended, reply) = warm.ask("next").await;
        assert_eq!((ended.cause, reply.as_str(), warm.0.pid()), (EndCause::Done, "next\n", pid));
        let cancel = Cancel::new();
        let asked = warm.ask_within("slow 200", 20_000, &cancel);
        let (ended, ()) = tokio::join!(asked, async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            cancel.cancel();
        });
        assert_eq!(ended.0.cause, EndCause::Cancelled);
        assert_eq!(warm.ask("next").await.1, "next\n");
    }
}

/// A request that is cancelled before it begins reaches no process.
#[tokio::test]
async fn a_request_that_was_cancelled_before_is_not_sent() {
    for protocol in BOTH {
        let mut warm = Warm::start(&serve(protocol, "0")).await.expect("starts");
        for cancel_as in [Cancel::cancel, Cancel::cancel_now] {
            let cancel = Cancel::new();
            cancel_as(&cancel);
            let (ended, reply) = warm.ask_within("hang", 20_000, &cancel).await;
            assert_eq!((ended.cause, ended.stdin_bytes, reply.as_str()), (EndCause::Cancelled, 0, ""));
            assert_eq!(warm.ask("next").await.1, "next\n");
        }
    }
}

/// A reply that does not end within the grace period: the process is killed.
#[tokio::test]
async fn a_request_that_hangs_is_killed_and_named() {
    let mut warm = Warm::start(&serve(Protocol::Lines, "0")).await.expect("starts");
    let pid = warm.0.pid();
    let (ended, _) = warm.ask_within("hang", 50, &Cancel::new()).await;
    let after = Duration::from_millis(50);
    let EndCause::Timeout { bound, after: told, no_reply } = ended.cause else { panic!("{ended:?}") };
    assert_eq!((bound, told, no_reply), (BoundName::Timeout, after, Some(Protocol::Lines)));
    assert_eq!(ended.exit, Some(Exit::Signal(15)));
    assert!(!runs(pid) && !warm.0.is_alive());
}

#[tokio::test]
async fn cancelling_now_does_not_wait_for_the_grace() {
    let mut spec = serve(Protocol::Token, "0");
    spec.bounds.grace = Duration::from_secs(60);
    let mut warm = Warm::start(&spec).await.expect("starts");
    let cancel = Cancel::new();
    let begin = Instant::now();
    let (ended, ()) = tokio::join!(warm.ask_within("hang", 60_000, &cancel), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        cancel.cancel_now();
    });
    assert_eq!(ended.0.cause, EndCause::Cancelled);
    assert!(begin.elapsed() < Duration::from_secs(5) && !warm.0.is_alive());
}

#[tokio::test]
async fn a_reader_that_goes_takes_nothing_from_the_next_one() {
    let mut warm = Warm::start(&serve(Protocol::Token, "0")).await.expect("starts");
    let (out, taken) = mpsc::channel::<Bytes>(1);
    drop(taken);
    let ended = warm.0.request(b"long 3000000", &out, Bound::secs(20), &Cancel::new()).await;
    assert_eq!((ended.cause, ended.stdout_bytes), (EndCause::ReaderGone, 0));
    assert_eq!(warm.ask("next").await.1, "next\n");
}

#[tokio::test]
async fn more_than_one_line_for_one_line_is_never_a_reply() {
    // If the extra line comes at once, the request fails; if it comes late, the process is not used again.
    let mut warm = Warm::start(&serve(Protocol::Lines, "0")).await.expect("starts");
    let (ended, _) = warm.ask("two").await;
    if ended.cause == EndCause::Done {
        eventually("it cannot be used any more", || !warm.0.is_alive());
    } else {
        let EndCause::ProtocolBroken(what) = &ended.cause else { panic!("{:?}", ended.cause) };
        assert!(what.starts_with("the process printed `two` without being asked"), "{what}");
    }
    assert_ne!(warm.ask("next").await.0.cause, EndCause::Done);

    let mut warm = Warm::start(&serve(Protocol::Lines, "0")).await.expect("starts");
    assert_eq!(warm.ask("late 30").await.0.cause, EndCause::Done);
    eventually("it cannot be used any more", || !warm.0.is_alive());

    // Output of `token` between the requests is noise.
    let mut warm = Warm::start(&serve(Protocol::Token, "0")).await.expect("starts");
    assert_eq!(warm.ask("late 1").await.0.cause, EndCause::Done);
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert!(warm.0.is_alive());
    assert_eq!(warm.ask("next").await.1, "next\n");
}

#[tokio::test]
async fn a_banner_without_a_ready_token_is_explained() {
    let mut spec = serve(Protocol::Lines, "noise");
    spec.tokens.ready = None;
    let mut warm = Warm::start(&spec).await.expect("starts");
    eventually("the banner is there", || !warm.0.is_alive());
    let EndCause::ProtocolBroken(what) = warm.ask("x").await.0.cause else { panic!("it is broken") };
    assert!(what.contains("`loading…\\n") && what.contains("set its readyToken"), "{what}");
}

/// A slow start is no failure, and neither is output before the ready token.
#[tokio::test]
async fn a_slow_and_a_noisy_load_are_waited_for() {
    for ready in ["300", "noise"] {
        let mut warm = Warm::start(&serve(Protocol::Token, ready)).await.expect("starts");
        assert!(ready == "noise" || warm.0.start_duration() >= Duration::from_millis(300));
        assert_eq!(warm.ask("x").await.1, "x\n");
    }
}

/// A failed start has a reason, and can be tried again without a restart.
#[tokio::test]
async fn a_failed_load_says_why_and_can_be_tried_again() {
    let executor = executor();
    for _ in 0..2 {
        let started = WarmProcess::start(&executor, &serve(Protocol::Lines, "fail"), None, &Cancel::new()).await;
        let Err(WarmError::NotReady(ended)) = started else { panic!("{started:?}") };
        assert_eq!((ended.cause, ended.exit), (EndCause::Died, Some(Exit::Code(3))));
        assert_eq!(ended.stderr_tail, b"no such weights\n");
    }
    let started = WarmProcess::start(&executor, &serve(Protocol::Lines, "0"), None, &Cancel::new()).await;
    assert!(started.expect("starts").is_alive());
}

/// The bound of the start is a setting with a name, and Ctrl-C works during the start.
#[tokio::test]
async fn loading_meets_its_bound_and_can_be_cancelled() {
    let mut spec = serve(Protocol::Lines, "never");
    spec.bounds.ready_timeout = Bound::After(Duration::from_millis(50));
    let Err(WarmError::NotReady(ended)) = Warm::start(&spec).await.map(|_| ()) else { panic!("it is not ready") };
    assert_eq!(ended.cause.to_string(), "`readyTimeout` ran out after 50ms");
    assert_eq!(ended.exit, Some(Exit::Signal(15)));

    spec.bounds.ready_timeout = Bound::Never;
    let cancel = Cancel::new();
    let (executor, presses) = (executor(), async { cancel.press() });
    let (started, ()) = tokio::join!(WarmProcess::start(&executor, &spec, None, &cancel), presses);
    let Err(WarmError::NotReady(ended)) = started else { panic!("it is not ready") };
    assert_eq!(ended.cause, EndCause::Cancelled);
}

/// The bound is on the silence before the ready token, and output of either stream breaks it.
#[tokio::test]
async fn a_load_that_prints_is_bounded_by_its_whole_time_only() {
    for stream in ["chatty-stdout", "chatty-stderr"] {
        let mut spec = serve(Protocol::Lines, stream);
        spec.bounds.ready_timeout = Bound::After(Duration::from_millis(500));
        let mut warm = Warm::start(&spec).await.expect("it prints all the time");
        assert!(warm.0.start_duration() > Duration::from_millis(500));
        assert_eq!(warm.ask("x").await.1, "x\n");
    }
    for stream in ["endless", "flood"] {
        let mut spec = serve(Protocol::Lines, stream);
        spec.bounds.ready_timeout = Bound::After(Duration::from_millis(500));
        spec.bounds.start_timeout = Bound::After(Duration::from_millis(700));
        let Err(WarmError::NotReady(ended)) = Warm::start(&spec).await.map(|_| ()) else { panic!("it is not ready") };
        assert_eq!(ended.cause.to_string(), "`startTimeout` ran out after 700ms");
    }
}

#[tokio::test]
async fn a_process_that_will_not_leave_is_made_to() {
    let mut spec = serve(Protocol::Lines, "0");
    spec.argv = ["mer", "ignore-term"].map(str::to_owned).to_vec();
    spec.tokens.ready = Some("ready".to_owned());
    let warm = Warm::start(&spec).await.expect("starts");
    let exit = warm.0.stop(Duration::from_millis(200), &Cancel::new()).await;
    assert_eq!(exit, Some(Exit::Signal(9)));
}

#[tokio::test]
async fn dropping_a_warm_process_kills_it() {
    let warm = Warm::start(&serve(Protocol::Lines, "0")).await.expect("starts");
    let pid = warm.0.pid();
    drop(warm);
    eventually("it is gone", || !runs(pid));
}

async fn last(spec: &mer_core::RunSpec, payload: &str, millis: u64, cancel: &Cancel) -> (mer_meal::RequestEnd, String) {
    let mut warm = Warm::start(spec).await.expect("starts");
    let answer = warm.exchange(payload, millis, cancel, false).await;
    assert!(!runs(warm.0.pid()), "it is not kept");
    answer
}

/// A line that was printed before the request was read must not pass for its answer, whenever the answer comes.
#[tokio::test]
async fn a_process_that_is_not_kept_is_read_to_its_end() {
    for (ready, request) in [("noise", "x"), ("at-once", "two"), ("banner", "slow 300")] {
        let mut spec = serve(Protocol::Lines, ready);
        spec.bounds.grace = Duration::from_secs(20);
        spec.tokens.ready = None;
        let (ended, _) = last(&spec, request, 20_000, &Cancel::new()).await;
        let EndCause::ProtocolBroken(what) = &ended.cause else { panic!("{ready} {request}: {ended:?}") };
        assert!(what.contains("set its readyToken"), "{what}");
    }
    // With a ready token such a line is noise, and so is everything outside of the tokens of `token`.
    for protocol in BOTH {
        for ready in ["noise", "0"] {
            let (ended, reply) = last(&serve(protocol, ready), "x", 20_000, &Cancel::new()).await;
            assert_eq!((ended.cause, ended.exit, reply.as_str()), (EndCause::Done, None, "x\n"));
        }
    }
}

/// If no other request comes, nothing is drained.
#[tokio::test]
async fn a_process_that_is_not_kept_and_hangs_is_ended_at_once() {
    for protocol in BOTH {
        let mut spec = serve(protocol, "0");
        spec.bounds.grace = Duration::from_secs(60);
        let begin = Instant::now();
        let (ended, _) = last(&spec, "hang", 50, &Cancel::new()).await;
        assert!(matches!(ended.cause, EndCause::Timeout { .. }), "{ended:?}");
        assert_eq!(ended.exit, Some(Exit::Signal(15)));
        let cancel = Cancel::new();
        cancel.cancel();
        let (ended, _) = last(&spec, "hang", 60_000, &cancel).await;
        assert_eq!((ended.cause, ended.exit), (EndCause::Cancelled, Some(Exit::Signal(15))));
        assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    }
}

/// Without a ready token a greeting looks like an answer, unless it comes before the request was read.
#[tokio::test]
async fn a_line_before_the_request_was_read_is_no_answer() {
    let mut spec = serve(Protocol::Lines, "never-reading");
    spec.tokens.ready = None;
    let mut warm = Warm::start(&spec).await.expect("starts");
    // The request was sent before the greeting, which looks like an answer then.
    let (ended, _) = warm.ask("x").await;
    assert!(matches!(&ended.cause, EndCause::ProtocolBroken(what) if what.contains("readyToken")), "{ended:?}");
    assert!(!warm.0.is_alive());
}
