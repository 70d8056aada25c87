//! The first use of `mer` on a machine, and the second.

use std::{
    fs::{self, File},
    os::unix::fs::{MetadataExt, PermissionsExt},
};

use serde_json::json;

use crate::support::TestEnv;

#[test]
fn the_two_lines_of_the_readme_work_on_a_machine_without_anything() {
    let env = TestEnv::new();
    assert_eq!(env.mer(["run", "iris", "5.1,3.5,1.4,0.2"]).ok(), "{\"species\":\"setosa\",\"probability\":0.98}\n");
    let list = env.mer(["log", "list"]).ok();
    let lines: Vec<Vec<&str>> = list.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines.len(), 2, "{list}");
    assert_eq!(lines[0][..5], ["STARTED", "MODEL", "SERVER", "STATUS", "EXIT"]);
    assert_eq!(lines[1][1..5], ["iris", "local", "succeeded", "0"]);
    assert_eq!(fs::read_dir(env.path("home")).expect("home").count(), 0, "nothing of it is in the home folder");
    assert_eq!(fs::read_dir(env.path("work")).expect("work").count(), 0, "nor in the working directory");
}

#[test]
fn the_example_models_are_there() {
    let env = TestEnv::new();
    let models = env.mer(["model", "list", "--json"]).objects();
    let told: Vec<_> = models.iter().map(|model| (model["name"].clone(), model["protocol"].clone())).collect();
    let oneshot = json!("oneshot");
    assert_eq!(
        told,
        [
            (json!("echo"), oneshot.clone()),
            (json!("iris"), oneshot),
            (json!("parrot"), json!("token")),
            (json!("upper"), json!("lines")),
        ]
    );
    assert_eq!(env.mer(["server", "list", "--json"]).object()["name"], "local");
    assert_eq!(env.mer(["run", "echo", "hello"]).ok(), "hello\n");
    assert_eq!(env.mer(["run", "upper", "hello"]).ok(), "HELLO\n");
}

#[test]
fn new_files_are_private() {
    let env = TestEnv::new();
    env.mer(["run", "echo", "hello"]).ok();
    let mode = |path: &str| fs::metadata(env.path(path)).expect(path).permissions().mode() & 0o777;
    for folder in ["data/mer", "data/mer/db", "data/mer/db.journal"] {
        assert_eq!(mode(folder), 0o700, "{folder}");
    }
    for file in ["data/mer/db.lock", "data/mer/db.snapshot"] {
        assert_eq!(mode(file), 0o600, "{file}");
    }
}

#[test]
fn a_run_with_a_valid_snapshot_opens_no_engine_and_takes_no_lock() {
    let env = TestEnv::ready();
    env.mer(["model", "list"]).ok();
    // The engine writes to this file on each opening.
    let opened = |env: &TestEnv| {
        let lock = fs::metadata(env.path("data/mer/db/LOCK")).expect("LOCK");
        (lock.ino(), lock.ctime(), lock.ctime_nsec())
    };
    let before = opened(&env);
    assert_eq!(env.mer(["run", "echo", "1"]).ok(), "1\n");
    assert_eq!(opened(&env), before);
    let lease = File::options().write(true).open(env.path("data/mer/db.lock")).expect("the lease");
    lease.lock().expect("the lease");
    assert_eq!(env.mer(["run", "echo", "2", "--db-wait", "1s"]).ok(), "2\n");
    drop(lease);
    assert_eq!(env.rows().len(), 2);
    assert_ne!(opened(&env), before, "`log list` opens the engine, or this test proves nothing");
}

#[test]
fn a_folder_is_named_by_flag_variable_or_url() {
    let env = TestEnv::new();
    env.mer(["--data-dir", "by/flag", "run", "echo", "x"]).ok();
    assert!(env.path("work/by/flag/db.snapshot").is_file());
    let mut command = env.with(["run", "echo", "x"]);
    command.env("MER_DATA_DIR", env.path("variable"));
    crate::support::run(command).ok();
    assert!(env.path("variable/db.snapshot").is_file());
    let url = format!("surrealkv://{}", env.path("url/here").display());
    env.mer(["run", "echo", "x", "--db", &url]).ok();
    assert!(env.path("url/here.snapshot").is_file());
    assert!(!env.path("data/mer").exists());
}

#[test]
fn a_database_in_memory_leaves_nothing_behind() {
    let env = TestEnv::new();
    let lines = "run echo hello\nlog list --json\n";
    let told = env.piped(["--db", "mem://"], lines).ok();
    let (answer, row) = told.split_once('\n').expect("two lines");
    assert_eq!(answer, "hello");
    let row: serde_json::Value = serde_json::from_str(row).expect("a row");
    assert_eq!(row["status"], "succeeded");
    for folder in ["data", "state", "home", "work"] {
        let left: Vec<_> = fs::read_dir(env.path(folder)).expect(folder).flatten().map(|entry| entry.path()).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}
