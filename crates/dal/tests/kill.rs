//! kill -9 at any moment: the database opens again, and every acknowledged row is there.

#![cfg(feature = "embedded")]
#![expect(clippy::unwrap_used, reason = "test code: it is to panic")]

mod common;

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::Stdio,
    time::Duration,
};

use common::{another_process, argument, embedded, empty, engine_of, migrate, migrated};
use jiff::Timestamp;
use mer_core::{Access, Status};
use mer_dal::{Database, Durability, Journal, JournalOwner, Session, drain};
use mer_testkit::{ended, image, started};
use uuid::Uuid;

/// Runs the other process for this long, and returns its output.
fn killed_after(test: &str, engine: &Path, time: Duration) -> Vec<String> {
    let mut child = another_process(test, engine).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let output = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || BufReader::new(output).lines().map_while(Result::ok).collect::<Vec<_>>());
    // Does not wait until the process is ready: it is to be killed at any moment.
    std::thread::sleep(time);
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}

fn say(line: impl std::fmt::Display) {
    let mut output = std::io::stdout().lock();
    writeln!(output, "\n{line}").and_then(|()| output.flush()).unwrap();
}

/// Runs in the other process of the next test; not a test by itself.
#[tokio::test]
async fn write_for_ever() {
    let Some(engine) = argument() else { return };
    let database = embedded(&engine);
    let uid = {
        let session = database.session().await.unwrap();
        let uid = session.database_uid().await.unwrap();
        session.close().await.unwrap();
        uid
    };
    let owner = JournalOwner { host: "here".into(), pid: std::process::id(), mer_version: "0".into() };
    let journal = Journal::new(database.journal_dir(), uid, owner);
    loop {
        for _ in 0..10 {
            let begun = started(Uuid::now_v7(), 1, "m", Timestamp::now());
            journal.started(&begun, Durability::Synced).await.unwrap();
            say(format_args!("started {}", begun.request_uid));
            journal.ended(&ended(&begun, Status::Succeeded)).await.unwrap();
            say(format_args!("ended {}", begun.request_uid));
        }
        drain(&database).await.unwrap();
    }
}

#[tokio::test]
async fn no_acknowledged_access_is_missing() {
    let fresh = migrated().await;
    let mut said: Vec<String> = Vec::new();
    let mut round = 0;
    // On a busy machine it takes longer until the first row is acknowledged.
    while round < 8 || (said.is_empty() && round < 100) {
        said.extend(killed_after("write_for_ever", engine_of(&fresh), Duration::from_millis(60 + round * 53)));
        round += 1;
    }
    drain(&fresh).await.unwrap();
    let session = fresh.session().await.unwrap();
    let mut seen = 0;
    for line in said {
        let Some((what, uid)) = line.split_once(' ') else { continue };
        let Ok(uid) = uid.parse::<Uuid>() else { continue };
        let rows = session.access(uid).await.unwrap();
        assert_eq!(rows.len(), 1, "{line}");
        let expected: &[Status] = match what {
            "ended" => &[Status::Succeeded],
            _ => &[Status::Succeeded, Status::Lost],
        };
        assert!(expected.contains(&rows[0].status), "{line}: {}", rows[0].status);
        seen += 1;
    }
    assert!(seen > 0, "the other process got nowhere");
    session.close().await.unwrap();
    assert_eq!(fresh.pending().segments, 0);
}

/// Runs in the other process of the next test; not a test by itself.
#[tokio::test]
async fn migrate_once() {
    let Some(engine) = argument() else { return };
    let session = embedded(&engine).session().await.unwrap();
    migrate(&session).await;
    session.close().await.unwrap();
}

#[tokio::test]
async fn a_migration_killed_in_the_middle_goes_on_where_it_was() {
    let fresh = empty();
    for round in 0..12_u64 {
        let engine = engine_of(&fresh).with_file_name(format!("db{}", round / 4));
        killed_after("migrate_once", &engine, Duration::from_millis(15 + round * 17));
        let session = embedded(&engine).session().await.unwrap();
        if let Some(applied) = session.applied().await.unwrap() {
            let numbers: Vec<u32> = applied.iter().map(|script| script.number).collect();
            let expected: Vec<u32> = (1..).take(numbers.len()).collect();
            assert_eq!(numbers, expected, "each script once, in order, without a gap");
        }
        session.close().await.unwrap();
    }
    let session = fresh.session().await.unwrap();
    migrate(&session).await;
    assert!(mer_migrations::status(&session).await.unwrap().is_current());
    session.close().await.unwrap();
    for n in 0..3 {
        let session = embedded(&engine_of(&fresh).with_file_name(format!("db{n}"))).session().await.unwrap();
        migrate(&session).await;
        assert!(session.registry().await.unwrap().models.contains_key("iris"));
        session.close().await.unwrap();
    }
}

/// Copies the files of a database as a kill of its process would leave them.
fn killed_now(engine: &Path, name: &str) -> Database {
    let copy = engine.with_file_name(name);
    image(engine, &copy);
    embedded(&copy)
}

/// Records accesses of about 4 MiB.
async fn record_much(session: &Session) -> Vec<Access> {
    let tail = "x".repeat(64 << 10);
    let much: Vec<Access> = (0..62)
        .map(|_| {
            let begun = started(Uuid::now_v7(), 1, "m", Timestamp::now());
            Access { stderr_tail: tail.clone(), ..ended(&begun, Status::Succeeded) }
        })
        .collect();
    session.record(&much).await.unwrap();
    much
}

async fn check_all(session: &Session, all: &[Access], told: &str) {
    for access in all {
        assert_eq!(session.access(access.request_uid).await.unwrap().len(), 1, "{told}");
    }
}

/// The engine loses transactions if a memtable was full, so no memtable may ever be full: see `embedded/memtable.rs`.
#[tokio::test]
async fn what_was_acknowledged_is_in_the_files_however_much_it_is() {
    let fresh = migrated().await;
    let engine = engine_of(&fresh);
    let mut session = fresh.session().await.unwrap();
    let mut all = Vec::new();
    for batch in 0..9 {
        if session.is_full() {
            session = session.renew().await.unwrap();
        }
        all.extend(record_much(&session).await);
        if batch % 2 == 0 {
            continue;
        }
        let killed = killed_now(engine, &format!("killed{batch}"));
        let told = format!("killed after batch {batch}");
        let opened = killed.session().await.unwrap();
        check_all(&opened, &all, &told).await;
        // Once more, after further work on the files of the killed process.
        let more = [all.clone(), record_much(&opened).await].concat();
        let folder = engine.with_file_name(format!("killed{batch}"));
        let again = killed_now(&folder, &format!("again{batch}")).session().await.unwrap();
        check_all(&again, &more, &format!("{told}, and again after another")).await;
        again.close().await.unwrap();
        opened.close().await.unwrap();
    }
    session.close().await.unwrap();
}
