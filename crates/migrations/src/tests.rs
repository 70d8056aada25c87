use jiff::Timestamp;
use mer_core::{Classified as _, FailureKind};
use mer_dal::{Applied, DalError, Database, DbUrl, Dialect, Session, Settings};
use proptest::prelude::*;

use crate::{
    MigrationError, Policy, Report, Script, Scripts, StepStatus, baseline, embedded, ensure_current, plan, repair,
    rules, status, status_of, up, up_to,
};

fn script(number: u32, sql: &str) -> Script {
    Script::new(&format!("{number:02}-Number{number}.sql"), sql).unwrap()
}

/// Exactly these scripts, as if they were the binary's.
fn only(scripts: &[Script]) -> Scripts {
    Scripts { list: scripts.to_vec(), with_own: false }
}

async fn up_with(session: &Session, scripts: &[Script]) -> Result<Report, MigrationError> {
    up_to(session, &only(scripts), None).await
}

fn row(script: &Script) -> Applied {
    Applied {
        number: script.number,
        name: script.name.clone(),
        checksum: script.checksum.clone(),
        applied_at: Timestamp::UNIX_EPOCH,
        duration_ms: 1.0,
        mer_version: "9.9.9".into(),
        own: script.own,
    }
}

async fn session() -> (Database, Session) {
    let database = Database::new(Settings::new(DbUrl::Memory));
    let session = database.session().await.unwrap();
    (database, session)
}

#[test]
fn names_are_held_to_the_rule() {
    for good in ["01-A.sql", "10-NameOfTheScript.sql", "100-V2.sql", "007-X.sql"] {
        assert!(rules::parse_name(good).is_ok(), "{good}");
    }
    let bad = [
        "1-A.sql",
        "01-a.sql",
        "01-A_b.sql",
        "01-.sql",
        "01A.sql",
        "01-A.SQL",
        "01-A.sql~",
        "00-A.sql",
        "-A.sql",
        "01-A B.sql",
        "99999999999-A.sql",
        "README.md",
        "01-Ä.sql",
        "+1-A.sql",
    ];
    for bad in bad {
        assert!(rules::parse_name(bad).is_err(), "{bad}");
    }
}

#[test]
fn duplicates_and_empty_scripts_are_problems() {
    let problems = |scripts: &[(&'static str, &'static str)]| rules::problems(scripts.iter().copied());
    assert!(problems(&[("01-A.sql", "X;"), ("02-B.sql", "\n-- c\nX"), (".01-A.sql.swp", "")]).is_empty());
    assert_eq!(problems(&[("01-A.sql", "X;"), ("001-B.sql", "X;")]).len(), 1);
    for empty in ["", " \r\n\t", "-- only\n  -- comments\n", ";\n", "\u{feff}-- c"] {
        assert_eq!(problems(&[("01-A.sql", empty)]).len(), 1, "{empty:?}");
    }
    assert_eq!(problems(&[("x", "")]).len(), 2);
}

#[test]
fn a_script_without_a_transaction_is_one_statement_that_may_be_run_again() {
    let problem = |text: &str| rules::header_problem("01-A.sql", text);
    for good in [
        "X;\nY;",
        "-- a comment\nX;",
        "-- mer: no-transaction\n-- why\nCREATE INDEX CONCURRENTLY IF NOT EXISTS a ON b (c);\n",
        "\u{feff}-- mer: no-transaction\r\nDROP INDEX CONCURRENTLY\r\n  IF  EXISTS a ;\r\n-- done\r\n",
        "-- mer: no-transaction\nDEFINE INDEX OVERWRITE a ON b FIELDS c CONCURRENTLY",
        "-- mer: no-transaction\nreindex index concurrently a",
    ] {
        assert_eq!(problem(good), None, "{good}");
    }
    for (bad, why) in [
        ("-- mer: no-transaction\nDROP INDEX IF EXISTS a; DROP INDEX IF EXISTS b;", "several"),
        ("-- mer: no-transaction\nCREATE INDEX CONCURRENTLY a ON b (c);", "run again"),
        ("-- mer: no-transactions\nX;", "line 1"),
        ("-- MER:no-transaction\nX;", "line 1"),
        ("X;\n  -- mer: no-transaction\n", "line 2"),
        ("-- mer: no-transaction\n-- mer: no-transaction\nDROP INDEX IF EXISTS a", "line 2"),
    ] {
        assert!(problem(bad).is_some_and(|problem| problem.contains(why)), "{bad}: {:?}", problem(bad));
        assert_eq!(rules::problems([("01-A.sql", bad)]).len(), 1, "{bad}");
    }
}

#[test]
fn own_scripts_stand_beside_those_of_the_binary() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let all = || Scripts::embedded(Dialect::Surreal).with_folder(folder.path(), Dialect::Surreal);
    file("README.md", "no script");
    file(".1000-Swap.sql", "");
    file("1000-Ours.sql", "CREATE Ours:1;\r\n");
    let scripts = all().unwrap();
    assert_eq!(scripts.list().len(), embedded(Dialect::Surreal).len() + 1);
    let ours = scripts.list().last().unwrap();
    assert!(ours.own && ours.sql == "CREATE Ours:1;\n");
    for (name, text, why) in [
        ("01-Taken.sql", "X;", "number of MER's `01-DatabaseIdentity.sql`"),
        ("1000-Again.sql", "X;", "same number"),
        ("ours.sql", "X;", "misnamed"),
        ("1001-Empty.sql", "-- nothing", "no statement"),
        ("1001-Loose.sql", "-- mer: no-transaction\nCREATE x; CREATE y;", "several"),
    ] {
        file(name, text);
        let error = all().unwrap_err();
        assert_eq!(error.failure_kind(), FailureKind::Config, "{error}");
        assert!(error.to_string().contains(why), "{name}: {error}");
        std::fs::remove_file(folder.path().join(name)).unwrap();
    }
    let inside = folder.path().join("surreal");
    std::fs::create_dir(&inside).unwrap();
    assert_eq!(all().unwrap().list().len(), embedded(Dialect::Surreal).len(), "the dialect's own folder counts");
    let away = Scripts::embedded(Dialect::Surreal).with_folder(&folder.path().join("away"), Dialect::Surreal);
    assert_eq!(away.unwrap_err().failure_kind(), FailureKind::Io);
}

#[tokio::test]
async fn own_scripts_in_the_database_are_no_obstacle_without_their_folder() {
    let (_database, session) = session().await;
    let own = Script { own: true, ..script(1000, "CREATE Ours:1;") };
    let mut list = embedded(Dialect::Surreal).to_vec();
    list.push(own.clone());
    let with = |list: &[Script]| Scripts { list: list.to_vec(), with_own: true };
    up_to(&session, &with(&list), None).await.unwrap();
    assert!(session.applied().await.unwrap().unwrap().last().unwrap().own);
    assert!(status(&session).await.unwrap().is_current());
    ensure_current(&session, Policy::Check).await.unwrap();
    // The check with the folder finds that the script was edited, or is missing from it.
    let edited = Script { own: true, ..script(1000, "CREATE Ours:2;") };
    *list.last_mut().unwrap() = edited;
    let plan = status_of(&session, &with(&list)).await.unwrap();
    assert!(matches!(plan.check(), Err(MigrationError::Changed { number: 1000, .. })));
    list.pop();
    let plan = status_of(&session, &with(&list)).await.unwrap();
    assert!(matches!(plan.check(), Err(MigrationError::OwnMissing { number: 1000, .. })));
}

#[tokio::test]
async fn a_target_a_baseline_and_a_repair() {
    let (_database, session) = session().await;
    let all: Vec<Script> = (1..=4).map(|number| script(number, &format!("CREATE Trace:{number};"))).collect();
    let numbers = |report: Report| report.applied.iter().map(|row| row.number).collect::<Vec<_>>();
    let error = up_to(&session, &only(&all), Some(9)).await.unwrap_err();
    assert!(matches!(error, MigrationError::NoScript { number: 9 }));
    assert!(session.applied().await.unwrap().is_none(), "nothing was written");
    assert_eq!(numbers(up_to(&session, &only(&all), Some(1)).await.unwrap()), [1]);
    assert_eq!(numbers(up_to(&session, &only(&all), Some(1)).await.unwrap()), [0_u32; 0]);
    // The second and the third have been applied by hand.
    assert_eq!(numbers(baseline(&session, &only(&all), 3).await.unwrap()), [2, 3]);
    assert_eq!(numbers(baseline(&session, &only(&all), 3).await.unwrap()), [0_u32; 0]);
    assert_eq!(numbers(up_with(&session, &all).await.unwrap()), [4]);
    assert_eq!(session.applied().await.unwrap().unwrap()[1].duration_ms, 0.0);
    // The fourth was run; the second, which was edited, was not.
    let before = session.applied().await.unwrap().unwrap();
    let mut edited = all.clone();
    edited[1] = script(2, "CREATE Trace:4;");
    let shown = status_of(&session, &only(&edited)).await.unwrap();
    let other = status_of(&session, &only(&all)).await.unwrap();
    let error = repair(&session, &only(&edited), &other).await.unwrap_err();
    assert!(matches!(error, MigrationError::Moved), "{error}");
    assert_eq!(numbers(repair(&session, &only(&edited), &shown).await.unwrap()), [2]);
    let after = session.applied().await.unwrap().unwrap();
    assert_eq!(after[1], Applied { checksum: edited[1].checksum.clone(), ..before[1].clone() });
    assert_eq!([&after[0], &after[2], &after[3]], [&before[0], &before[2], &before[3]]);
    assert!(up_with(&session, &edited).await.unwrap().applied.is_empty());
}

#[tokio::test]
async fn a_script_without_a_transaction_runs_and_has_its_row() {
    let (_database, session) = session().await;
    let good = script(1, "-- mer: no-transaction\nDEFINE TABLE IF NOT EXISTS Outside;");
    up_with(&session, std::slice::from_ref(&good)).await.unwrap();
    let failing =
        script(2, "-- mer: no-transaction\n\nDEFINE INDEX IF NOT EXISTS a ON\n Outside FIELDS nothing COUNT;");
    let error = up_with(&session, &[good.clone(), failing]).await.unwrap_err();
    let MigrationError::Database(DalError::Script { failure, .. }) = &error else { panic!("{error}") };
    assert!(failure.line.is_some_and(|line| line >= 3), "{error}");
    assert_eq!(session.applied().await.unwrap().unwrap().len(), 1);
}

#[test]
fn a_script_has_its_twin_in_the_other_dialect() {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let (both, more) = (names(&["01-A.sql"]), names(&["01-A.sql", "02-B.sql"]));
    assert!(rules::twins(&both, &both).is_empty());
    assert_eq!(rules::twins(&both, &more), ["`02-B.sql` has no twin in `sql/surreal`"]);
    assert_eq!(rules::twins(&more, &both), ["`02-B.sql` has no twin in `sql/postgres`"]);
    let of = |dialect| embedded(dialect).iter().map(|script| (script.number, script.name.as_str())).collect::<Vec<_>>();
    assert_eq!(of(Dialect::Surreal), of(Dialect::Postgres));
}

#[test]
fn line_ends_do_not_change_a_script() {
    let unix = script(1, "A;\nB;\n");
    for other in ["A;\r\nB;\r\n", "\u{feff}A;\nB;\n", "\u{feff}A;\r\nB;\r\n", "A;\rB;\r"] {
        assert_eq!(script(1, other), unix);
    }
    assert_ne!(script(1, "A;\nB; \n").checksum, unix.checksum);
    assert_eq!(unix.checksum.len(), 64);
}

#[test]
fn the_embedded_scripts_are_in_numeric_order() {
    let numbers: Vec<u32> = embedded(Dialect::Surreal).iter().map(|script| script.number).collect();
    assert!(numbers.is_sorted() && numbers.first() == Some(&1), "{numbers:?}");
}

proptest! {
    /// Each number occurs once, in order, with the status that follows from the two sides.
    #[test]
    fn a_plan_is_a_function_of_both_sides(
        sides in prop::collection::btree_map(1_u32..300, (any::<bool>(), any::<bool>(), any::<bool>()), 0..40),
        turn in any::<prop::sample::Index>(),
    ) {
        let (mut applied, mut scripts) = (Vec::new(), Vec::new());
        for (number, (in_database, in_binary, changed)) in &sides {
            let text = script(*number, "X;");
            if *in_database {
                let other = script(*number, "Y;");
                applied.push(row(if *changed { &other } else { &text }));
            }
            if *in_binary {
                scripts.push(text);
            }
        }
        let ordered = plan(&applied, &only(&scripts));
        if !applied.is_empty() { let n = turn.index(applied.len()); applied.rotate_left(n); }
        if !scripts.is_empty() { let n = turn.index(scripts.len()); scripts.rotate_left(n); }
        prop_assert_eq!(&plan(&applied, &only(&scripts)), &ordered, "the order of neither side matters");

        let expected: Vec<(u32, StepStatus)> = sides.iter().filter_map(|(number, sides)| {
            let status = match sides {
                (false, false, _) => return None,
                (true, true, true) => StepStatus::Changed,
                (true, true, false) => StepStatus::Applied,
                (true, false, _) => StepStatus::Missing,
                (false, true, _) => StepStatus::Pending,
            };
            Some((*number, status))
        }).collect();
        let found: Vec<_> = ordered.steps.iter().map(|step| (step.number, step.status)).collect();
        prop_assert_eq!(&found, &expected);
        let has = |status| expected.iter().any(|(_, found)| *found == status);
        prop_assert_eq!(ordered.check().is_err(), has(StepStatus::Missing) || has(StepStatus::Changed));
        prop_assert_eq!(ordered.is_current(), expected.iter().all(|(_, found)| *found == StepStatus::Applied));
        prop_assert!(ordered.pending().collect::<Vec<_>>().is_sorted());
    }
}

#[tokio::test]
async fn a_fresh_database_gets_everything_once() {
    let (_database, session) = session().await;
    let before = status(&session).await.unwrap();
    assert_eq!(before.pending().count(), embedded(Dialect::Surreal).len());
    assert!(session.applied().await.unwrap().is_none(), "asking wrote nothing");
    let error = ensure_current(&session, Policy::Check).await.unwrap_err();
    assert_eq!(error.failure_kind(), FailureKind::Config);
    assert!(matches!(error, MigrationError::Pending { .. }), "{error}");
    assert!(session.applied().await.unwrap().is_none());

    let report = ensure_current(&session, Policy::Migrate).await.unwrap();
    assert_eq!(report.applied.len(), embedded(Dialect::Surreal).len());
    assert_eq!(session.applied().await.unwrap().unwrap(), report.applied);
    assert!(report.applied.iter().all(|row| row.duration_ms >= 0.0 && row.mer_version == env!("CARGO_PKG_VERSION")));
    for policy in [Policy::Migrate, Policy::Check] {
        assert!(ensure_current(&session, policy).await.unwrap().applied.is_empty());
    }
    assert!(up(&session).await.unwrap().applied.is_empty());
    assert!(status(&session).await.unwrap().is_current());
}

#[tokio::test]
async fn the_example_models_are_registered_and_can_be_run() {
    let (_database, session) = session().await;
    up(&session).await.unwrap();
    let registry = session.registry().await.unwrap();
    registry.check(&mer_core::Registry::default()).unwrap();
    assert_eq!(registry.models.keys().collect::<Vec<_>>(), ["echo", "iris", "parrot", "upper"]);
    assert_eq!(registry.servers.keys().collect::<Vec<_>>(), ["local"]);
    assert!(registry.models.values().all(|model| model.servers == ["local"]));
    assert!(registry.models["iris"].params.train_command.is_some());
    let Some(mer_core::Command::Argv(argv)) = &registry.models["upper"].params.inference_command else { panic!() };
    assert_eq!(argv, &["awk", "-Winteractive", "{ print toupper($0); fflush() }"]);
}

#[test]
fn the_parrot_says_what_it_heard() {
    let sql = &embedded(Dialect::Surreal).iter().find(|script| script.name == "ExampleModels").unwrap().sql;
    // The program as the database parses it: one string, in which a doubled backslash stands for one.
    let program = sql.split("'-c', '").nth(1).and_then(|rest| rest.split("']").next()).unwrap().replace("\\\\", "\\");
    let child = std::process::Command::new("python3")
        .args(["-u", "-c", &program])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        assert!(std::env::var_os("CI").is_none(), "python3 is missing");
        return;
    };
    let input = "@!#START#!@\nhello\n  parrot ñ\n@!#STOP#!@\nnoise\n@!#START#!@\n@!#STOP#!@\n@!#EXIT#!@\nnever\n";
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let expected = "@!#READY#!@\n@!#START#!@\nhello\n  parrot ñ\n@!#STOP#!@\n@!#START#!@\n@!#STOP#!@\n";
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
}

#[tokio::test]
async fn numbers_count_beyond_ninety_nine_and_gaps_are_filled() {
    let (_database, session) = session().await;
    let text = |number: u32| format!("CREATE Trace SET number = {number};");
    let all: Vec<Script> = [100, 9, 101, 10, 99].iter().map(|number| script(*number, &text(*number))).collect();
    let report = up_with(&session, &all).await.unwrap();
    let order: Vec<u32> = report.applied.iter().map(|row| row.number).collect();
    assert_eq!(order, [9, 10, 99, 100, 101]);
    let mut more = all.clone();
    more.push(script(50, &text(50)));
    let report = up_with(&session, &more).await.unwrap();
    assert_eq!(report.applied.iter().map(|row| row.number).collect::<Vec<_>>(), [50]);
}

#[tokio::test]
async fn a_failing_script_is_rolled_back_named_and_can_be_mended() {
    let (_database, session) = session().await;
    let good = script(1, "CREATE Trace:1;");
    let failing = script(2, "-- why\nCREATE Trace:2;\n\nCREATE\n  Trace:1;\nCREATE Trace:3;\n");
    let error = up_with(&session, &[good.clone(), failing]).await.unwrap_err();
    let MigrationError::Database(DalError::Script { script: file, failure, source }) = &error else {
        panic!("{error}")
    };
    assert_eq!(file, "02-Number2.sql");
    assert_eq!((failure.line, failure.statement.as_deref()), (Some(4), Some("CREATE Trace:1")), "{error}");
    assert!(source.to_string().contains("already exists"), "the database's own message: {source}");
    assert_eq!(session.applied().await.unwrap().unwrap().len(), 1, "the one before stays");

    let syntax = script(2, "CREATE Trace:2;\nCREATE Trace:4;\nDEFINE TABEL x;\n");
    let error = up_with(&session, &[good.clone(), syntax]).await.unwrap_err();
    let MigrationError::Database(DalError::Script { failure, .. }) = &error else { panic!("{error}") };
    assert_eq!(failure.line, Some(3), "{error}");

    // Nothing of either was kept: the same records can be created now.
    let mended = script(2, "CREATE Trace:2; CREATE Trace:3; CREATE Trace:4");
    assert_eq!(up_with(&session, &[good, mended]).await.unwrap().applied.len(), 1);
}

#[tokio::test]
async fn a_newer_or_another_database_is_refused_before_anything_is_written() {
    let (_database, session) = session().await;
    let known = [script(1, "CREATE Trace:1;"), script(2, "CREATE Trace:2;"), script(3, "CREATE Trace:3;")];
    up_with(&session, &known).await.unwrap();
    let before = session.applied().await.unwrap();
    let changed = script(2, "CREATE Trace:9;");
    for (scripts, newer) in [
        (vec![known[0].clone(), known[1].clone()], true),
        (vec![], true),
        (vec![known[0].clone(), known[2].clone(), script(4, "CREATE Trace:4;")], false),
        (vec![known[0].clone(), changed, known[2].clone(), script(4, "CREATE Trace:4;")], false),
    ] {
        let error = up_with(&session, &scripts).await.unwrap_err();
        assert_eq!(error.failure_kind(), FailureKind::Config);
        assert_eq!(matches!(error, MigrationError::Newer { .. }), newer, "{error}");
        assert_eq!(session.applied().await.unwrap(), before);
    }
}
