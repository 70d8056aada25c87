//! The subcommands of `mer migrate`, on the embedded database.

use crate::support::{AtTerminal, Ran, TestEnv};

/// Returns numbers and states of a listing's rows.
fn states(ran: &Ran) -> Vec<(u64, String)> {
    let rows = ran.stdout.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("an object"));
    rows.map(|row| (row["number"].as_u64().expect("a number"), row["status"].as_str().expect("a state").to_owned()))
        .collect()
}

#[track_caller]
fn numbers(ran: Ran) -> Vec<u64> {
    states(&ran.ended(0)).into_iter().map(|(number, _)| number).collect()
}

fn is_untouched(env: &TestEnv) -> bool {
    std::fs::read_dir(env.path("data")).expect("folder").next().is_none()
}

#[test]
fn reading_a_missing_database_creates_nothing() {
    let env = TestEnv::new();
    let ran = env.mer(["migrate", "--dry-run"]).ended(0);
    assert!(ran.stdout.contains("01      DatabaseIdentity  pending"), "{}", ran.stdout);
    let count = ran.stdout.lines().count() - 1;
    assert_eq!(ran.stderr, format!("{count} scripts would be applied\n"));
    assert_eq!(numbers(env.mer(["migrate", "plan", "--json"])).len(), count);
    assert_eq!(numbers(env.mer(["migrate", "up", "--dry-run", "--target", "2", "--json"])), [1, 2]);
    env.mer(["migrate", "status"]).ended(78);
    env.mer(["migrate", "wait"]).ended(0);
    env.mer(["migrate", "repair"]).ended(0);
    assert!(is_untouched(&env));
    let told = env.mer(["migrate", "--target", "99"]).failed(64);
    assert!(told.starts_with("mer: there is no script 99\n"), "{told}");
    assert!(is_untouched(&env));
}

#[test]
fn migrating_stops_at_the_target() {
    let env = TestEnv::new();
    assert_eq!(numbers(env.mer(["migrate", "--target", "2", "--json"])), [1, 2]);
    assert_eq!(numbers(env.mer(["migrate", "up", "--target=2", "--json"])), [0_u64; 0]);
    let states = states(&env.mer(["migrate", "status", "--json"]).ended(78));
    assert!(states.iter().all(|(number, state)| (state == "applied") == (*number <= 2)), "{states:?}");
    assert_eq!(numbers(env.mer(["migrate", "plan", "--json"]))[0], 3);
    assert_eq!(numbers(env.mer(["migrate", "--json"]))[0], 3);
    env.mer(["migrate", "status"]).ended(0);
}

#[test]
fn own_scripts_can_register_models_and_are_checked() {
    let env = TestEnv::new();
    let ours = "UPSERT AvailableModels:sentinel SET name = 'sentinel';\n";
    env.file("work/ours/1000-Ours.sql", "CREATE OurTable:1 SET what = 'ours';\n");
    let with = |verb| env.mer(["migrate", verb, "--sql-dir", "ours", "--json"]);
    assert_eq!(numbers(with("up")).last(), Some(&1000));
    assert_eq!(numbers(with("status")).last(), Some(&1000));
    // Other commands work without the folder of scripts.
    assert_eq!(env.mer(["run", "echo", "x"]).ok(), "x\n");
    assert_eq!(env.mer(["run", "echo", "x"]).ok(), "x\n");
    let rows = env.mer(["migrate", "status", "--json"]).objects();
    assert_eq!((&rows.last().expect("a row")["own"], &rows[0]["own"]), (&true.into(), &false.into()));
    // An edited script, with the remedy.
    env.file("work/ours/1000-Ours.sql", ours);
    let ran = with("status").ended(78);
    assert_eq!(states(&ran).last().expect("a row"), &(1000, "changed".to_owned()));
    let told = env.mer(["migrate", "up", "--sql-dir", "ours"]).failed(78);
    assert!(told.starts_with("mer: script 1000 `Ours` is not the one that was applied"), "{told}");
    assert!(told.contains("`mer migrate repair --sql-dir ours`"), "{told}");
    let ran = env.mer(["migrate", "repair", "--sql-dir", "ours"]).ended(64);
    assert!(ran.stdout.starts_with("NUMBER  APPLIED  ITS SHA256"), "{}", ran.stdout);
    assert!(ran.stderr.contains("hint: `--yes`"), "{}", ran.stderr);
    with("status").ended(78);
    let ran = env.mer(["migrate", "repair", "--sql-dir", "ours", "--yes"]).ended(0);
    assert_eq!(ran.stderr, "accepted 1 script\n");
    with("status").ended(0);
    assert!(!env.mer(["model", "list"]).ok().contains("sentinel"), "it was not run");
    // A removed script.
    env.file("work/ours/1001-More.sql", "CREATE OurTable:2;");
    with("up").ended(0);
    std::fs::remove_file(env.path("work/ours/1001-More.sql")).expect("removed");
    assert_eq!(states(&with("status").ended(78)).last().expect("a row"), &(1001, "missing".to_owned()));
    let told = env.mer(["migrate", "up", "--sql-dir", "ours"]).failed(78);
    assert!(told.contains("own script 1001 `More`, and the folder does not"), "{told}");
}

#[test]
fn a_person_at_a_terminal_is_asked_before_a_changed_script_is_accepted() {
    const QUESTION: &str = "take these scripts for those that were applied? [y/N] ";
    let env = TestEnv::new();
    env.file("work/ours/1000-Ours.sql", "CREATE OurTable:1 SET what = 'ours';\n");
    let status = || env.mer(["migrate", "status", "--sql-dir", "ours", "--json"]);
    env.mer(["migrate", "up", "--sql-dir", "ours"]).ended(0);
    env.file("work/ours/1000-Ours.sql", "CREATE OurTable:1 SET what = 'theirs';\n");
    let repair = || AtTerminal::start(&env, ["migrate", "repair", "--sql-dir", "ours"]);
    for no in ["n\n", "\n", "\u{4}"] {
        let ran = repair().answer(QUESTION, no);
        assert_eq!(ran.code, Some(77), "{no:?}");
        assert!(ran.stdout.starts_with("NUMBER  APPLIED  ITS SHA256"), "shown before asked: {}", ran.stdout);
        assert_eq!(states(&status().ended(78)).last().expect("a row").1, "changed");
    }
    assert_eq!(repair().answer(QUESTION, "y\n").code, Some(0));
    status().ended(0);
}

#[test]
fn own_scripts_that_break_the_rules_are_refused_before_anything_is_done() {
    let env = TestEnv::new();
    for (file, text, why) in [
        ("01-Clash.sql", "CREATE x;", "has the number of MER's `01-DatabaseIdentity.sql`"),
        ("1000-two_words.sql", "CREATE x;", "misnamed"),
        ("1000-A.sql", "-- mer: no-transaction\nCREATE x;\nCREATE y;\n", "is one statement"),
        ("1000-A.sql", "-- mer: no-transaction\nCREATE x;\n", "may be run again"),
    ] {
        let path = env.file(&format!("work/ours/{file}"), text);
        let told = env.mer(["migrate", "--sql-dir", "ours"]).failed(78);
        assert!(told.contains(file) && told.contains(why), "{told}");
        std::fs::remove_file(path).expect("removed");
    }
    assert!(env.mer(["migrate", "--sql-dir", "none"]).failed(74).contains("cannot read `none`"));
    assert!(is_untouched(&env));
}

#[test]
fn a_script_that_fails_is_named_with_line_statement_and_the_engines_words() {
    let env = TestEnv::new();
    for (text, line, statement, words) in [
        ("CREATE T:1;\n\n-- why\nCREATE\n  T:1;\n", 4, "CREATE T:1", "already exists"),
        ("CREATE T:1;\nDEFINE TABEL x;\n", 2, "DEFINE TABEL x", "2 | DEFINE TABEL x;"),
        (
            "-- comment\nDEFINE TABLE foo SCHEMALESS;\n\nCREATE foo SET a = 1;\nCREATE foo SET b = ;\n",
            5,
            "CREATE foo SET b =",
            "5 | CREATE foo SET b = ;",
        ),
        // These fail behind the end of the script; the text that MER appends is not shown.
        ("CREATE foo;\nCREATE foo SET b =\n", 2, "CREATE foo SET b =", "Parse error"),
        ("CREATE foo;\nIF true { CREATE foo\n", 2, "IF true { CREATE foo", "Parse error"),
        (
            "-- mer: no-transaction\n\nDEFINE INDEX IF NOT EXISTS a ON\n T FIELDS;\n",
            4,
            "DEFINE INDEX IF NOT EXISTS a ON T FIELDS",
            "4 | T FIELDS",
        ),
    ] {
        env.file("work/ours/1000-Broken.sql", text);
        let told = env.mer(["migrate", "--sql-dir", "ours"]).ended(78).stderr;
        assert!(told.contains(&format!("the script `1000-Broken.sql` failed at line {line}")), "{told}");
        assert!(told.contains(statement) && told.contains("caused by: ") && told.contains(words), "{told}");
        assert!(!told.contains("COMMIT") && !told.contains("merBegan"), "nothing that is not the script's: {told}");
    }
    // Earlier scripts stay applied, and nothing of the failed one is.
    let plan = numbers(env.mer(["migrate", "plan", "--sql-dir", "ours", "--json"]));
    assert_eq!(plan, [1000]);
    env.file("work/ours/1000-Broken.sql", "CREATE T:1;");
    assert_eq!(numbers(env.mer(["migrate", "--sql-dir", "ours", "--json"])), [1000]);
}

#[test]
fn a_baseline_runs_nothing_and_is_on_record() {
    let env = TestEnv::new();
    env.file("work/ours/1000-Ours.sql", "THROW 'this is not to be run';\n");
    env.mer(["migrate"]).ended(0);
    let ran = env.mer(["migrate", "baseline", "1000", "--sql-dir", "ours"]).ended(0);
    assert_eq!(ran.stderr, "1 script noted as applied\n");
    env.mer(["migrate", "status", "--sql-dir", "ours"]).ended(0);
    env.mer(["migrate", "baseline", "77"]).failed(64);
    assert_eq!(env.mer(["run", "echo", "x"]).ok(), "x\n");
}

#[test]
fn a_baseline_of_nothing_is_refused() {
    let env = TestEnv::new();
    let told = env.mer(["migrate", "baseline", "8"]).failed(78);
    assert!(told.contains("has none of the tables yet") && told.contains("hint: `mer migrate` creates them"), "{told}");
    assert!(states(&env.mer(["migrate", "status", "--json"]).ended(78)).iter().all(|(_, state)| state == "pending"));
    assert_eq!(env.mer(["run", "echo", "x"]).ok(), "x\n");
}

/// A script that ends its transaction could be applied in part, or be recorded without being applied.
#[test]
fn a_script_neither_begins_nor_ends_its_transaction() {
    let env = TestEnv::new();
    for word in ["BEGIN", "commit", "CANCEL"] {
        env.file("work/ours/1000-Ours.sql", format!("DEFINE TABLE Ours;\n\n{word};\nDEFINE TABLE More;\n"));
        let told = env.mer(["migrate", "--sql-dir", "ours"]).ended(78).stderr;
        assert!(told.contains(&format!("`1000-Ours.sql` failed at line 3, in `{word}`\n")), "{told}");
        assert!(told.contains("neither begins nor ends one itself"), "{told}");
        let rows = states(&env.mer(["migrate", "status", "--sql-dir", "ours", "--json"]).ended(78));
        assert_eq!(rows.last().expect("a row"), &(1000, "pending".to_owned()));
    }
}

#[test]
fn scripts_applied_before_a_failure_are_listed() {
    let env = TestEnv::new();
    env.mer(["migrate", "--quiet"]).ended(0);
    env.file("work/ours/1000-Good.sql", "CREATE T:1;");
    env.file("work/ours/1001-Bad.sql", "THROW 'no';");
    let ran = env.mer(["migrate", "--sql-dir", "ours"]).ended(78);
    assert!(ran.stdout.contains("1000    Good  applied") && !ran.stdout.contains("1001"), "{}", ran.stdout);
    assert!(ran.stderr.starts_with("applied 1 script\nmer: the script `1001-Bad.sql` failed"), "{}", ran.stderr);
    let again = env.mer(["migrate", "--sql-dir", "ours"]).failed(78);
    assert!(again.starts_with("mer: the script `1001-Bad.sql` failed"), "{again}");
}

/// Without these flags the line of the hint would concern other scripts or another database.
#[test]
fn hints_name_the_folder_and_the_database() {
    let env = TestEnv::new();
    env.file("work/our scripts/1000-Ours.sql", "CREATE T:1;");
    let mer = |verb| env.mer(["--data-dir", "there", "migrate", verb, "--sql-dir", "our scripts"]);
    mer("up").ended(0);
    env.file("work/our scripts/1000-Ours.sql", "CREATE T:2;");
    let there = env.path("work/there");
    let line = format!("`mer --data-dir {} migrate repair --sql-dir 'our scripts'`", there.display());
    for verb in ["status", "up", "plan"] {
        let told = mer(verb).ended(78).stderr;
        assert!(told.contains(&line), "{told}");
    }
    mer("repair").ended(64);
    env.file("work/our scripts/1001-More.sql", "CREATE T:3;");
    env.file("work/our scripts/1000-Ours.sql", "CREATE T:1;");
    let told = mer("status").ended(78).stderr;
    let line = format!("hint: `mer --data-dir {} migrate --sql-dir 'our scripts'` applies", there.display());
    assert!(told.contains(&line), "{told}");
}
