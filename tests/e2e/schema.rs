//! `mer migrate`, and databases of other versions.

use mer_dal::{Database, DbUrl, ScriptRun, ServerSettings, Settings};

use crate::support::TestEnv;

/// Returns the database of this environment, not opened yet.
fn database(env: &TestEnv) -> Database {
    let url = DbUrl::parse("embedded", &env.path("data/mer")).expect("url");
    Database::new(Settings {
        url,
        wait: crate::support::BOUND,
        scratch: env.path("scratch"),
        server: ServerSettings::default(),
    })
}

fn block_on(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime").block_on(work);
}

/// Changes the database as another version of MER would.
fn other_version(env: &TestEnv, number: u32, name: &str) {
    let script = ScriptRun {
        number,
        name: name.to_owned(),
        file: format!("{number:02}-{name}.sql"),
        checksum: "0".repeat(64),
        sql: "DEFINE TABLE FromTheFuture SCHEMALESS;".to_owned(),
        mer_version: "9.9.9".to_owned(),
        own: false,
    };
    block_on(async {
        let session = database(env).session().await.expect("session");
        session.apply_script(&script).await.expect("applied");
        session.close().await.expect("closed");
    });
}

#[test]
fn migrate_applies_what_is_missing_and_says_so_once() {
    let env = TestEnv::new();
    let ran = env.mer(["migrate", "status"]).ended(78);
    assert!(ran.stdout.contains("01      DatabaseIdentity  pending"), "{}", ran.stdout);
    assert!(
        ran.stderr.contains("script 01 `DatabaseIdentity` is pending\nhint: `mer migrate` applies"),
        "{}",
        ran.stderr
    );
    let ran = env.mer(["migrate"]).ended(0);
    let count = ran.stdout.lines().count() - 1;
    assert!(count >= 6 && ran.stderr == format!("applied {count} scripts\n"), "{ran:?}");
    let ran = env.mer(["migrate", "up"]).ended(0);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", "nothing to apply: the schema is at this version\n"));
    let rows = env.mer(["migrate", "status", "--json"]).objects();
    assert_eq!(rows.len(), count);
    let numbers: Vec<_> = rows.iter().map(|row| row["number"].as_u64()).collect();
    assert!(numbers.is_sorted_by(|one, next| one < next) && numbers[0] == Some(1), "{numbers:?}");
    for row in &rows {
        assert_eq!(row["status"], "applied", "{row}");
        assert_eq!(row["checksum"].as_str().map(str::len), Some(64), "{row}");
        assert_eq!(row["merVersion"], env!("CARGO_PKG_VERSION"));
        assert!(row["durationMs"].is_number() && row["appliedAt"].is_string(), "{row}");
    }
    assert_eq!(env.mer(["run", "echo", "x"]).ok(), "x\n");
}

#[test]
fn a_database_of_a_newer_mer_is_78_and_left_alone() {
    let env = TestEnv::ready();
    env.mer(["run", "cat", "x"]).ok();
    other_version(&env, 99, "FromTheFuture");
    env.file("work/m.toml", "");
    for args in [
        &["run", "cat", "x"][..],
        &["log", "list"],
        &["log", "show"],
        &["log", "stats"],
        &["log", "tail"],
        &["log", "export", "--csv"],
        &["log", "prune", "--older-than", "1d"],
        &["report", "-o", "page.html"],
        &["model", "list"],
        &["model", "ping", "cat"],
        &["model", "add", "new", "--allow-changes", "--", "cat"],
        &["model", "remove", "cat", "--allow-changes"],
        &["server", "list"],
        &["server", "set", "local", "--launcher", "nice", "--allow-changes"],
        &["apply", "m.toml", "--allow-changes"],
        &["apply", "m.toml", "--dry-run"],
        &["migrate"],
        &["migrate", "plan"],
        &["migrate", "baseline", "1"],
        &["migrate", "repair", "--yes"],
    ] {
        let told = env.mer_args(args).failed(78);
        assert!(
            told.contains("the database is newer than this MER: it has script 99 `FromTheFuture`"),
            "{args:?}: {told}"
        );
        assert!(told.contains("(applied by MER 9.9.9)"), "{told}");
        assert!(told.contains("hint: use the MER that migrated it"), "{told}");
    }
    let ran = env.mer(["migrate", "status"]).ended(78);
    assert!(ran.stdout.contains("FromTheFuture"), "{}", ran.stdout);
    assert!(ran.stderr.ends_with("is missing\nhint: use the MER that migrated it, or a newer one\n"), "{}", ran.stderr);
    // Exporting still works, as far as this version understands the content.
    for args in [&["export"][..], &["export", "--all"]] {
        let ran = env.mer_args(args).ended(0);
        assert!(ran.stdout.contains("awk") && ran.stderr.contains("newer than this MER"), "{ran:?}");
    }
    let exported = env.mer(["export", "--all", "-o", "all.jsonl"]).ended(0);
    assert!(exported.stderr.contains("what only that version knows is left out"), "{}", exported.stderr);
    env.mer(["import", "all.jsonl", "--allow-changes"]).failed(78);
    let other = TestEnv::new();
    other.file("work/all.jsonl", env.read("work/all.jsonl"));
    other.mer(["import", "all.jsonl", "--allow-changes"]).ended(0);
    assert_eq!(other.mer(["run", "cat", "x"]).ok(), "x\n");
}

#[test]
fn a_script_that_is_not_the_one_that_was_applied_is_78() {
    let env = TestEnv::new();
    // A recorded script with another text, as if it had been edited since.
    block_on(async {
        let session = database(&env).session().await.expect("session");
        session.create_migrations().await.expect("table");
        session.close().await.expect("closed");
    });
    other_version(&env, 1, "DatabaseIdentity");
    let told = env.mer(["run", "echo", "x"]).failed(78);
    assert!(told.starts_with("mer: script 01 `DatabaseIdentity` is not the one that was applied"), "{told}");
    let told = env.mer(["migrate"]).failed(78);
    assert!(told.contains("hint: `mer migrate status` lists the differences"), "{told}");
}
