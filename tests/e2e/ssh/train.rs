//! Trainings on a server: the file that they write there becomes a version.

use std::{fs, path::PathBuf, thread, time::Duration};

use mer_testkit::sshd::{Builder, Shell, Sshd};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{There, server};
use crate::{
    support::{OnServer, TestEnv, moment, noise, pid_in, shared_databases, wait_gone, wait_until},
    train::life_of_iris,
};

/// Models that train on the server, each in a different way.
const TRAINERS: &str = r#"
[models.goes-on]
servers = ["there"]
shell = true
inferenceCommand = 'cat "${MER_WEIGHTS:-/dev/null}"'
trainCommand = 'echo out; echo err >&2; cat "${MER_WEIGHTS:-/dev/null}" - > "$MER_WEIGHTS_OUT"'

[models.fails]
servers = ["there"]
shell = true
inferenceCommand = 'cat'
trainCommand = 'cat > "$MER_WEIGHTS_OUT"; echo why >&2; exit 3'

[models.nothing]
servers = ["there"]
shell = true
inferenceCommand = 'cat'
trainCommand = 'cat > /dev/null'

[models.waits]
servers = ["there"]
shell = true
inferenceCommand = 'cat'
trainCommand = 'echo half > "$MER_WEIGHTS_OUT"; echo $$ > "$HOME/waits.pid"; echo begun; exec sleep 600'

[models.folder]
servers = ["there"]
shell = true
inferenceCommand = 'cat'
trainCommand = 'mkdir "$MER_WEIGHTS_OUT"; cat > "$MER_WEIGHTS_OUT/part"'

[models.numpy]
servers = ["there"]
shell = true
inferenceCommand = 'cat'
trainCommand = 'cat > "$MER_WEIGHTS_OUT.npy"'
"#;

/// A line for the rc file that puts a folder of test programs first on the server's PATH.
const OWN_PROGRAMS: &str = "PATH=\"$HOME/bin:$PATH\"; export PATH";

fn with_trainers(builder: Builder<'_>) -> Option<There> {
    let there = There::with(builder)?;
    there.apply(TRAINERS);
    Some(there)
}

/// Returns the number of training folders on the server.
fn left(there: &There) -> usize {
    fs::read_dir(there.home(".cache/mer/training")).map_or(0, Iterator::count)
}

#[track_caller]
fn check_nothing(there: &There) {
    assert!(there.env.mer(["weights", "list", "--json"]).objects().is_empty());
    assert_eq!(left(there), 0);
    assert_eq!(fs::read_dir(there.env.path("data/mer/training")).expect("folder").count(), 0);
}

#[test]
fn iris_is_trained_served_promoted_and_rolled_back_over_ssh_on_every_backend() {
    let Some(sshd) = Sshd::start() else { return };
    let mer = TestEnv::binary().display().to_string();
    let registry = format!(
        "{}[models.far-iris]\nservers = ['there']\ninferenceCommand = ['{mer}', 'example-model', 'iris']\n\
         trainCommand = ['{mer}', 'example-model', 'iris', 'train']\n",
        server("there", &sshd)
    );
    let mut places: Vec<OnServer> = shared_databases().into_iter().map(OnServer::migrated).collect();
    places.push(OnServer { env: TestEnv::new(), url: "embedded".to_owned() });
    for place in places {
        place.env.file("home/.ssh/known_hosts", sshd.known_hosts());
        place.apply(&registry);
        life_of_iris(&place, "far-iris");
        let rows = place.mer(["log", "list", "--json"]).objects();
        assert!(rows.iter().all(|row| row["server"] == "there"), "{rows:?}");
        // The next training sends the same bytes and must not find these.
        let weights = sshd.home().join(".cache/mer/weights");
        assert_eq!(fs::read_dir(&weights).expect("folder").count(), 2, "{}", place.url);
        fs::remove_dir_all(weights).expect("removed");
    }
}

#[test]
fn a_remote_training_continues_from_weights_in_every_shell() {
    let shells =
        [Sshd::builder(), Sshd::builder().shell(Shell::Fish, "echo hello"), Sshd::builder().noisy().max_sessions(1)];
    for builder in shells {
        let Some(there) = with_trainers(builder) else { continue };
        let bytes = noise(1, 700_000);
        let first = there.env.piped(["train", "goes-on", "-"], &bytes).ended(0);
        assert_eq!(first.stdout, "out\n");
        assert!(first.stderr.contains("err\ntrained `goes-on:1`: 700000 bytes of raw, opaque"), "{}", first.stderr);
        there.env.mer(["train", "goes-on:1", "more", "--promote", "--allow-changes", "--quiet"]).ended(0);
        let all = there.env.mer(["run", "goes-on"]).ended(0).bytes;
        assert!(all == [bytes.as_slice(), b"more\n"].concat());
        assert_eq!(left(&there), 0);
        let row = &there.env.rows()[1];
        assert_eq!(
            (&row["kind"], &row["server"], &row["weightsVersion"]),
            (&json!("train"), &json!("there"), &json!(2))
        );
        let shown = there.env.mer(["weights", "show", "goes-on", "--no-statistics", "--json"]).object();
        assert_eq!(shown["parentVersion"], json!(1));
    }
}

#[test]
fn a_remote_training_that_fails_or_is_cancelled_leaves_nothing() {
    let Some(there) = with_trainers(Sshd::builder()) else { return };
    for (model, code, told) in [
        ("fails", 1, "`fails` on `there`: the model exited with code 3; no version was made"),
        ("nothing", 76, "wrote nothing to the path in `MER_WEIGHTS_OUT`; no version was made"),
    ] {
        let said = there.env.mer(["train", model, "x"]).failed(code);
        assert!(said.contains(told), "{said}");
        check_nothing(&there);
    }
    let live = there.env.start(["train", "waits", "x"]);
    live.wait_stdout("begun\n");
    let pid = pid_in(&there.home("waits.pid"));
    live.signal(Signal::INT);
    let said = live.finish().ended(130).stderr;
    let told = "cancelled by Ctrl-C; its process on `there` is gone; no version was made\n";
    assert!(said.contains(told), "{said}");
    wait_gone(pid);
    check_nothing(&there);
    // The file keeps the extension that the model chose.
    let said = there.env.piped(["train", "numpy", "-"], "no array").failed(76);
    assert!(said.contains("this is not a valid npy file"), "{said}");
    // A folder is not taken as weights, and stays where it was written.
    let said = there.env.mer(["train", "folder", "x"]).failed(76);
    assert!(said.contains("the training wrote a folder, and weights are one file; no version was made"), "{said}");
    let path = said.split_once("it is still on `there`, in `").expect("a hint").1.split_once('`').expect("a path").0;
    assert_eq!(fs::read(PathBuf::from(path).join("part")).expect("file"), b"x\n");
}

#[test]
fn a_training_whose_connection_is_cut_makes_no_version() {
    let Some(there) = with_trainers(Sshd::builder()) else { return };
    let live = there.env.start(["train", "waits", "x"]);
    live.wait_stdout("begun\n");
    let pid = pid_in(&there.home("waits.pid"));
    there.sshd.end_connections();
    let said = live.finish().ended(69).stderr;
    assert!(said.contains("how the model ended is not known") && said.contains("; no version was made\n"), "{said}");
    wait_gone(pid);
    assert!(there.env.mer(["weights", "list", "--json"]).objects().is_empty());
    let row = there.env.row();
    assert_eq!((&row["status"], &row["weightsVersion"]), (&json!("unreachable"), &Value::Null), "{row}");
}

#[test]
fn weights_that_change_on_the_way_are_fetched_again_once_and_are_74() {
    let Some(there) = with_trainers(Sshd::builder().noisy().shell(Shell::Bash, OWN_PROGRAMS)) else { return };
    // A `sha256sum` that prints a wrong hash, once.
    let lies =
        "if [ -e \"$HOME/lied\" ]; then exec /usr/bin/sha256sum; fi; : > \"$HOME/lied\"; cat > /dev/null; echo 00";
    there.program("sha256sum", lies);
    there.env.mer(["train", "goes-on", "x", "--quiet"]).ended(0);
    assert!(there.home("lied").exists());
    there.program("sha256sum", "cat > /dev/null; echo 00");
    let said = there.env.mer(["train", "goes-on", "x"]).ended(74).stderr;
    assert!(
        said.contains("the weights could not be fetched from `there`: the bytes that arrived differ from those that were sent, twice"),
        "{said}"
    );
    // The files are still on the server.
    let path = said.split_once("it is still on `there`, in `").expect("a hint").1.split_once('`').expect("a path").0;
    assert_eq!(fs::read(path).expect("file"), b"x\n");
    assert_eq!(there.env.mer(["weights", "list", "--json"]).objects().len(), 1);
}

#[test]
fn sshd_that_is_killed_while_models_train_leaves_whole_versions_only() {
    let rounds = std::env::var("MER_KILL_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(5);
    let Some(there) = with_trainers(Sshd::builder()) else { return };
    let mut all: Vec<Vec<u8>> = Vec::new();
    for round in 0..rounds {
        let bytes = noise(round + 1, 300_000);
        there.env.file("work/input", &bytes);
        all.push(bytes);
        let live = there.env.start(["train", "goes-on", "@input", "--quiet"]);
        let after = moment(Duration::from_millis(1500));
        thread::sleep(after);
        there.sshd.end_connections();
        let ran = live.finish();
        assert!([Some(0), Some(69), Some(74)].contains(&ran.code), "after {after:?}: {ran:?}");
        wait_until("what ran over there", || {
            mer_testkit::processes::with_nonce(there.sshd.nonce()).is_empty().then_some(())
        });
        crate::train::check_whole(&there.env, "goes-on", &all, &format!("after {after:?}: {}", ran.stderr));
    }
}
