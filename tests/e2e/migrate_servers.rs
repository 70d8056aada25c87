//! `mer migrate` on servers.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Instant,
};

use mer_testkit::{postgres, surreal_server};

use crate::support::{Live, OnServer, Server, TestEnv, database_name as name, run, shared_databases};

#[test]
fn twenty_migrations_at_once_apply_each_script_once() {
    for url in shared_databases() {
        let place = OnServer::new(url);
        let applied = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| {
                    let ran = place.mer(["migrate", "--json"]).ended(0);
                    applied.fetch_add(ran.stdout.lines().count(), Ordering::Relaxed);
                });
            }
        });
        let rows = place.mer(["migrate", "status", "--json"]).objects();
        assert!(rows.len() >= 6);
        assert_eq!(rows.len(), applied.into_inner(), "{}: one row a script", place.url);
    }
}

#[test]
fn migrate_status_writes_nothing_and_waits_for_no_lock() {
    for url in shared_databases() {
        let place = OnServer::new(url.clone());
        let held = hold_lock(&url);
        for args in [["migrate", "--dry-run", "--json"], ["migrate", "plan", "--json"]] {
            assert!(place.mer(args).objects().len() >= 6, "{url}");
        }
        place.mer(["migrate", "status"]).ended(78);
        let told = place.mer(["migrate", "--db-wait", "3s"]).failed(75);
        assert!(told.contains("is being migrated by") && told.contains("ada@desk"), "{told}");
        drop(held);
        assert!(!has_migrations(&url), "{url}");
    }
}

/// Holds the migration lock as another process would, until the returned value is dropped, for an hour at most.
fn hold_lock(url: &str) -> Option<postgres::Console> {
    let name = name(url);
    if url.starts_with("postgres") {
        let mut console = postgres::shared().expect("a server").open(name);
        console.run("SET application_name = 'mer migrate, ada@desk'; SELECT pg_advisory_lock(5064018, 1);");
        return Some(console);
    }
    surreal_server::shared().expect("a server").sql(
        name,
        "DEFINE TABLE IF NOT EXISTS MigrationsLock SCHEMALESS; UPSERT MigrationsLock:this CONTENT
            { owner: rand::uuid(), holder: 'mer migrate, ada@desk', expires: time::now() + 1h };",
    );
    None
}

fn has_migrations(url: &str) -> bool {
    if url.starts_with("postgres") {
        let found = postgres::shared().expect("a server").sql(name(url), "SELECT to_regclass('\"Migrations\"')");
        return !found.is_empty();
    }
    let found = surreal_server::shared().expect("a server").sql(name(url), "RETURN (INFO FOR DB).tables.keys();");
    found[0].as_array().expect("an array").iter().any(|table| table == "Migrations")
}

#[test]
fn a_script_that_fails_is_named_with_line_statement_and_the_servers_words() {
    for url in shared_databases() {
        let place = OnServer::new(url.clone());
        let cases = if url.starts_with("postgres") {
            [
                (
                    "CREATE TABLE t (n int);\n\n-- why\nINSERT INTO t\n  VALUES ('x');\n",
                    "line 5, in `INSERT",
                    "invalid input",
                ),
                ("CREATE TABLE t (n int);\nCREATE TABEL u ();\n", "line 2, in `CREATE TABEL u ()`", "syntax error"),
            ]
        } else {
            [
                ("CREATE T:1;\n\n-- why\nCREATE\n  T:1;\n", "line 4, in `CREATE T:1`", "already exists"),
                ("CREATE T:1;\nDEFINE TABEL x;\n", "line 2", "Parse error"),
            ]
        };
        for (text, place_in_it, words) in cases {
            place.env.file("work/ours/1000-Broken.sql", text);
            let told = place.mer(["migrate", "--sql-dir", "ours"]).ended(78).stderr;
            assert!(told.contains(&format!("`1000-Broken.sql` failed at {place_in_it}")), "{told}");
            assert!(told.contains("caused by: ") && told.contains(words), "{told}");
            assert!(!told.contains("root:root"), "{told}");
        }
    }
}

#[test]
fn a_script_neither_begins_nor_ends_its_transaction() {
    for url in shared_databases() {
        let place = OnServer::new(url.clone());
        let (made, words) = if url.starts_with("postgres") {
            ("CREATE TABLE ours ();", ["COMMIT", "rollback", "END"])
        } else {
            ("DEFINE TABLE ours;", ["COMMIT", "cancel", "BEGIN TRANSACTION"])
        };
        for word in words {
            place.env.file("work/ours/1000-Ours.sql", format!("{made}\n{word};\n"));
            let told = place.mer(["migrate", "--sql-dir", "ours"]).ended(78).stderr;
            assert!(told.contains(&format!("`1000-Ours.sql` failed at line 2, in `{word}`\n")), "{told}");
        }
        place.env.file("work/ours/1000-Ours.sql", made);
        // The failed script left nothing behind.
        assert_eq!(place.mer(["migrate", "--sql-dir", "ours", "--json"]).objects().len(), 1);
    }
}

#[test]
fn a_baseline_of_nothing_is_refused() {
    for url in shared_databases() {
        let place = OnServer::new(url);
        let told = place.mer(["migrate", "baseline", "8"]).failed(78);
        assert!(told.contains("has none of the tables yet"), "{told}");
        place.mer(["migrate", "--quiet"]).ended(0);
        assert_eq!(place.mer(["run", "echo", "x"]).ok(), "x\n");
    }
}

#[test]
fn each_obstacle_to_a_server_has_a_hint_with_a_line_to_type() {
    for url in shared_databases() {
        let place = OnServer::new(url.clone());
        // A URL that was given as a flag is part of the hint's line.
        let told = run(place.env.with(["--db", &url, "model", "list"])).failed(78);
        let place_of_it =
            url.split_once('@').map_or_else(|| url.split_once("://").expect("a host").1, |(_, host)| host);
        let host = place_of_it.split('?').next().expect("a host");
        assert!(told.contains("hint: run `mer --db ") && told.contains(host) && told.contains(" migrate`"), "{told}");
        assert!(!told.contains("root:root"), "{told}");
    }
    let env = TestEnv::new();
    // Nothing listens on port 1.
    let told = env.mer(["--db", "ws://127.0.0.1:1", "--db-wait", "1s", "model", "list"]).failed(74);
    assert!(told.contains("`mer --db ws://127.0.0.1:1 migrate wait`"), "{told}");
    if let Some(server) = surreal_server::shared() {
        let url = format!("ws://127.0.0.1:{}", server.port());
        let told = env.mer(["--db", &url, "migrate"]).failed(77);
        assert!(told.contains("hint: no user signed in: user and password come from"), "{told}");
        let told = env.mer(["--db", &url.replace("ws:", "wss:"), "--db-wait", "1s", "model", "list"]).failed(74);
        assert!(told.contains("hint: the server does not use TLS"), "{told}");
    }
}

/// Builds an index while another connection holds the lock, and again after a first try that was cut off.
#[test]
fn an_index_is_built_concurrently_and_a_half_made_one_anew() {
    let Some((server, database, place)) = OnServer::on_postgres() else { return };
    let script = "-- mer: no-transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS \"by caller\"\n  ON \"ModelAccess\" (\"caller\");\n";
    place.env.file("work/ours/1000-ByCaller.sql", script);
    // An invalid index, as an interrupted try leaves it.
    server.sql(&database, "CREATE INDEX \"by caller\" ON \"ModelAccess\" (\"caller\")");
    let index = "indexrelid = '\"by caller\"'::regclass";
    server.sql(&database, &format!("UPDATE pg_index SET indisvalid = false WHERE {index}"));
    // Other migrators wait for the lock meanwhile; the index must not wait for them.
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| place.mer(["migrate", "--sql-dir", "ours", "--quiet"]).ended(0));
        }
    });
    assert_eq!(server.sql(&database, &format!("SELECT indisvalid FROM pg_index WHERE {index}")), "t");
    place.mer(["migrate", "status", "--sql-dir", "ours"]).ended(0);
    // `CREATE INDEX CONCURRENTLY` fails within a transaction.
    place
        .env
        .file("work/ours/1001-Again.sql", "CREATE INDEX CONCURRENTLY IF NOT EXISTS a ON \"ModelAccess\" (\"error\");");
    let told = place.mer(["migrate", "--sql-dir", "ours"]).failed(78);
    assert!(told.contains("cannot run inside a transaction block"), "{told}");
    assert!(told.contains("hint: with the first line `-- mer: no-transaction`"), "{told}");
}

#[test]
fn waiting_ends_when_the_server_is_there_or_the_time_is_up() {
    for mut server in Server::each() {
        let place = OnServer::new(server.new_database());
        place.mer(["migrate", "wait"]).ended(0);
        server.kill();
        let begun = Instant::now();
        let told = place.mer(["migrate", "wait", "--timeout", "500ms"]).failed(75);
        assert!(told.contains("did not answer within 0.5 s") && told.contains("127.0.0.1"), "{told}");
        assert!(begun.elapsed().as_secs() < 20);
        let waiting = Live::start(place.with(["migrate", "wait", "--timeout", "60s"]), std::process::Stdio::null());
        server.start_again();
        waiting.finish().ended(0);
    }
    // A server that refuses the login answers.
    let env = TestEnv::new();
    if let Some(server) = surreal_server::shared() {
        let mut command = env.with(["migrate", "wait"]);
        command.env("DB_CONNECTION_URL", server.url_of("root:wrong", "any"));
        run(command).failed(77);
    }
}

/// Returns a block of the page of rights.
fn rights(part: &str, title: &str) -> String {
    let page = include_str!("../../docs/reference/database-rights.md");
    let (_, after) = page.split_once(part).expect("a part").1.split_once(title).expect("a title");
    let (_, sql) = after.split_once("```sql\n").expect("a block");
    sql.split_once("```").expect("its end").0.to_owned()
}

/// With the rights of docs/reference/database-rights.md only, one user migrates and the other one runs models.
#[test]
fn the_documented_rights_suffice_on_postgresql() {
    let Some(server) = postgres::shared() else { return };
    let page = |title| rights("## PostgreSQL", title);
    server.sql("postgres", &page("### The users"));
    for user in ["mer_migrations", "mer_driver"] {
        server.sql(
            "postgres",
            &format!("ALTER ROLE {user} PASSWORD 'of {user}'; GRANT {} TO {user}", postgres::PASSWORDED),
        );
    }
    server.sql("postgres", &page("### Before the first `mer migrate`"));
    let place = OnServer::new(format!("postgres://127.0.0.1:{}/mer", server.port()));
    let mer = |args: &[&str]| {
        let mut command = place.with_args(args);
        for (program, user) in [("MIGRATIONS", "mer_migrations"), ("DRIVER", "mer_driver")] {
            command.env(format!("{program}_DB_USERNAME"), user);
            command.env(format!("{program}_DB_PASSWORD"), format!("of {user}"));
        }
        run(command)
    };
    mer(&["migrate"]).ended(0);
    let owner = server.sql("mer", "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'");
    assert_eq!(owner, "mer_migrations");
    let told = mer(&["run", "echo", "x"]).failed(77);
    assert!(told.contains("`mer_driver`") && told.contains("may not"), "{told}");
    server.sql("mer", &page("### The driver\n"));
    works(&mer);
    server.sql("mer", "REVOKE INSERT, UPDATE ON \"ModelAccess\" FROM mer_driver");
    let ran = mer(&["run", "echo", "x"]).ended(0);
    assert_eq!(ran.stdout, "x\n");
    assert!(
        ran.stderr.starts_with("mer: warning: what ran waits in the journal: the user `mer_driver`"),
        "{}",
        ran.stderr
    );
    server.sql("mer", &page("### The driver\n"));
    works(&mer);
    place.env.file("work/m.toml", "[models.new]\ninferenceCommand = ['cat']\n");
    let told = mer(&["apply", "m.toml", "--allow-changes"]).failed(77);
    assert!(told.contains("permission denied") && told.contains("database-rights.md"), "{told}");
    server.sql("mer", &page("### The driver, where it may change the registry"));
    mer(&["apply", "m.toml", "--allow-changes", "--quiet"]).ended(0);
    // Each user with the other's task.
    let mut command = place.with(["migrate", "--sql-dir", "ours"]);
    place.env.file("work/ours/1000-Ours.sql", "CREATE TABLE ours ();");
    command.env("MIGRATIONS_DB_USERNAME", "mer_driver").env("MIGRATIONS_DB_PASSWORD", "of mer_driver");
    let told = run(command).ended(78).stderr;
    assert!(told.contains("1000-Ours.sql") && told.contains("permission denied"), "{told}");
    let mut command = place.with(["migrate", "adopt", "--yes"]);
    command.env("MIGRATIONS_DB_USERNAME", "mer_driver").env("MIGRATIONS_DB_PASSWORD", "of mer_driver");
    let told = run(command).failed(77);
    assert!(told.contains("`mer_driver`") && told.contains("may not give it a new uid"), "{told}");
    mer(&["migrate", "adopt", "--yes"]).ended(0);
}

#[test]
fn the_documented_rights_suffice_on_surrealdb() {
    let Some(server) = surreal_server::shared() else { return };
    let page = |title| rights("## SurrealDB", title);
    let name = server.database();
    server.sql(&name, &page("### The users"));
    let url = format!("ws://127.0.0.1:{}/{}/{name}", server.port(), surreal_server::NAMESPACE);
    let place = OnServer::new(url.clone());
    let as_user = |driver: &str, url: &str, args: &[&str]| {
        let mut command = place.with([]);
        command.args(args).env("DB_CONNECTION_URL", url);
        for (program, user) in [("MIGRATIONS", "mer_migrations"), ("DRIVER", driver)] {
            command.env(format!("{program}_DB_USERNAME"), user).env(format!("{program}_DB_PASSWORD"), "change-me");
        }
        run(command)
    };
    let told = as_user("mer_driver", &url, &["run", "echo", "x"]).failed(78);
    assert!(told.contains("mer migrate"), "{told}");
    as_user("mer_driver", &url, &["migrate"]).ended(0);
    works(&|args: &[&str]| as_user("mer_driver", &url, args));
    as_user("mer_driver", &url, &["migrate", "status"]).ok();
    server.sql(&name, &page("### A driver with fewer rights"));
    let as_record = format!("{url}?access=mer_driver");
    works(&|args: &[&str]| as_user("mer", &as_record, args));
    place.env.file("work/m.toml", "[models.new]\ninferenceCommand = ['cat']\n");
    as_user("mer", &as_record, &["apply", "m.toml", "--allow-changes"]).failed(77);
    let mut command = place.with(["migrate", "adopt", "--yes"]);
    command.env("DB_CONNECTION_URL", &as_record);
    command.env("MIGRATIONS_DB_USERNAME", "mer").env("MIGRATIONS_DB_PASSWORD", "change-me");
    let told = run(command).failed(77);
    assert!(told.contains("may not give it a new uid"), "{told}");
    as_user("mer", &url, &["migrate", "adopt", "--yes"]).ended(0);
}

/// The walk that every database driver must support.
fn works(mer: &dyn Fn(&[&str]) -> crate::support::Ran) {
    assert_eq!(mer(&["run", "echo", "x"]).ok(), "x\n");
    let rows = mer(&["log", "list", "--json"]).objects();
    assert_eq!((&rows[0]["status"], &rows[0]["model"]), (&"succeeded".into(), &"echo".into()));
    mer(&["log", "show"]).ok();
    mer(&["model", "list"]).ok();
}

/// Times have microseconds in every database.
#[test]
fn times_look_the_same_on_every_database() {
    let look = |mer: &dyn Fn(&[&str]) -> crate::support::Ran| {
        let mut times = Vec::new();
        for args in [&["model", "show", "echo", "--json"][..], &["server", "show", "local", "--json"]] {
            let shown = mer(args).object();
            times.extend([shown["createdAt"].clone(), shown["lastUpdated"].clone()]);
        }
        times.push(mer(&["migrate", "status", "--json"]).objects()[0]["appliedAt"].clone());
        let shown = mer(&["model", "show", "echo"]).ok();
        let told = shown.lines().filter(|line| line.starts_with("created") || line.starts_with("updated"));
        times.extend(told.map(|line| line.split_whitespace().nth(1).expect("a time").into()));
        assert_eq!(times.len(), 7, "{shown}");
        for time in times {
            let text = time.as_str().expect("a text");
            assert_eq!((text.len(), &text[19..20], &text[26..]), (27, ".", "Z"), "{text}");
        }
    };
    for url in shared_databases() {
        let place = OnServer::migrated(url);
        look(&|args| place.mer_args(args));
    }
    let env = TestEnv::ready();
    look(&|args| env.mer_args(args));
}
