//! Settings of a user's script do not decide into which table its row in `Migrations` goes.

use mer_testkit::{postgres, surreal_server};

use crate::support::{OnServer, TestEnv, database_name as name};

/// Each script alone, then all in one run: no setting of one reaches the next.
#[test]
fn what_a_script_sets_in_postgresql_ends_with_it() {
    let Some((server, database, place)) = OnServer::on_postgres() else { return };
    server.sql(&database, "CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.\"Migrations\" (LIKE \"Migrations\")");
    server.sql(&database, "DO $$ BEGIN CREATE ROLE leaks_nothing; EXCEPTION WHEN duplicate_object THEN NULL; END $$");
    let sets = [
        "SET search_path = elsewhere;",
        "SELECT pg_catalog.set_config('search_path', '', false);",
        "SET LOCAL search_path = elsewhere;",
        "SET ROLE leaks_nothing;",
        "SET LOCAL ROLE leaks_nothing;",
        "SET SESSION AUTHORIZATION leaks_nothing;",
        "SET default_transaction_read_only = on;",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY;",
        "SET standard_conforming_strings = off;",
        "SET statement_timeout = 0; SET lock_timeout = 0; SET client_encoding = 'UTF8'; SET row_security = off;",
        "SET session_replication_role = replica;",
        "SET DateStyle = 'German'; SET IntervalStyle = 'sql_standard'; SET TimeZone = 'Asia/Kolkata';",
        "RESET ALL;",
        "CREATE TEMP TABLE \"Migrations\" (n int);",
        "PREPARE one AS SELECT 1; LISTEN ours; DECLARE c CURSOR WITH HOLD FOR SELECT 1;",
        "SELECT set_config('search_path', '', false); SET CONSTRAINTS ALL DEFERRED; SAVEPOINT open;",
    ];
    let first = 2_000;
    for (number, set) in sets.iter().enumerate() {
        place.env.file(&format!("work/ours/{}-Sets.sql", first + number), format!("SELECT 1;\n{set}\n"));
        place.env.file(&format!("work/all/{}-Sets.sql", first + number), format!("SELECT 1;\n{set}\n"));
        let rows = place.mer(["migrate", "--sql-dir", "ours", "--json"]).objects();
        assert_eq!(rows.len(), 1, "{set}");
    }
    let count = "SELECT count(*) FROM public.\"Migrations\" WHERE \"number\" >= 2000";
    assert_eq!(server.sql(&database, count), sets.len().to_string());
    place.mer(["migrate", "status", "--sql-dir", "ours"]).ended(0);
    let other = server.database();
    let place = OnServer { env: place.env, url: server.url(&other) };
    server.sql(&other, "CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.\"Migrations\" (n int)");
    let rows = place.mer(["migrate", "--sql-dir", "all", "--json"]).objects();
    assert!(rows.len() > sets.len(), "{rows:?}");
    assert_eq!(server.sql(&other, count), sets.len().to_string());
    assert_eq!(place.mer(["run", "echo", "x"]).ok(), "x\n");
}

/// A setting that cannot be reset keeps the row from being written; the error names the script.
#[test]
fn a_script_whose_row_cannot_be_written_is_named() {
    let Some((.., place)) = OnServer::on_postgres() else { return };
    for (set, words) in [
        ("SET transaction_read_only = on;", "read-only"),
        ("SET TRANSACTION READ ONLY;", "read-only"),
        ("ALTER TABLE \"Migrations\" ADD CHECK (\"number\" < 1000);", "check constraint"),
        (
            "CREATE TABLE late (n int UNIQUE DEFERRABLE INITIALLY DEFERRED); INSERT INTO late VALUES (1), (1);",
            "duplicate key",
        ),
    ] {
        place.env.file("work/ours/1000-Ours.sql", format!("CREATE TABLE ours ();\n{set}\n"));
        let told = place.mer(["migrate", "--sql-dir", "ours"]).ended(78).stderr;
        assert!(told.contains("the script `1000-Ours.sql` ran, and its row in `Migrations`"), "{told}");
        assert!(told.contains("nothing of it is kept") && told.contains(words), "{told}");
    }
    place.env.file("work/ours/1000-Ours.sql", "CREATE TABLE ours (n int);\nCOPY ours (n) FROM stdin;\n1\n\\.\n");
    let told = place.mer(["migrate", "--sql-dir", "ours"]).ended(78).stderr;
    assert!(told.contains("`1000-Ours.sql` failed at line 2, in `COPY ours (n) FROM stdin`"), "{told}");
    // Only the server recognises this end of the transaction; it looks like the body of a function.
    let hidden = "SELECT t.begin, atomic FROM (SELECT 1 AS begin, 2 AS atomic) AS t;\nCREATE TABLE kept ();\nCOMMIT;\n";
    place.env.file("work/ours/1000-Ours.sql", hidden);
    let told = place.mer(["migrate", "--sql-dir", "ours"]).ended(78).stderr;
    assert!(told.contains("the script `1000-Ours.sql` failed") && told.contains("it ended the transaction"), "{told}");
    place.env.file("work/ours/1000-Ours.sql", "CREATE TABLE ours ();");
    place.mer(["migrate", "--sql-dir", "ours", "--quiet"]).ended(0);
}

/// MER's tables are not created in a schema that was put first in the search path after the first migration.
#[test]
fn the_tables_of_a_later_migration_stand_beside_the_first() {
    let Some(server) = postgres::shared() else { return };
    let database = server.database();
    let place = OnServer::new(server.url(&database));
    place.mer(["migrate", "--target", "5", "--quiet"]).ended(0);
    server.sql(&database, &format!("CREATE SCHEMA {}", postgres::ADMIN));
    place.mer(["migrate", "--quiet"]).ended(0);
    let schemas = "SELECT DISTINCT schemaname FROM pg_tables WHERE tablename LIKE 'Model%' OR tablename = 'Migrations'";
    assert_eq!(server.sql(&database, schemas), "public");
}

#[test]
fn what_a_script_sets_in_surrealdb_ends_with_it() {
    let sets = [
        "USE NS elsewhere DB elsewhere;",
        "USE DB elsewhere;",
        "OPTION IMPORT;",
        "OPTION IMPORT = TRUE;",
        "LET $merNumber = 7; LET $merName = 'x'; LET $merOwn = NONE; LET $merBegan = NONE;",
    ];
    let env = TestEnv::new();
    let write = |env: &TestEnv| {
        for (number, set) in sets.iter().enumerate() {
            let script = format!("DEFINE TABLE OVERWRITE ours;\n{set}\n");
            env.file(&format!("work/ours/{}-Sets.sql", 2_000 + number), script);
        }
        env.file("work/ours/2100-Last.sql", "CREATE ours SET at = 1;\n");
    };
    write(&env);
    let look = |mer: &dyn Fn(&[&str]) -> crate::support::Ran| {
        let rows = mer(&["migrate", "--sql-dir", "ours", "--json"]).objects();
        let own: Vec<_> = rows.iter().filter(|row| row["own"] == true).map(|row| row["number"].clone()).collect();
        assert_eq!(own.len(), sets.len() + 1, "{rows:?}");
        mer(&["migrate", "status", "--sql-dir", "ours"]).ended(0);
        assert_eq!(mer(&["run", "echo", "x"]).ok(), "x\n");
    };
    look(&|args| env.mer_args(args));
    // A script that is not run to its end leaves no row.
    env.file("work/ours/2101-Returns.sql", "CREATE ours SET at = 2;\nRETURN 1;\n");
    let told = env.mer(["migrate", "--sql-dir", "ours"]).ended(78).stderr;
    assert!(told.contains("`2101-Returns.sql` failed at line 2, in `RETURN 1`"), "{told}");
    if let Some(server) = surreal_server::shared() {
        let place = OnServer::new(server.url(&server.database()));
        write(&place.env);
        look(&|args| place.mer_args(args));
        let found = server.sql(name(&place.url), "SELECT VALUE at FROM ours;");
        assert_eq!(found[0].to_string(), "[1]");
    }
}
