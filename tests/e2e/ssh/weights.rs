//! Delivery of weights to a server: once, and whole or not at all.

use std::{
    fs::{self, File},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, SystemTime},
};

use mer_testkit::sshd::{Builder, Shell, Sshd};
use rustix::process::Signal;
use serde_json::json;

use super::{There, ends::programs};
use crate::support::{sha256, wait_until};

/// Models on the server that print their weights, each with the versions `one` and `two`.
const READERS: &str = r#"
[models.reader]
servers = ["there"]
inferenceCommand = 'echo "version $MER_WEIGHTS_VERSION"; cat "${MER_WEIGHTS:-/dev/null}"'
shell = true

[models.keeper]
servers = ["there"]
protocol = "lines"
inferenceCommand = 'while read -r line; do echo "$$ $(cat "$MER_WEIGHTS") $line"; done'
shell = true
"#;

/// A line for the rc file that puts a folder of test programs first on the server's PATH.
const OWN_PROGRAMS: &str = "PATH=\"$HOME/bin:$PATH\"; export PATH";

fn with_readers(builder: Builder<'_>) -> Option<There> {
    let there = There::with(builder)?;
    there.apply(READERS);
    for model in ["reader", "keeper"] {
        for text in ["one\n", "two\n"] {
            there.env.piped(["weights", "put", model, "-", "--quiet"], text).ok();
        }
    }
    Some(there)
}

impl There {
    /// Returns the file of this text in the server's cache.
    fn weights(&self, text: &str) -> PathBuf {
        self.home(".cache/mer/weights").join(format!("{}.raw", sha256(text.as_bytes())))
    }

    /// Returns the number of files in the server's cache.
    fn kept(&self) -> usize {
        fs::read_dir(self.home(".cache/mer/weights")).map_or(0, Iterator::count)
    }

    fn here(&self) -> PathBuf {
        self.env.path("home/.cache/mer/weights")
    }

    /// Puts a program of this name on the server's PATH.
    pub(super) fn program(&self, name: &str, script: &str) {
        fs::create_dir_all(self.home("bin")).expect("folder");
        fs::write(self.home("bin").join(name), format!("#!/bin/sh\n{script}\n")).expect("program");
        fs::set_permissions(self.home("bin").join(name), fs::Permissions::from_mode(0o755)).expect("program");
    }

    fn allowed(&self, line: &str) {
        self.env.piped(["--allow-changes", "--quiet"], line).ok();
    }
}

#[test]
fn weights_are_delivered_once_and_logged() {
    let Some(there) = with_readers(Sshd::builder()) else { return };
    let env = &there.env;
    assert_eq!(env.mer(["run", "reader"]).ok(), "version \n");
    assert_eq!(env.mer(["run", "reader:1"]).ok(), "version 1\none\n");
    assert_eq!(fs::read(there.weights("one\n")).expect("file"), b"one\n");
    assert_eq!(fs::read_dir(there.here()).expect("folder").count(), 0, "nothing was needed here");
    // A cut file is not used.
    fs::remove_file(there.weights("one\n")).expect("removed");
    fs::write(there.weights("one\n"), "O").expect("written");
    assert_eq!(env.mer(["run", "reader:1"]).ok(), "version 1\none\n");
    assert_eq!(there.kept(), 1, "nothing half is left");
    let row = &env.rows()[0];
    assert_eq!((&row["weightsVersion"], &row["weightsSha256"]), (&json!(1), &json!(sha256(b"one\n"))));
    assert!(env.mer(["log", "list"]).ok().contains("reader:1"));
}

/// Variants of `stat`: with whole seconds, with the options of the BSDs, and missing.
const STATS: [(&str, &str); 4] = [
    ("as here", "exec /usr/bin/env PATH=/usr/bin:/bin stat \"$@\""),
    ("whole seconds", "/usr/bin/env PATH=/usr/bin:/bin stat \"$@\" | sed 's/[.][0-9]*/.000000000/g'"),
    (
        "BSD",
        "PATH=/usr/bin:/bin; [ \"$1\" = -f ] || exit 1\n\
         case $2 in %c) exec stat -c %Z \"$3\" ;; *) exec stat -c '%i %s %.9Y %.9Z' \"$3\" ;; esac",
    ),
    ("none", "exit 127"),
];

#[test]
fn changed_weights_on_a_server_are_delivered_again() {
    for (what, stat) in STATS {
        let Some(there) = with_readers(Sshd::builder().shell(Shell::Sh, OWN_PROGRAMS)) else { return };
        there.program("stat", stat);
        changed_over_there(&there, what);
    }
    for name in ["busybox", "mksh"] {
        let Some((_bin, path)) = programs(name) else { continue };
        let Some(there) = with_readers(Sshd::builder().shell(Shell::Sh, &path)) else { return };
        changed_over_there(&there, name);
    }
}

fn changed_over_there(there: &There, what: &str) {
    let file = there.weights("one\n");
    let run = || there.env.mer(["run", "reader:1"]).ended(0);
    for _ in 0..2 {
        assert_eq!(run().stdout, "version 1\none\n", "{what}");
    }
    let read_only = |file: &PathBuf| fs::metadata(file).expect("file").permissions().mode() & 0o777 == 0o400;
    assert!(read_only(&file), "{what}");
    let write = |text: &str| {
        let before = fs::metadata(&file).expect("file").modified().expect("time");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("mode");
        fs::write(&file, text).expect("written");
        File::options().write(true).open(&file).expect("file").set_modified(before).expect("time");
    };
    for _ in 0..2 {
        write("ONE\n");
        let ran = run();
        assert_eq!(ran.stdout, "version 1\none\n", "{what}");
        assert!(ran.stderr.contains("the weights `reader:1` on `there` were changed"), "{what}: {}", ran.stderr);
        assert!(read_only(&file), "{what}");
        assert_eq!(there.env.mer(["run", "reader:1"]).ok(), "version 1\none\n", "{what}");
    }
    // Equal bytes are not sent again.
    let inode = |file: &PathBuf| fs::metadata(file).expect("file").ino();
    let before = inode(&file);
    write("one\n");
    assert_eq!(there.env.mer(["run", "reader:1"]).ok(), "version 1\none\n", "{what}");
    assert_eq!((inode(&file), read_only(&file)), (before, true), "{what}");
    assert_eq!(there.kept(), 1, "{what}: nothing half is left");
}

/// Another user of the server could place false weights there, with a record that declares them verified.
#[test]
fn a_cache_on_a_server_that_others_can_write_to_is_not_used() {
    let Some(there) = with_readers(Sshd::builder()) else { return };
    let run = || there.env.mer(["run", "reader:1"]).ended(0).stdout;
    assert_eq!(run(), "version 1\none\n");
    let file = there.weights("one\n");
    let folder = file.parent().expect("folder");
    let mode = |path: &Path, mode: u32| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("mode");
    for empty in [false, true] {
        mode(folder, 0o777);
        let said = there.env.mer(["run", "reader:1"]).failed(74);
        assert!(said.contains("is not used: it belongs to another user, or every user may write to it"), "{said}");
        mode(folder, 0o700);
        if !empty {
            fs::remove_file(&file).expect("removed");
        }
    }
    // In a sticky folder no user can replace the files of another.
    mode(folder, 0o1777);
    assert_eq!(run(), "version 1\none\n");
    // Only root can change the owner of a file.
    if !rustix::process::geteuid().is_root() {
        return;
    }
    mode(&file, 0o600);
    fs::write(&file, "ONE\n").expect("written");
    mode(&file, 0o400);
    let stamp = Command::new("stat").env("TZ", "UTC0").args(["-c", "%i %s %y %z"]).arg(&file).output().expect("stat");
    let record = there.home(".cache/mer/verified").join(format!("{}.raw.sh", sha256(b"one\n")));
    fs::write(&record, stamp.stdout).expect("record");
    assert_eq!(run(), "version 1\nONE\n", "a record of this user's is believed");
    chown(&record, Some(4321), None).expect("owner");
    assert_eq!(run(), "version 1\none\n");
    chown(&file, Some(4321), None).expect("owner");
    assert_eq!(run(), "version 1\none\n");
    assert_eq!(fs::metadata(&file).expect("file").uid(), 0, "it was brought again");
    chown(folder, Some(4321), None).expect("owner");
    there.env.mer(["run", "reader:1"]).failed(74);
}

/// Weights are hashed once, on delivery, until the file changes.
#[test]
fn weights_on_a_server_are_hashed_once() {
    let Some(there) = with_readers(Sshd::builder().shell(Shell::Sh, OWN_PROGRAMS)) else { return };
    there.program("sha256sum", "echo x >> ~/asked; exec /usr/bin/env PATH=/usr/bin:/bin sha256sum");
    let asked = || fs::read_to_string(there.home("asked")).expect("asked").len() / 2;
    for _ in 0..3 {
        assert_eq!(there.env.mer(["run", "reader:1"]).ok(), "version 1\none\n");
    }
    assert_eq!(asked(), 1);
    fs::set_permissions(there.weights("one\n"), fs::Permissions::from_mode(0o600)).expect("mode");
    for _ in 0..2 {
        assert_eq!(there.env.mer(["run", "reader:1"]).ok(), "version 1\none\n");
    }
    assert_eq!(asked(), 2);
}

#[test]
fn many_runs_at_once_deliver_weights_once() {
    let Some(there) = with_readers(Sshd::builder().shell(Shell::Sh, OWN_PROGRAMS)) else { return };
    there.program("sha256sum", "echo x >> ~/asked; sleep 1; exec /usr/bin/env PATH=/usr/bin:/bin sha256sum");
    let runs: Vec<_> = (0..6).map(|_| there.env.start(["run", "reader:2"])).collect();
    for live in runs {
        assert_eq!(live.finish().ok(), "version 2\ntwo\n");
    }
    assert_eq!(fs::read_to_string(there.home("asked")).expect("asked"), "x\n");
    assert_eq!(fs::read_dir(there.here()).expect("folder").count(), 0, "no lock is left");
}

#[test]
fn delivered_weights_are_whole_in_every_shell() {
    let bytes: Vec<u8> = (0..3_000_000_u32).flat_map(|number| number.to_le_bytes()[..1].to_vec()).collect();
    for builder in [Sshd::builder().shell(Shell::Fish, "echo hello"), Sshd::builder().noisy()] {
        let Some(there) = There::with(builder.max_sessions(1)) else { continue };
        there.apply(READERS);
        there.env.file("work/large", &bytes);
        there.env.mer(["weights", "put", "reader", "large", "--quiet"]).ok();
        let ran = there.env.mer(["run", "reader:1"]).ended(0);
        assert!(ran.bytes == [b"version 1\n".as_slice(), &bytes].concat(), "{}", ran.stderr);
    }
}

#[test]
fn a_remote_process_serves_one_version_and_a_moved_alias_starts_another() {
    let Some(there) = with_readers(Sshd::builder()) else { return };
    let lines = "weights alias keeper:1 current\nrun keeper a\nrun keeper b
        weights alias keeper:2 current\nrun keeper c\nweights alias keeper:1 current\nrun keeper d";
    let told = there.env.piped(["--allow-changes", "--quiet"], lines).ok();
    let told: Vec<Vec<&str>> = told.lines().map(|line| line.split(' ').collect()).collect();
    let said: Vec<_> = told.iter().map(|words| (words[1], words[2])).collect();
    assert_eq!(said, [("one", "a"), ("one", "b"), ("two", "c"), ("one", "d")]);
    let same: Vec<bool> = told.windows(2).map(|pair| pair[0][0] == pair[1][0]).collect();
    assert_eq!(same, [true, false, false]);
}

#[test]
fn damaged_weights_in_the_local_cache_come_from_the_database() {
    let Some(there) = with_readers(Sshd::builder()) else { return };
    let file = there.here().join(format!("{}.raw", sha256(b"one\n")));
    fs::create_dir_all(there.here()).expect("folder");
    fs::write(&file, "0ne\n").expect("file");
    let ran = there.env.mer(["run", "reader:1"]).ended(0);
    assert_eq!(ran.stdout, "version 1\none\n");
    assert!(ran.stderr.contains("were changed, and are not used"), "{}", ran.stderr);
    assert!(!file.exists());
    assert_eq!(there.kept(), 1);
}

#[test]
fn a_wrong_hash_is_retried_once_and_is_74() {
    let Some(there) = with_readers(Sshd::builder().shell(Shell::Sh, OWN_PROGRAMS)) else { return };
    there.program("sha256sum", "echo x >> ~/asked; echo 0123 -");
    let told = there.env.mer(["run", "reader:1"]).failed(74);
    assert!(told.contains("the weights `reader:1` arrived on `there` with another sha256, twice"), "{told}");
    assert_eq!(fs::read_to_string(there.home("asked")).expect("asked"), "x\nx\n");
    assert_eq!(there.kept(), 0, "nothing half is left");
    let row = there.env.row();
    assert_eq!((&row["status"], &row["weightsVersion"], &row["startMs"]), (&json!("failed"), &json!(1), &json!(null)));
    // After a single wrong hash the delivery is repeated.
    there.program(
        "sha256sum",
        "[ -e ~/again ] && exec /usr/bin/env -i PATH=/usr/bin:/bin sha256sum; : > ~/again; echo 0",
    );
    assert_eq!(there.env.mer(["run", "reader:1"]).ok(), "version 1\none\n");
}

#[test]
fn a_full_disk_on_a_server_is_74_with_a_hint() {
    // Each session mounts a small disk.
    let disk = r#"mount -t tmpfs -o size=1m none "$HOME/small" && exec sh -c "$0""#;
    let rc = format!("unshare -rm true 2>/dev/null && exec unshare -rm sh -c '{disk}' \"$command\"");
    let Some(there) = with_readers(Sshd::builder().shell(Shell::Sh, &rc)) else { return };
    let possible = Command::new("unshare").args(["-rm", "mount", "-t", "tmpfs", "none", "/mnt"]).status();
    if !possible.is_ok_and(|status| status.success()) {
        eprintln!("LEFT OUT: no disk can be mounted here");
        return;
    }
    fs::create_dir(there.home("small")).expect("folder");
    there.allowed("server set there --cache-dir ~/small");
    there.env.file("work/large", vec![b'w'; 3 << 20]);
    there.env.mer(["weights", "put", "reader", "large", "--quiet"]).ok();
    let told = there.env.mer(["run", "reader:3"]).failed(74);
    assert!(told.contains("the weights `reader:3` cannot be put on `there`: cat: "), "{told}");
    assert!(told.contains("No space left on device"), "{told}");
    assert!(told.contains("hint: free some space there"), "{told}");
    assert_eq!(there.env.row()["error"].as_str().map(|error| error.contains("No space left")), Some(true));
}

#[test]
fn folder_and_limit_of_a_servers_cache_are_settings() {
    cache_limit(Sshd::builder());
}

#[test]
fn a_servers_cache_works_with_busybox_and_mksh() {
    for name in ["busybox", "mksh"] {
        let Some((_bin, path)) = programs(name) else { continue };
        cache_limit(Sshd::builder().shell(Shell::Sh, &path));
    }
}

fn cache_limit(builder: Builder<'_>) {
    let Some(there) = with_readers(builder) else { return };
    there.allowed("server set there --cache-dir '~/my cache' --cache-limit 5B");
    let folder = there.home("my cache/weights");
    let file = |text: &str| folder.join(format!("{}.raw", sha256(text.as_bytes())));
    there.env.mer(["run", "reader:1"]).ok();
    assert_eq!(there.env.mer(["run", "reader:2"]).ok(), "version 2\ntwo\n");
    assert!(file("one\n").exists(), "it may be in use");
    let ago = SystemTime::now() - Duration::from_secs(7200);
    // The times of delivery and of last use are set back; not every server has a record.
    let records = there.home("my cache/verified");
    let record = |text: &str| records.join(format!("{}.raw.sh", sha256(text.as_bytes())));
    File::open(file("one\n")).expect("file").set_modified(ago).expect("time");
    if let Ok(record) = File::options().append(true).open(record("one\n")) {
        record.set_modified(ago).expect("time");
    }
    let half = folder.join(format!(".{}.x", "0".repeat(64)));
    for other in [half.clone(), folder.join("another's")] {
        File::create(other).expect("file").set_modified(ago).expect("time");
    }
    fs::remove_file(file("two\n")).expect("removed");
    assert_eq!(there.env.mer(["run", "reader:2"]).ok(), "version 2\ntwo\n");
    assert!(!file("one\n").exists() && !half.exists() && !record("one\n").exists());
    assert_eq!(fs::read_dir(&folder).expect("folder").count(), 2, "files of others stay");
}

#[test]
fn an_upload_that_is_cancelled_or_whose_mer_is_killed_leaves_nothing() {
    let Some(there) = with_readers(Sshd::builder().shell(Shell::Sh, OWN_PROGRAMS)) else { return };
    there.program("sha256sum", ": > ~/asked; exec sleep 600");
    for (signal, code) in [(Signal::INT, Some(130)), (Signal::KILL, None)] {
        let live = there.env.start(["run", "reader:1"]);
        wait_until("the upload", || there.home("asked").exists().then_some(()));
        assert_eq!(there.kept(), 1);
        live.signal(signal);
        if let Some(code) = code {
            live.finish().ended(code);
        }
        wait_until("nothing is left", || (there.kept() == 0).then_some(()));
        fs::remove_file(there.home("asked")).expect("removed");
    }
    let rows = there.env.rows();
    let told: Vec<_> = rows.iter().map(|row| row["status"].as_str().expect("text")).collect();
    assert_eq!(told, ["lost", "cancelled"]);
}

#[test]
fn another_server_serves_where_a_connection_is_lost_with_the_weights_on_their_way() {
    let Some(there) = with_readers(Sshd::builder().shell(Shell::Sh, OWN_PROGRAMS)) else { return };
    there.program("sha256sum", ": > ~/asked; exec sleep 600");
    there.allowed("model set reader --server there --server local");
    let live = there.env.start(["run", "reader:2"]);
    wait_until("the upload", || there.home("asked").exists().then_some(()));
    there.sshd.end_connections();
    let ran = live.finish();
    assert_eq!(ran.ended(0).stdout, "version 2\ntwo\n");
    let rows = there.env.rows();
    let told: Vec<_> = rows.iter().map(|row| (row["server"].as_str(), row["status"].as_str())).collect();
    assert_eq!(told, [(Some("local"), Some("succeeded")), (Some("there"), Some("unreachable"))]);
}
