//! `kill -9` of `mer` and of its database while a model trains: every version is whole and has its access and alias.

use std::{fs, thread, time::Duration};

use rustix::process::Signal;
use serde_json::json;

use crate::{
    support::{Live, OnServer, Ran, Server, TestEnv, moment, noise, shared_databases, wait_gone, wait_until},
    train::check_whole_in,
};

/// A model that writes its input once it has read all of it, and prints its pid.
const MODEL: &str = "model add learner --shell --train-command 'echo $$ >> pids; cat > \"$MER_WEIGHTS_OUT\"' -- cat";

/// Number of rounds, unless `MER_KILL_ROUNDS` names another one.
fn rounds() -> u64 {
    std::env::var("MER_KILL_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(5)
}

fn with_learner(place: &OnServer) {
    let mut live = Live::start(place.with(["--allow-changes", "--quiet"]), std::process::Stdio::piped());
    live.say(MODEL);
    live.finish().ok();
}

/// Trains with this input, and calls `harm` after this time.
fn train(place: &OnServer, wait: &str, bytes: &[u8], after: Duration, harm: impl FnOnce(&Live)) -> Ran {
    place.env.file("work/input", bytes);
    let args = ["train", "learner", "@input", "--promote", "--allow-changes", "--quiet", "--db-wait", wait];
    let live = Live::start(place.with(args), std::process::Stdio::null());
    thread::sleep(after);
    harm(&live);
    live.finish()
}

/// Checks that every version is whole and recorded, the newest is current, and no model runs.
fn check(place: &OnServer, all: &[Vec<u8>], told: &str, read: bool) -> usize {
    let pids = fs::read_to_string(place.env.path("work/pids")).unwrap_or_default();
    pids.lines().filter_map(|pid| pid.parse().ok()).for_each(wait_gone);
    let db = ["--db", place.url.as_str()];
    let count = check_whole_in(&place.env, &db, "learner", all, told, read);
    let listed = place.mer(["weights", "list", "learner", "--json"]).objects();
    for (at, version) in listed.iter().enumerate() {
        let aliases = if at == 0 { json!(["current"]) } else { json!([]) };
        assert_eq!(version["aliases"], aliases, "{told}: {version}");
    }
    let moves = place.mer(["weights", "alias", "learner", "--json"]).objects();
    assert_eq!(moves.len(), count, "{told}");
    count
}

#[test]
fn trainings_whose_mer_is_killed_leave_whole_versions_only() {
    let mut places: Vec<OnServer> = shared_databases().into_iter().map(OnServer::migrated).collect();
    places.push(OnServer { env: TestEnv::ready(), url: "embedded".to_owned() });
    for place in places {
        with_learner(&place);
        let mut all = Vec::new();
        let mut done = 0;
        for round in 0..rounds() {
            all.push(noise(round + 1, 300_000));
            let after = moment(Duration::from_millis(700));
            let ran = train(&place, "30s", &all[all.len() - 1], after, |live| live.signal(Signal::KILL));
            done += usize::from(ran.code == Some(0));
            let there = check(&place, &all, &format!("{} after {after:?}", place.url), false);
            assert!(there >= done, "{} after {after:?}: {there} of {done}", place.url);
            done = there;
        }
        all.push(noise(99, 300_000));
        train(&place, "30s", &all[all.len() - 1], Duration::ZERO, |_| ()).ok();
        assert_eq!(check(&place, &all, &place.url, true), done + 1);
        assert_eq!(fs::read_dir(place.env.path("data/mer/training")).expect("folder").count(), 0, "{}", place.url);
        place.mer(["weights", "gc", "--silent", "0s", "--quiet"]).ok();
        let gone = place.mer(["weights", "gc", "--silent", "0s", "--json"]).object();
        assert_eq!(gone, json!({"uploads": 0, "payloads": 0, "chunks": 0, "bytes": 0}), "{}", place.url);
    }
}

#[test]
fn trainings_whose_database_is_killed_leave_whole_versions_only() {
    for mut server in Server::each() {
        let place = OnServer::migrated(server.new_database());
        with_learner(&place);
        let mut all = Vec::new();
        let mut done = 0;
        for round in 0..rounds() {
            all.push(noise(round + 1, 300_000));
            let after = moment(Duration::from_millis(700));
            let ran = train(&place, "500ms", &all[all.len() - 1], after, |_| server.kill());
            let told = format!("{} after {after:?}: {}", place.url, ran.stderr);
            assert!([Some(0), Some(69), Some(74)].contains(&ran.code), "{:?} {told}", ran.code);
            done += usize::from(ran.code == Some(0));
            server.start_again();
            wait_until("the database", || (place.mer(["model", "list", "--quiet"]).code == Some(0)).then_some(()));
            let there = check(&place, &all, &told, round + 1 == rounds());
            assert!(there >= done, "{told}: {there} of {done}");
            done = there;
        }
    }
}
