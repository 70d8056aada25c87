//! Values that no command of MER would have written to an export: `mer import` refuses them with their line. Every command
//! works with the values that it accepts.

use serde_json::{Value, json};

use crate::support::TestEnv;

/// Exports a model with two versions of weights, aliases, and a log with a run and a training.
fn whole() -> Vec<Value> {
    let env = TestEnv::ready();
    env.file("work/numbers.json", "[1, 2.5, -3]");
    env.file("work/bytes", "some bytes");
    let lines = "weights put cat bytes --alias current\nweights put cat numbers.json --parent 1 --note n --alias new\n\
                 weights alias cat:1 new\nrun cat x\n";
    env.piped(["--allow-changes", "--quiet"], lines).ok();
    env.mer(["export", "--all"]).ok().lines().map(|line| serde_json::from_str(line).expect("json")).collect()
}

fn text(lines: &[Value]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// Returns the index of the first line of this kind for which the condition holds.
fn index_of(lines: &[Value], kind: &str, is: impl Fn(&Value) -> bool) -> usize {
    lines.iter().position(|line| line["kind"] == kind && is(&line["value"])).expect(kind)
}

/// Imports these lines into an environment.
fn import(env: &TestEnv, lines: &[Value]) -> Result<(), String> {
    env.file("work/x.jsonl", text(lines));
    let ran = env.mer(["import", "x.jsonl", "--allow-changes", "--quiet"]);
    if ran.code == Some(0) { Ok(()) } else { Err(ran.failed(65)) }
}

#[test]
fn a_value_that_no_command_writes_is_refused_with_its_line_and_field() {
    let lines = whole();
    let (second, third) = (json!("2026-01-01T00:00:00Z"), json!("9999-06-01T00:00:00Z"));
    let cat = |value: &Value| value["name"] == "cat";
    let any = |_: &Value| true;
    let version = |number: u64| move |value: &Value| value["version"] == number;
    let model = index_of(&lines, "model", cat);
    let server = index_of(&lines, "server", any);
    let head = index_of(&lines, "weights", any);
    let (first, other) = (index_of(&lines, "version", version(1)), index_of(&lines, "version", version(2)));
    let moved = index_of(&lines, "aliasMove", |value| value["name"] == "current");
    let access = index_of(&lines, "access", any);
    let end = index_of(&lines, "end", any);
    let long = "n".repeat(129);
    let env = TestEnv::ready();
    for (at, field, value) in [
        (0, "version", json!(0)),
        (server, "uid", json!("x")),
        (server, "uid", lines[model]["value"]["uid"].clone()),
        (server, "name", json!("a\u{1b}[31m")),
        (server, "name", json!(long)),
        (server, "createdAt", third.clone()),
        (server, "connType", json!("telnet")),
        (model, "name", json!("..")),
        (model, "name", json!("a b")),
        (model, "lastUpdated", third.clone()),
        (model, "lastUpdated", json!("-000001-01-01T00:00:00Z")),
        (model, "servers", json!(["nowhere"])),
        (model, "inferenceCommand", json!("cat")),
        (model, "timeout", json!(-1)),
        (model, "weightsShape", json!([u64::MAX, 0])),
        (head, "lastVersion", json!(i64::MAX)),
        (head, "lastVersion", json!(0)),
        (head, "lastVersion", json!(-1)),
        (head, "model", json!("\u{7}")),
        (first, "version", json!(3)),
        (other, "version", json!(1)),
        (first, "version", json!(0)),
        (first, "shape", json!([10])),
        (first, "dtype", json!("u8")),
        (first, "dtype", json!("f31")),
        (first, "bytes", json!(u64::MAX)),
        (first, "sha256", json!("../../x")),
        (first, "parentVersion", json!(1)),
        (first, "parentVersion", json!(2)),
        (first, "attempt", json!(1)),
        (first, "createdAt", third.clone()),
        (first, "format", json!("npy")),
        (first, "format", json!("json")),
        (other, "shape", json!([4])),
        (other, "shape", json!([3, 1])),
        (other, "shape", json!([1_u64 << 40])),
        (other, "shape", Value::Null),
        (other, "dtype", json!("i8")),
        (other, "format", json!("raw")),
        (other, "format", json!("safetensors")),
        (moved, "name", json!("a@b")),
        (moved, "name", json!(long)),
        (moved, "number", json!(0)),
        (moved, "number", json!(2)),
        (moved, "number", json!(i64::MAX)),
        (moved, "version", json!(3)),
        (moved, "version", json!(0)),
        (moved, "movedAt", third.clone()),
        (access, "attempt", json!(0)),
        (access, "attempt", json!(1_u64 << 32)),
        (access, "model", json!("\u{1b}]0;x\u{7}")),
        (access, "server", json!("")),
        (access, "protocol", json!("a\nb")),
        (access, "weightsVersion", json!(i64::MAX)),
        (access, "weightsSha256", json!("x")),
        (access, "startAccess", third.clone()),
        (access, "startAccess", json!("yesterday")),
        (access, "stopAccess", third),
        (access, "status", json!("started")),
        (access, "status", json!("fine")),
        (access, "exitCode", json!(1_u64 << 40)),
        (access, "signal", json!("\u{1b}[0m")),
        (access, "runMs", json!(1e308)),
        (access, "queueMs", json!(-1)),
        (access, "connectMs", json!("fast")),
        (access, "stdinBytes", json!(u64::MAX)),
        (access, "stdoutBytes", json!(-1)),
        (access, "stdinSha256", json!("0".repeat(65))),
        (access, "stderrTail", json!("x".repeat(50_000))),
        (access, "callerPid", json!(-1)),
        (end, "lines", json!(u64::MAX)),
    ] {
        let mut spoilt = lines.clone();
        spoilt[at]["value"][field] = value.clone();
        // Objects that exist already are not checked again.
        let fresh = (at == first || at == other).then(TestEnv::ready);
        let said = import(fresh.as_ref().unwrap_or(&env), &spoilt).expect_err(&format!("{field} = {value} was taken"));
        // A changed field may make another one wrong.
        let fields = match field {
            "status" => vec!["status", "stopAccess"],
            "dtype" => vec!["dtype", "shape"],
            "format" => vec!["format", "shape"],
            "lines" => vec!["says that"],
            "servers" => vec!["nowhere"],
            "model" => vec!["model", "out of its place"],
            _ => vec![field],
        };
        let line = if field == "uid" && value != "x" { model } else { at } + 1;
        assert!(said.contains(&format!("line {line} of `x.jsonl`")) || at == 0, "{field} = {value}\n{said}");
        assert!(fields.iter().any(|field| said.contains(field)), "{field} = {value}\n{said}");
    }
    // Times out of order are accepted: clocks get set.
    let mut back = lines.clone();
    back[access]["value"]["stopAccess"] = json!("2020-01-01T00:00:00Z");
    back[access]["value"]["startAccess"] = second;
    assert_eq!(import(&TestEnv::ready(), &back), Ok(()));
}

/// `MER_TEST_CASES` names another number of cases.
const CASES: u64 = 5;

#[test]
fn every_command_works_with_imported_values() {
    let lines = whole();
    let cases = std::env::var("MER_TEST_CASES").map_or(CASES, |number| number.parse().expect("a number"));
    let values = [
        json!(null),
        json!(0),
        json!(1),
        json!(2),
        json!(7),
        json!(9_007_199_254_740_991_u64),
        json!(9_007_199_254_740_992_u64),
        json!(i64::MAX),
        json!(u64::MAX),
        json!(-1),
        json!(0.25),
        json!(1e308),
        json!(""),
        json!("cat"),
        json!("n".repeat(128)),
        json!("\u{1b}[31m\u{202e}"),
        json!("1970-01-01T00:00:00Z"),
        json!("0001-01-01T00:00:00Z"),
        json!("9998-12-31T23:59:59.999999Z"),
        json!("9999-01-01T00:00:00Z"),
        json!([]),
        json!([3]),
        json!([0, u64::MAX]),
        json!("f".repeat(64)),
        json!("lost"),
        json!("opaque"),
        json!("f64"),
        json!({}),
        json!(true),
    ];
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut pick = |of: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % of as u64).expect("small")
    };
    let (mut taken, mut tried) = (0, 0);
    // Only accepted cases count; refused ones are cheap.
    while taken < cases && tried < 20 * cases {
        tried += 1;
        let mut changed = lines.clone();
        for _ in 0..=pick(2) {
            let at = pick(lines.len());
            let Some(fields) = changed[at]["value"].as_object_mut() else { continue };
            let field = fields.keys().nth(pick(fields.len())).expect("one").clone();
            fields.insert(field, values[pick(values.len())].clone());
        }
        if changed == lines {
            continue;
        }
        let env = TestEnv::ready();
        match import(&env, &changed) {
            Err(said) => assert!(said.contains("`x.jsonl`"), "{said}"),
            Ok(()) => {
                taken += 1;
                works(&env, &changed);
            }
        }
    }
    assert!(taken > 0, "{tried} were tried");
}

fn has_weights_in(lines: &[Value], model: &str) -> bool {
    lines.iter().any(|line| line["kind"] == "weights" && line["value"]["model"] == model)
}

/// Checks that an imported database can be listed, exported again, and worked with.
fn works(env: &TestEnv, lines: &[Value]) {
    let differs = || text(lines);
    let ok = |args: &[&str]| {
        let mut command = env.command();
        command.args(args).arg("--allow-changes");
        let ran = crate::support::run(command);
        assert!(ran.code == Some(0), "{args:?}: {}\n{}", ran.stderr, differs());
        ran
    };
    let exported = ok(&["export", "--all"]).stdout;
    let again = TestEnv::ready();
    again.file("work/x.jsonl", &exported);
    again.mer(["import", "x.jsonl", "--allow-changes", "--quiet"]).ok();
    assert_eq!(again.mer(["export", "--all"]).ok(), exported, "{}", differs());
    ok(&["export"]);
    for list in [["server", "list"], ["model", "list"], ["weights", "list"], ["log", "list"]] {
        ok(&list);
    }
    for version in ok(&["weights", "list", "--json"]).objects() {
        let name = format!("{}:{}", version["model"].as_str().expect("a name"), version["version"]);
        ok(&["weights", "show", &name]);
        ok(&["weights", "get", &name, "-o", "got"]);
    }
    for access in ok(&["log", "list", "--json"]).objects() {
        ok(&["log", "show", access["requestUid"].as_str().expect("a uid")]);
    }
    let models = ok(&["model", "list", "--json"]).objects();
    let has_weights = |model: &&Value| has_weights_in(lines, model["name"].as_str().unwrap_or_default());
    for model in models.iter().filter(has_weights).chain(models.first()) {
        let name = model["name"].as_str().expect("a name");
        ok(&["model", "show", name]);
        env.file("work/more", "more bytes");
        let put = ok(&["weights", "put", name, "more", "--alias", "new", "--json"]).object();
        ok(&["weights", "alias", &format!("{name}:{}", put["version"]), "current"]);
        assert_eq!(ok(&["weights", "show", name, "--json"]).object()["version"], put["version"], "{}", differs());
        ok(&["weights", "alias", name, "--json"]);
    }
}
