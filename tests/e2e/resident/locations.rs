//! Folders and sockets that cannot be used.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::{fs::PermissionsExt as _, net::UnixListener},
    thread,
};

use super::support::Home;
use crate::support::run;

#[test]
fn a_folder_that_cannot_be_used_leaves_the_run_alone() {
    let home = Home::new();
    let runtime = home.runtime_dir();
    fs::create_dir(&runtime).expect("a folder");
    fs::set_permissions(&runtime, fs::Permissions::from_mode(0o755)).expect("a mode");
    assert_eq!(home.mer(["run", "kept", "x"]).ok(), "got x\n");
    assert!(home.mer(["serve"]).failed(77).contains("0700"));
    fs::remove_dir(&runtime).expect("removed");
    std::os::unix::fs::symlink(home.env.path("work"), &runtime).expect("a link");
    assert_eq!(home.mer(["run", "kept", "x"]).ok(), "got x\n");
    assert!(home.mer(["serve"]).failed(77).contains("link"));
    fs::remove_file(&runtime).expect("removed");
    fs::write(&runtime, "").expect("a file");
    assert_eq!(home.mer(["run", "kept", "x"]).ok(), "got x\n");
    fs::remove_file(&runtime).expect("removed");
    let mut nowhere = home.with(["run", "kept", "x"]);
    nowhere.env("MER_RUNTIME_DIR", "/proc/no-such-folder");
    assert_eq!(run(nowhere).ok(), "got x\n");
}

#[test]
fn why_nothing_can_be_kept_is_told() {
    let home = Home::new();
    // The folder that is missing cannot be made.
    let at = |args: &[&str]| {
        let mut command = home.with([]);
        command.args(args).env("MER_RUNTIME_DIR", home.env.path("no/such"));
        run(command)
    };
    let told = at(&["load", "kept"]).failed(74);
    assert!(told.contains("no/such` for the socket") && told.contains("No such file or directory"), "{told}");
    let found = at(&["doctor"]).stdout;
    let resident = found.lines().find(|line| line.starts_with("resident")).expect("a line");
    assert!(resident.contains("warning") && resident.contains("No such file or directory"), "{resident}");
    // Others can enter it: neither a socket nor a lock on a unit is put there.
    let runtime = home.runtime_dir();
    fs::create_dir(&runtime).expect("a folder");
    fs::set_permissions(&runtime, fs::Permissions::from_mode(0o755)).expect("a mode");
    assert!(home.mer(["load", "kept"]).failed(77).contains("0700"));
    let mut limited = home.with(["run", "cat", "x"]);
    limited.env("MER_RESOURCES", "slots=1");
    assert!(run(limited).failed(77).contains("0700"));
    // In a service or a job none is started, which is no fault of the folder.
    let mut job = home.with(["load", "kept"]);
    job.env("SLURM_JOB_ID", "7");
    let told = run(job).failed(75);
    assert!(told.contains("no resident is running") && told.contains("`mer serve` starts one"), "{told}");
}

#[test]
fn what_answers_in_place_of_a_resident_is_no_bug() {
    let home = Home::new();
    let socket = home.free_socket();
    for answer in ["SSH-2.0-x\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n{\"older\":1}", "HTTP/1.1 500 X\r\n\r\nx", ""] {
        let listener = UnixListener::bind(&socket).expect("a socket");
        // It ends with the process of the tests, so that a test that fails does not wait for it.
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        for command in [&["ps"][..], &["load", "kept"], &["stop", "kept"]] {
            let mut asked = home.with([]);
            asked.args(command);
            let told = run(asked).failed(69);
            assert!(answer.is_empty() || told.contains("`mer doctor`"), "{command:?}: {told}");
        }
        fs::remove_file(&socket).expect("removed");
    }
}

#[test]
fn a_path_that_is_too_long_is_told() {
    let home = Home::new();
    let mut command = home.with(["run", "cat", "x"]);
    command.env("MER_RUNTIME_DIR", home.env.path(&"x".repeat(100)));
    let ran = run(command).ended(0);
    assert!(ran.stdout == "x\n" && ran.stderr.contains("too long for the path of a socket"), "{}", ran.stderr);
}

#[test]
fn a_socket_that_does_not_answer_holds_a_run_up_for_two_seconds_at_most() {
    let home = Home::new();
    let socket = home.free_socket();
    let _listener = UnixListener::bind(&socket).expect("a socket");
    let begun = std::time::Instant::now();
    assert_eq!(home.mer(["run", "kept", "x"]).ok(), "got x\n");
    assert!(begun.elapsed() < std::time::Duration::from_secs(20), "{:?}", begun.elapsed());
    fs::remove_file(socket).expect("removed");
}
