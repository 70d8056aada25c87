//! Weights that models get: which version, in which file, and how often they are delivered.

use std::{
    fs::{self, File, Permissions},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use mer_testkit::sshd::Sshd;
use rustix::fs::{CWD, Mode, mkfifoat};
use serde_json::json;

use crate::{
    ssh::server,
    support::{Live, OnServer, TestEnv, repository, run, sha256, shared_databases},
};

/// Returns an environment with models that print their weights, each with the versions `one` and `two`.
fn with_readers() -> TestEnv {
    let env = TestEnv::new();
    let models = r#"
        model add reader --shell -- 'echo "version $MER_WEIGHTS_VERSION"; cat "${MER_WEIGHTS:-/dev/null}"'
        model add keeper --shell --protocol lines -- 'while read -r line; do echo "$$ $MER_WEIGHTS_VERSION $line"; done'"#;
    env.piped(["--allow-changes", "--quiet"], models).ok();
    for model in ["reader", "keeper"] {
        for text in ["one\n", "two\n"] {
            env.piped(["weights", "put", model, "-", "--quiet"], text).ok();
        }
    }
    env
}

#[test]
fn a_run_gets_the_version_that_is_named_and_the_log_has_it() {
    let env = with_readers();
    assert_eq!(env.mer(["run", "reader"]).ok(), "version \n");
    assert_eq!(env.row()["weightsVersion"], json!(null));
    assert_eq!(env.mer(["run", "reader:1"]).ok(), "version 1\none\n");
    env.mer(["weights", "alias", "reader:2", "current", "--allow-changes", "--quiet"]).ok();
    env.mer(["weights", "alias", "reader:1", "old", "--allow-changes", "--quiet"]).ok();
    for (model, told) in
        [("reader", "version 2\ntwo\n"), ("reader@old", "version 1\none\n"), ("reader@current", "version 2\ntwo\n")]
    {
        assert_eq!(env.mer(["run", model]).ok(), told, "{model}");
    }
    let rows = env.rows();
    let versions: Vec<_> = rows.iter().map(|row| row["weightsVersion"].clone()).collect();
    assert_eq!(versions, [json!(2), json!(1), json!(2), json!(1), json!(null)]);
    assert_eq!(rows[0]["weightsSha256"], json!(sha256(b"two\n")));
    assert!(rows.iter().all(|row| row["model"] == "reader"));
    for (model, code, told) in [
        ("reader:9", 66, "the nearest is `reader:2`"),
        ("reader@olds", 66, "did you mean `old`?"),
        ("raeder:1", 66, "did you mean `reader`?"),
        ("reader:x", 64, "`x` in `reader:x` is not a version"),
        ("reader@", 64, "names no alias"),
    ] {
        let said = env.mer(["run", model]).failed(code);
        assert!(said.contains(told), "{model}: {said}");
    }
    assert_eq!(env.rows().len(), 5, "nothing was started");
    let told = env.mer(["weights", "remove", "reader:1", "--allow-changes"]).failed(77);
    assert!(told.contains("log"), "{told}");
}

/// Returns the cached file of a text that was put, and its verification record.
fn delivered(env: &TestEnv, text: &[u8]) -> (PathBuf, PathBuf) {
    let name = format!("{}.raw", sha256(text));
    let folder = env.path("home/.cache/mer");
    (folder.join("weights").join(&name), folder.join("verified").join(&name))
}

fn mode(file: &Path) -> u32 {
    fs::metadata(file).expect("file").permissions().mode() & 0o777
}

/// Changes the bytes of a file and restores its modification time.
fn overwrite(file: &Path, text: &str) {
    let before = fs::metadata(file).expect("file").modified().expect("time");
    fs::set_permissions(file, Permissions::from_mode(0o600)).expect("mode");
    fs::write(file, text).expect("written");
    File::options().write(true).open(file).expect("file").set_modified(before).expect("time");
    fs::set_permissions(file, Permissions::from_mode(0o400)).expect("mode");
}

#[test]
fn weights_changed_since_delivery_are_delivered_again() {
    let env = with_readers();
    env.mer(["run", "reader:1"]).ok();
    let (file, record) = delivered(&env, b"one\n");
    assert_eq!((fs::read(&file).expect("file").as_slice(), mode(&file)), (b"one\n".as_slice(), 0o400));
    assert_eq!((mode(&record), mode(record.parent().expect("folder"))), (0o600, 0o700));
    type Spoil = Box<dyn Fn(&Path)>;
    let new = |text: &'static str| -> Spoil {
        Box::new(move |file| {
            fs::remove_file(file).expect("removed");
            fs::write(file, text).expect("written");
        })
    };
    let instead = |make: &'static dyn Fn(&Path)| -> Spoil {
        Box::new(move |file| {
            fs::remove_file(file).expect("removed");
            make(file);
        })
    };
    let spoils: Vec<(&str, Spoil)> = vec![
        ("other bytes", Box::new(|file| overwrite(file, "ONE\n"))),
        ("another file", new("ONE\n")),
        ("cut", new("o")),
        ("empty", new("")),
        ("longer", new("one\none\n")),
        ("a link", instead(&|file| symlink("/etc/hostname", file).expect("link"))),
        ("a link to nothing", instead(&|file| symlink("/no/where", file).expect("link"))),
        ("a folder", instead(&|file| fs::create_dir(file).expect("folder"))),
        ("a pipe", instead(&|file| mkfifoat(CWD, file, Mode::from_raw_mode(0o600)).expect("pipe"))),
    ];
    for (what, spoil) in spoils {
        spoil(&file);
        let ran = env.mer(["run", "reader:1"]).ended(0);
        assert_eq!(ran.stdout, "version 1\none\n", "{what}");
        assert!(ran.stderr.contains("warning: the weights `reader:1` in "), "{what}: {}", ran.stderr);
        assert!(ran.stderr.contains(" were changed, and are not used"), "{what}: {}", ran.stderr);
        assert_eq!(mode(&file), 0o400, "{what}");
        assert_eq!(env.mer(["run", "reader:1"]).ok(), "version 1\none\n", "{what}");
    }
    assert_eq!(fs::read_dir(file.parent().expect("folder")).expect("folder").count(), 1, "nothing half is left");
    assert_eq!(fs::read_dir(record.parent().expect("folder")).expect("folder").count(), 1);
}

/// A user with write access to the folder could place false weights there, with a record that declares them verified.
#[test]
fn a_folder_of_weights_that_others_can_write_to_is_not_used() {
    let env = with_readers();
    env.mer(["run", "reader:1"]).ok();
    let (file, record) = delivered(&env, b"one\n");
    let folder = file.parent().expect("folder");
    fs::set_permissions(folder, Permissions::from_mode(0o777)).expect("mode");
    let said = env.mer(["run", "reader:1"]).failed(77);
    assert!(said.contains("every user of this machine may write to it") && said.contains("MER_CACHE_DIR"), "{said}");
    fs::set_permissions(folder, Permissions::from_mode(0o700)).expect("mode");
    assert_eq!(env.mer(["run", "reader:1"]).ok(), "version 1\none\n");
    // Only root can change the owner of a file.
    if !rustix::process::geteuid().is_root() {
        return;
    }
    chown(folder, Some(4321), None).expect("owner");
    let said = env.mer(["run", "reader:1"]).failed(77);
    assert!(said.contains("4321"), "{said}");
    chown(folder, Some(0), None).expect("owner");
    // Length and record match, but the other user wrote both.
    overwrite(&file, "ONE\n");
    let found = fs::metadata(&file).expect("file");
    let times = [(found.mtime(), found.mtime_nsec()), (found.ctime(), found.ctime_nsec())];
    let times = times.map(|(seconds, nanos)| format!("{seconds}.{nanos:09}")).join(" ");
    fs::write(&record, format!("{} {} {times}\n", found.ino(), found.len())).expect("record");
    assert_eq!(env.mer(["run", "reader:1"]).ok(), "version 1\nONE\n", "a record of this user's is believed");
    chown(&record, Some(4321), None).expect("owner");
    assert_eq!(env.mer(["run", "reader:1"]).ended(0).stdout, "version 1\none\n");
    let (file, _) = delivered(&env, b"one\n");
    chown(&file, Some(4321), None).expect("owner");
    assert_eq!(env.mer(["run", "reader:1"]).ended(0).stdout, "version 1\none\n");
    assert_eq!(fs::metadata(&file).expect("file").uid(), 0, "it was brought again");
}

#[test]
fn weights_are_hashed_only_where_their_file_has_changed_and_not_transferred_where_their_bytes_have_not() {
    let env = with_readers();
    env.mer(["weights", "alias", "reader:1", "current", "--allow-changes", "--quiet"]).ok();
    env.mer(["run", "reader"]).ok();
    let (file, record) = delivered(&env, b"one\n");
    let known = fs::read_to_string(&record).expect("record");
    // From here on the database is busy, and nothing can be delivered.
    let lease = File::options().write(true).open(env.path("data/mer/db.lock")).expect("the lease");
    lease.lock().expect("the lease");
    let run = || assert_eq!(env.mer(["run", "reader", "--db-wait", "0s"]).ok(), "version 1\none\n");
    run();
    assert_eq!(fs::read_to_string(&record).expect("record"), known);
    // The same bytes in another file, as after an older MER or a backup: with no record or a wrong one.
    fs::remove_file(&file).expect("removed");
    fs::write(&file, "one\n").expect("written");
    run();
    assert_eq!(mode(&file), 0o400);
    assert_ne!(fs::read_to_string(&record).expect("record"), known);
    for text in [None, Some("x"), Some("")] {
        fs::remove_file(&record).expect("removed");
        text.iter().for_each(|text| fs::write(&record, text).expect("written"));
        run();
        assert_eq!(fs::read_to_string(&record).expect("record").split(' ').count(), 4, "{text:?}");
    }
    // A record that cannot be written, or is a named pipe, prevents no run.
    fs::remove_file(&record).expect("removed");
    mkfifoat(CWD, &record, Mode::from_raw_mode(0o600)).expect("pipe");
    run();
    // With other bytes the weights have to come from the database.
    overwrite(&file, "ONE\n");
    env.mer(["run", "reader", "--db-wait", "0s"]).ended(75);
}

#[test]
fn a_hash_that_names_no_file_is_no_hash() {
    let env = with_readers();
    let lines = env.mer(["export", "--all"]).ok();
    let Some((server, database, place)) = OnServer::on_postgres() else { return };
    place.env.file("work/x.jsonl", lines);
    place.mer(["import", "x.jsonl", "--allow-changes", "--quiet"]).ok();
    server.sql(&database, r#"UPDATE "ModelWeights" SET "sha256" = '../../../' || 'work/out' WHERE "version" = 1"#);
    let told = place.mer(["run", "reader:1"]).failed(65);
    assert!(
        told.contains("the weights `reader:1` cannot be used") && told.contains("`sha256` is not a sha256"),
        "{told}"
    );
    assert_eq!(fs::read_dir(place.env.path("work")).expect("folder").count(), 1);
    // `mer export` warns before such a database is moved.
    let warned = place.mer(["export", "--all"]).ended(74).stderr;
    assert!(warned.contains("of the export is one that `mer import` refuses: `sha256` is not a sha256"), "{warned}");
}

#[test]
fn cached_weights_need_no_engine() {
    let env = with_readers();
    env.mer(["weights", "alias", "reader:2", "current", "--allow-changes", "--quiet"]).ok();
    env.mer(["run", "reader"]).ok();
    env.mer(["run", "reader:1"]).ok();
    let lease = File::options().write(true).open(env.path("data/mer/db.lock")).expect("the lease");
    lease.lock().expect("the lease");
    for model in ["reader", "reader@current", "reader:2"] {
        assert_eq!(env.mer(["run", model, "--db-wait", "0s"]).ok(), "version 2\ntwo\n", "{model}");
    }
    // A version without an alias.
    assert_eq!(env.mer(["run", "reader:1", "--db-wait", "0s"]).ok(), "version 1\none\n");
    // The database is asked for a version that the snapshot does not have.
    env.mer(["run", "reader:3", "--db-wait", "0s"]).ended(75);
    drop(lease);
    assert_eq!(env.rows().len(), 6);
    env.mer(["weights", "remove", "reader:1", "--force", "--allow-changes", "--quiet"]).ok();
    env.mer(["run", "reader:1"]).failed(66);
}

#[test]
fn the_least_recently_used_weights_are_removed() {
    let env = with_readers();
    let folder = env.path("work/cache/weights");
    let run = |model, limit: &str| {
        let mut command = env.with(["run", model]);
        command.env("MER_CACHE_DIR", env.path("work/cache")).env("MER_CACHE_LIMIT", limit);
        run(command).ok();
        fs::read_dir(&folder).expect("folder").count()
    };
    assert_eq!(run("reader:1", "5B"), 1);
    // It counts as being in use.
    assert_eq!(run("reader:2", "5B"), 2);
    let old = folder.join(format!("{}.raw", sha256(b"one\n")));
    let record = env.path("work/cache/verified").join(format!("{}.raw", sha256(b"one\n")));
    let ago = SystemTime::now() - Duration::from_secs(7200);
    // The time of its last use counts, not the time of its delivery.
    File::open(&old).expect("file").set_modified(ago).expect("time");
    File::options().append(true).open(&record).expect("record").set_modified(ago).expect("time");
    fs::remove_file(folder.join(format!("{}.raw", sha256(b"two\n")))).expect("removed");
    assert_eq!(run("reader:2", "1MiB"), 2);
    fs::remove_file(folder.join(format!("{}.raw", sha256(b"two\n")))).expect("removed");
    assert_eq!(run("reader:2", "5B"), 1);
    assert!(!old.exists() && !record.exists());
}

#[test]
fn many_runs_at_once_deliver_weights_once() {
    let env = with_readers();
    let runs: Vec<Live> = (0..8).map(|_| env.start(["run", "reader:2"])).collect();
    for live in runs {
        assert_eq!(live.finish().ok(), "version 2\ntwo\n");
    }
    let names = fs::read_dir(env.path("home/.cache/mer/weights")).expect("folder");
    assert_eq!(names.count(), 1);
}

#[test]
fn a_ping_starts_a_warm_model_with_its_current_weights() {
    let env = TestEnv::new();
    let model =
        r#"model add loader --shell --protocol token -- 'grep -q two "$MER_WEIGHTS" && echo READY && read -r x'"#;
    env.piped(["--allow-changes", "--quiet"], model).ok();
    env.mer(["model", "set", "loader", "--ready-token", "READY", "--allow-changes", "--quiet"]).ok();
    env.piped(["weights", "put", "loader", "-", "--quiet"], "two\n").ok();
    env.mer(["model", "ping", "loader"]).ended(1);
    env.mer(["weights", "alias", "loader:1", "current", "--allow-changes", "--quiet"]).ok();
    env.mer(["model", "ping", "loader"]).ok();
    assert_eq!(env.rows()[0]["weightsVersion"], json!(1));
}

#[test]
fn a_process_that_stays_up_serves_one_version() {
    let env = with_readers();
    let lines = "run keeper:1 a\nrun keeper:1 b\nrun keeper:2 c\nweights alias keeper:1 current\nrun keeper d
        weights alias keeper:2 current\nrun keeper e\nuse keeper\nf\n/use keeper@current\ng";
    let told = env.piped(["--allow-changes", "--quiet"], lines).ok();
    let told: Vec<Vec<&str>> = told.lines().map(|line| line.split(' ').collect()).collect();
    let said: Vec<_> = told.iter().map(|words| (words[1], words[2])).collect();
    assert_eq!(said, [("1", "a"), ("1", "b"), ("2", "c"), ("1", "d"), ("2", "e"), ("2", "f"), ("2", "g")]);
    let same: Vec<bool> = told.windows(2).map(|pair| pair[0][0] == pair[1][0]).collect();
    assert_eq!(same, [true, false, false, false, true, true]);
}

#[test]
fn iris_answers_with_the_weights_that_it_was_trained_to() {
    let env = TestEnv::new();
    let csv = File::open(repository().join("examples/models/iris/iris.csv")).expect("iris.csv");
    let mut train = env.with(["example-model", "iris", "train"]);
    train.env("MER_WEIGHTS_OUT", env.path("work/iris.npy"));
    Live::start(train, csv).finish().ended(0);
    let put = ["weights", "put", "iris", "iris.npy", "--finite", "--alias", "current", "--allow-changes", "--json"];
    assert_eq!(env.mer(put).object()["dtype"], json!("f64"));
    let told = env.mer(["run", "iris", "5.1,3.5,1.4,0.2"]).ok();
    assert!(told.contains("setosa"), "{told}");
    assert_eq!(env.row()["weightsVersion"], json!(1));
    // Weights without numbers make the model fail, which proves that it uses them.
    env.file("work/wrong.npy", b"no weights");
    env.mer(["weights", "put", "iris", "wrong.npy", "--format", "raw", "--quiet"]).ok();
    env.mer(["run", "iris:2", "5.1,3.5,1.4,0.2"]).ended(1);
    env.mer(["run", "iris@current", "5.1,3.5,1.4,0.2"]).ok();
}

#[test]
fn delivery_from_every_database_to_both_machines_is_logged_with_its_version() {
    let Some(sshd) = Sshd::builder().start() else { return };
    let bytes = vec![b'w'; (2 << 20) + 5];
    for url in shared_databases() {
        let place = OnServer::migrated(url);
        place.env.file("home/.ssh/known_hosts", sshd.known_hosts());
        place.env.file("work/large", &bytes);
        place.env.file("work/small", b"small");
        let reader = r#"servers = ["there", "local"]
            inferenceCommand = 'wc -c < "$MER_WEIGHTS" | tr -d " "'
            shell = true"#;
        place.apply(format!("{}\n[models.reader]\n{reader}\n", server("there", &sshd)));
        place.mer(["weights", "put", "reader", "large", "--quiet"]).ok();
        place.mer(["weights", "put", "reader", "small", "--alias", "current", "--allow-changes", "--quiet"]).ok();
        for server in ["there", "local"] {
            assert_eq!(place.mer(["run", "reader:1", "--server", server]).ok(), "2097157\n", "{}", place.url);
            assert_eq!(place.mer(["run", "reader", "--server", server]).ok(), "5\n", "{}", place.url);
        }
        place.mer(["weights", "alias", "reader:1", "current", "--allow-changes", "--quiet"]).ok();
        assert_eq!(place.mer(["run", "reader"]).ok(), "2097157\n", "{}", place.url);
        let rows = place.mer(["log", "list", "--json"]).objects();
        let told: Vec<_> = rows.iter().map(|row| (row["server"].as_str(), row["weightsVersion"].as_u64())).collect();
        let (there, local) = (Some("there"), Some("local"));
        assert_eq!(told, [(there, Some(1)), (local, Some(2)), (local, Some(1)), (there, Some(2)), (there, Some(1))]);
        assert_eq!(rows[0]["weightsSha256"], json!(sha256(&bytes)));
    }
}
