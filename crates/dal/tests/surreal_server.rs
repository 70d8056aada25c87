//! Failures that only a SurrealDB server has: it is away, restarts, refuses, or is slow.
#![cfg(feature = "surreal-server")]
#![allow(clippy::unwrap_used, reason = "test code: it is to panic")]

mod common;

use std::{
    error::Error as _,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use mer_core::{Access, Classified as _, FailureKind, Status};
use mer_dal::{
    AccessFilter, AuthLevel, DalError, Database, Durability, Journal, JournalOwner, RegistryCopy, Secret, Settings,
    Store, Upload, drain,
};
use mer_testkit::{
    ended,
    network::{Direction, Proxy},
    started,
    surreal_server::{NAMESPACE, Server, shared},
};
use uuid::Uuid;

use common::{Fresh, claim_owner, claim_unit, claims_come_and_go, migrate, on_server, vector, weights_come_and_go};

fn with(fresh: &Fresh, change: impl FnOnce(&mut Settings)) -> Database {
    let mut settings = fresh.settings().clone();
    change(&mut settings);
    Database::new(settings)
}

async fn migrated(url: &str) -> Fresh {
    let fresh = on_server(url);
    migrate(&fresh.session().await.unwrap()).await;
    fresh
}

fn accesses(count: usize) -> Vec<Access> {
    let of = |_| ended(&started(Uuid::now_v7(), 1, "m", Timestamp::UNIX_EPOCH), Status::Succeeded);
    (0..count).map(of).collect()
}

async fn count(store: &Store) -> usize {
    store.accesses(&AccessFilter { limit: 1_000_000, ..AccessFilter::default() }).await.unwrap().len()
}

fn through(proxy: &Proxy, server: &Server, name: &str) -> String {
    server.url(name).replace(&format!(":{}/", server.port()), &format!(":{}/", proxy.address().port()))
}

#[tokio::test]
async fn users_of_every_level_get_in_and_a_wrong_password_is_refused_by_name() {
    let Some(server) = shared() else { return };
    let name = server.database();
    server.sql("", "DEFINE USER OVERWRITE top ON ROOT PASSWORD 'right' ROLES OWNER;");
    server.sql(&name, "DEFINE USER OVERWRITE mid ON NAMESPACE PASSWORD 'right' ROLES EDITOR;");
    server.sql(&name, "DEFINE USER low ON DATABASE PASSWORD 'right' ROLES EDITOR;");
    server.sql(
        &name,
        "DEFINE TABLE person; CREATE person:ada SET name = 'ada', pass = crypto::argon2::generate('right');
         DEFINE ACCESS api ON DATABASE TYPE RECORD
         SIGNIN (SELECT * FROM person WHERE name = $user AND crypto::argon2::compare(pass, $pass));",
    );
    for (user, more, level) in [
        ("top", "authLevel=root", None),
        ("mid", "", Some(AuthLevel::Namespace)),
        ("low", "authLevel=database", None),
        ("top", "", None),
        ("ada", "access=api", None),
    ] {
        let fresh = on_server(&format!("{}?{more}", server.url_of(&format!("{user}:right"), &name)));
        let database = with(&fresh, |settings| settings.server.surreal.auth_level = level);
        let session = database.session().await.unwrap_or_else(|error| panic!("{user} {more}: {error:?}"));
        assert!(matches!(session.applied().await, Ok(None)), "{user} {more}");
        let error = on_server(&format!("{}?{more}", server.url_of(&format!("{user}:wr0ng"), &name)));
        let error = error.session().await.unwrap_err();
        assert!(matches!(error, DalError::Refused { .. }), "{error:?}");
        assert_eq!(error.failure_kind(), FailureKind::Refused);
        let text = format!("{error}: {} {error:?}", error.source().unwrap());
        assert!(text.contains(&format!("`{user}`")) && !text.contains("wr0ng"), "{text}");
    }
    let by_settings = with(&on_server(&format!("ws://127.0.0.1:{}", server.port())), |settings| {
        settings.server.username = Some("low".to_owned());
        settings.server.password = Some(Secret::from("right".to_owned()));
        settings.server.surreal.namespace = Some(NAMESPACE.to_owned());
        settings.server.surreal.database = Some(name.clone());
    });
    by_settings.session().await.unwrap();
}

#[tokio::test]
async fn an_absent_server_and_a_missing_schema_are_told_apart() {
    let Some(server) = shared() else { return };
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let absent = with(&on_server(&format!("ws://me@{free}")), |settings| settings.wait = Duration::from_millis(200));
    let error = absent.session().await.unwrap_err();
    assert!(matches!(error, DalError::Unreachable { .. }), "{error:?}");
    assert_eq!(error.failure_kind(), FailureKind::Io);

    for name in [server.database(), "never_made".to_owned()] {
        let empty = on_server(&server.url(&name));
        let session = empty.session().await.unwrap();
        let error = session.models().await.unwrap_err();
        assert!(matches!(error, DalError::NoSchema { .. }), "{name}: {error:?}");
        assert_eq!(session.applied().await.unwrap(), None);
        assert_eq!(empty.journal_dir(), empty.folder.path().join("journal"));
    }
    // The root user's migration creates namespace and database.
    let url = server.url("never_made").replace(&format!("/{NAMESPACE}/"), "/a%20new%20one/");
    let session = migrated(&url).await.session().await.unwrap();
    assert_eq!(count(&session).await, 0);
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up_within_the_bound() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://me@{}", silent.local_addr().unwrap());
    let database = with(&on_server(&url), |settings| settings.wait = Duration::from_millis(300));
    let begun = Instant::now();
    let error = database.session().await.unwrap_err();
    assert!(matches!(error, DalError::Unreachable { .. }), "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn certificates_are_looked_at_unless_the_switch_is_off() {
    let Some(server) = Server::start_with_tls() else { return };
    let authority = server.authority().display().to_string();
    let open = async |host: &str, query: &str| {
        let url = server.url("d").replace("127.0.0.1", host);
        let fresh = on_server(&format!("{url}&{query}"));
        fresh.session().await.map(|_| ())
    };
    open("127.0.0.1", &format!("tlsCa={authority}")).await.unwrap();
    open("127.0.0.1", "tlsVerify=off").await.unwrap();
    open("localhost", "tlsVerify=off").await.unwrap();
    for (host, bad) in [("127.0.0.1", "tlsVerify=on".to_owned()), ("localhost", format!("tlsCa={authority}"))] {
        let error = open(host, &bad).await.expect_err(&bad);
        assert!(matches!(error, DalError::Unreachable { .. }), "{bad}: {error:?}");
        assert!(error.source().unwrap().to_string().contains("certificate"), "{error:?}");
        // The hints of the command recognise the reason by these words.
        let signs: &[&str] =
            if host == "localhost" { &["NotValidForName", "not valid for name"] } else { &["UnknownIssuer"] };
        let reason = mer_core::with_causes(error.source().unwrap());
        assert!(signs.iter().any(|sign| reason.contains(sign)), "{reason}");
    }
    for bad in ["tlsCa=/dev/null", "tlsCa=/nowhere"] {
        let error = open("127.0.0.1", bad).await.expect_err(bad);
        assert!(
            matches!(&error, DalError::Url { reason, .. } if reason.contains("cannot be used")),
            "{bad}: {error:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_falls_silent_is_given_up_within_the_bound() {
    let Some(server) = shared() else { return };
    let name = server.database();
    migrated(&server.url(&name)).await;
    let proxy = Proxy::to(([127, 0, 0, 1], server.port()).into());
    let database = with(&on_server(&through(&proxy, server, &name)), |settings| {
        settings.server.call_timeout = Duration::from_secs(2);
    });
    let session = database.session().await.unwrap();
    proxy.hold();
    let begun = Instant::now();
    let error = session.record(&accesses(1)).await.unwrap_err();
    assert!(matches!(error, DalError::Late { .. }), "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    // The silent connection is not reused.
    proxy.release();
    session.record(&accesses(1)).await.unwrap();
}

#[tokio::test]
async fn rights_that_are_missing_are_named() {
    let Some(server) = shared() else { return };
    let name = server.database();
    migrated(&server.url(&name)).await;
    server.sql(&name, "DEFINE USER reader ON DATABASE PASSWORD 'p' ROLES VIEWER;");
    let session = on_server(&server.url_of("reader:p", &name)).session().await.unwrap();
    assert_eq!(count(&session).await, 0);
    let error = session.record(&accesses(1)).await.unwrap_err();
    assert!(matches!(&error, DalError::Rights { user, .. } if user == "reader"), "{error:?}");
    assert_eq!(error.failure_kind(), FailureKind::Refused);
    let error = session.create_migrations().await.unwrap_err();
    assert!(matches!(&error, DalError::Rights { .. }), "{error:?}");
}

#[tokio::test]
async fn a_server_that_was_restarted_between_two_calls_goes_unnoticed() {
    let Some(mut server) = Server::start() else { return };
    let fresh = migrated(&server.url(&server.database())).await;
    let session = fresh.session().await.unwrap();
    let log = accesses(3);
    session.record(&log[..1]).await.unwrap();
    server.stop();
    server.start_again();
    session.record(&log[..2]).await.unwrap();
    server.kill();
    server.start_again();
    assert_eq!(count(&session).await, 2);
    // While the server is away, the error comes within the bound, and says so.
    for end in [Server::kill, Server::stop] {
        end(&mut server);
        let begun = Instant::now();
        let error = session.record(&log).await.unwrap_err();
        assert!(matches!(error, DalError::Lost { .. } | DalError::Unreachable { .. }), "{error:?}");
        assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
        assert_eq!(error.failure_kind(), FailureKind::Io);
        server.start_again();
    }
    session.record(&log).await.unwrap();
    assert_eq!(count(&session).await, 3);
}

/// Wherever the connection breaks, the call is repeated, and its rows are stored once.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_lost_in_the_middle_is_made_again() {
    let Some(server) = shared() else { return };
    let name = server.database();
    migrated(&server.url(&name)).await;
    for direction in [Direction::ToServer, Direction::ToClient] {
        for bytes in [1, 500, 5_000] {
            let proxy = Proxy::to(([127, 0, 0, 1], server.port()).into());
            let fresh = on_server(&through(&proxy, server, &name));
            let session = fresh.session().await.unwrap();
            let before = count(&session).await;
            proxy.cut_after(direction, proxy.forwarded(direction) + bytes);
            session.record(&accesses(20)).await.unwrap();
            assert_eq!(count(&session).await, before + 20, "{direction:?} {bytes}");
        }
    }
}

/// Sixteen writers with connections of their own record 125 rows two thousand times.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_thousand_claims_have_one_winner_each() {
    let Some(server) = shared() else { return };
    let fresh = migrated(&server.url(&server.database())).await;
    let begun: Vec<Access> = (0..125).map(|_| started(Uuid::now_v7(), 1, "race", Timestamp::UNIX_EPOCH)).collect();
    let writers: Vec<_> = (0..16usize)
        .map(|writer| {
            let (database, mut mine) = (Database::new(fresh.settings().clone()), begun.clone());
            // Each writer in another order.
            mine.rotate_left(writer * 7);
            tokio::spawn(async move {
                let session = database.session().await.unwrap();
                let mut won = Vec::new();
                for chunk in mine.chunks(25) {
                    let claims: Vec<Access> = chunk
                        .iter()
                        .map(|begun| Access { caller: format!("writer {writer}"), ..ended(begun, Status::Succeeded) })
                        .collect();
                    session.record(&claims).await.unwrap();
                    for claim in &claims {
                        won.extend(session.access(claim.request_uid).await.unwrap());
                    }
                }
                won
            })
        })
        .collect();
    let mut winners = std::collections::HashMap::new();
    for writer in writers {
        for seen in writer.await.unwrap() {
            let winner = winners.entry(seen.request_uid).or_insert_with(|| seen.caller.clone());
            assert_eq!(*winner, seen.caller, "two winners");
        }
    }
    assert_eq!(winners.len(), begun.len());
    assert_eq!(count(&fresh.session().await.unwrap()).await, begun.len());
}

/// A message that exceeds the frame size of other clients.
#[tokio::test]
async fn many_long_records_are_sent_in_frames_that_the_server_takes() {
    let Some(server) = shared() else { return };
    let fresh = migrated(&server.url(&server.database())).await;
    let session = fresh.session().await.unwrap();
    let log: Vec<Access> =
        accesses(700).into_iter().map(|access| Access { stderr_tail: "ü".repeat(8 << 10), ..access }).collect();
    session.record(&log).await.unwrap();
    let filter = AccessFilter { limit: 1_000, ..AccessFilter::default() };
    let listed = session.accesses(&filter).await.unwrap();
    assert_eq!(listed.len(), 700);
    assert!(listed.iter().all(|access| access.stderr_tail.len() == 16 << 10));
}

#[tokio::test]
async fn the_journal_of_a_server_drains_into_it() {
    let Some(server) = shared() else { return };
    let fresh = migrated(&server.url(&server.database())).await;
    let session = fresh.session().await.unwrap();
    let uid = session.database_uid().await.unwrap();
    let owner = JournalOwner { host: "here".into(), pid: std::process::id(), mer_version: "0.0.0".into() };
    let journal = Journal::new(fresh.journal_dir(), uid, owner);
    let log = accesses(50);
    for access in &log {
        journal.started(&Access { status: Status::Started, ..access.clone() }, Durability::Written).await.unwrap();
        journal.ended(access).await.unwrap();
    }
    let report = drain(&fresh.database).await.unwrap();
    assert_eq!(report.recorded, 100);
    assert_eq!(count(&session).await, 50);
    assert_eq!(session.access(log[7].request_uid).await.unwrap(), [log[7].clone()]);
    drop::<Journal>(journal);
}

/// A run without a heartbeat for too long is recorded as lost by other processes, until its host reports its end.
#[tokio::test]
async fn runs_that_nobody_hears_of_are_closed() {
    let Some(server) = shared() else { return };
    let name = server.database();
    let fresh = migrated(&server.url(&name)).await;
    let session = fresh.session().await.unwrap();
    let log: Vec<Access> = accesses(3);
    let begun: Vec<Access> = log.iter().cloned().map(|access| Access { status: Status::Started, ..access }).collect();
    session.record(&begun).await.unwrap();
    session.keep_alive("far.example", &[begun[0].key(), begun[1].key()]).await.unwrap();
    let past = |access: &Access| {
        let uid = access.request_uid;
        let back = "UPDATE ModelAccess SET aliveUntil = time::now() - 1s WHERE requestUid =";
        server.sql(&name, &format!("{back} u'{uid}'"));
    };
    session.close_silent().await.unwrap();
    past(&begun[0]);
    session.close_silent().await.unwrap();
    let status = async |access: &Access| session.access(access.request_uid).await.unwrap()[0].clone();
    let lost = status(&begun[0]).await;
    assert_eq!(lost.status, Status::Lost);
    assert!(lost.error.unwrap().contains("`far.example`"));
    assert_eq!(status(&begun[1]).await.status, Status::Started, "it is alive");
    assert_eq!(status(&begun[2]).await.status, Status::Started, "nothing was ever said of it");
    session.record(&log).await.unwrap();
    for access in &log {
        assert_eq!(&status(access).await, access);
    }
    past(&begun[1]);
    session.close_silent().await.unwrap();
    assert_eq!(status(&begun[1]).await, log[1], "what is over stays as it is");
    let plan = server.sql(&name, "SELECT VALUE id FROM ModelAccess WHERE aliveMicros > 0 AND aliveMicros < 5 EXPLAIN;");
    assert!(plan[0].to_string().contains("stillStarted"), "{plan:?}");
}

/// The statements of docs/reference/database-rights.md suffice for each program.
#[tokio::test]
async fn the_documented_rights_are_enough_and_no_more() {
    let Some(server) = shared() else { return };
    let page = include_str!("../../../docs/reference/database-rights.md");
    let block = |title: &str| {
        let (_, after) = page.split_once("## SurrealDB").unwrap().1.split_once(title).unwrap();
        let (_, sql) = after.split_once("```sql\n").unwrap();
        sql.split_once("```").unwrap().0.to_owned()
    };
    let name = server.database();
    server.sql(&name, &block("### The users"));
    migrated(&server.url_of("mer_migrations:change-me", &name)).await;
    server.sql(&name, &block("### A driver with fewer rights"));
    for (login, more) in [("mer_driver:change-me", ""), ("mer:change-me", "?access=mer_driver")] {
        let session = on_server(&(server.url_of(login, &name) + more)).session().await.unwrap();
        mer_migrations::ensure_current(&session, mer_migrations::Policy::Check).await.unwrap();
        let mut registry = session.registry().await.unwrap();
        assert!(!registry.models.is_empty(), "{login}");
        session.database_uid().await.unwrap();
        let log = accesses(2);
        let before = count(&session).await;
        session.record(&log).await.unwrap();
        session.record(&log).await.unwrap();
        assert_eq!(session.access(log[0].request_uid).await.unwrap(), [log[0].clone()]);
        assert_eq!(count(&session).await, before + 2);
        let iris = session.model("iris").await.unwrap().unwrap();
        let version = weights_come_and_go(session.database(), &iris).await;
        claims_come_and_go(&session).await;
        if !more.is_empty() {
            for error in [
                session.move_alias(&iris, "current", Some(version), "me", None).await.unwrap_err(),
                session.remove_version(&iris, version, false, "me").await.unwrap_err(),
            ] {
                assert!(matches!(error, DalError::Rights { .. }), "{error:?}");
            }
        }
        registry.models.retain(|name, _| name == "echo");
        registry.models.insert("new".to_owned(), registry.models["echo"].clone());
        // A user of the database with the role EDITOR may change it; a record user may not, and gets an error.
        let changed = session.apply(&registry).await;
        if more.is_empty() {
            changed.unwrap();
            registry.models.clear();
        } else {
            registry.models.insert("newer".to_owned(), registry.models["echo"].clone());
            let error = session.apply(&registry).await.unwrap_err();
            assert!(matches!(error, DalError::Rights { .. }), "{error:?}");
            let error = session.remove_model("echo").await.unwrap_err();
            assert!(matches!(error, DalError::Rights { .. }), "{error:?}");
            let mut models = session.models().await.unwrap();
            // The model has weights, which is another reason.
            models.retain(|model| model.name != "iris");
            models.iter_mut().for_each(|model| model.uid = Uuid::now_v7().to_string());
            let copy = RegistryCopy { models, ..RegistryCopy::default() };
            let error = session.restore(&copy).await.unwrap_err();
            assert!(matches!(error, DalError::Rights { .. }), "{error:?}");
            let error = session.create_migrations().await.unwrap_err();
            assert!(matches!(error, DalError::Rights { .. }), "{error:?}");
        }
    }
    // A record user that was created before the tables of weights existed sees none of them, and gets an error.
    for table in ["Counters", "Uploads", "Chunks", "Payloads", "Parts", "Aliases", "AliasMoves"] {
        server.sql(&name, &format!("ALTER TABLE ModelWeight{table} PERMISSIONS NONE;"));
    }
    let session = on_server(&(server.url_of("mer:change-me", &name) + "?access=mer_driver")).session().await.unwrap();
    server.sql(&name, "ALTER TABLE Claims PERMISSIONS FOR select FULL; ALTER TABLE RegistryRevision PERMISSIONS NONE;");
    let error = session.take_claims(&[claim_unit("0")], &claim_owner(), Duration::from_secs(90)).await.unwrap_err();
    assert!(matches!(error, DalError::Rights { .. }), "{error:?}");
    let error = session.registry_revision().await.unwrap_err();
    assert!(matches!(error, DalError::Rights { .. }), "{error:?}");
    let iris = session.model("iris").await.unwrap().unwrap();
    let error = session.named_versions(std::slice::from_ref(&iris)).await.unwrap_err();
    assert!(matches!(error, DalError::Rights { .. }), "{error:?}");
    assert!(error.source().unwrap().to_string().contains("ModelWeightAliases"), "{error:?}");
    let mut upload = Upload::new(session.database(), &iris);
    upload.write(b"x").await.unwrap();
    let error = upload.finish(&vector()).await.unwrap_err();
    assert!(matches!(error, DalError::Rights { .. }), "{error:?}");
    // A record user without any PERMISSIONS: the server accepts its rows and stores none, which is an error.
    server.sql(&name, "ALTER TABLE ModelAccess PERMISSIONS FOR select FULL;");
    let session = on_server(&(server.url_of("mer:change-me", &name) + "?access=mer_driver")).session().await.unwrap();
    let error = session.record(&accesses(1)).await.unwrap_err();
    assert!(matches!(error, DalError::Rights { .. }), "{error:?}");
}

/// Writers go on while the server is killed and restarted: every acknowledged row is stored, once.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_loses_nothing_that_it_acknowledged() {
    let Some(mut server) = Server::start() else { return };
    let fresh = migrated(&server.url(&server.database())).await;
    let writing: Vec<_> = (0..4)
        .map(|_| {
            let database = Database::new(fresh.settings().clone());
            tokio::spawn(async move {
                let (mut kept, mut failures) = (Vec::new(), 0);
                for batch in 0..15 {
                    let log = accesses(5);
                    // As the journal does: the same rows again, until they are stored.
                    while let Err(error) = async { database.session().await?.record(&log).await }.await {
                        failures += 1;
                        assert!(error.failure_kind() == FailureKind::Io && failures < 50, "{batch}: {error:?}");
                    }
                    kept.extend(log);
                }
                kept
            })
        })
        .collect();
    let session = fresh.session().await.unwrap();
    for rows in [20, 120] {
        let begun = Instant::now();
        while count(&session).await < rows && begun.elapsed() < Duration::from_secs(60) {}
        server.kill();
        server.start_again();
    }
    let mut kept = Vec::new();
    for writer in writing {
        kept.extend(writer.await.unwrap());
    }
    assert_eq!(kept.len(), 300);
    assert_eq!(count(&session).await, kept.len());
    for access in &kept {
        assert_eq!(session.access(access.request_uid).await.unwrap(), std::slice::from_ref(access));
    }
}
