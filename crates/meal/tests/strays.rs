//! Children of a model that left its process group end with it, however it ends, unless its configuration lets them
//! go on.

mod common;

use std::time::{Duration, Instant};

use bytes::Bytes;
use common::{Warm, bounds, collect, eventually, eventually_async, executor, run, runs, serve, spec};
use mer_core::{Exit, Protocol, RunSpec};
use mer_meal::{BoundName, Cancel, EndCause, Input};
use rustix::process::{Pid, Signal, kill_process};

fn pid_in(output: &[u8]) -> u32 {
    let text = String::from_utf8_lossy(output);
    text.lines().next().and_then(|line| line.parse().ok()).unwrap_or_else(|| panic!("no pid: {text}"))
}

fn timing_out(mut spec: RunSpec, millis: u64) -> RunSpec {
    spec.bounds = bounds(millis);
    spec
}

#[tokio::test]
async fn what_left_the_group_of_a_run_that_ended_well_ends_too() {
    for words in [&["escape"][..], &["escape", "hold"], &["escape", "deaf"], &["escape", "deaf", "hold"]] {
        let begin = Instant::now();
        let (ended, output) = run(&spec(words), b"").await;
        assert_eq!((&ended.cause, ended.exit), (&EndCause::Done, Some(Exit::Code(0))), "{words:?}");
        assert!(!runs(pid_in(&output)), "{words:?}");
        assert!(begin.elapsed() < Duration::from_secs(10), "{words:?}");
    }
}

#[tokio::test]
async fn what_left_the_group_ends_with_a_timeout_and_with_a_cancelled_run() {
    for words in [&["escape", "stay"][..], &["escape", "stay", "hold"], &["escape", "stay", "deaf", "hold"]] {
        let (ended, output) = run(&timing_out(spec(words), 1_000), b"").await;
        assert!(matches!(ended.cause, EndCause::Timeout { bound: BoundName::Timeout, .. }), "{words:?}");
        assert!(!runs(pid_in(&output)), "{words:?}");

        let cancel = Cancel::new();
        let mut run = executor().start(&spec(words)).await.expect("starts");
        let child = pid_in(&run.stdout.next().await.expect("read").expect("a pid"));
        cancel.cancel();
        let (ended, _) = collect(run, Input::Bytes(Bytes::new()), &bounds(20_000), &cancel).await;
        assert_eq!(ended.cause, EndCause::Cancelled, "{words:?}");
        assert!(!runs(child), "{words:?}");
    }
}

#[tokio::test]
async fn what_left_the_group_ends_with_a_process_that_stays_up() {
    let mut spec = serve(Protocol::Lines, "0");
    spec.argv = ["mer", "escape", "stay"].map(str::to_owned).to_vec();
    // It prints the pid of its child, whatever the request is.
    spec.tokens.ready = None;
    for kept in [true, false] {
        let mut warm = Warm::start(&spec).await.expect("starts");
        // For a process that is kept, an answer before the request was read is an error; only the end of its child
        // matters here.
        let (_, reply) = warm.exchange("x", 20_000, &Cancel::new(), kept).await;
        let pid = pid_in(reply.as_bytes());
        warm.0.stop(Duration::from_millis(200), &Cancel::new()).await;
        eventually("its child is gone", || !runs(pid));
    }
}

#[tokio::test]
async fn what_left_the_group_goes_on_where_the_model_says_so() {
    let mut spec = spec(&["escape"]);
    spec.leave_children = true;
    let (ended, output) = run(&spec, b"").await;
    assert_eq!(ended.cause, EndCause::Done);
    let pid = pid_in(&output);
    let outlives = runs(pid);
    let _ = kill_process(Pid::from_raw(pid.cast_signed()).expect("a pid"), Signal::KILL);
    assert!(outlives);
    // Adopted by this process, and reaped although it is not waited for.
    eventually_async("it is reaped", || !std::path::Path::new(&format!("/proc/{pid}")).exists()).await;
}

#[tokio::test]
async fn a_model_ends_its_own_children_and_no_others() {
    let executor = executor();
    let start = async || {
        let mut run = executor.start(&spec(&["escape", "stay"])).await.expect("starts");
        let line = run.stdout.next().await.expect("read").expect("a line");
        (pid_in(&line), run)
    };
    let (mine, mut run) = start().await;
    let (other, mut still) = start().await;
    run.control.kill();
    run.control.wait().await;
    assert!(!runs(mine) && runs(other));
    still.control.kill();
    still.control.wait().await;
    assert!(!runs(other));
}

#[tokio::test]
async fn a_dropped_run_takes_what_left_its_group_along() {
    let mut run = executor().start(&spec(&["escape", "stay"])).await.expect("starts");
    let pid = pid_in(&run.stdout.next().await.expect("read").expect("a line"));
    drop(run);
    eventually("it is gone", || !runs(pid));
}
