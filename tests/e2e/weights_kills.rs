//! `kill -9` of `mer` and of its database while weights are put: every version is whole, and `mer weights gc` removes the
//! rest.

use std::{collections::HashMap, process::Stdio, thread, time::Duration};

use rustix::process::Signal;
use serde_json::json;

use crate::support::{Live, OnServer, Ran, Server, TestEnv, moment, noise, sha256, shared_databases, wait_until};

const MIB: usize = 1 << 20;

/// Number of rounds, unless `MER_KILL_ROUNDS` names another one.
fn rounds() -> u64 {
    std::env::var("MER_KILL_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(5)
}

/// Puts these bytes, and calls `harm` after this time.
fn put(place: &OnServer, wait: &str, bytes: &[u8], after: Duration, harm: impl FnOnce(&Live)) -> Ran {
    let mut put =
        Live::start(place.with(["weights", "put", "iris", "-", "--quiet", "--db-wait", wait]), Stdio::piped());
    let mut stdin = put.take_stdin();
    let bytes = bytes.to_vec();
    let writer = thread::spawn(move || {
        use std::io::Write;
        // The process may be killed before it has read its whole input.
        let _ = stdin.write_all(&bytes);
    });
    thread::sleep(after);
    harm(&put);
    let ran = put.finish();
    writer.join().expect("writer");
    ran
}

/// The bytes that were put, by their hash.
type All = HashMap<String, Vec<u8>>;

/// Checks that every version has the hash, and the bytes if they are read, of its round. Returns their number.
fn check_whole(place: &OnServer, all: &All, told: &str, read: bool) -> usize {
    let versions = place.mer(["weights", "list", "iris", "--json"]).objects();
    for version in &versions {
        let hash = version["sha256"].as_str().expect("a hash");
        let bytes = all.get(hash).unwrap_or_else(|| panic!("{told}: {version}"));
        let which = format!("iris:{}", version["version"]);
        assert!(!read || place.mer(["weights", "get", &which]).ended(0).bytes == *bytes, "{told}: {version}");
    }
    versions.len()
}

/// Checks that `gc` removes unused chunks and no chunk of a version.
fn check_cleared(place: &OnServer, all: &All) {
    let before = check_whole(place, all, &place.url, false);
    place.mer(["weights", "gc", "--silent", "0s", "--quiet"]).ok();
    let gone = place.mer(["weights", "gc", "--silent", "0s", "--json"]).object();
    assert_eq!(gone, json!({"uploads": 0, "payloads": 0, "chunks": 0, "bytes": 0}), "{}", place.url);
    assert_eq!(check_whole(place, all, &place.url, true), before);
}

/// Returns the bytes of a round; half of them are the same in all rounds.
fn payload(all: &mut All, round: u64) -> Vec<u8> {
    let bytes = [noise(99, MIB), noise(round + 1, MIB + MIB / 2)].concat();
    all.insert(sha256(&bytes), bytes.clone());
    bytes
}

#[test]
fn puts_that_are_killed_leave_whole_versions_only() {
    let mut places: Vec<OnServer> = shared_databases().into_iter().map(OnServer::migrated).collect();
    places.push(OnServer { env: TestEnv::ready(), url: "embedded".to_owned() });
    for place in places {
        let mut all = All::new();
        let mut done = 0;
        for round in 0..rounds() {
            let bytes = payload(&mut all, round);
            let after = moment(Duration::from_millis(600));
            let ran = put(&place, "30s", &bytes, after, |put| put.signal(Signal::KILL));
            // A put that ended before the kill is there.
            done += usize::from(ran.code == Some(0));
            let there = check_whole(&place, &all, &format!("{} after {after:?}", place.url), false);
            // A put may be killed after its last step and before its message.
            assert!(there >= done, "{} after {after:?}: {there} of {done}", place.url);
            done = there;
        }
        check_cleared(&place, &all);
        let bytes = payload(&mut all, rounds());
        put(&place, "30s", &bytes, Duration::ZERO, |_| ()).ok();
        assert_eq!(check_whole(&place, &all, &place.url, true), done + 1);
    }
}

#[test]
fn servers_that_are_killed_while_weights_come_in_have_whole_versions_only() {
    for mut server in Server::each() {
        let place = OnServer::migrated(server.new_database());
        let mut all = All::new();
        let mut done = 0;
        for round in 0..rounds() {
            let bytes = payload(&mut all, round);
            let after = moment(Duration::from_millis(600));
            let ran = put(&place, "500ms", &bytes, after, |_| server.kill());
            let told = format!("{} after {after:?}: {}", place.url, ran.stderr);
            assert!([Some(0), Some(74), Some(69)].contains(&ran.code), "{:?} {told}", ran.code);
            done += usize::from(ran.code == Some(0));
            server.start_again();
            wait_until("the database", || (place.mer(["model", "list", "--quiet"]).code == Some(0)).then_some(()));
            let there = check_whole(&place, &all, &told, false);
            assert!(there >= done, "{told}: {there} of {done}");
            done = there;
        }
        check_cleared(&place, &all);
    }
}
