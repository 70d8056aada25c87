//! An embedded database with damaged or missing files: the error comes soon, and nothing gets worse.

use std::{
    fs,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::support::{BOUND, Live, TestEnv, run, wait_until};

/// Returns an environment whose database has rows in tables, and the engine's folder.
fn with_rows() -> (TestEnv, PathBuf) {
    let env = TestEnv::ready();
    env.mer(["run", "cat", "x"]).ok();
    env.mer(["log", "list"]).ok();
    let engine = env.path("data/mer/db");
    assert!(!files(&engine.join("sstables")).is_empty());
    (env, engine)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

/// Returns the bytes of every file below the folder.
fn all(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for path in files(folder) {
        if path.is_dir() {
            found.extend(all(&path));
        } else if path.file_name().is_some_and(|name| name != "LOCK") {
            found.push((path.clone(), fs::read(&path).expect("readable")));
        }
    }
    found
}

const COMMANDS: [&[&str]; 5] =
    [&["run", "cat", "x"], &["model", "list"], &["log", "list"], &["migrate"], &["export", "--all"]];

#[test]
fn a_database_without_its_manifest_is_74_and_left_as_it_is() {
    let (env, engine) = with_rows();
    let manifest = engine.join("manifest");
    let kept: Vec<_> = files(&manifest).into_iter().map(|path| (path.clone(), fs::read(path).expect("read"))).collect();
    for removed_with_its_folder in [false, true] {
        if removed_with_its_folder {
            fs::remove_dir_all(&manifest).expect("removed");
        } else {
            kept.iter().for_each(|(path, _)| fs::remove_file(path).expect("removed"));
        }
        let before = all(&engine);
        for args in COMMANDS {
            let told = env.mer_args(args).failed(74);
            assert!(told.contains("is incomplete") && told.contains("nothing was changed"), "{args:?}: {told}");
        }
        assert_eq!(all(&engine), before);
        fs::create_dir_all(&manifest).expect("a folder");
        kept.iter().for_each(|(path, bytes)| fs::write(path, bytes).expect("put back"));
        assert!(env.mer(["model", "list"]).ok().contains("cat"));
    }
}

/// Damages of a table file: a few changed bytes, mostly changed bytes, a cut, a removed file.
#[test]
fn a_damaged_table_is_74_soon() {
    for damage in ["few", "most", "end", "gone"] {
        let (env, engine) = with_rows();
        // Without a snapshot the engine has to be opened.
        fs::remove_file(env.path("data/mer/db.snapshot")).expect("removed");
        for table in files(&engine.join("sstables")) {
            let file = fs::File::options().write(true).open(&table).expect("a table");
            let length = file.metadata().expect("a length").len();
            match damage {
                "few" => file.write_all_at(&[0xa5; 8], 8).expect("written"),
                "most" => {
                    let bytes = vec![0xa5; usize::try_from(length / 2).expect("small")];
                    file.write_all_at(&bytes, 0).expect("written");
                }
                "end" => file.set_len(length / 2).expect("cut"),
                _ => fs::remove_file(&table).expect("removed"),
            }
        }
        for args in [&["model", "list"][..], &["log", "list"]] {
            let begun = Instant::now();
            let mut command = env.command();
            command.args(args).args(["--db-wait", "20s"]);
            let told = run(command).failed(74);
            assert!(damage == "gone" || told.contains("its files are damaged"), "{damage}: {told}");
            assert!(begun.elapsed() < Duration::from_secs(20), "{damage} {args:?}: {:?}", begun.elapsed());
        }
    }
}

/// Damage that would make the engine wait without a bound, or that it reports in its internal terms.
#[test]
fn irregular_or_cut_files_of_the_engine_are_74_soon() {
    for (folder, damage, told) in [
        ("manifest", "pipe", "is a named pipe, and must be a regular file"),
        ("sstables", "pipe", "is a named pipe, and must be a regular file"),
        ("wal", "pipe", "is a named pipe, and must be a regular file"),
        ("sstables", "link", "is a symbolic link, and must be a regular file"),
        ("manifest", "cut", "its files are damaged"),
        ("wal", "noise", "its files are damaged"),
    ] {
        let (env, engine) = with_rows();
        fs::remove_file(env.path("data/mer/db.snapshot")).expect("removed");
        let new = engine.join("wal/00000000000000000099.wal");
        let file = files(&engine.join(folder)).into_iter().next().filter(|_| folder != "wal").unwrap_or(new);
        match damage {
            "cut" => {
                let cut = fs::File::options().write(true).open(&file).expect("a file");
                cut.set_len(cut.metadata().expect("a length").len() - 3).expect("cut");
            }
            "noise" => fs::write(&file, [0xa5; 3000]).expect("written"),
            "link" => {
                fs::rename(&file, env.path("work/elsewhere")).expect("renamed");
                std::os::unix::fs::symlink(env.path("work/elsewhere"), &file).expect("a link");
            }
            _ => {
                let _ = fs::remove_file(&file);
                assert!(std::process::Command::new("mkfifo").arg(&file).status().expect("`mkfifo` starts").success());
            }
        }
        for args in COMMANDS {
            let begun = Instant::now();
            let mut command = env.command();
            command.args(args).args(["--db-wait", "600s"]);
            let said = run(command).failed(74);
            assert!(said.contains(told), "{folder} {damage} {args:?}: {said}");
            assert!(begun.elapsed() < BOUND, "{folder} {damage} {args:?}: {:?}", begun.elapsed());
        }
        let doctor = env.mer(["doctor"]);
        assert!(doctor.code == Some(1) && !doctor.stdout.contains("start it"), "{}", doctor.stdout);
    }
}

/// A `mer` whose lock files are removed while it writes reports that, and still excludes other processes.
#[test]
fn locks_that_are_removed_under_a_writer_make_it_fail() {
    for removed in [&["db.lock"][..], &["db/LOCK"], &["db.lock", "db/LOCK"]] {
        let env = TestEnv::ready();
        env.mer(["log", "list"]).ok();
        let mut writer = Live::start(env.with(["weights", "put", "cat", "-", "--format", "raw"]), Stdio::piped());
        let pipe = vec![7; 1 << 20];
        // More bytes than the writer buffers, so that it opens the database.
        let mut input = writer.take_stdin();
        let feeding = std::thread::spawn(move || {
            use std::io::Write as _;
            while input.write_all(&pipe).is_ok() {}
        });
        // Removing them between two leases is allowed and has no effect, so they are removed again and again until it ends.
        let lock = env.path("data/mer/db.lock");
        wait_until("the writer has ended", || {
            if fs::read_to_string(&lock).is_ok_and(|text| text.trim() == writer.pid().to_string()) {
                for name in removed {
                    let _ = fs::remove_file(env.path("data/mer").join(name));
                }
            }
            writer.is_over().then_some(())
        });
        let ran = writer.finish();
        assert_eq!(ran.code, Some(74), "{removed:?}: {ran:?}");
        assert!(ran.stderr.contains("was removed or replaced while the database was in use"), "{}", ran.stderr);
        feeding.join().expect("an end");
        assert!(env.mer(["model", "list"]).ok().contains("cat"), "{removed:?}");
    }
}

/// A signal ends a slow opening of the database.
#[test]
fn a_signal_ends_a_wait_for_a_database() {
    let (env, engine) = with_rows();
    fs::remove_file(env.path("data/mer/db.snapshot")).expect("removed");
    // Another program holds the engine's lock.
    let lock = fs::File::open(engine.join("LOCK")).expect("a lock");
    lock.lock().expect("held");
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let live = Live::start(env.with(["model", "list", "--db-wait", "600s"]), Stdio::null());
        let held = env.path("data/mer/db.lock");
        wait_until("it waits", || {
            fs::read_to_string(&held).is_ok_and(|text| text.trim() == live.pid().to_string()).then_some(())
        });
        let begun = Instant::now();
        live.signal(signal);
        live.finish().ended(code);
        assert!(begun.elapsed() < BOUND);
    }
}
