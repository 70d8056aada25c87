//! A database server that is killed while models run.

use std::{
    collections::BTreeSet,
    process::Stdio,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use mer_testkit::{postgres, surreal_server};

use crate::support::{BOUND, Live, OnServer, Server, journal::segments, wait_until};

/// Returns the status of the only run, as another machine sees it.
fn seen_from(place: &OnServer) -> Option<String> {
    let rows = place.mer(["log", "list", "--json"]).objects();
    assert!(rows.len() < 2, "{rows:?}");
    rows.first().map(|row| row["status"].as_str().expect("a status").to_owned())
}

#[test]
fn a_run_goes_on_without_its_database_and_is_on_record_when_that_is_back() {
    for mut server in Server::each() {
        let here = OnServer::with_models(server.new_database());
        let elsewhere = OnServer::new(here.url.clone());
        let live = Live::start(here.with(["run", "waiting", "x"]), Stdio::null());
        live.wait_stdout("first\n");
        // Asked while it runs, from a machine without its files.
        wait_until("the run is seen", || seen_from(&elsewhere).filter(|status| status == "started"));
        server.kill();
        here.env.file("work/go", "");
        let ran = live.finish().ended(0);
        assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("first\nlast\n", "loading\n"));
        // No further model is started now.
        let begun = Instant::now();
        let told = here.mer(["run", "cat", "x", "--db-wait", "1s"]).failed(74);
        assert!(
            told.starts_with(&format!(
                "mer: cannot reach the database `{}://",
                &here.url[..here.url.find(':').expect("a scheme")]
            )),
            "{told}"
        );
        assert!(told.contains("127.0.0.1:"), "{told}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
        let examined = here.mer(["doctor", "--db-wait", "1s"]).ended(1);
        assert!(examined.stdout.contains(" of records wait in 1 segment for the database"), "{}", examined.stdout);
        server.start_again();
        assert_eq!(seen_from(&elsewhere).as_deref(), Some("started"), "its end is still in the journal");
        assert_eq!(seen_from(&here).as_deref(), Some("succeeded"));
        assert_eq!(seen_from(&elsewhere).as_deref(), Some("succeeded"));
    }
}

#[test]
fn no_record_is_lost_when_postgresql_is_killed_in_the_middle_of_five_hundred_runs() {
    if let Some(server) = postgres::Server::start() {
        no_record_is_lost(Server::Postgres(server));
    }
}

#[test]
fn no_record_is_lost_when_surrealdb_is_killed_in_the_middle_of_five_hundred_runs() {
    if let Some(server) = surreal_server::Server::start() {
        no_record_is_lost(Server::Surreal(server));
    }
}

/// Five processes make five hundred runs; the server is killed after a hundred of them.
fn no_record_is_lost(mut server: Server) {
    const PROCESSES: usize = 5;
    const EACH: usize = 100;
    let place = OnServer::migrated(server.new_database());
    let over = AtomicUsize::new(0);
    thread::scope(|scope| {
        for process in 0..PROCESSES {
            let (place, over) = (&place, &over);
            scope.spawn(move || {
                let mut done = 0;
                let begun = Instant::now();
                // A script ends when the registry cannot be read; the caller continues where it stopped.
                while done < EACH {
                    assert!(begun.elapsed() < 3 * BOUND, "{done} runs");
                    done += part(place, process, done, EACH, over);
                }
            });
        }
        wait_until("a hundred runs", || (over.load(Ordering::Relaxed) >= 100).then_some(()));
        server.kill();
        server.start_again();
    });
    let rows = place.mer(["log", "list", "--json", "--limit", "10000"]).objects();
    assert_eq!(rows.len(), PROCESSES * EACH, "{}", place.url);
    assert!(rows.iter().all(|row| row["status"] == "succeeded"));
    let uids: BTreeSet<_> = rows.iter().map(|row| row["requestUid"].as_str().expect("a uid")).collect();
    assert_eq!(uids.len(), rows.len(), "none twice");
    let time = |row: &serde_json::Value| row["startAccess"].as_str().expect("a text").parse().expect("a time");
    let starts: Vec<jiff::Timestamp> = rows.iter().map(time).collect();
    assert!(starts.is_sorted_by(|newer, older| newer >= older));
    let waiting = segments(&place.env.path("data/mer/journal"));
    assert!(waiting.is_empty(), "nothing waits any more: {waiting:?}");
}

/// Runs the remaining lines as a script, until it fails. Returns the number of runs that answered.
fn part(place: &OnServer, process: usize, from: usize, to: usize, over: &AtomicUsize) -> usize {
    let mut live = Live::start(place.with([]), Stdio::piped());
    let mut stdin = live.take_stdin();
    let lines: String = (from..to).map(|number| format!("run echo {process}-{number}\n")).collect();
    // The process may end before it has read its whole input.
    let writer = thread::spawn(move || drop(std::io::Write::write_all(&mut stdin, lines.as_bytes())));
    // Each line of output is a finished run, long before the script ends.
    let mut counted = 0;
    let ran = loop {
        let answered = live.stdout_so_far().lines().count();
        over.fetch_add(answered - counted, Ordering::Relaxed);
        counted = answered;
        if live.is_over() {
            break live.finish();
        }
        thread::sleep(Duration::from_millis(10));
    };
    writer.join().expect("writer");
    assert!(matches!(ran.code, Some(0 | 74)), "{ran:?}");
    let expected: Vec<String> = (from..to).map(|number| format!("{process}-{number}")).collect();
    let answers: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(answers[..], expected[..answers.len()], "{}", ran.stderr);
    over.fetch_add(answers.len() - counted, Ordering::Relaxed);
    answers.len()
}
