//! The commands for detached runs, on this machine.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rustix::process::Signal;
use serde_json::Value;

use super::support::{MODELS, detach, detach_on, folder, home, listed, uid, words};
use crate::support::{OnServer, TestEnv, alive, run, sha256, shared_databases, wait_until};

#[test]
fn a_run_goes_on_after_its_mer_and_is_collected_once_on_every_backend() {
    let mut places: Vec<OnServer> = shared_databases().into_iter().map(OnServer::migrated).collect();
    places.push(OnServer::embedded());
    for place in places {
        place.apply(MODELS);
        let uid = detach_on(&place, &["run", "gated"]);
        let run = folder(&place.env, &uid);
        words(&run, "stdout", 1);
        let row = place.mer(["log", "show", &uid, "--json"]).object();
        assert_eq!((row["status"].as_str(), row["via"].as_str()), (Some("started"), Some("detached")), "{}", place.url);
        place.mer(["log", "drain"]).ended(0);
        fs::write(run.join("artefacts/go"), "").expect("a file");
        // Several look at once, from two homes where the database is shared.
        let other = OnServer { env: TestEnv::new(), url: place.url.clone() };
        let is_shared = !place.url.starts_with("surrealkv");
        let waits: Vec<_> = (0..4)
            .map(|number| {
                let at = if is_shared && number % 2 == 1 { &other } else { &place };
                crate::support::Live::start(at.with(["wait", &uid, "--json"]), std::process::Stdio::null())
            })
            .collect();
        for wait in waits {
            // The folder is in the home of the first one; another one waits until it is collected.
            let row = wait.finish().object();
            assert_eq!((row["status"].as_str(), row["stdoutBytes"].as_u64()), (Some("succeeded"), Some(11)), "{row}");
            assert_eq!(row["stdoutSha256"].as_str(), Some(sha256(b"begun\ndone\n").as_str()));
        }
        assert_eq!(place.mer(["log", "list", "--json"]).objects().len(), 1, "{}", place.url);
    }
}

#[test]
fn wait_ends_with_the_code_of_the_run() {
    let env = home();
    let [good, bad, long] = ["says", "fails", "waits"].map(|model| detach(&env, &["run", model, "x"]));
    env.mer(["wait", &good]).ok();
    let said = env.mer(["wait", &good, &bad]).failed(1);
    assert!(said.contains("`fails` on `local`: the model exited with code 3"), "{said}");
    let said = env.mer(["wait", &long, "--timeout", "100ms"]).failed(124);
    assert!(said.contains("was not over after 100ms, and goes on"), "{said}");
    let pid = words(&folder(&env, &long), "model", 2)[0].parse().expect("a pid");
    assert!(alive(pid));
    env.mer(["stop", &long[..18]]).ended(0);
    assert!(!alive(pid));
    let said = env.mer(["wait", &long]).failed(130);
    assert!(said.contains("it was told to stop"), "{said}");
    let row = env.mer(["log", "show", &bad, "--json"]).object();
    assert_eq!((row["exitCode"].as_i64(), row["stderrTail"].as_str()), (Some(3), Some("why\n")));
    assert_eq!(row["stdinSha256"].as_str(), Some(sha256(b"x\n").as_str()));
}

#[test]
fn a_run_holds_nothing_that_its_caller_has_open() {
    let env = home();
    let held = env.path("work/held");
    let mut shell = env.program(Path::new("bash"));
    let line = "exec 3>held 12>held 60>held; \"$1\" run waits @<(echo x) --detach --quiet";
    shell.args(["-c", line, "bash"]).arg(TestEnv::binary());
    let uid = uid(&run(shell).ok());
    let run = folder(&env, &uid);
    let holders = || {
        let processes = fs::read_dir("/proc").expect("/proc").filter_map(|entry| entry.ok().map(|entry| entry.path()));
        let holds = |process: &PathBuf| {
            let open = fs::read_dir(process.join("fd")).ok()?;
            let mut links = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
            links.any(|link| link == held).then_some(())
        };
        processes.filter(|process| holds(process).is_some()).collect::<Vec<_>>()
    };
    words(&run, "stdout", 1);
    assert_eq!(holders(), Vec::<PathBuf>::new());
    assert_eq!(fs::read_to_string(run.join("input")).expect("the input"), "x\n");
    let open = fs::File::open(&held).expect("a file");
    assert!(holders().contains(&PathBuf::from(format!("/proc/{}", std::process::id()))), "this test itself");
    drop(open);
    env.mer(["stop", &uid]).ended(0);
}

#[test]
fn a_run_is_bounded_by_its_supervisor() {
    let env = home();
    let uid = detach(&env, &["run", "waits", "--timeout", "1s"]);
    let said = env.mer(["wait", &uid]).failed(124);
    assert!(said.contains("`maxRunTime` ran out after 1s"), "{said}");
    env.mer(["model", "set", "waits", "--max-run-time", "1s", "--allow-changes"]).ended(0);
    let uid = detach(&env, &["run", "waits"]);
    env.mer(["wait", &uid]).failed(124);
}

#[test]
fn attach_shows_everything_and_leaves_the_run_alone() {
    let env = home();
    let uid = detach(&env, &["run", "gated"]);
    let run = folder(&env, &uid);
    let first = env.start(["attach", &uid]);
    first.wait_stdout("begun\n");
    first.signal(Signal::INT);
    let said = first.finish().ended(0).stderr;
    assert!(said.contains("detached: the run goes on"), "{said}");
    let second = env.start(["attach", &uid]);
    second.wait_stdout("begun\n");
    fs::write(run.join("artefacts/go"), "").expect("a file");
    assert_eq!(second.finish().ended(0).stdout, "begun\ndone\n");
    assert_eq!(env.mer(["attach", &uid, "--tail", "1"]).ok(), "done\n");
    let bad = detach(&env, &["run", "fails"]);
    let shown = env.mer(["attach", &bad]).ended(1);
    assert!(shown.stderr.starts_with("why\n"), "{}", shown.stderr);
}

#[test]
fn a_detached_training_makes_a_version() {
    let env = home();
    let first = detach(&env, &["train", "trains", "one", "--note", "by night"]);
    let waited = env.mer(["wait", &first, "--on-end", "tee end.json"]).ended(0);
    assert!(waited.stderr.contains("trained `trains:1`: 4 bytes of raw"), "{}", waited.stderr);
    assert!(env.read("work/end.json").contains(&format!("\"requestUid\":\"{first}\"")));
    env.mer(["weights", "alias", "trains:1", "current", "--allow-changes", "--quiet"]).ok();
    let second = detach(&env, &["train", "trains", "two", "--promote", "--allow-changes"]);
    env.mer(["wait", &second]).ended(0);
    assert_eq!(env.mer(["run", "trains"]).ok(), "one\ntwo\n");
    let version = env.mer(["weights", "show", "trains:2", "--no-statistics", "--json"]).object();
    assert_eq!((version["parentVersion"].as_u64(), version["requestUid"].as_str()), (Some(1), Some(second.as_str())));
    let none = detach(&env, &["train", "forgets", "x"]);
    let said = env.mer(["wait", &none]).failed(76);
    assert!(said.contains("wrote nothing to the path in `MER_WEIGHTS_OUT`"), "{said}");
    assert_eq!(env.mer(["weights", "list", "--json"]).objects().len(), 2);
}

#[test]
fn fetch_brings_what_a_run_left_once() {
    let env = home();
    let uid = detach(&env, &["run", "says", "hello"]);
    let busy = detach(&env, &["run", "waits"]);
    env.mer(["wait", &uid]).ok();
    let fetched = env.mer(["fetch", &uid, "out", "--json"]).object();
    assert_eq!((fetched["files"].as_u64(), fetched["bytes"].as_u64()), (Some(3), Some(16)));
    assert_eq!(env.read("work/out/stdout"), "hello\n");
    assert_eq!((env.read("work/out/stderr"), env.read("work/out/artefacts/note")), ("oops\n".into(), "kept\n".into()));
    assert!(!folder(&env, &uid).exists());
    let said = env.mer(["fetch", &uid, "out"]).failed(66);
    assert!(said.contains("it was fetched or removed"), "{said}");
    let said = env.mer(["fetch", &busy]).failed(75);
    assert!(said.contains("is not over yet"), "{said}");
    env.mer(["stop", &busy, "--now"]).ended(0);
    // Nothing that is there already is replaced.
    let again = detach(&env, &["run", "says", "again"]);
    env.mer(["wait", &again]).ok();
    env.mer(["fetch", &again, "out"]).failed(74);
    assert_eq!(env.read("work/out/stdout"), "hello\n");
    env.mer(["fetch", &again]).ended(0);
    assert_eq!(env.read(&format!("work/{again}/stdout")), "again\n");
}

#[test]
fn ps_lists_runs_and_collects_those_that_are_over() {
    let env = home();
    let [long, bad] = ["waits", "fails"].map(|model| detach(&env, &["run", model]));
    let state = |uid: &str| {
        let row = listed(&env).into_iter().find(|row| row["requestUid"] == uid)?;
        Some(row["state"].as_str()?.to_owned())
    };
    assert_eq!(state(&long).as_deref(), Some("running"));
    wait_until("the end of the other run", || (state(&bad) != Some("running".to_owned())).then_some(()));
    let row = env.mer(["log", "show", &bad, "--json"]).object();
    assert_eq!(row["status"], "failed");
    assert!(listed(&env).iter().all(|row| row["requestUid"] == long.as_str()));
    env.mer(["stop", &long]).ended(0);
    assert!(listed(&env).is_empty());
}

#[test]
fn hooks_run_for_runs_that_are_waited_for_or_attached() {
    let env = home();
    let [first, second] = ["fails", "fails"].map(|model| detach(&env, &["run", model]));
    let line = ["--on-end", "tee end.json", "--on-failure", "tee bad.json"];
    let ran = env.mer_args(&[&["wait", &first][..], &line].concat()).ended(1);
    let bad: Value = serde_json::from_str(&env.read("work/bad.json")).expect("one object");
    assert_eq!((bad["requestUid"].as_str(), &bad["exitCode"]), (Some(first.as_str()), &3.into()));
    assert!(ran.stdout.is_empty() && env.read("work/end.json") == env.read("work/bad.json"), "{}", ran.stdout);
    env.mer_args(&[&["attach", &second][..], &line].concat()).ended(1);
    assert!(env.read("work/bad.json").contains(&second));
    // A run that goes on is not over.
    fs::remove_file(env.path("work/end.json")).expect("removed");
    let long = detach(&env, &["run", "waits"]);
    env.mer_args(&[&["wait", &long, "--timeout", "100ms"][..], &line].concat()).ended(124);
    assert!(!env.path("work/end.json").exists());
    env.mer(["stop", &long, "--now"]).ended(0);
    let ran = env.mer_args(&[&["run", "fails", "--artefacts", "kept"][..], &line].concat()).ended(1);
    assert!(env.read("work/end.json").contains("\"via\":\"detached\""), "{}", ran.stderr);
}

#[test]
fn artefacts_of_a_run_that_is_waited_for_are_brought() {
    let env = home();
    let ran = env.mer(["run", "says", "hello", "--artefacts", "kept"]).ended(0);
    assert_eq!(ran.stdout, "hello\n");
    assert!(ran.stderr.contains("oops\n") && ran.stderr.contains("fetched 1 artefact into `kept`"), "{}", ran.stderr);
    assert_eq!(env.read("work/kept/note"), "kept\n");
    assert!(!env.path("work/kept/stdout").exists());
    // A signal ends it.
    let live = env.start(["run", "waits", "x", "--artefacts", "other"]);
    live.wait_stdout("up\n");
    live.signal(Signal::INT);
    assert!(live.finish().ended(130).stderr.contains("it was told to stop"));
    assert!(env.path("work/other/pid").exists());
    assert!(listed(&env).is_empty());
    let trained = env.mer(["train", "trains", "x", "--artefacts", "none"]).ended(0);
    assert!(trained.stderr.contains("trained `trains:1`"), "{}", trained.stderr);
    env.mer(["run", "says", "x", "--artefacts", "a", "--detach"]).failed(64);
}

#[test]
fn a_reader_that_has_gone_ends_the_attach_and_not_the_run() {
    let env = home();
    env.apply(
        "[models.flood]\nshell = true\ngrace = '1s'\ninferenceCommand = 'yes | head -c 2000000; exec sleep 600'\n",
    );
    let uid = detach(&env, &["run", "flood"]);
    let line = format!("{} attach {uid} | head -1", TestEnv::binary().display());
    let mut shell = env.program(Path::new("sh"));
    shell.args(["-c", &line]);
    assert_eq!(crate::support::Live::start(shell, std::process::Stdio::null()).finish().ended(0).stdout, "y\n");
    assert_eq!(listed(&env)[0]["state"], "running");
    env.mer(["stop", &uid, "--now"]).ended(0);
}

#[test]
fn every_run_is_looked_at_however_little_time_there_is() {
    let env = home();
    let [bad, good, long] = ["fails", "says", "waits"].map(|model| detach(&env, &["run", model]));
    for uid in [&bad, &good] {
        words(&folder(&env, uid), "end", 6);
    }
    let ran = env.mer(["wait", &good, &bad, &long, "--timeout", "0"]).ended(1);
    let late = format!("the run `{long}` of `waits` was not over after 0s, and goes on");
    assert!(ran.stderr.contains("exited with code 3") && ran.stderr.contains(&late), "{}", ran.stderr);
    let status = |uid: &str| env.mer(["log", "show", uid, "--json"]).object()["status"].clone();
    assert_eq!([&bad, &good, &long].map(|uid| status(uid)), ["failed", "succeeded", "started"]);
    // The first one that failed or was late decides.
    let ran = env.mer(["wait", &long, &bad, "--timeout", "100ms"]).ended(124);
    assert!(ran.stderr.contains("exited with code 3"), "{}", ran.stderr);
    env.mer(["stop", &long, "--now"]).ended(0);
}

#[test]
fn a_stop_ends_all_that_can_be_ended_and_knows_what_was_over() {
    let env = home();
    let [done, lost, first, second] = ["says", "waits", "waits", "waits"].map(|model| detach(&env, &["run", model]));
    env.mer(["wait", &done]).ok();
    let said = env.mer(["stop", &done]).ended(0).stderr;
    assert!(said.contains(&format!("the run `{done}` of `says` was over already: succeeded")), "{said}");
    for uid in [&lost, &first, &second] {
        words(&folder(&env, uid), "artefacts/pid", 1);
    }
    // One that cannot be told keeps none of the others going.
    fs::rename(folder(&env, &lost), env.path("away")).expect("renamed");
    let ran = env.mer(["stop", &first, &lost, &done, &second]).ended(74);
    for uid in [&first, &second] {
        assert!(ran.stderr.contains(&format!("stopped the run `{uid}`")), "{}", ran.stderr);
    }
    assert!(ran.stderr.contains("its folder is not there"), "{}", ran.stderr);
    env.mer(["wait", &lost]).failed(69);
    let said = env.mer(["stop", "0123456789abcdef"]).failed(66);
    assert!(said.contains("no process of `0123456789abcdef` is kept"), "{said}");
}

#[test]
fn what_could_not_be_fetched_whole_leaves_nothing() {
    let env = home();
    let uid = detach(&env, &["run", "says", "hello"]);
    env.mer(["wait", &uid]).ok();
    env.file("work/out/artefacts/note", "mine\n");
    let said = env.mer(["fetch", &uid, "out"]).failed(74);
    assert!(said.contains("`out/artefacts/note` cannot be written") && said.contains("File exists"), "{said}");
    assert_eq!(env.read("work/out/artefacts/note"), "mine\n");
    let left = || fs::read_dir(env.path("work/out")).expect("a folder").count();
    assert_eq!(left(), 1, "only the folder with the other file");
    fs::remove_file(env.path("work/out/artefacts/note")).expect("removed");
    env.mer(["fetch", &uid, "out"]).ended(0);
    assert_eq!((left(), env.read("work/out/artefacts/note").as_str()), (3, "kept\n"));
}

#[test]
fn a_stream_that_its_model_has_emptied_is_shown_on() {
    let env = home();
    env.apply(
        r#"[models.empties]
shell = true
inferenceCommand = 'echo a long first line; while [ ! -e "$MER_RUN_DIR/go" ]; do sleep 0.05; done; echo two >/dev/stdout; echo three'
"#,
    );
    let uid = detach(&env, &["run", "empties"]);
    let attached = env.start(["attach", &uid]);
    attached.wait_stdout("a long first line\n");
    fs::write(folder(&env, &uid).join("artefacts/go"), "").expect("a file");
    let shown = attached.finish().ended(0);
    assert_eq!(shown.stdout, "a long first line\ntwo\nthree\n");
}
