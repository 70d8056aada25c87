//! Runs the statements for administrators in docs/reference/postgresql.md and database-rights.md as they are written.

use mer_testkit::{postgres, processes, surreal_server};

use crate::support::{BOUND, OnServer, database_name as name};

/// Returns the first block of this language below a title of the page.
fn block(page: &str, title: &str, language: &str) -> String {
    let (_, after) = page.split_once(title).expect("a title");
    let (_, text) = after.split_once(&format!("```{language}\n")).expect("a block");
    text.split_once("```").expect("its end").0.to_owned()
}

fn page(title: &str, language: &str) -> String {
    block(include_str!("../../docs/reference/postgresql.md"), title, language)
}

/// Waits until no client is connected to a database; a server notices the end of a client a little later.
fn unused(server: &postgres::Server, database: &str) {
    let connected = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}'");
    processes::until("no client is connected", BOUND, || server.sql("postgres", &connected) == "0");
}

#[test]
fn a_partitioned_log_works_as_before() {
    let Some((server, database, place)) = OnServer::on_postgres() else { return };
    place.mer(["run", "echo", "before"]).ended(0);
    place.env.file("work/ours/1000-Partitions.sql", page("## A log in partitions", "sql"));
    place.mer(["migrate", "--sql-dir", "ours", "--quiet"]).ended(0);
    assert_eq!(place.mer(["run", "echo", "after"]).ok(), "after\n");
    // Accesses of the next month go into another partition, each once.
    let next = "INSERT INTO \"ModelAccess\" (\"requestUid\", \"attempt\", \"model\", \"server\", \"kind\", \"protocol\", \"caller\",
            \"callerPid\", \"startAccess\", \"status\", \"stdinBytes\", \"stdoutBytes\", \"stderrBytes\", \"stderrTail\")
        SELECT \"uidAt\"(date_trunc('month', now()) + interval '40 days'), 1, 'later', 'local', 'infer', 'oneshot', 'a@b', 1,
            date_trunc('month', now()) + interval '40 days', 'succeeded', 1, 1, 0, '' ON CONFLICT DO NOTHING";
    server.sql(&database, next);
    server.sql(&database, next);
    let rows = place.mer(["log", "list", "--json"]).objects();
    let models: Vec<_> = rows.iter().map(|row| row["model"].as_str().expect("a name")).collect();
    assert_eq!(models, ["later", "echo", "echo"]);
    assert_eq!(server.sql(&database, "SELECT count(*) FROM \"ModelAccessRest\""), "0");
    assert_eq!(server.sql(&database, "SELECT count(*) FROM \"ModelAccessBefore\""), "2");
    let uid = rows[2]["requestUid"].as_str().expect("a uid").to_owned();
    assert!(place.mer(["log", "show", &uid]).ok().contains("echo"));
    // MER and the server agree on the beginning of a month.
    let least = "SELECT \"uidAt\"(to_timestamp(1767225600)) = '019b76da-a800-0000-0000-000000000000'";
    assert_eq!(server.sql(&database, least), "t");
}

#[test]
fn a_clone_has_an_identity_of_its_own_and_a_restored_dump_goes_on() {
    let Some((server, database, place)) = OnServer::on_postgres() else { return };
    place.mer(["run", "echo", "x"]).ended(0);
    let log = place.mer(["log", "list", "--json"]).ok();
    unused(server, &database);
    let copy = format!("{database}_staging");
    let clone = page("## A clone", "sql")
        .replace("mer_staging", &copy)
        .replace("TEMPLATE mer;", &format!("TEMPLATE {database};"));
    server.sql("postgres", &clone);
    let uid = "SELECT \"uid\" FROM \"DatabaseIdentity\"";
    assert_ne!(server.sql(&copy, uid), server.sql(&database, uid));
    let restored = server.database();
    let dump = place.env.path("mer.dump");
    for (program, last) in [("pg_dump", &database), ("pg_restore", &restored)] {
        let mut command = server.client(program);
        match program {
            "pg_dump" => command.args(["--format=custom", "--file"]).arg(&dump).arg(last),
            _ => command.args(["--exit-on-error", "--dbname", last]).arg(&dump),
        };
        let done = command.output().expect("it starts");
        assert!(done.status.success(), "{program}: {}", String::from_utf8_lossy(&done.stderr));
    }
    let place = OnServer { url: server.url(&restored), ..place };
    place.mer(["migrate", "status"]).ended(0);
    assert_eq!(place.mer(["log", "list", "--json"]).ok(), log);
    assert_eq!(place.mer(["run", "echo", "y"]).ok(), "y\n");
}

#[test]
fn a_role_that_only_reads_reads_the_log_and_no_secret() {
    let Some((server, database, place)) = OnServer::on_postgres() else { return };
    place.mer(["run", "echo", "x"]).ended(0);
    let rights = include_str!("../../docs/reference/database-rights.md");
    let grants = block(rights, "### A role that only reads", "sql");
    server.sql(&database, &grants);
    let rows = place.env.mer_on(&server.url_of("mer_reader", &database), ["log", "list", "--json"]).objects();
    assert_eq!(rows[0]["model"], "echo");
    let may = "SELECT has_any_column_privilege('mer_reader', c.oid, 'INSERT, UPDATE, REFERENCES')
            OR has_table_privilege('mer_reader', c.oid, 'DELETE, TRUNCATE, TRIGGER')
        FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'";
    assert!(server.sql(&database, may).lines().all(|may| may == "f"));
    for table in ["ConnTypeParams", "ModelParams", "ModelWeightPayloads"] {
        let reads = format!("SELECT has_any_column_privilege('mer_reader', '\"{table}\"', 'SELECT')");
        assert_eq!(server.sql(&database, &reads), "f", "{table}");
    }
}

#[test]
fn links_hold_and_what_was_broken_before_does_not_stop_a_migration() {
    let Some(server) = postgres::shared() else { return };
    let database = server.database();
    let place = OnServer::new(server.url(&database));
    place.mer(["migrate", "--target", "8", "--quiet"]).ended(0);
    let broken = "INSERT INTO \"ModelWeightAliases\" SELECT \"uid\", 'x', NUMBER, 1 FROM \"AvailableModels\" LIMIT 1";
    server.sql(&database, &broken.replace("NUMBER", "7"));
    place.mer(["migrate", "--quiet"]).ended(0);
    let valid = "SELECT convalidated FROM pg_constraint WHERE conname = 'NAME'";
    for (link, expected) in [("versionOfAlias", "f"), ("modelOfWeights", "t"), ("aliasOfMove", "t")] {
        assert_eq!(server.sql(&database, &valid.replace("NAME", link)), expected, "{link}");
    }
    let mut console = server.client("psql");
    console.args(["-X", "-v", "ON_ERROR_STOP=1", "-d", &database, "-c"]);
    console.arg(broken.replace("NUMBER", "8").replace("'x'", "'y'"));
    let refused = console.output().expect("it starts");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("versionOfAlias"), "{refused:?}");
}

#[test]
fn every_table_has_a_comment() {
    if let Some(server) = postgres::shared() {
        let database = server.database();
        OnServer::migrated(server.url(&database));
        let silent = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
            AND obj_description(oid, 'pg_class') IS NULL";
        assert_eq!(server.sql(&database, silent), "");
        let plan = "SET enable_seqscan = off; EXPLAIN SELECT * FROM \"ModelAccess\" WHERE \"status\" <> 'succeeded'
            ORDER BY \"startAccess\" DESC LIMIT 20";
        assert!(server.sql(&database, plan).contains("notSucceeded"));
    }
    if let Some(server) = surreal_server::shared() {
        let place = OnServer::migrated(server.url(&server.database()));
        let found = server.sql(name(&place.url), "INFO FOR DB;");
        let tables = found[0]["tables"].as_object().expect("tables");
        assert!(tables.len() >= 15);
        for (table, definition) in tables.iter().filter(|(table, _)| *table != "MigrationsLock") {
            assert!(definition.as_str().is_some_and(|text| text.contains("COMMENT")), "{table}: {definition}");
        }
    }
}
