//! Folders and sockets that cannot be used.

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, net::UnixListener},
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
    let resident = home.serve([]);
    let socket = home.socket().expect("a socket");
    drop(resident);
    let _listener = UnixListener::bind(&socket).expect("a socket");
    let begun = std::time::Instant::now();
    assert_eq!(home.mer(["run", "kept", "x"]).ok(), "got x\n");
    assert!(begun.elapsed() < std::time::Duration::from_secs(20), "{:?}", begun.elapsed());
    fs::remove_file(socket).expect("removed");
}
