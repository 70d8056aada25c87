//! `kill -9` of `mer` at any moment: every acknowledged access is in the log, every started one is closed as `lost`, and
//! no model keeps running.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Stdio,
    thread,
    time::Duration,
};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Live, TestEnv, alive, bearers, moment, pid_in, wait_gone, wait_until};

/// Number of rounds, unless `MER_CRASH_ROUNDS` names another one.
fn rounds() -> u32 {
    std::env::var("MER_CRASH_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(10)
}

/// Starts a `mer` whose descendants carry a mark in their environment.
fn marked<const N: usize>(env: &TestEnv, args: [&str; N], stdin: Stdio) -> (Live, String) {
    let mark = env.path("mark").display().to_string();
    let mut command = env.with(args);
    command.env("E2E_MARK", &mark);
    (Live::start(command, stdin), format!("E2E_MARK={mark}"))
}

fn wait_all_gone(marker: &str) {
    wait_until("the end of everything that mer had started", || bearers(marker).is_empty().then_some(()));
}

/// Kills a script in the middle of its runs after this time, and checks log and processes.
fn round(env: &TestEnv, script: &str, after: Duration) {
    let (mut live, marker) = marked(env, ["--json"], Stdio::piped());
    let mut stdin = live.take_stdin();
    let lines = script.to_owned();
    let writer = thread::spawn(move || {
        use std::io::Write;
        // The process may be killed before it has read its whole input.
        let _ = stdin.write_all(lines.as_bytes());
        stdin
    });
    thread::sleep(after);
    live.signal(Signal::KILL);
    let ran = live.finish();
    drop(writer.join().expect("writer"));
    wait_all_gone(&marker);

    // A whole line is an acknowledged run; the last line may be cut off.
    let whole = ran.stdout.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let acknowledged: Vec<Value> = whole.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    let asked = fs::read_to_string(env.path("work/asked")).unwrap_or_default();
    let rows = env.rows();
    let by_uid: BTreeMap<&str, &Value> =
        rows.iter().map(|row| (row["requestUid"].as_str().expect("uid"), row)).collect();
    assert_eq!(by_uid.len(), rows.len(), "no row twice");
    for row in &acknowledged {
        let uid = row["requestUid"].as_str().expect("uid");
        let found = by_uid.get(uid).unwrap_or_else(|| panic!("the acknowledged row {uid} is missing"));
        assert_eq!(found["status"], "succeeded", "{found}");
        assert_eq!(found["stdoutSha256"], row["stdoutSha256"], "{found}");
    }
    for uid in asked.lines() {
        assert!(by_uid.contains_key(uid), "the model of request {uid} was started, and nothing is on record");
    }
    for row in &rows {
        let status = row["status"].as_str().expect("status");
        assert!(["succeeded", "lost"].contains(&status), "{row}");
    }
    let lost: BTreeSet<_> =
        rows.iter().filter(|row| row["status"] == "lost").map(|row| &row["callerPid"]).map(Value::to_string).collect();
    assert!(lost.len() <= 1, "one script does one thing at a time: {lost:?}");
    assert_eq!(env.mer(["run", "echo", "alive"]).ok(), "alive\n");
}

#[test]
fn killed_at_random_moments_nothing_is_lost_and_nothing_is_left() {
    let script = "run asker hello\nrun liner hello\nrun cat hello\nrun parrot hello\nrun iris 5,3,1,0\n".repeat(40);
    for number in 0..rounds() {
        let env = TestEnv::ready();
        let after = moment(Duration::from_millis(700));
        told_on_failure(number, after, || round(&env, &script, after));
    }
}

#[test]
fn killed_at_random_moments_of_the_first_use_the_next_use_works() {
    let script = "run echo hello\nrun upper hello\n".repeat(20);
    for number in 0..rounds().div_ceil(2) {
        let env = TestEnv::new();
        let after = moment(Duration::from_millis(400));
        told_on_failure(number, after, || round(&env, &script, after));
    }
}

#[test]
fn killed_while_the_log_is_read_nothing_is_lost() {
    let env = TestEnv::ready();
    let mut count = 0;
    for _ in 0..rounds().div_ceil(2) {
        env.script(&["run cat x", "run upper x"]).ok();
        count += 2;
        let live = env.start(["log", "list"]);
        let after = moment(Duration::from_millis(150));
        thread::sleep(after);
        live.signal(Signal::KILL);
        live.finish();
        assert_eq!(env.rows().len(), count, "killed after {after:?}");
    }
}

#[test]
fn kill_9_of_mer_ends_the_whole_family_of_its_model() {
    let env = TestEnv::ready();
    let (live, marker) = marked(&env, ["run", "family", "x"], Stdio::null());
    live.wait_stdout("begun\n");
    let (parent, grandchild) = (pid_in(&env.path("work/parent.pid")), pid_in(&env.path("work/grandchild.pid")));
    assert!(alive(parent) && alive(grandchild));
    live.signal(Signal::KILL);
    live.finish();
    wait_gone(parent);
    wait_gone(grandchild);
    wait_all_gone(&marker);
    assert_eq!(env.row()["status"], "lost");
}

#[test]
fn kill_9_of_mer_ends_a_model_that_ignores_term() {
    let env = TestEnv::ready();
    let (live, marker) = marked(&env, ["run", "stubborn", "x"], Stdio::null());
    live.wait_stdout("begun\n");
    live.signal(Signal::KILL);
    live.finish();
    wait_gone(pid_in(&env.path("work/stubborn.pid")));
    wait_all_gone(&marker);
}

#[test]
fn kill_9_of_a_script_ends_its_warm_models() {
    let env = TestEnv::ready();
    let (mut live, marker) = marked(&env, [], Stdio::piped());
    live.say("run liner a\nrun curt b\nrun upper c\nrun parrot d\n");
    live.wait_stdout("d\n");
    assert!(bearers(&marker).len() >= 5, "{:?}", bearers(&marker));
    // The end of a run is recorded shortly after its output was read.
    let ended = || env.rows().iter().filter(|row| row["status"] == "succeeded").count();
    wait_until("four ends on record", || (ended() == 4).then_some(()));
    live.signal(Signal::KILL);
    live.finish();
    wait_all_gone(&marker);
    let statuses: Vec<_> = env.rows().iter().map(|row| row["status"].clone()).collect();
    assert_eq!(statuses, ["succeeded"; 4], "whose answers were there");
}

#[test]
fn a_killed_mer_does_not_take_the_accesses_of_a_living_one_for_lost() {
    let env = TestEnv::ready();
    let living = env.start(["run", "waiting", "x"]);
    living.wait_stdout("first\n");
    let (killed, marker) = marked(&env, ["run", "slow", "x"], Stdio::null());
    killed.wait_stdout("begun\n");
    killed.signal(Signal::KILL);
    killed.finish();
    let statuses = |env: &TestEnv| env.rows().iter().map(|row| row["status"].clone()).collect::<Vec<_>>();
    assert_eq!(statuses(&env), ["lost", "started"]);
    env.file("work/go", "");
    living.finish().ended(0);
    assert_eq!(statuses(&env), ["lost", "succeeded"]);
    wait_all_gone(&marker);
}

fn told_on_failure(number: u32, after: Duration, round: impl FnOnce()) {
    struct Teller(u32, Duration);
    impl Drop for Teller {
        fn drop(&mut self) {
            if thread::panicking() {
                #[expect(clippy::print_stderr, reason = "which moment it was is all there is to go by")]
                {
                    eprintln!("it was round {}, killed after {:?}", self.0, self.1);
                }
            }
        }
    }
    let _teller = Teller(number, after);
    round();
}

#[test]
fn random_moments_differ() {
    let moments: BTreeSet<Duration> = (0..20)
        .map(|_| {
            thread::yield_now();
            moment(Duration::from_secs(1))
        })
        .collect();
    assert!(moments.len() > 10 && moments.iter().all(|moment| *moment < Duration::from_secs(1)), "{moments:?}");
    assert!(Path::new("/proc/self/environ").exists(), "these tests look for processes there");
}
