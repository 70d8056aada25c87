//! Files that MER reads by itself, each replaced by something other than a readable regular file of the user.

use std::{
    fs,
    io::Write as _,
    os::unix::{
        fs::{self as unix, PermissionsExt as _},
        process::CommandExt as _,
    },
    path::Path,
};

use super::pipe;
use crate::{
    ssh::There,
    support::{Ran, TestEnv, give, public_binary, run},
};

/// The replacement of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Pipe,
    Folder,
    Link,
    Unreadable,
    Foreign,
}

const KINDS: [Kind; 5] = [Kind::Pipe, Kind::Folder, Kind::Link, Kind::Unreadable, Kind::Foreign];

/// A file that MER reads.
struct FileCase {
    /// Path in the environment.
    path: &'static str,
    /// Regular content; empty where MER makes the file.
    good: Option<&'static str>,
    /// Arguments of a command that reads the file.
    words: &'static [&'static str],
    /// Allowed exit codes for a pipe, a folder, a link, an unreadable file, a file of another user.
    codes: [&'static [i32]; 5],
}

const FILES: &[FileCase] = &[
    // Settings: links are followed, everything else is an error.
    FileCase {
        path: "work/mer.toml",
        good: Some("dbWait = '1s'\n"),
        words: &["config", "show"],
        codes: [&[78], &[78], &[0], &[78, 0], &[0, 78]],
    },
    FileCase {
        path: "config/mer/mer.toml",
        good: Some("dbWait = '1s'\n"),
        words: &["config", "show"],
        codes: [&[78], &[78], &[0], &[78, 0], &[0, 78]],
    },
    FileCase {
        path: "work/named.toml",
        good: Some("dbWait = '1s'\n"),
        words: &["--config", "named.toml", "config", "show"],
        codes: [&[78], &[78], &[0], &[78], &[0, 78]],
    },
    // The `.env` of another project must do no harm.
    FileCase {
        path: "work/.env",
        good: Some("MER_DB_WAIT=1s\n"),
        words: &["config", "show"],
        codes: [&[0], &[0], &[0], &[78, 0], &[0, 78]],
    },
    // State: links are not followed, and files that can be made again are.
    FileCase {
        path: "data/mer/db.snapshot",
        good: None,
        words: &["model", "list"],
        codes: [&[0], &[0], &[0], &[0], &[0, 77]],
    },
    FileCase {
        path: "data/mer/db.lock",
        good: None,
        words: &["log", "list"],
        codes: [&[74], &[74], &[74], &[74], &[74, 77]],
    },
    FileCase {
        path: "data/mer/db/LOCK",
        good: None,
        words: &["log", "list"],
        codes: [&[74], &[74], &[74], &[74], &[74, 77]],
    },
    FileCase {
        path: "data/mer/db.journal/x.seg",
        good: Some("x\n"),
        words: &["log", "list"],
        codes: [&[0, 74], &[0, 74], &[0, 74], &[0, 74], &[0, 74, 77]],
    },
    FileCase {
        path: "data/mer/db.journal/drain.lock",
        good: Some(""),
        words: &["log", "list"],
        codes: [&[0, 74], &[0, 74], &[0, 74], &[0, 74], &[0, 74, 77]],
    },
    // Files of other programs.
    FileCase {
        path: "work/sql/1000-Own.sql",
        good: Some("-- nothing\nRETURN 1;\n"),
        words: &["migrate", "plan", "--sql-dir", "sql"],
        codes: [&[74], &[74], &[0], &[74], &[0]],
    },
    FileCase {
        path: "work/sql",
        good: None,
        words: &["migrate", "plan", "--sql-dir", "sql"],
        codes: [&[74], &[0], &[74], &[74], &[74]],
    },
    FileCase {
        path: "work/root.pem",
        good: Some("x"),
        words: &[
            "--db",
            "postgres://u@127.0.0.1:1/x?sslmode=verify-full&sslrootcert=root.pem",
            "--db-wait",
            "1s",
            "log",
            "list",
        ],
        codes: [&[78], &[78], &[69, 75, 74, 78], &[78], &[69, 75, 74, 78]],
    },
];

/// Puts the replacement at the path.
fn replace(kind: Kind, path: &Path, good: &str) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    let elsewhere = path.with_extension("elsewhere");
    let there = fs::read(path).ok();
    for path in [path, &elsewhere] {
        let _ = fs::remove_file(path);
        let _ = fs::remove_dir_all(path);
    }
    let content = there.unwrap_or_else(|| good.as_bytes().to_vec());
    match kind {
        Kind::Pipe => pipe(path),
        Kind::Folder => fs::create_dir(path).expect("a folder"),
        Kind::Link => {
            fs::write(&elsewhere, content).expect("a file");
            unix::symlink(&elsewhere, path).expect("a link");
        }
        Kind::Unreadable | Kind::Foreign => fs::write(path, content).expect("a file"),
    }
}

/// Starts `mer`, as the user of this number if there is one.
fn run_as(env: &TestEnv, uid: Option<u32>, binary: &Path, words: &[&str]) -> Ran {
    let mut command = env.program(binary);
    command.args(words);
    if let Some(uid) = uid {
        command.uid(uid).gid(uid);
    }
    run(command)
}

#[track_caller]
fn check(kind: Kind, place: &FileCase, ran: &Ran) {
    let codes = place.codes[KINDS.iter().position(|other| *other == kind).expect("a kind")];
    let code = ran.code.expect("it ended by itself");
    assert!(codes.contains(&code), "{} as {kind:?}, {:?}: {codes:?} were expected: {ran:?}", place.path, place.words);
    let name = Path::new(place.path).file_name().expect("a name").to_string_lossy();
    let words = match kind {
        Kind::Pipe => "named pipe",
        Kind::Folder => "folder",
        Kind::Link => "symbolic link",
        Kind::Unreadable | Kind::Foreign => "ermission denied",
    };
    if (code == 74 || code == 78) && !ran.stderr.contains("Connection refused") {
        let (told, name) = (&ran.stderr, name.split('.').next().unwrap_or_default());
        // For files that the engine opens, the error names the database.
        let is_named = told.contains(name) || told.contains("cannot open the database `");
        assert!(is_named, "{} as {kind:?} is not named: {told}", place.path);
        // Where a folder is expected, the system's error says what is wrong.
        assert!(told.contains(words) || place.path == "work/sql", "{} as {kind:?}: {told}", place.path);
    }
}

#[test]
fn no_replacement_of_a_file_makes_mer_wait() {
    for file in FILES {
        for kind in [Kind::Pipe, Kind::Folder, Kind::Link] {
            let env = TestEnv::ready();
            replace(kind, &env.path(file.path), file.good.unwrap_or_default());
            check(kind, file, &run_as(&env, None, &TestEnv::binary(), file.words));
        }
    }
}

#[test]
fn no_replacement_of_a_file_makes_a_connection_wait() {
    let Some(there) = There::new() else { return };
    let key = there.env.path("home/.ssh/key");
    fs::copy(there.sshd.client_key(), &key).expect("a key");
    let set = ["server", "set", "there", "--identity", "~/.ssh/key", "--allow-changes", "--quiet"];
    there.env.mer(set).ended(0);
    there.env.mer(["server", "ping", "there", "--quiet"]).ended(0);
    for (path, codes) in [
        // A file that may revoke keys must be readable.
        ("home/.ssh/known_hosts", &[74, 77, 78][..]),
        ("home/.ssh/key", &[77, 78]),
        ("home/.ssh/config", &[0, 78]),
    ] {
        let path = there.env.path(path);
        let before = fs::read(&path).ok();
        pipe(&path);
        let ran = there.env.mer(["server", "ping", "there", "--no-input"]);
        assert!(ran.code.is_some_and(|code| codes.contains(&code)), "{}: {ran:?}", path.display());
        if ran.code != Some(0) {
            assert!(ran.stdout.contains("named pipe"), "{}: {ran:?}", path.display());
        }
        fs::remove_file(&path).expect("removed");
        if let Some(before) = before {
            fs::write(&path, before).expect("as before");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("mode");
        }
    }
}

#[test]
fn cached_weights_that_are_no_file_are_delivered_again() {
    let env = TestEnv::ready();
    env.mer(["model", "add", "reader", "--shell", "--allow-changes", "--quiet", "--", "cat \"$MER_WEIGHTS\""]).ended(0);
    env.piped(["weights", "put", "reader", "-", "--quiet"], "weights").ok();
    assert_eq!(env.mer(["run", "reader:1"]).ok(), "weights");
    let entries = fs::read_dir(env.path("home/.cache/mer/weights")).expect("the cache");
    let cached = entries.flatten().find(|entry| !entry.file_name().to_string_lossy().starts_with('.'));
    let cached = cached.expect("a file").path();
    for kind in [Kind::Pipe, Kind::Link] {
        replace(kind, &cached, "");
        // Replaced weights are delivered again, with a warning.
        let ran = env.mer(["run", "reader:1"]).ended(0);
        assert_eq!(ran.stdout, "weights", "{kind:?}");
        assert!(ran.stderr.contains("were changed, and are not used"), "{kind:?}: {}", ran.stderr);
        assert!(fs::symlink_metadata(&cached).expect("metadata").is_file(), "{kind:?}");
    }
}

#[test]
fn an_unreadable_or_foreign_file_is_reported_at_once() {
    // Root can read every file, so it runs `mer` as another user.
    const OTHER: u32 = 65_534;
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        let _ = writeln!(std::io::stderr().lock(), "SKIPPED in part: only root can give files to another user");
    }
    let env = TestEnv::ready();
    let binary = if is_root { public_binary(&env) } else { TestEnv::binary() };
    for file in FILES {
        for kind in [Kind::Unreadable, Kind::Foreign] {
            let env = TestEnv::ready();
            if kind == Kind::Foreign && !is_root {
                continue;
            }
            let path = env.path(file.path);
            replace(kind, &path, file.good.unwrap_or_default());
            let uid = is_root.then_some(OTHER);
            if let Some(uid) = uid {
                give(&env.path(""), uid);
            }
            let mode = if kind == Kind::Foreign { 0o644 } else { 0o000 };
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("mode");
            if kind == Kind::Foreign {
                unix::lchown(&path, Some(0), Some(0)).expect("chown");
            }
            let ran = run_as(&env, uid, &binary, file.words);
            check(kind, file, &ran);
        }
    }
}
