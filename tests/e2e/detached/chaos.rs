//! Kill -9 at random moments of everything that a detached run needs.

use std::{fs, process::Stdio, thread, time::Duration};

use super::support::{MODELS, detach_on, folder};
use crate::support::{Live, OnServer, alive, moment, shared_databases};

/// Number of rounds; `MER_KILL_ROUNDS` makes it longer.
fn rounds() -> u32 {
    std::env::var("MER_KILL_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(5)
}

#[test]
fn every_run_ends_once_whatever_is_killed() {
    let Some(url) = shared_databases().into_iter().next() else { return };
    let place = OnServer::migrated(url);
    place.apply(
        MODELS.to_owned() + "\n[models.short]\nshell = true\ngrace = '1s'\ninferenceCommand = 'cat; sleep 0.3'\n",
    );
    let rounds = rounds();
    for round in 0..rounds {
        let uid = detach_on(&place, &["run", "short", "x"]);
        let run = folder(&place.env, &uid);
        thread::sleep(moment(Duration::from_millis(500)));
        // Whatever is there at the moment.
        let pid = |file: &str, at: usize| {
            let text = fs::read_to_string(run.join(file)).unwrap_or_default();
            text.split_whitespace().nth(at).and_then(|word| word.parse::<u32>().ok())
        };
        let victim = match round % 4 {
            0 => pid("pid", 0),
            1 => pid("heartbeat", 1),
            2 => pid("model", 0),
            _ => None,
        };
        if let Some(victim) = victim {
            let _ = std::process::Command::new("kill").args(["-KILL", &victim.to_string()]).status();
        }
        let mut collectors: Vec<Live> =
            (0..3).map(|_| Live::start(place.with(["ps", "--json"]), Stdio::null())).collect();
        thread::sleep(moment(Duration::from_millis(300)));
        collectors[0].signal(rustix::process::Signal::KILL);
        for collector in &mut collectors {
            while !collector.is_over() {
                thread::sleep(Duration::from_millis(5));
            }
        }
        let waited = Live::start(place.with(["wait", &uid, "--json"]), Stdio::null()).finish();
        let row: serde_json::Value = serde_json::from_str(&waited.stdout).expect("a row");
        let status = row["status"].as_str().expect("a status").to_owned();
        assert!(["succeeded", "failed", "lost"].contains(&status.as_str()), "round {round}: {row}");
        if let Some(model) = pid("model", 0) {
            assert!(!alive(model), "round {round}: the model lives after the end: {row}");
        }
    }
    let rows = place.mer(["log", "list", "--json", "--limit", "100000"]).objects();
    assert_eq!(rows.len(), usize::try_from(rounds).expect("a count"));
    assert!(rows.iter().all(|row| row["status"] != "started"), "{rows:?}");
}
