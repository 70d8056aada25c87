//! Reading the log: from a read-only database, at any length, and by the beginning of a uid.

use std::{io::Read as _, process::Stdio};

use mer_core::Access;
use mer_testkit::{ended, postgres, started};
use uuid::Uuid;

use crate::support::{
    OnServer, Ran, TestEnv, database_name, database_uid, journal::leave_segment, record, run, shared_databases,
};

/// Returns the run of this number; three runs share a second.
fn access(number: u32) -> Access {
    let uid = Uuid::from_u128(u128::from(number.wrapping_mul(2_654_435_761)) << 96 | 0x7000_8000_0000_0000_0000);
    let start = jiff::Timestamp::from_second(1_700_000_000 + i64::from(number / 3)).expect("a time");
    let begun = started(uid, 1 + number % 2, ["iris", "echo"][number as usize % 2], start);
    let mut over = ended(&begun, mer_core::Status::Succeeded);
    over.kind =
        [mer_core::AccessKind::Infer, mer_core::AccessKind::Train, mer_core::AccessKind::Ping][number as usize % 5 % 3];
    over
}

/// Returns an environment for each kind of database.
fn everywhere() -> Vec<OnServer> {
    let embedded = OnServer::embedded();
    embedded.mer(["migrate", "--quiet"]).ok();
    shared_databases().into_iter().map(OnServer::migrated).chain([embedded]).collect()
}

fn uids(ran: Ran) -> Vec<(String, u64)> {
    let rows = ran.objects().into_iter();
    rows.map(|row| (row["requestUid"].as_str().expect("a uid").to_owned(), row["attempt"].as_u64().expect("a number")))
        .collect()
}

#[test]
fn a_list_of_any_length_has_the_same_order_in_every_database() {
    const MANY: u32 = 330;
    let mut all: Vec<Access> = (0..MANY).map(access).collect();
    all.sort_by_key(|access| (access.start_access, access.key()));
    all.reverse();
    let expected = |keep: &dyn Fn(&Access) -> bool| -> Vec<(String, u64)> {
        let kept = all.iter().filter(|access| keep(access));
        kept.map(|access| (access.request_uid.to_string(), access.attempt.into())).collect()
    };
    let in_order: Vec<Access> = (0..MANY).map(access).collect();
    for place in everywhere() {
        record(&place.env, &place.url, &in_order);
        let listed = |args: &str| uids(place.mer_line(&format!("log list --json {args}")));
        let ran = |access: &Access| access.kind != mer_core::AccessKind::Ping;
        assert_eq!(listed("--limit 1000000 --kind all"), expected(&|_| true), "{}", place.url);
        assert_eq!(listed("--limit 1000000"), expected(&ran), "{}", place.url);
        assert_eq!(listed("--limit 120"), expected(&ran)[..120], "{}", place.url);
        assert_eq!(listed("--limit 1000 --kind train,ping"), expected(&|a| a.kind != mer_core::AccessKind::Infer));
        assert_eq!(listed("--limit 1000 --model iris"), expected(&|a| ran(a) && a.model == "iris"), "{}", place.url);
        let since = jiff::Timestamp::from_second(1_700_000_040).expect("a time");
        let late = |access: &Access| ran(access) && access.start_access >= since;
        assert_eq!(listed(&format!("--limit 1000 --since {since}")), expected(&late), "{}", place.url);
        let of = |access: &Access| late(access) && access.model == "echo";
        assert_eq!(listed(&format!("--limit 1000 --model echo --since {since}")), expected(&of), "{}", place.url);
        let table = place.mer_line("log list --limit 150").ok();
        assert_eq!(table.lines().count(), 151);
        assert!(table.starts_with("STARTED ") && table.contains(" KIND ") && table.matches("STARTED").count() == 1);
    }
}

#[test]
fn pings_are_listed_when_they_are_asked_for() {
    let env = TestEnv::ready();
    env.mer(["model", "ping", "liner"]).ended(0);
    assert_eq!(env.mer(["log", "list", "--json"]).ok(), "");
    assert_eq!(env.mer(["log", "show", "--json"]).object()["kind"], "ping", "there is nothing else");
    env.mer(["run", "cat", "x"]).ok();
    env.mer(["model", "ping", "liner"]).ended(0);
    assert_eq!(env.mer(["log", "list", "--json"]).object()["kind"], "infer");
    assert_eq!(env.mer(["log", "show", "--json"]).object()["kind"], "infer");
    assert_eq!(env.mer(["log", "list", "--json", "--kind", "ping"]).objects().len(), 2);
    assert_eq!(env.mer(["log", "list", "--json", "--kind", "all"]).objects().len(), 3);
    assert!(env.mer(["log", "list", "--kind", "ping"]).ok().contains(" ping "));
    env.mer(["log", "list", "--kind", "pong"]).failed(64);
}

#[test]
fn a_prefix_of_a_uid_finds_an_access_or_lists_all_matches() {
    let accesses: Vec<Access> = (0..60).map(access).collect();
    let old = &accesses[0].request_uid.to_string();
    assert!(old.starts_with("00000000-"));
    let twins: Vec<Access> = (0..30_u128)
        .map(|n| {
            let uid = Uuid::from_u128(0xabcd_0000_0000_7000_8000_0000_0000_0000 + n);
            ended(&started(uid, 1, "twin", jiff::Timestamp::UNIX_EPOCH), mer_core::Status::Failed)
        })
        .collect();
    for place in everywhere() {
        record(&place.env, &place.url, &accesses);
        record(&place.env, &place.url, &twins);
        let shown = |text: &str| place.mer(["log", "show", text, "--json"]);
        let found = shown("00000000").objects();
        assert_eq!(found[0]["requestUid"], old.as_str(), "{}", place.url);
        assert_eq!(shown(&old.replace('-', "").to_uppercase()).objects().len(), 1, "{}", place.url);
        let one = "abcd0000-0000-7000-8000-00000000001d";
        assert_eq!(shown(one).object()["model"], "twin");
        assert_eq!(shown("abcd0000-0000-7000-8000-00000000001").failed(66).matches("`twin`").count(), 10);
        let told = shown("ABCD").failed(66);
        assert!(told.contains("30 accesses begin with `ABCD`"), "{told}");
        assert!(told.contains("abcd0000-0000-7000-8000-000000000000: `twin`, 1970-01-01T00:00:00Z, failed"), "{told}");
        for none in ["abce", "x", ""] {
            assert!(shown(none).failed(66).contains(&format!("there is no access `{none}`")));
        }
    }
}

/// Returns a database on a server with two runs; a third one is still in the journal of this machine.
fn with_a_waiting_run(url: String) -> (OnServer, TestEnv) {
    let place = OnServer::migrated(url);
    for word in ["1", "2"] {
        place.mer(["run", "echo", word]).ended(0);
    }
    // A segment of an older MER for the same database.
    let rows = place.mer(["log", "list", "--json"]).objects();
    let mut row = rows[0].clone();
    row["requestUid"] = "00000000-0000-7000-8000-000000000001".into();
    let env = TestEnv::new();
    leave_segment(&env.path("data/mer/journal"), &database_uid(&place.url), &row);
    (place, env)
}

/// Checks that the recorded runs are listed with a warning, and the third one stays in the journal.
#[track_caller]
fn is_read(env: &TestEnv, url: &str, why: &str) {
    for args in [["log", "list", "--json"].as_slice(), &["log", "show", "--json"], &["export", "--all"]] {
        let mut command = env.command();
        command.args(args).args(["--db-wait", "2s"]).env("DB_CONNECTION_URL", url);
        let ran = run(command).ended(0);
        let runs = ran.stdout.matches("\"requestUid\"").count();
        assert_eq!(runs, if args[1] == "show" { 1 } else { 2 }, "{ran:?}");
        assert_eq!(ran.stderr.matches("is not in the database yet").count(), 1, "{}", ran.stderr);
        assert!(ran.stderr.contains(why), "{}", ran.stderr);
    }
    assert!(env.path("data/mer/journal/00000000000000000000000000000001.seg").exists());
    assert!(!env.path("data/mer/journal/refused.jsonl").exists());
}

#[test]
fn a_read_only_database_can_be_read() {
    let Some(server) = postgres::shared() else { return };
    let (place, env) = with_a_waiting_run(server.url(&server.database()));
    let name = database_name(&place.url);
    server.sql(name, "CREATE ROLE reader LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader");
    is_read(&env, &server.url_of("reader", name), "permission denied");
    let mut locks = server.open(name);
    locks.run(r#"BEGIN; LOCK TABLE "ModelAccess" IN SHARE MODE;"#);
    is_read(&env, &place.url, "holds a lock that this needs");
    locks.run("ROLLBACK;");
    server.sql(name, &format!("ALTER DATABASE {name} SET default_transaction_read_only = on"));
    is_read(&env, &place.url, "read-only transaction");
    server.sql(name, &format!("SET default_transaction_read_only = off; ALTER DATABASE {name} RESET ALL"));
    assert_eq!(env.mer_on(&place.url, ["log", "list", "--json"]).objects().len(), 3, "and then it is there");
}

#[test]
fn a_hot_standby_is_read() {
    let Some(server) = postgres::shared() else { return };
    let (place, env) = with_a_waiting_run(server.url(&server.database()));
    let standby = server.standby();
    is_read(&env, &standby.url(database_name(&place.url)), "read-only transaction");
}

/// Returns the peak memory of a process in KiB, without mapped files; none once it has ended.
fn peak_kib(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |name: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().trim_end_matches(" kB").parse().ok()
    };
    field("VmHWM:")?.checked_sub(field("RssFile:")?)
}

#[test]
fn a_list_and_an_export_of_a_long_log_take_little_memory() {
    /// Number of rows whose text alone is 80 MiB.
    const ROWS: usize = 10_000;
    const MEMORY_KIB: u64 = 64 * 1024;
    let Some((server, database, place)) = OnServer::on_postgres() else { return };
    let rows = format!(
        r#"INSERT INTO "ModelAccess" ("requestUid", "attempt", "model", "server", "kind", "protocol", "caller", "callerPid",
            "startAccess", "status", "stdinBytes", "stdoutBytes", "stderrBytes", "stderrTail")
        SELECT gen_random_uuid(), 1, 'm', 'local', 'infer', 'oneshot', 'me@here', 1, now() - n * interval '1 s', 'succeeded',
            0, 0, 0, repeat('x', 8192) FROM generate_series(1, {ROWS}) AS n"#
    );
    server.sql(&database, &rows);
    for args in [["log", "list", "--json", "--limit", "1000000"].as_slice(), &["export", "--all"]] {
        let mut command = place.with_args(args);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().expect("mer");
        let mut stdout = child.stdout.take().expect("stdout");
        let (mut block, mut text, mut peak) = (vec![0; 1 << 20], 0, 0);
        loop {
            let read = stdout.read(&mut block).expect("output");
            peak = peak.max(peak_kib(child.id()).unwrap_or(0));
            if read == 0 {
                break;
            }
            text += read;
        }
        assert!(child.wait().expect("a status").success());
        assert!(text > ROWS * 8192, "{text} bytes");
        assert!((1..MEMORY_KIB).contains(&peak), "{args:?}: {peak} KiB");
    }
}
