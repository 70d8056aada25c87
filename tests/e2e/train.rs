//! `mer train`: the file that a training writes becomes the next version, and no other file does.

use std::{collections::HashMap, fs, process::Stdio};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Live, OnServer, Server, TestEnv, pid_in, repository, run, sha256, shared_databases, wait_gone};

/// The measured flowers with their species.
fn flowers() -> String {
    fs::read_to_string(repository().join("examples/models/iris/iris.csv")).expect("iris.csv")
}

/// Returns lengths and species of the held-out flowers: the first of every five of a species.
pub(crate) fn held_out(flowers: &str) -> Vec<(String, String)> {
    let mut seen = HashMap::new();
    let mut held = Vec::new();
    for (lengths, species) in flowers.lines().skip(1).filter_map(|line| line.rsplit_once(',')) {
        let count = seen.entry(species.to_owned()).or_insert(0);
        if *count % 5 == 0 {
            held.push((lengths.to_owned(), species.to_owned()));
        }
        *count += 1;
    }
    held
}

/// Returns the share of held-out flowers that this model classifies correctly.
#[track_caller]
pub(crate) fn accuracy(place: &OnServer, model: &str, held: &[(String, String)]) -> f64 {
    let asked: String = held.iter().map(|(lengths, _)| format!("{lengths}\n")).collect();
    place.env.file("work/held-out.csv", asked);
    let told = place.mer(["run", model, "@held-out.csv", "--quiet"]).ok();
    let answers: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).expect("json")).collect();
    assert_eq!(answers.len(), held.len());
    let right = answers.iter().zip(held).filter(|(answer, (_, species))| answer["species"] == json!(species)).count();
    f64::from(u32::try_from(right).expect("few")) / f64::from(u32::try_from(held.len()).expect("few"))
}

/// Returns the versions that answered, the newest first.
pub(crate) fn versions(place: &OnServer) -> Vec<(Value, Value)> {
    let rows = place.mer(["log", "list", "--json"]).objects();
    rows.into_iter().map(|row| (row["kind"].clone(), row["weightsVersion"].clone())).collect()
}

/// Training, serving, promoting, rolling back; the log has the version of each answer.
#[track_caller]
pub(crate) fn life_of_iris(place: &OnServer, model: &str) {
    let flowers = flowers();
    place.env.file("work/iris.csv", &flowers);
    let held = held_out(&flowers);
    assert_eq!(held.len(), 30);
    let first = place.mer(["train", model, "@iris.csv", "--note", "first"]).ended(0);
    assert_eq!(first.stdout, "");
    assert!(first.stderr.contains("iris: learned from 120 flowers; 29 of 30 held out are right"), "{}", first.stderr);
    let told = format!("trained `{model}:1`: 248 bytes of npy, f64 3x5, sha256 ");
    assert!(first.stderr.contains(&told), "{}", first.stderr);
    let told = format!("`mer weights alias {model}:1 current` makes it the current one\n");
    assert!(first.stderr.ends_with(&told), "{}", first.stderr);
    // Without promotion the built-in weights answer, and the new version only where it is named.
    place.mer(["run", model, "5.1,3.5,1.4,0.2", "--quiet"]).ok();
    assert!(accuracy(place, &format!("{model}:1"), &held) >= 0.95);
    let refused = place.mer(["train", model, "@iris.csv", "--promote"]).failed(77);
    assert!(refused.contains(&format!("train {model} @iris.csv --promote")), "{refused}");
    let half: String =
        flowers.lines().enumerate().filter(|(at, _)| at % 2 == 0).map(|(_, l)| format!("{l}\n")).collect();
    place.env.file("work/half.csv", half);
    let second = place.mer(["train", model, "@half.csv", "--promote", "--allow-changes"]).ended(0);
    assert!(second.stderr.ends_with(&format!("`{model}@current` is `{model}:2` now\n")), "{}", second.stderr);
    place.mer(["run", model, "5.1,3.5,1.4,0.2", "--quiet"]).ok();
    let third = place.mer(["train", model, "@iris.csv", "--promote", "--allow-changes", "--json"]).object();
    assert_eq!((&third["weights"]["version"], &third["weights"]["parentVersion"]), (&json!(3), &json!(2)));
    assert_eq!((&third["kind"], &third["weightsVersion"]), (&json!("train"), &json!(3)));
    assert_eq!(third["weights"]["requestUid"], third["requestUid"]);
    place.mer(["run", model, "5.1,3.5,1.4,0.2", "--quiet"]).ok();
    place.mer(["weights", "alias", &format!("{model}:2"), "current", "--allow-changes", "--quiet"]).ok();
    place.mer(["run", model, "5.1,3.5,1.4,0.2", "--quiet"]).ok();
    let (infer, train) = (json!("infer"), json!("train"));
    let wanted = [
        (&infer, json!(2)),
        (&infer, json!(3)),
        (&train, json!(3)),
        (&infer, json!(2)),
        (&train, json!(2)),
        (&infer, json!(1)),
        (&infer, Value::Null),
        (&train, json!(1)),
    ];
    assert_eq!(versions(place), wanted.map(|(kind, version)| (kind.clone(), version)));
    // Now the second version is current: trained once, used twice.
    for which in [format!("{model}:2"), format!("{model}@current")] {
        let rows = place.mer(["log", "list", "--model", &which, "--json"]).objects();
        let kinds: Vec<&Value> = rows.iter().map(|row| &row["kind"]).collect();
        assert_eq!(kinds, [&infer, &infer, &train], "{which}");
    }
    assert!(place.mer(["log", "list", "--model", &format!("{model}@curent")]).failed(66).contains("`current`"));
    let shown = place.mer(["weights", "show", &format!("{model}:1"), "--json"]).object();
    assert_eq!(
        (&shown["note"], &shown["parentVersion"], &shown["attempt"]),
        (&json!("first"), &Value::Null, &json!(1))
    );
    let moves = place.mer(["weights", "alias", model, "current", "--json"]).objects();
    assert_eq!(moves.iter().map(|moved| moved["version"].clone()).collect::<Vec<_>>(), [json!(2), json!(3), json!(2)]);
    assert_eq!(moves[1]["requestUid"], third["requestUid"]);
}

#[test]
fn iris_is_trained_served_promoted_and_rolled_back_on_every_backend() {
    let mut places: Vec<OnServer> = shared_databases().into_iter().map(OnServer::migrated).collect();
    places.push(OnServer { env: TestEnv::new(), url: "embedded".to_owned() });
    for place in places {
        life_of_iris(&place, "iris");
    }
}

/// Returns an environment with models that train, each in a different way.
fn with_trainers() -> TestEnv {
    let env = TestEnv::ready();
    let lines = r#"
        model add copies --shell --train-command 'echo out; echo err >&2; cat > "$MER_WEIGHTS_OUT"' -- cat
        model add goes-on --shell --train-command 'cat "${MER_WEIGHTS:-/dev/null}" - > "$MER_WEIGHTS_OUT"' -- 'cat "$MER_WEIGHTS"'
        model add floats --shell --weights-dtype f32 --weights-shape 2x2 --train-command 'cat > "$MER_WEIGHTS_OUT"' -- cat
        model add numpy --shell --train-command 'cat > "$MER_WEIGHTS_OUT.npy"' -- cat
        model add fails --shell --train-command 'cat > "$MER_WEIGHTS_OUT"; echo why >&2; exit 3' -- cat
        model add nothing --shell --train-command 'cat > /dev/null' -- cat
        model add empty --shell --train-command ': > "$MER_WEIGHTS_OUT"' -- cat
        model add waits --shell --train-command 'echo half > "$MER_WEIGHTS_OUT"; echo $$ > waits.pid; echo begun; exec sleep 600' -- cat
        model add folder --shell --train-command 'mkdir "$MER_WEIGHTS_OUT"; cat > "$MER_WEIGHTS_OUT/part"' -- cat
        model add settled --shell --promote --train-command 'cat > "$MER_WEIGHTS_OUT"' -- cat
    "#;
    env.piped(["--allow-changes", "--quiet"], lines).ok();
    env
}

/// Checks that no model has a version, and that the folder of trainings holds only the files that were kept.
#[track_caller]
fn check_nothing(env: &TestEnv, kept: usize) {
    assert!(env.mer(["weights", "list", "--json"]).objects().is_empty());
    let left: Vec<_> = fs::read_dir(env.path("data/mer/training"))
        .expect("folder")
        .map(|entry| entry.expect("entry").path())
        .collect();
    assert_eq!(left.len(), kept, "{left:?}");
}

#[test]
fn output_passes_on_and_the_log_has_the_training() {
    let env = with_trainers();
    let ran = env.piped(["train", "copies", "-"], "[1, 2]").ended(0);
    assert_eq!(ran.stdout, "out\n");
    assert!(ran.stderr.starts_with("err\ntrained `copies:1`: 6 bytes of json, f64 2, sha256 "), "{}", ran.stderr);
    let row = env.row();
    assert_eq!(
        (&row["kind"], &row["status"], &row["weightsVersion"]),
        (&json!("train"), &json!("succeeded"), &json!(1))
    );
    assert_eq!((&row["weightsSha256"], &row["protocol"]), (&json!(sha256(b"[1, 2]")), &json!("oneshot")));
    assert_eq!((&row["stdinSha256"], &row["stderrTail"]), (&json!(sha256(b"[1, 2]")), &json!("err\n")));
    // Also in a script, with `--quiet`.
    assert_eq!(
        env.script(&["--quiet train copies '[1, 2]'", "weights list copies --json"]).ended(0).stdout.lines().count(),
        3
    );
    let json = env.mer(["train", "copies", "[3]", "--json"]).object();
    assert_eq!((&json["output"], &json["weights"]["bytes"]), (&json!("out\n"), &json!(4)));
    assert!(fs::read_dir(env.path("data/mer/training")).expect("folder").next().is_none());
}

#[test]
fn a_training_goes_on_from_the_weights_that_are_named() {
    let env = with_trainers();
    env.mer(["train", "goes-on", "a", "--quiet"]).ok();
    env.mer(["train", "goes-on", "b", "--promote", "--allow-changes", "--quiet"]).ok();
    env.mer(["train", "goes-on", "c", "--quiet"]).ok();
    env.mer(["train", "goes-on:1", "d", "--quiet"]).ok();
    env.mer(["train", "goes-on@current", "e", "--quiet"]).ok();
    let wanted = [
        (1, Value::Null, "a\n"),
        (2, Value::Null, "b\n"),
        (3, json!(2), "b\nc\n"),
        (4, json!(1), "a\nd\n"),
        (5, json!(2), "b\ne\n"),
    ];
    for (version, parent, text) in wanted {
        let which = format!("goes-on:{version}");
        assert_eq!(env.mer(["run", &which]).ok(), text);
        assert_eq!(env.mer(["weights", "show", &which, "--json"]).object()["parentVersion"], parent, "{which}");
    }
    let told = env.mer(["train", "goes-on:9", "x"]).failed(66);
    assert!(told.contains("the nearest is `goes-on:5`"), "{told}");
    env.mer(["train", "settled", "x", "--quiet"]).ok();
    assert_eq!(env.mer(["weights", "show", "settled", "--json"]).object()["aliases"], json!(["current"]));
}

#[test]
fn raw_weights_have_the_type_of_their_model() {
    let env = with_trainers();
    let made = env.piped(["train", "floats", "-", "--json"], [0_u8; 16]).object();
    assert_eq!((&made["weights"]["dtype"], &made["weights"]["shape"]), (&json!("f32"), &json!([2, 2])));
    let told = env.piped(["train", "floats", "-"], [0_u8; 12]).failed(76);
    assert!(told.contains("what it wrote cannot be kept"), "{told}");
    assert!(told.contains("12"), "{told}");
    let golden = fs::read(repository().join("crates/weights/tests/golden/f32.npy")).expect("golden");
    let made = env.piped(["train", "numpy", "-", "--json"], &golden).object();
    assert_eq!((&made["weights"]["format"], &made["weights"]["shape"]), (&json!("npy"), &json!([3, 5])));
}

#[test]
fn a_training_that_fails_makes_no_version_and_says_so() {
    let env = with_trainers();
    for (model, code, told) in [
        ("fails", 1, "`fails` on `local`: the model exited with code 3; no version was made"),
        ("nothing", 76, "wrote nothing to the path in `MER_WEIGHTS_OUT`; no version was made"),
        ("empty", 76, "the training wrote an empty file; no version was made"),
        ("cat", 78, "model `cat` has no `trainCommand`"),
        ("cat", 78, "`mer --allow-changes model set cat --train-command 'PROGRAM ARGUMENTS'` gives it one"),
        ("coppies", 66, "did you mean `copies`?"),
        ("copies:0", 64, "is not a version"),
    ] {
        let said = env.mer(["train", model, "x"]).failed(code);
        assert!(said.contains(told), "{model}: {said}");
    }
    let rows = env.rows();
    assert_eq!(rows.len(), 3);
    assert!(rows.iter().all(|row| row["status"] == "failed" && row["weightsVersion"] == Value::Null), "{rows:?}");
    // An empty file is kept too, since the training wrote it.
    check_nothing(&env, 1);
    let said = env.mer(["train", "waits", "x", "--timeout", "1s"]).ended(124).stderr;
    assert!(said.contains("`timeout` ran out after 1s; no version was made"), "{said}");
    env.mer(["train", "copies", "@nowhere"]).failed(74);
    check_nothing(&env, 1);
}

#[test]
fn weights_that_cannot_be_stored_stay_in_a_file() {
    let env = with_trainers();
    let said = env.piped(["train", "numpy", "-"], "no array at all").failed(76);
    assert!(said.contains("what it wrote cannot be kept: this is not a valid npy file"), "{said}");
    let hint = said.lines().find_map(|line| line.split_once("what it wrote is kept: `mer ")).expect("a hint").1;
    let line = hint.trim_end_matches('`');
    check_nothing(&env, 1);
    env.script(&[&format!("{line} --quiet")]).ok();
    assert_eq!(env.mer(["weights", "get", "numpy:1"]).ok(), "no array at all");
}

#[test]
fn a_folder_is_no_weights_and_is_not_thrown_away() {
    let env = with_trainers();
    let said = env.mer(["train", "folder", "x"]).failed(76);
    assert!(said.contains("what it wrote cannot be kept: it is a folder, and weights are one file"), "{said}");
    let line = said.split_once("what it wrote is kept: `").expect("a hint").1.split_once('`').expect("a line").0;
    let mut shell = env.program("/bin/sh".as_ref());
    shell.args(["-c", &line.replace("mer ", "\"$MER\" --quiet ")]).env("MER", TestEnv::binary());
    run(shell).ok();
    env.mer(["weights", "get", "folder:1", "-o", "folder.tar"]).ok();
    let mut tar = env.program("tar".as_ref());
    tar.args(["-xOf", "folder.tar", "./part"]);
    assert_eq!(run(tar).ok(), "x\n");
}

#[test]
fn a_training_that_is_cancelled_makes_no_version_and_leaves_nothing() {
    let env = with_trainers();
    for (signal, code, name) in
        [(Signal::INT, 130, "Ctrl-C"), (Signal::TERM, 143, "SIGTERM"), (Signal::HUP, 129, "SIGHUP")]
    {
        let live = env.start(["train", "waits", "x"]);
        live.wait_stdout("begun\n");
        let pid = pid_in(&env.path("work/waits.pid"));
        live.signal(signal);
        let ran = live.finish().ended(code);
        let told = format!("mer: `waits` on `local`: cancelled by {name}; no version was made\n");
        assert!(ran.stderr.starts_with(&told), "{}", ran.stderr);
        wait_gone(pid);
        check_nothing(&env, 0);
        fs::remove_file(env.path("work/waits.pid")).expect("removed");
    }
    assert!(env.rows().iter().all(|row| row["status"] == "cancelled"));
}

#[test]
fn a_training_that_is_cancelled_while_its_weights_are_put_makes_no_version() {
    let env = with_trainers();
    let mut command = env.with(["train", "copies", "-"]);
    command.stdin(Stdio::piped());
    let mut live = Live::start(command, Stdio::piped());
    live.wait_stdout("out\n");
    // From here on the database cannot be opened.
    let lease = fs::File::open(env.path("data/mer/db.lock")).expect("the lease");
    lease.lock().expect("locked");
    live.say("what was learned");
    drop(live.take_stdin());
    let written = || {
        fs::read_dir(env.path("data/mer/training"))
            .ok()?
            .flatten()
            .map(|entry| entry.path().join("weights"))
            .find_map(|file| fs::read(file).ok())
    };
    crate::support::wait_until("the weights", || written().filter(|bytes| bytes == b"what was learned"));
    live.signal(Signal::TERM);
    let ran = live.finish().ended(143);
    assert!(ran.stderr.contains("mer: `copies` on `local`: cancelled by SIGTERM"), "{}", ran.stderr);
    assert!(ran.stderr.contains("; no version was made\n"), "{}", ran.stderr);
    drop(lease);
    check_nothing(&env, 0);
    assert_eq!(env.row()["status"], "cancelled");
}

#[test]
fn weights_survive_a_database_that_is_away_at_the_end() {
    for mut server in Server::each() {
        let place = OnServer::migrated(server.new_database());
        let lines = "model add copies --shell --weights-dtype u8 --train-command 'echo begun; cat > \"$MER_WEIGHTS_OUT\"' -- cat";
        run_lines(&place, lines);
        let mut command = place.with(["train", "copies", "-", "--db-wait", "2s", "--note", "it's the first"]);
        command.stdin(Stdio::piped());
        let mut live = Live::start(command, Stdio::piped());
        live.wait_stdout("begun\n");
        server.kill();
        live.say("what was learned");
        let ran = live.finish();
        assert!([Some(74), Some(69)].contains(&ran.code), "{ran:?}");
        assert!(ran.stderr.contains("the training ended well, but"), "{}", ran.stderr);
        let hint =
            ran.stderr.lines().find_map(|line| line.split_once("what it wrote is kept: `mer ")).expect("a hint").1;
        server.start_again();
        crate::support::wait_until("the database", || {
            (place.mer(["model", "list", "--quiet"]).code == Some(0)).then_some(())
        });
        assert!(place.mer(["weights", "list", "--json"]).objects().is_empty());
        run_lines(&place, hint.trim_end_matches('`'));
        assert_eq!(place.mer(["weights", "get", "copies:1"]).ok(), "what was learned");
        let shown = place.mer(["weights", "show", "copies:1", "--json"]).object();
        assert_eq!(
            (&shown["dtype"], &shown["note"]),
            (&json!("u8"), &json!("it's the first")),
            "as it would have been"
        );
        let row = place.mer(["log", "list", "--json"]).objects().remove(0);
        assert_eq!((&row["status"], &row["weightsVersion"]), (&json!("failed"), &Value::Null), "{row}");
    }
}

/// Runs lines of commands, all of which succeed.
#[track_caller]
fn run_lines(place: &OnServer, lines: &str) {
    let mut live = Live::start(place.with(["--allow-changes", "--quiet"]), Stdio::piped());
    live.say(lines);
    live.finish().ok();
}

/// Checks that every version is whole and has a recorded training. Returns their number.
#[track_caller]
pub(crate) fn check_whole(env: &TestEnv, model: &str, inputs: &[Vec<u8>], told: &str) -> usize {
    check_whole_in(env, &[], model, inputs, told, true)
}

/// The same in the database that the flags name. Unless the bytes are read, their hashes are compared.
#[track_caller]
pub(crate) fn check_whole_in(
    env: &TestEnv,
    db: &[&str],
    model: &str,
    inputs: &[Vec<u8>],
    told: &str,
    read: bool,
) -> usize {
    let mer = |args: &[&str]| {
        let mut command = env.command();
        command.args(db).args(args);
        run(command)
    };
    let versions = mer(&["weights", "list", model, "--json"]).objects();
    let rows = mer(&["log", "list", "--limit", "1000", "--json"]).objects();
    let known: HashMap<String, &Vec<u8>> = inputs.iter().map(|bytes| (sha256(bytes), bytes)).collect();
    for version in &versions {
        let bytes = version["sha256"].as_str().and_then(|hash| known.get(hash));
        let bytes = *bytes.unwrap_or_else(|| panic!("{told}: {version}"));
        let which = format!("{model}:{}", version["version"]);
        assert!(!read || mer(&["weights", "get", &which]).ended(0).bytes == *bytes, "{told}: {version}");
        let row = rows.iter().find(|row| row["requestUid"] == version["requestUid"]);
        let row = row.unwrap_or_else(|| panic!("{told}: no access of {version}"));
        assert_eq!(
            (&row["status"], &row["weightsVersion"]),
            (&json!("succeeded"), &version["version"]),
            "{told}: {row}"
        );
    }
    for row in rows.iter().filter(|row| row["kind"] == "train") {
        let version = versions.iter().find(|version| version["requestUid"] == row["requestUid"]);
        assert_eq!(row["status"] == "succeeded", version.is_some(), "{told}: {row}");
    }
    versions.len()
}
