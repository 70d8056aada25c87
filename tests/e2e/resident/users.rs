//! Folders and sockets of other users, and a folder that cannot be written.

use std::{
    fs::{self, Permissions},
    io::{Read as _, Write as _},
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use mer_testkit::require;
use rustix::{
    net::{AddressFamily, SocketAddrUnix, SocketType, bind, listen, socket},
    process::Uid,
    thread::set_thread_res_uid,
};

use super::support::Home;
use crate::support::{give, public_binary, run};

/// Number of a user that owns nothing.
const OTHER: u32 = 1_234_567;

/// Whether this process can take the number of another user; otherwise the test is skipped.
fn can_be_another_user() -> bool {
    if !rustix::process::geteuid().is_root() {
        require::unavailable("another user", "only root can take another user's number");
        return false;
    }
    if require::program("setpriv", &[]).is_none() {
        require::unavailable("setpriv", "it is not on the PATH");
        return false;
    }
    true
}

/// Returns `mer` with these arguments as another user; the whole environment must be that user's.
fn as_other(home: &Home, binary: &Path, args: &[&str]) -> Command {
    let like = home.with([]);
    let mut command = Command::new("setpriv");
    let user = OTHER.to_string();
    command.args(["--reuid", &user, "--regid", &user, "--clear-groups", "--"]).arg(binary).args(args);
    command.env_clear().envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.current_dir(home.env.path("work"));
    command
}

/// Makes the folder of sockets, and returns the path of the socket of this environment.
fn socket_path(home: &Home) -> PathBuf {
    let resident = home.serve([]);
    let socket = home.socket().expect("a socket");
    drop(resident);
    socket
}

/// Works with the rights of another user.
fn on_a_thread_of_another_user<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let other = Uid::from_raw(OTHER);
            // The number of this thread only.
            set_thread_res_uid(other, other, other).expect("another user");
            work()
        });
        worker.join().expect("the work")
    })
}

#[test]
fn a_folder_that_cannot_be_written_leaves_the_run_alone() {
    let home = Home::new();
    fs::create_dir(home.runtime_dir()).expect("a folder");
    fs::set_permissions(home.runtime_dir(), Permissions::from_mode(0o500)).expect("a mode");
    // The mode of a folder means nothing to root.
    let is_root = rustix::process::geteuid().is_root();
    if is_root && !can_be_another_user() {
        return;
    }
    let binary = is_root.then(|| {
        give(&home.env.path(""), OTHER);
        public_binary(&home.env)
    });
    let call = |args: &[&str]| match &binary {
        Some(binary) => as_other(&home, binary, args),
        None => {
            let mut command = home.with([]);
            command.args(args);
            command
        }
    };
    assert_eq!(run(call(&["run", "kept", "x"])).ok(), "got x\n");
    let stderr = run(call(&["serve"])).failed(74);
    assert!(stderr.contains("cannot listen on the socket"), "{stderr}");
    assert_eq!(home.socket(), None);
}

#[test]
fn a_folder_of_another_user_is_not_used() {
    if !can_be_another_user() {
        return;
    }
    let home = Home::new();
    let resident = home.serve([]);
    give(&home.runtime_dir(), OTHER);
    assert_eq!(home.mer(["run", "kept", "x"]).ok(), "got x\n");
    assert!(home.via("kept").is_null());
    let stderr = home.mer(["serve"]).failed(77);
    assert!(stderr.contains("belongs to another user"), "{stderr}");
    give(&home.runtime_dir(), 0);
    drop(resident);
}

#[test]
fn a_socket_that_another_user_listens_on_is_not_used() {
    if !can_be_another_user() {
        return;
    }
    let home = Home::new();
    let path = socket_path(&home);
    let theirs = socket(AddressFamily::UNIX, SocketType::STREAM, None).expect("a socket");
    bind(&theirs, &SocketAddrUnix::new(&path).expect("a path")).expect("bound");
    // The kernel reports the user that has called `listen`.
    on_a_thread_of_another_user(|| listen(&theirs, 16)).expect("listening");
    assert_eq!(home.mer(["run", "kept", "x"]).ok(), "got x\n");
    assert!(home.via("kept").is_null());
    let stderr = home.mer(["ps"]).failed(77);
    assert!(stderr.contains(&format!("belongs to the user with the number {OTHER}")), "{stderr}");
    fs::remove_file(path).expect("removed");
}

#[test]
fn a_caller_of_another_user_is_refused() {
    if !can_be_another_user() {
        return;
    }
    let home = Home::new();
    let resident = home.serve([]);
    let path = home.socket().expect("a socket");
    // Even where the modes of the files would let them in.
    fs::set_permissions(home.env.path(""), Permissions::from_mode(0o755)).expect("a mode");
    fs::set_permissions(home.runtime_dir(), Permissions::from_mode(0o755)).expect("a mode");
    fs::set_permissions(&path, Permissions::from_mode(0o666)).expect("a mode");
    let answer = on_a_thread_of_another_user(|| {
        let mut stream = UnixStream::connect(&path).expect("a connection");
        // It may be closed already.
        let _ = stream.write_all(b"GET /mer/v1/version HTTP/1.1\r\nHost: mer\r\nConnection: close\r\n\r\n");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        answer
    });
    assert_eq!(String::from_utf8_lossy(&answer), "");
    resident.wait_stderr(&format!("a connection of the user with the number {OTHER} was refused"));
    fs::set_permissions(home.runtime_dir(), Permissions::from_mode(0o700)).expect("a mode");
    assert_eq!(home.mer(["run", "kept", "x"]).ok(), "got x\n");
    assert_eq!(home.via("kept"), "resident");
}
