//! Many processes that use one database at the same time.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use crate::support::TestEnv;

/// Runs all jobs, `workers` at a time, as `xargs -P` does.
fn at_once(workers: usize, count: usize, work: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    work(number);
                }
            });
        }
    });
}

/// Number of runs, unless `MER_MANY_RUNS` names another one.
fn runs() -> usize {
    std::env::var("MER_MANY_RUNS").ok().and_then(|text| text.parse().ok()).unwrap_or(64)
}

#[test]
fn sixteen_at_once_all_answer_and_are_all_on_record_while_a_script_sits_open() {
    let env = TestEnv::ready();
    let mut sitting = env.start([]);
    sitting.say("run upper first\n");
    sitting.wait_stdout("FIRST\n");
    let count = runs();
    at_once(16, count, |number| {
        let text = number.to_string();
        assert_eq!(env.mer(["run", "echo", &text]).ok(), format!("{text}\n"));
    });
    sitting.say("run upper last\n");
    sitting.wait_stdout("LAST\n");
    let rows = env.rows();
    assert_eq!(rows.len(), count + 2);
    assert!(rows.iter().all(|row| row["status"] == "succeeded"));
    let uids: BTreeSet<_> = rows.iter().map(|row| row["requestUid"].as_str().expect("uid")).collect();
    assert_eq!(uids.len(), count + 2, "no row twice");
    sitting.finish().ended(0);
    assert_eq!(env.rows().len(), count + 2);
}

/// Longer than the default of 30 s, all of which the first use of a folder may take in a debug build beside other tests.
const PATIENT: [&str; 2] = ["--db-wait", "5m"];

#[test]
fn the_first_sixteen_uses_of_an_empty_folder_at_once_all_answer() {
    let env = TestEnv::new();
    at_once(16, 16, |number| {
        let text = number.to_string();
        assert_eq!(env.mer(["run", "echo", &text, PATIENT[0], PATIENT[1]]).ok(), format!("{text}\n"));
    });
    assert_eq!(env.rows().len(), 16);
}

#[test]
fn twenty_migrations_of_an_empty_folder_at_once_apply_each_script_once() {
    let env = TestEnv::new();
    let applied = AtomicUsize::new(0);
    at_once(20, 20, |_| {
        let ran = env.mer(["migrate", "--json", PATIENT[0], PATIENT[1]]).ended(0);
        assert_eq!(ran.stderr, "");
        applied.fetch_add(ran.stdout.lines().count(), Ordering::Relaxed);
    });
    let rows = env.mer(["migrate", "status", "--json"]).objects();
    assert_eq!(rows.len(), applied.into_inner());
}

#[test]
fn logs_registry_and_runs_at_the_same_time_all_succeed() {
    let env = TestEnv::ready();
    env.file("work/m.toml", "[models.new]\ninferenceCommand = ['cat']\n");
    at_once(8, 32, |number| match number % 4 {
        0 => drop(env.mer(["apply", "m.toml", "--allow-changes", "--quiet"]).ok()),
        1 => drop(env.mer(["log", "list"]).ok()),
        _ => assert_eq!(env.mer(["run", "cat", "x"]).ok(), "x\n"),
    });
    assert_eq!(env.rows().len(), 16);
}
