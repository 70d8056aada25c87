//! Exports in the programs that they are for: DuckDB and pandas.

use mer_core::{Access, Status};
use mer_testkit::{ended, started};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{everywhere, hourly};
use crate::support::{Python, repository, run};

/// Their versions; the same everywhere, because the guessed types differ.
const READERS: [&str; 2] = ["duckdb==2.0.1", "pandas==3.1.1"];

/// Accesses of any kind: open ones, parts of batches, the first and the last year, texts that look like something else.
fn accesses() -> Vec<Access> {
    let mut all = hourly(40);
    let access = |n: u128, model: &str, start: &str| {
        let begun = started(Uuid::from_u128(n << 64), 1, model, start.parse().expect("a time"));
        Access { run_ms: Some(0.5), ..ended(&begun, Status::Failed) }
    };
    all.push(started(Uuid::from_u128(1 << 64), 1, "open", "2026-05-02T00:00:00Z".parse().expect("a time")));
    all.push(Access { error: Some("=cmd|'/c calc'!A1".to_owned()), ..access(2, "null", "0001-01-01T00:00:00Z") });
    all.push(Access { error: Some("@SUM(A1)".to_owned()), ..access(3, "NA", "9998-12-31T23:59:58.765432Z") });
    let tail = "a,\"b\";\t'c'\n\n\u{1b}[2J\u{202e}\r\n日本 🦀";
    all.push(Access { stderr_tail: tail.to_owned(), ..access(4, "1e5", "2026-05-02T00:00:00.000001Z") });
    all.push(Access { error: None, exit_code: None, ..access(5, "007", "1969-12-31T23:59:59.999999Z") });
    all.sort_by_key(Access::key);
    all
}

/// Returns a text as an export in CSV has it.
fn in_csv(text: &str) -> String {
    let mark = if text.starts_with(['=', '@']) { "'" } else { "" };
    let hidden = [('\r', "\\u000d"), ('\u{1b}', "\\u001b"), ('\u{202e}', "\\u202e")];
    hidden.iter().fold(format!("{mark}{text}"), |text, (hidden, shown)| text.replace(*hidden, shown))
}

#[test]
fn duckdb_and_pandas_read_types_counts_and_texts_of_an_export() {
    let Some(python) = Python::with(&READERS) else { return };
    let all = accesses();
    let starts = all.iter().map(|access| access.start_access.as_microsecond());
    let models: std::collections::BTreeSet<&str> = all.iter().map(|access| access.model.as_str()).collect();
    let known = |is_known: fn(&Access) -> bool| all.iter().filter(|access| is_known(access)).count();
    let counts = json!([
        all.len(),
        known(|access| access.exit_code.is_some()),
        known(|access| access.error.is_some()),
        known(|access| access.stop_access.is_some()),
        models.len(),
        all.iter().map(|access| access.stdout_bytes).sum::<u64>(),
        all.iter().filter_map(|access| access.run_ms).sum::<f64>(),
        starts.clone().min(),
        starts.max(),
    ]);
    for place in everywhere(&all) {
        place.mer_line("log export --csv --quiet -o log.csv").ok();
        place.mer_line("log export --jsonl --quiet -o log.jsonl").ok();
        let mut script = python.script(&repository().join("tests/e2e/log/readers.py"));
        script.arg(place.env.path("work"));
        let read = run(script).object();
        for reader in ["duckdb csv", "duckdb jsonl", "pandas csv", "pandas jsonl"] {
            let found = &read[reader];
            assert_eq!(found["counts"], counts, "{reader}, {}", place.url);
            let is_csv = reader.ends_with("csv");
            let text = |text: &str| if is_csv { in_csv(text) } else { text.to_owned() };
            let errors: Vec<Option<String>> = all.iter().map(|access| access.error.as_deref().map(text)).collect();
            assert_eq!(found["errors"], json!(errors), "{reader}, {}", place.url);
            // An empty text and no text are the same in CSV.
            let tail = |access: &Access| Some(text(&access.stderr_tail)).filter(|tail| !is_csv || !tail.is_empty());
            let tails: Vec<Option<String>> = all.iter().map(tail).collect();
            assert_eq!(found["tails"], json!(tails), "{reader}, {}", place.url);
            check_types(reader, &found["types"]);
        }
    }
}

#[track_caller]
fn check_types(reader: &str, types: &Value) {
    let (integer, decimal, time) = match reader.starts_with("duckdb") {
        true => ("BIGINT", "DOUBLE", "TIMESTAMP"),
        false => ("Int64", "Float64", "datetime64["),
    };
    let columns = [
        (integer, &["attempt", "weightsVersion", "callerPid", "exitCode", "items", "failedItems"][..]),
        (integer, &["stdinBytes", "stdoutBytes", "stderrBytes"]),
        (decimal, &["connectMs", "startMs", "runMs"]),
        (time, &["startAccess", "stopAccess"]),
    ];
    for (expected, names) in columns {
        for name in names {
            let found = types[name].as_str().expect("a type");
            assert!(found.starts_with(expected), "{reader}: `{name}` is {found}");
        }
    }
    // From JSON, pandas makes integers of whole numbers.
    if reader != "pandas jsonl" {
        assert_eq!(types["queueMs"], decimal, "{reader}: all of them are 0.0");
    }
}
