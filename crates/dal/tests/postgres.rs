//! Failures that only a server has: it is away, restarts, refuses, or is slow.
#![cfg(feature = "postgres")]
#![allow(clippy::unwrap_used, reason = "test code: it is to panic")]

mod common;

use std::{error::Error as _, time::Duration};

use jiff::Timestamp;
use mer_core::{Access, Classified as _, FailureKind, Status};
use mer_dal::{
    AccessFilter, DalError, Database, Download, Durability, Journal, JournalOwner, RegistryCopy, Secret, Settings,
    Store, Upload, drain,
};
use mer_testkit::{
    ended,
    network::{Direction, Proxy},
    postgres::{PASSWORDED, Server, shared},
    started,
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
    store.accesses(&AccessFilter { limit: usize::MAX, ..AccessFilter::default() }).await.unwrap().len()
}

#[tokio::test]
async fn a_wrong_password_is_refused_by_name_and_never_shown() {
    let Some(server) = shared() else { return };
    let database = server.database();
    server.sql(&database, &format!("CREATE ROLE locked LOGIN PASSWORD 'right' IN ROLE {PASSWORDED}"));
    on_server(&server.url_of("locked:right", &database)).session().await.unwrap();
    for wrong in ["locked:wr0ng", "locked"] {
        let error = on_server(&server.url_of(wrong, &database)).session().await.unwrap_err();
        assert!(matches!(error, DalError::Refused { .. }), "{error:?}");
        assert_eq!(error.failure_kind(), FailureKind::Refused);
        let text = format!("{error}: {} {error:?}", error.source().unwrap());
        assert!(text.contains("`locked`") && !text.contains("wr0ng"), "{text}");
    }
    let by_settings = with(&on_server(&server.url_of("locked", &database)), |settings| {
        settings.server.password = Some(Secret::from("right".to_owned()));
    });
    by_settings.session().await.unwrap();
}

#[tokio::test]
async fn a_password_file_lets_in() {
    let Some(server) = shared() else { return };
    let database = server.database();
    server.sql(&database, &format!("CREATE ROLE filed LOGIN PASSWORD 'from a:file' IN ROLE {PASSWORDED}"));
    let fresh = on_server(&server.url_of("filed", &database));
    let file = fresh.folder.path().join("pass");
    std::fs::write(&file, "# comment\nelsewhere:*:*:*:x\n127.0.0.1:*:*:filed:from a\\:file\n").unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    fresh.session().await.unwrap_err();
    let variables = [("PGPASSFILE".to_owned(), file.display().to_string())];
    with(&fresh, |settings| settings.server.variables = variables.into()).session().await.unwrap();
}

#[tokio::test]
async fn a_missing_database_an_absent_server_and_a_missing_schema_are_told_apart() {
    let Some(server) = shared() else { return };
    let error = on_server(&server.url("nowhere")).session().await.unwrap_err();
    assert!(matches!(&error, DalError::NoDatabase { name, .. } if name == "nowhere"), "{error:?}");
    assert_eq!(error.failure_kind(), FailureKind::Config);

    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let absent = with(&on_server(&format!("postgres://me@{free}/db")), |settings| {
        settings.wait = Duration::from_millis(200);
    });
    let error = absent.session().await.unwrap_err();
    assert!(matches!(error, DalError::Unreachable { .. }), "{error:?}");
    assert_eq!(error.failure_kind(), FailureKind::Io);

    let empty = on_server(&server.url(&server.database()));
    let session = empty.session().await.unwrap();
    let error = session.models().await.unwrap_err();
    assert!(matches!(error, DalError::NoSchema { .. }), "{error:?}");
    assert_eq!(session.applied().await.unwrap(), None);
    assert_eq!(empty.journal_dir(), empty.folder.path().join("journal"));
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up_within_the_bound() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://me@{}/db", silent.local_addr().unwrap());
    let database = with(&on_server(&url), |settings| settings.wait = Duration::from_millis(300));
    let begun = std::time::Instant::now();
    let error = database.session().await.unwrap_err();
    assert!(matches!(error, DalError::Unreachable { .. }), "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn the_socket_and_tls_modes() {
    let Some(server) = shared() else { return };
    let database = server.database();
    on_server(&server.socket_url(&database)).session().await.unwrap();
    on_server(&format!("{}?sslmode=disable", server.url(&database))).session().await.unwrap();
    // This server has no certificate, so a connection that insists on encryption fails.
    let error = on_server(&format!("{}?sslmode=require", server.url(&database))).session().await.unwrap_err();
    assert!(error.source().unwrap().to_string().contains("TLS"), "{error:?}");
}

#[tokio::test]
async fn certificates_are_looked_at_as_far_as_the_mode_says() {
    let Some(server) = Server::start() else { return };
    let Some(authority) = server.offer_tls() else { return };
    let database = server.database();
    let open = async |host: &str, query: &str| {
        let url = server.url(&database).replace("127.0.0.1", host);
        let fresh = on_server(&format!("{url}?{}", query.replace("CA", &authority.display().to_string())));
        fresh.session().await.map(|_| ())
    };
    for good in [
        "sslmode=verify-full&sslrootcert=CA",
        "sslmode=verify-ca&sslrootcert=CA",
        "sslmode=require",
        "",
        "sslmode=disable",
    ] {
        open("127.0.0.1", good).await.unwrap_or_else(|error| panic!("{good}: {error:?}"));
    }
    // First a certificate of no public authority; then one of the right authority, but for another name.
    for (host, bad) in [
        ("127.0.0.1", "sslmode=verify-full"),
        ("127.0.0.1", "sslmode=verify-ca"),
        ("127.0.0.1", "sslmode=require&sslrootcert=/etc/ssl/certs/ca-certificates.crt"),
        ("localhost", "sslmode=verify-full&sslrootcert=CA"),
    ] {
        let error = open(host, bad).await.expect_err(bad);
        assert!(matches!(error, DalError::Unreachable { .. } | DalError::Url { .. }), "{bad}: {error:?}");
    }
    open("localhost", "sslmode=verify-ca&sslrootcert=CA").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_falls_silent_is_given_up_within_the_bound() {
    let Some(server) = shared() else { return };
    let name = server.database();
    migrated(&server.url(&name)).await;
    let proxy = Proxy::to(([127, 0, 0, 1], server.port()).into());
    let url = server.url(&name).replace(&server.port().to_string(), &proxy.address().port().to_string());
    let database = with(&on_server(&url), |settings| {
        settings.server.call_timeout = Duration::from_millis(300);
        settings.wait = Duration::from_secs(1);
    });
    let session = database.session().await.unwrap();
    proxy.hold();
    let begun = std::time::Instant::now();
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
    let fresh = migrated(&server.url(&server.database())).await;
    let database = fresh.settings().url.to_string();
    let database = database.rsplit('/').next().unwrap();
    server.sql(database, "CREATE ROLE reader LOGIN; GRANT SELECT ON \"AvailableModels\" TO reader");
    let session = on_server(&server.url_of("reader", database)).session().await.unwrap();
    let error = session.record(&accesses(1)).await.unwrap_err();
    assert!(matches!(&error, DalError::Rights { user, .. } if user == "reader"), "{error:?}");
    assert_eq!(error.failure_kind(), FailureKind::Refused);
    let source = error.source().unwrap().to_string();
    assert!(source.contains("ModelAccess"), "{source}");
    let error = session.take_claims(&[claim_unit("0")], &claim_owner(), Duration::from_secs(90)).await.unwrap_err();
    assert_eq!(error.failure_kind(), FailureKind::Refused);
    assert!(error.source().unwrap().to_string().contains("Claims"), "{error:?}");
    assert_eq!(session.registry_revision().await.unwrap_err().failure_kind(), FailureKind::Refused);
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
        let back = r#"UPDATE "ModelAccess" SET "aliveUntil" = now() - interval '1 s' WHERE "requestUid" ="#;
        server.sql(&name, &format!("{back} '{uid}'"));
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
}

/// The GRANTs of docs/reference/database-rights.md suffice for the driver.
#[tokio::test]
async fn the_documented_rights_are_enough_and_no_more() {
    let Some(server) = shared() else { return };
    let page = include_str!("../../../docs/reference/database-rights.md");
    let block = |title: &str| {
        let (_, after) = page.split_once(title).unwrap();
        let (_, sql) = after.split_once("```sql\n").unwrap();
        sql.split_once("```").unwrap().0.to_owned()
    };
    server.sql("postgres", &block("### The users"));
    server.sql("postgres", &block("### Before the first `mer migrate`"));
    migrated(&server.url_of("mer_migrations", "mer")).await;
    server.sql("mer", &block("### The driver"));
    let session = on_server(&server.url_of("mer_driver", "mer")).session().await.unwrap();
    mer_migrations::ensure_current(&session, mer_migrations::Policy::Check).await.unwrap();
    let mut registry = session.registry().await.unwrap();
    session.database_uid().await.unwrap();
    let log = accesses(2);
    session.record(&log).await.unwrap();
    session.record(&log).await.unwrap();
    assert_eq!(session.access(log[0].request_uid).await.unwrap(), [log[0].clone()]);
    let iris = session.model("iris").await.unwrap().unwrap();
    let version = weights_come_and_go(session.database(), &iris).await;
    claims_come_and_go(&session).await;
    for error in [
        session.move_alias(&iris, "current", Some(version), "me", None).await.unwrap_err(),
        session.remove_version(&iris, version, false, "me").await.unwrap_err(),
    ] {
        assert!(matches!(error, DalError::Rights { .. }), "{error:?}");
    }
    // A user that was created before these tables existed.
    server.sql("mer", "REVOKE ALL ON \"ModelWeightAliases\", \"ModelWeightUploads\" FROM mer_driver");
    let error = session.named_versions(std::slice::from_ref(&iris)).await.unwrap_err();
    assert!(matches!(error, DalError::Rights { .. }), "{error:?}");
    assert!(error.source().unwrap().to_string().contains("ModelWeightAliases"), "{error:?}");
    let error = Upload::new(session.database(), &iris).finish(&vector()).await.unwrap_err();
    assert!(error.source().unwrap().to_string().contains("ModelWeightUploads"), "{error:?}");
    server.sql("mer", &block("### The driver"));
    registry.models.retain(|name, _| name == "echo");
    registry.models.insert("new".to_owned(), registry.models["echo"].clone());
    let error = session.apply(&registry).await.unwrap_err();
    assert!(matches!(error, DalError::Rights { .. }), "{error:?}");
    server.sql("mer", &block("### The driver, where it may change the registry"));
    session.move_alias(&iris, "current", Some(version), "me", None).await.unwrap();
    for number in 1..=version {
        session.remove_version(&iris, number, true, "me").await.unwrap();
    }
    session.apply(&registry).await.unwrap();
    let (servers, mut models) = (session.servers().await.unwrap(), session.models().await.unwrap());
    models.iter_mut().for_each(|model| model.uid = Uuid::now_v7().to_string());
    let copy = RegistryCopy { servers, models, dropped: vec!["new".to_owned()] };
    session.restore(&copy).await.unwrap();
    session.remove_model("echo").await.unwrap();
    assert!(!session.remove_server("local").await.unwrap().is_empty());
    let script = mer_dal::ScriptRun {
        number: 9001,
        name: "X".into(),
        file: "9001-X.sql".into(),
        checksum: String::new(),
        sql: "DROP TABLE \"ModelAccess\"".into(),
        mer_version: String::new(),
        own: false,
    };
    session.apply_script(&script).await.unwrap_err();
    session.create_migrations().await.unwrap_err();
    assert_eq!(count(&session).await, 2);
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
    server.kill();
    let error = session.record(&log).await.unwrap_err();
    assert!(matches!(error, DalError::Lost { .. } | DalError::Unreachable { .. }), "{error:?}");
    assert_eq!(error.failure_kind(), FailureKind::Io);
    server.start_again();
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
        for bytes in [1, 60, 500, 5_000] {
            let proxy = Proxy::to(([127, 0, 0, 1], server.port()).into());
            let fresh =
                on_server(&server.url(&name).replace(&server.port().to_string(), &proxy.address().port().to_string()));
            let session = fresh.session().await.unwrap();
            let before = count(&session).await;
            proxy.cut_after(direction, proxy.forwarded(direction) + bytes);
            session.record(&accesses(20)).await.unwrap();
            assert_eq!(count(&session).await, before + 20, "{direction:?} {bytes}");
        }
    }
}

#[tokio::test]
async fn connections_that_an_administrator_ends_are_made_again() {
    let Some(server) = shared() else { return };
    let name = server.database();
    let session = migrated(&server.url(&name)).await.session().await.unwrap();
    for _ in 0..5 {
        server.end_connections(&name);
        session.record(&accesses(1)).await.unwrap();
    }
    assert_eq!(count(&session).await, 5);
}

#[tokio::test]
async fn a_call_that_waits_for_a_lock_ends_within_its_bound() {
    let Some(server) = shared() else { return };
    let name = server.database();
    let fresh = migrated(&server.url(&name)).await;
    // The lock of another transaction, held by a session of this process that has one open.
    let mut locker = server.open(&name);
    locker.run("BEGIN; LOCK TABLE \"ModelAccess\" IN ACCESS EXCLUSIVE MODE;");
    let hasty = with(&fresh, |settings| settings.wait = Duration::from_secs(1));
    let session = hasty.session().await.unwrap();
    let begun = std::time::Instant::now();
    let error = session.record(&accesses(1)).await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert!(matches!(&error, DalError::Locked { holder: Some(holder), .. } if holder.contains("admin")), "{error:?}");
    assert_eq!(error.failure_kind(), FailureKind::Busy);
    locker.run("ROLLBACK;");
    session.record(&accesses(1)).await.unwrap();
}

/// Sixteen writers with connections of their own record two hundred rows two thousand times.
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

/// As through a pooler that hands out a connection for one transaction only.
#[tokio::test]
async fn without_kept_statements_every_call_is_one_transaction() {
    let Some(server) = shared() else { return };
    let name = server.database();
    migrated(&server.url(&name)).await;
    let logged = "options=-c%20log_min_duration_statement%3D0";
    let fresh = migrated(&format!("{}?statementCache=off&{logged}", server.url(&name))).await;
    let session = fresh.session().await.unwrap();
    session.record(&accesses(3)).await.unwrap();
    assert_eq!(count(&session).await, 3);
    session.server("nobody").await.unwrap();
    let left = server.sql(
        &name,
        "SELECT state FROM pg_stat_activity WHERE application_name = 'mer' AND datname = current_database()",
    );
    assert!(left.lines().all(|state| state == "idle"), "{left}");
    let log = server.log();
    let mine: Vec<&str> = log.lines().filter(|line| line.contains("execute ") && line.contains("duration")).collect();
    assert!(mine.len() >= 4 && mine.iter().all(|line| line.contains("execute <unnamed>")), "{mine:#?}");
}

/// The newest accesses of a long log come from an index, for all models and for one.
#[tokio::test]
async fn the_newest_come_from_an_index() {
    let Some(server) = shared() else { return };
    let name = server.database();
    let session = migrated(&server.url(&name)).await.session().await.unwrap();
    let log = "INSERT INTO \"ModelAccess\" (\"requestUid\", \"attempt\", \"model\", \"server\", \"kind\", \"protocol\",
            \"caller\", \"callerPid\", \"startAccess\", \"status\", \"stdinBytes\", \"stdoutBytes\", \"stderrBytes\", \"stderrTail\")
        SELECT gen_random_uuid(), 1, 'm' || n % 50, 'local', 'infer', 'oneshot', 'a@b', 1, to_timestamp(n), 'succeeded', 1, 1, 0, ''
        FROM generate_series(1, 30000) n; ANALYZE \"ModelAccess\"";
    server.sql(&name, log);
    for (condition, index) in
        [("", "Index Scan using newest "), ("WHERE left(\"model\", 200) = 'm7'", "Index Scan using \"newestOfModel\"")]
    {
        let order = "ORDER BY \"startAccess\" DESC, \"requestUid\" DESC, \"attempt\" DESC LIMIT 50";
        let plan = server.sql(&name, &format!("EXPLAIN SELECT * FROM \"ModelAccess\" {condition} {order}"));
        assert!(plan.contains(index), "{plan}");
    }
    let model = Some("m7".to_owned());
    let newest = session.accesses(&AccessFilter { model, ..AccessFilter::default() }).await.unwrap();
    assert_eq!(newest.len(), 50);
    assert_eq!(newest[0].start_access.as_second(), 29_957);
    // Names with the same first letters.
    for length in [199, 200, 201] {
        let models = ["a", "b"].map(|last| "n".repeat(length - 1) + last);
        for model in &models {
            session.record(&[started(Uuid::now_v7(), 1, model, Timestamp::MIN)]).await.unwrap_err();
            session.record(&[started(Uuid::now_v7(), 1, model, Timestamp::UNIX_EPOCH)]).await.unwrap();
        }
        for model in models {
            let filter =
                AccessFilter { model: Some(model), since: Some(Timestamp::MIN), limit: 5, ..AccessFilter::default() };
            assert_eq!(session.accesses(&filter).await.unwrap().len(), 1, "{length}");
        }
    }
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

#[tokio::test]
async fn what_is_damaged_in_the_database_is_told_with_its_part() {
    let Some(server) = shared() else { return };
    let name = server.database();
    let fresh = migrated(&server.url(&name)).await;
    let iris = fresh.session().await.unwrap().model("iris").await.unwrap().unwrap();
    let mut upload = Upload::new(&fresh, &iris);
    for part in 0..6 {
        upload.write(&vec![part; 1 << 20]).await.unwrap();
    }
    let version = upload.finish(&vector()).await.unwrap();
    server.sql(
        &name,
        r#"UPDATE "ModelWeightPayloads" p SET "payload" = set_byte(p."payload", 5, 77)
           FROM "ModelWeightParts" a WHERE a."sha256" = p."sha256" AND a."part" = 4"#,
    );
    let mut download = Download::new(&fresh, &version);
    let mut count = 0;
    let error = loop {
        match download.next().await {
            Ok(bytes) => count += bytes.expect("an error before the end").len(),
            Err(error) => break error,
        }
    };
    assert_eq!(count, 6 << 20);
    assert!(error.to_string().ends_with("is damaged: its part 4 does not have its sha256"), "{error}");
}
