//! Moving databases: `mer export --all` and `mer import`, and `mer export | mer apply`.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

use jiff::{Span, Timestamp};
use mer_core::{Access, Status};
use mer_testkit::{ended, started};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{TestEnv, record, run, shared_databases};

/// Number of accesses; a debug build of the engine takes milliseconds for each row. `MER_TEST_ACCESSES` names another one.
const MANY: u32 = if cfg!(debug_assertions) { 1_050 } else { 10_000 };

/// Returns accesses that differ in every field.
fn accesses(count: u32) -> Vec<Access> {
    let first: Timestamp = "2026-02-03T04:05:06.000001Z".parse().expect("a time");
    let of = |n: u32| {
        let uid = Uuid::from_u128(u128::from(n.wrapping_mul(2_654_435_761)) << 96 | u128::from(n));
        let start = first.checked_add(Span::new().microseconds(i64::from(n) * 1_234_567)).expect("a time");
        let begun = started(uid, 1 + n % 3, ["iris", "sentiment", "gone-since"][n as usize % 3], start);
        match n % 5 {
            0 => Access { stop_access: None, run_ms: None, ..ended(&begun, Status::Unreachable) },
            1 => Access { status: Status::Lost, error: Some("no end was recorded".to_owned()), ..begun },
            2 => Access { run_ms: Some(f64::from(n) * 1.000_000_1 / 3.0), ..ended(&begun, Status::Failed) },
            3 => Access {
                queue_ms: Some(0.1 + 0.2),
                exit_code: Some(0),
                signal: None,
                ..ended(&begun, Status::Succeeded)
            },
            _ => Access {
                stderr_tail: "ü日🦀\u{1b}[31m\r\n\"\\".repeat(n as usize % 40),
                ..ended(&begun, Status::Timeout)
            },
        }
    };
    (0..count).map(of).collect()
}

/// Returns an environment with three servers and five models; two of the example models are removed.
fn source() -> TestEnv {
    let env = TestEnv::new();
    let lines = "server add gpu1 mer@gpu1.example.org:2222 --launcher 'srun -n1' --password-env PW\n\
                 server add gpu2 '[fe80::1%eth0]:22'\n\
                 model remove upper\nmodel remove parrot\nmodel set iris --timeout 1m\n\
                 model add sentiment --server local --server gpu1 --protocol lines --env 'A=ü \"q\"' -- cat -u\n\
                 model set sentiment --on gpu1 --path /scratch/x\n\
                 model add shouts --shell --server gpu2 -- 'cat | tr a-z A-Z'\nmodel add plain -- cat\n";
    env.piped(["--allow-changes", "--quiet"], lines).ok();
    env
}

/// Returns `mer` on this database.
fn on(env: &TestEnv, db: &str, args: &[&str]) -> Command {
    let mut command = env.command();
    command.args(["--db", db]).args(args);
    command
}

/// Returns the databases to move through: those of the installed servers, and an embedded one last.
fn way(env: &TestEnv) -> Vec<String> {
    let mut way = shared_databases();
    way.push(format!("surrealkv://{}", env.path("data/other").display()));
    way
}

#[test]
fn everything_moves_between_databases_and_is_equal_to_the_byte() {
    let many = std::env::var("MER_TEST_ACCESSES").map_or(MANY, |number| number.parse().expect("a number"));
    let env = source();
    record(&env, "embedded", &accesses(many));
    env.mer(["export", "--all", "-o", "0.jsonl"]).ok();
    let first = env.read("work/0.jsonl");
    let toml = env.mer(["export"]).ok();
    let kinds = |kind: &str| first.lines().filter(|line| line.starts_with(&format!("{{\"kind\":\"{kind}\""))).count();
    let counts = ["header", "server", "model", "access", "end"].map(kinds);
    assert_eq!(counts, [1, 3, 5, many as usize, 1]);

    let way = way(&env);
    let mut file = "0.jsonl".to_owned();
    for (number, db) in way.iter().enumerate() {
        if !db.starts_with("surrealkv") {
            run(on(&env, db, &["migrate", "--quiet"])).ok();
        }
        let ran = run(on(&env, db, &["import", &file, "--allow-changes"])).ended(0);
        let told = format!("imported 3 servers, 5 models and {many} accesses\n");
        assert_eq!(
            ran.stderr,
            told + "removed what the database began with and the file does not have: parrot, upper\n"
        );
        file = format!("{}.jsonl", number + 1);
        run(on(&env, db, &["export", "--all", "-o", &file])).ok();
        assert!(env.read(&format!("work/{file}")) == first, "{db}: `{file}` differs from `0.jsonl`");
        assert_eq!(run(on(&env, db, &["export"])).ok(), toml);
    }
    // Importing again into the last one, from standard input, changes nothing.
    let last = way.last().expect("one");
    let again = env.piped(["--db", last, "--allow-changes", "import", "-"], &first).ended(0);
    assert_eq!(again.stderr, format!("imported 3 servers, 5 models and {many} accesses\n"));
    assert!(run(on(&env, last, &["export", "--all"])).ok() == first);
    assert_eq!(run(on(&env, last, &["run", "plain", "x"])).ok(), "x\n");
}

/// Returns two models with weights: equal chunks in two versions, a removed version, moved aliases and a removed one.
fn with_weights(length: u32) -> TestEnv {
    let env = TestEnv::ready();
    let chunk: Vec<u8> = (0..length / 4).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    env.file("work/long", [chunk.as_slice(), chunk.as_slice(), b"end"].concat());
    env.file("work/short", chunk);
    env.file("work/numbers.json", "[1, 2.5, -3]");
    env.file("work/nothing", "");
    let lines = "weights put cat long --note 'with \"ü\"' --alias current\nweights put cat numbers.json --parent 1 --alias new\n\
                 weights put cat nothing --format raw --alias current\nweights put cat short\nweights put fail short --alias current\n\
                 weights alias cat:1 current\nweights alias cat new --remove\n\
                 weights put cat numbers.json --alias gone\nweights remove cat:5 --force\n";
    env.piped(["--allow-changes", "--quiet"], lines).ok();
    env
}

#[test]
fn weights_move_between_databases_and_are_equal_to_the_byte() {
    let env = with_weights(1 << 20);
    env.mer(["run", "cat", "x", "--quiet"]).ok();
    env.mer(["export", "--all", "-o", "0.jsonl"]).ok();
    let first = env.read("work/0.jsonl");
    let bytes = |name: &str| fs::read(env.path(&format!("work/{name}"))).expect(name);
    let mut file = "0.jsonl".to_owned();
    for (number, db) in way(&env).iter().enumerate() {
        run(on(&env, db, &["migrate", "--quiet"])).ok();
        let ran = run(on(&env, db, &["import", &file, "--allow-changes"])).ended(0);
        assert!(ran.stderr.contains(", 5 versions of weights and "), "{db}: {}", ran.stderr);
        file = format!("{}.jsonl", number + 1);
        run(on(&env, db, &["export", "--all", "-o", &file])).ok();
        assert!(env.read(&format!("work/{file}")) == first, "{db}: `{file}` differs from `0.jsonl`");
        // Importing again changes nothing.
        run(on(&env, db, &["import", &file, "--allow-changes", "--quiet"])).ok();
        assert!(run(on(&env, db, &["export", "--all"])).ok() == first, "{db}");
        for (which, name) in [("cat", "long"), ("cat:2", "numbers.json"), ("cat:3", "nothing"), ("fail", "short")] {
            assert!(run(on(&env, db, &["weights", "get", which])).ended(0).bytes == bytes(name), "{db}: {which}");
        }
        // Two chunks, one of them used four times; the numbers; no unused chunk.
        let gone = run(on(&env, db, &["weights", "gc", "--silent", "0s", "--json"])).object();
        assert_eq!(gone["chunks"], json!(0), "{db}");
        // The number of a removed version is not used again.
        let put = run(on(&env, db, &["weights", "put", "cat", "short", "--json"])).object();
        assert_eq!(put["version"], json!(6), "{db}");
        run(on(&env, db, &["weights", "alias", "cat:6", "current", "--allow-changes", "--quiet"])).ok();
        // Changes since the first import stay.
        run(on(&env, db, &["import", &file, "--allow-changes", "--quiet"])).ok();
        let shown = &["weights", "show", "cat", "--no-statistics", "--json"];
        assert_eq!(run(on(&env, db, shown)).object()["version"], json!(6), "{db}");
    }
}

#[test]
fn incomplete_weights_in_an_export_are_65_and_not_imported() {
    let env = with_weights(1 << 10);
    let whole = env.mer(["export", "--all"]).ok();
    let lines: Vec<&str> = whole.lines().collect();
    let kinds = |kind: &str| {
        let begin = format!("{{\"kind\":\"{kind}\"");
        lines.iter().enumerate().filter(move |(_, line)| line.starts_with(&begin)).map(|(at, _)| at).collect::<Vec<_>>()
    };
    let (versions, bytes, moves) = (kinds("version"), kinds("bytes"), kinds("aliasMove"));
    let without = |gone: usize| [&lines[..gone], &lines[gone + 1..]].concat().join("\n");
    let with = |at: usize, line: &str| [&lines[..at], &[line], &lines[at + 1..]].concat().join("\n");
    let other = |line: &str| line.replace("\"value\":\"", "\"value\":\"AAAA");
    for (text, code, told, there) in [
        (without(bytes[0]), 65, "comes after bytes of `cat:1` that do not have its sha256", 0),
        (with(bytes[1], &other(lines[bytes[1]])), 65, "comes after bytes of `cat:2` that do not have its sha256", 1),
        (with(bytes[0], "{\"kind\":\"bytes\",\"value\":\"?\"}"), 65, "has bytes that are no base64", 0),
        (lines[..bytes[0]].join("\n"), 65, "ends early: it is not the whole export", 0),
        (lines[..moves[0]].join("\n"), 65, "ends early: it is not the whole export", 3),
        (without(versions[0]), 65, "is out of its place", 0),
        (without(versions[0] - 1), 65, "is out of its place", 0),
        (with(versions[0] - 1, &lines[versions[0] - 1].replace("cat", "cut")), 65, "`cut`, which is no model", 0),
    ] {
        let place = TestEnv::new();
        place.file("work/x.jsonl", text);
        let said = place.mer(["import", "x.jsonl", "--allow-changes"]).failed(code);
        assert!(said.contains(told), "{told}\n{said}");
        assert_eq!(place.mer(["weights", "list", "--json"]).objects().len(), there, "{told}");
        assert!(place.mer(["weights", "alias", "cat", "--json"]).objects().is_empty(), "{told}");
        place.file("work/x.jsonl", &whole);
        place.mer(["import", "x.jsonl", "--allow-changes", "--quiet"]).ok();
        assert!(place.mer(["export", "--all"]).ok() == whole, "{told}");
    }
    // Both databases have changed since.
    let place = TestEnv::new();
    place.file("work/x.jsonl", &whole);
    place.mer(["import", "x.jsonl", "--allow-changes", "--quiet"]).ok();
    for (env, text) in [(&env, "one"), (&place, "two")] {
        env.piped(["weights", "put", "cat", "-", "--quiet"], text).ok();
    }
    place.file("work/x.jsonl", env.mer(["export", "--all"]).ok());
    let said = place.mer(["import", "x.jsonl", "--allow-changes"]).failed(78);
    assert!(said.contains("`cat` already has a version 6 of its weights, with other bytes"), "{said}");
}

#[test]
fn an_export_that_is_applied_elsewhere_gives_an_equal_registry() {
    let env = TestEnv::ready();
    let exported = env.mer(["export"]).ok();
    env.file("work/all.toml", &exported);
    let mut databases = vec![format!("surrealkv://{}", env.path("data/other").display())];
    databases.extend(shared_databases());
    for db in databases {
        run(on(&env, &db, &["migrate", "--quiet"])).ok();
        run(on(&env, &db, &["apply", "all.toml", "--allow-changes", "--quiet"])).ok();
        assert_eq!(run(on(&env, &db, &["export"])).ok(), exported, "{db}");
        let again = run(on(&env, &db, &["apply", "all.toml", "--allow-changes"])).ended(0);
        assert!(again.stderr.starts_with("nothing changes"), "{db}: {}", again.stderr);
    }
}

/// An export may contain passwords.
#[test]
fn an_export_is_readable_by_its_owner_only() {
    let env = TestEnv::ready();
    let mode = |file: &str| fs::metadata(env.path(file)).expect(file).permissions().mode() & 0o777;
    for args in [["export", "-o", "r"].as_slice(), &["export", "--all", "-o", "r"]] {
        env.mer_args(args).ok();
        assert_eq!(mode("work/r"), 0o600, "{args:?}");
        fs::remove_file(env.path("work/r")).expect("removed");
    }
    // An existing file keeps its mode.
    env.file("work/r", "");
    for kept in [0o640, 0o400] {
        fs::set_permissions(env.path("work/r"), fs::Permissions::from_mode(kept)).expect("mode");
        env.mer(["export", "-o", "r"]).ok();
        assert_eq!(mode("work/r"), kept);
    }
    // An export in place of a registry file.
    env.mer(["export", "--all", "-o", "all.jsonl"]).ok();
    let told = env.mer(["apply", "all.jsonl", "--allow-changes"]).failed(78);
    assert!(told.contains("is not valid TOML") && told.contains("hint: what `mer export --all` wrote"), "{told}");
}

#[test]
fn an_import_adds_to_what_is_there() {
    let env = source();
    record(&env, "embedded", &accesses(10));
    env.mer(["export", "--all", "-o", "all.jsonl"]).ok();
    let other = TestEnv::ready();
    other.file("work/all.jsonl", env.read("work/all.jsonl"));
    other.mer(["run", "cat", "x"]).ok();
    other.mer(["model", "set", "upper", "--timeout", "1m", "--allow-changes", "--quiet"]).ok();
    let report = other.mer(["import", "all.jsonl", "--allow-changes", "--json"]).object();
    // Local changes are kept.
    assert_eq!(
        report,
        json!({"servers": 3, "models": 5, "versions": 0, "accesses": 10, "lost": 0, "dropped": ["parrot"]})
    );
    assert_eq!(other.mer(["run", "cat", "x"]).ok(), "x\n");
    assert_eq!(other.mer(["run", "upper", "x"]).ok(), "X\n");
    assert_eq!(other.rows().len(), 13);
    let shown = |env: &TestEnv| env.mer(["model", "show", "iris", "--json"]).object();
    for key in ["uid", "timeout"] {
        assert_eq!(shown(&other)[key], shown(&env)[key]);
    }
    assert_eq!(other.mer(["import", "all.jsonl", "--allow-changes", "--quiet"]).ok(), "");
    assert_eq!(other.rows().len(), 13);
}

/// The end of the run is recorded in the database that it was exported from.
#[test]
fn an_imported_run_without_an_end_is_lost_unless_the_database_knows_it() {
    let env = source();
    let begun = accesses(1).remove(0);
    let begun = started(begun.request_uid, 1, "iris", begun.start_access);
    record(&env, "embedded", std::slice::from_ref(&begun));
    env.mer(["export", "--all", "-o", "all.jsonl"]).ok();
    assert!(env.read("work/all.jsonl").contains("\"status\":\"started\""));
    for db in way(&env) {
        if !db.starts_with("surrealkv") {
            run(on(&env, &db, &["migrate", "--quiet"])).ok();
        }
        let told = run(on(&env, &db, &["import", "all.jsonl", "--allow-changes"])).ended(0).stderr;
        assert!(told.contains("closed 1 run as lost: they had not ended when they were exported"), "{db}: {told}");
        let row = run(on(&env, &db, &["log", "list", "--json"])).object();
        assert_eq!((&row["status"], &row["stopAccess"]), (&json!("lost"), &Value::Null), "{db}");
        assert_eq!(row["error"], "this run had not ended when it was exported");
        // Its end, in a later export, replaces `lost`.
        let later = env.read("work/all.jsonl").replace("\"status\":\"started\"", "\"status\":\"succeeded\"");
        env.file("work/later.jsonl", later);
        run(on(&env, &db, &["import", "later.jsonl", "--allow-changes"])).ended(0);
        assert_eq!(run(on(&env, &db, &["log", "list", "--json"])).object()["status"], "succeeded", "{db}");
    }
    // In the original database the run may go on.
    let report = env.mer(["import", "all.jsonl", "--allow-changes", "--json"]).object();
    assert_eq!((&report["accesses"], &report["lost"]), (&json!(1), &json!(0)));
    assert_eq!(env.row()["status"], "started");
}

#[test]
fn an_export_contains_the_waiting_journal() {
    let env = TestEnv::ready();
    env.mer(["run", "cat", "x"]).ok();
    let exported = env.mer(["export", "--all"]).ok();
    let accesses: Vec<Value> = exported.lines().map(|line| serde_json::from_str(line).expect("json")).collect();
    let runs: Vec<_> = accesses.iter().filter(|line| line["kind"] == "access").collect();
    assert_eq!(runs.len(), 1);
    assert_eq!((&runs[0]["value"]["model"], &runs[0]["value"]["status"]), (&json!("cat"), &json!("succeeded")));
    assert_eq!(accesses[0], json!({"kind": "header", "value": {"format": "mer-export", "version": 3}}));
    assert_eq!(accesses[accesses.len() - 1]["value"]["lines"], accesses.len() - 1);
}

#[test]
fn an_incomplete_export_is_65_with_its_line() {
    let env = source();
    record(&env, "embedded", &accesses(4));
    let whole = env.mer(["export", "--all"]).ok();
    let lines: Vec<&str> = whole.lines().collect();
    let other = TestEnv::new();
    let before = other.mer(["export", "--all"]).ok();
    let with = |at: usize, line: &str| {
        let mut lines = lines.clone();
        lines[at] = line;
        lines.join("\n")
    };
    let changed = |at: usize, from: &str, to: &str| with(at, &lines[at].replacen(from, to, 1));
    for (text, told) in [
        (String::new(), "is not an export"),
        ("[models.m]\n".to_owned(), "is not an export"),
        (changed(0, "mer-export", "other"), "is not an export"),
        (changed(0, "\"version\":3", "\"version\":4"), "has version 4 of the format, and this MER knows 3"),
        (lines[..5].join("\n"), "ends early: nothing has been taken over"),
        (changed(3, "\"name\"", "\"nam\""), "line 4 of `x.jsonl` cannot be read\ncaused by: missing field `name`"),
        (
            changed(4, "{\"uid\":\"", "{\"uid\":\"x"),
            "line 5 of `x.jsonl` cannot be taken over\ncaused by: `uid` is not a uid",
        ),
        (with(4, lines[5]), "`name` is that of the model in line 5 too"),
        (with(1, ""), "line 2 of `x.jsonl` cannot be read"),
        (changed(7, "\"local\",\"gpu1\"", "\"local\",\"gpu3\""), "line 8 of `x.jsonl` cannot be taken over"),
    ] {
        other.file("work/x.jsonl", text);
        let said = other.mer(["import", "x.jsonl", "--allow-changes"]).failed(65);
        assert!(said.contains(told), "{told}\n{said}");
    }
    assert_eq!(other.mer(["export", "--all"]).ok(), before);
    // The readable part of the log is imported; the rest can be imported later.
    for (text, told, rows) in [
        (lines[..11].join("\n"), "`x.jsonl` ends early: it is not the whole export", 2),
        (with(11, "{\"kind\":\"other\"}"), "line 12 of `x.jsonl` cannot be read", 2),
        (with(11, lines[2]), "line 12 of `x.jsonl` is out of its place", 2),
        ([&lines[..10], &lines[11..]].concat().join("\n"), "line 13 of `x.jsonl` says that 13 came before it", 4),
        (format!("{whole}{}\n", lines[9]), "line 15 of `x.jsonl` comes after the end", 4),
        (whole.clone() + "\n", "line 15 of `x.jsonl` cannot be read", 4),
    ] {
        other.file("work/x.jsonl", text);
        let said = other.mer(["import", "x.jsonl", "--allow-changes"]).ended(65).stderr;
        assert!(said.contains(told), "{told}\n{said}");
        assert_eq!(other.rows().len(), rows, "{told}");
    }
    other.file("work/x.jsonl", whole.trim_end());
    other.mer(["import", "x.jsonl", "--allow-changes"]).ended(0);
    assert_eq!(other.mer(["export", "--all"]).ok(), whole);
    other.mer(["import", "nowhere.jsonl", "--allow-changes"]).failed(74);
}

#[test]
fn a_slow_reader_of_an_export_does_not_lock_the_database() {
    let env = TestEnv::ready();
    let mut log = accesses(1_500);
    log.iter_mut().for_each(|access| access.stderr_tail = "x".repeat(8_000));
    record(&env, "embedded", &log);
    // More than the pipe and MER's buffers hold, while nothing reads.
    let (reader, writer) = std::io::pipe().expect("pipe");
    let mut command = env.with(["export", "--all"]);
    let mut export = command.stdout(writer).spawn().expect("mer");
    drop(command);
    let pid = export.id();
    crate::support::wait_until("the writing of the export", || {
        // Once half a megabyte has been written, it waits for its reader.
        let written = fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
        let written = written.lines().find_map(|line| line.strip_prefix("wchar: ")?.parse::<u64>().ok())?;
        (written > 60_000).then_some(())
    });
    for _ in 0..3 {
        env.mer(["model", "set", "cat", "--env", "A=1", "--allow-changes", "--quiet", "--db-wait", "10s"]).ok();
        env.mer(["model", "set", "cat", "--unset", "env", "--allow-changes", "--quiet", "--db-wait", "10s"]).ok();
    }
    let mut text = String::new();
    std::io::Read::read_to_string(&mut std::io::BufReader::new(reader), &mut text).expect("the export");
    assert!(export.wait().expect("status").success());
    assert_eq!(text.lines().filter(|line| line.starts_with("{\"kind\":\"access\"")).count(), log.len());
    let end: Value = serde_json::from_str(text.lines().last().expect("a line")).expect("json");
    assert_eq!(end["value"]["lines"], text.lines().count() - 1);
}

#[test]
fn a_model_with_weights_is_not_replaced_by_another_of_its_name() {
    let (here, there) = (TestEnv::new(), TestEnv::new());
    for env in [&here, &there] {
        env.piped(["weights", "put", "iris", "-", "--quiet"], "[1]").ok();
    }
    here.file("work/all.jsonl", there.mer(["export", "--all"]).ok());
    let before = here.mer(["export", "--all"]).ok();
    let said = here.mer(["import", "all.jsonl", "--allow-changes"]).failed(78);
    assert!(said.contains("the model `iris` has weights here, and is another than the one of that name"), "{said}");
    assert_eq!(here.mer(["export", "--all"]).ok(), before);
}
