//! Logs without rows, with the first and the last year, and with very many versions of one model.

use mer_core::{Access, Status};
use mer_testkit::{ended, started};
use serde_json::json;
use uuid::Uuid;

use super::{everywhere, hourly};
use crate::support::{OnServer, record};

#[test]
fn a_log_without_rows_has_an_answer_to_every_question() {
    for place in everywhere(&[]) {
        let lines = |line: &str| place.mer_line(line).ended(0).stdout.lines().count();
        for (line, expected) in [
            ("log list", 1),
            ("log list --json", 0),
            ("log list --csv", 1),
            ("log list --failed --contains x", 1),
            ("log tail", 1),
            ("log tail --json", 0),
            ("log stats --by model", 1),
            ("log stats --by day --csv", 1),
            ("log export --csv", 1),
            ("log export --jsonl", 0),
            ("log prune --older-than 1d", 0),
            ("report -o page.html", 0),
        ] {
            assert_eq!(lines(line), expected, "{line}, {}", place.url);
        }
        let row = place.mer_line("log stats --json").object();
        assert_eq!((&row["count"], &row["runMsP50"]), (&json!(0), &json!(null)), "{}", place.url);
        let told = place.mer_line("log export --jsonl").ended(0).stderr;
        let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(told, format!("0 accesses, 0 bytes, sha256 {nothing}\n"), "{}", place.url);
        assert!(place.mer_line("log show").failed(66).contains("no access"), "{}", place.url);
        assert_eq!(place.mer_line("report --json").object()["totals"]["requests"], 0);
        assert!(place.env.read("work/page.html").contains("No requests in this time."));
    }
}

#[test]
fn the_first_and_the_last_year_are_years_as_others() {
    let mut all = hourly(3);
    for (n, start) in [(1, "0001-01-01T00:00:00Z"), (2, "9998-12-31T23:59:58Z")] {
        let begun = started(Uuid::from_u128(n << 64), 1, "edge", start.parse().expect("a time"));
        all.push(Access { batch_uid: None, items: None, failed_items: None, ..ended(&begun, Status::Failed) });
    }
    for place in everywhere(&all) {
        let count = |line: &str| place.mer_line(line).objects().len();
        assert_eq!(count("log list --json"), 5, "{}", place.url);
        assert_eq!(count("log list --json --since 0001-01-01 --until 0001-01-02 --utc"), 1, "{}", place.url);
        assert_eq!(count("log list --json --since 9998-12-31 --until 9999-12-30 --utc"), 1, "{}", place.url);
        assert_eq!(count("log list --json --failed --since 0001-01-01 --utc"), 3, "{}", place.url);
        let tail = place.mer_line("log tail -n 1 --json").object();
        assert_eq!(tail["startAccess"], "9998-12-31T23:59:58.000000Z", "{}", place.url);
        let days = place.mer_line("log stats --by day --since 0001-01-01 --utc --json").objects();
        let named: Vec<&str> = days.iter().filter_map(|row| row["day"].as_str()).map(|day| &day[..10]).collect();
        assert_eq!(named, ["0001-01-01", "2026-05-01", "9998-12-31"], "{}", place.url);
        assert_eq!(count("log export --jsonl --quiet"), 5, "{}", place.url);
        let totals = place.mer_line("report --since 0001-01-01 --until 9999-12-30 --utc --json -o page.html").object();
        assert_eq!(totals["totals"]["requests"], 5, "{}", place.url);
        assert_eq!(totals["since"], "0001-01-01T00:00:00.000000Z", "{}", place.url);
        let page = place.env.read("work/page.html");
        assert!(page.contains("0001-01-01 00:00") && page.contains("9998-12-31 23:59"), "{}", place.url);
        // Accesses of the future are not old.
        let pruned = place.mer_line("log prune --older-than 0002-01-01 --utc --json").object();
        assert_eq!((&pruned["rows"], &pruned["oldest"]), (&json!(1), &json!("0001-01-01T00:00:00.000000Z")));
        assert_eq!(place.mer_line("log prune --older-than 1d --json").object()["rows"], 3, "{}", place.url);
        assert_eq!(count("log list --json"), 1, "{}", place.url);
    }
}

/// Number of versions.
const MANY: u64 = 10_000;
const FEW: u64 = 1100;

#[test]
fn ten_thousand_versions_of_a_model_are_counted_and_fit_on_a_page() {
    let access = Access { model: "many".to_owned(), ..hourly(1).remove(0) };
    // The embedded engine of a debug build records some hundred rows a second.
    let few = OnServer::embedded();
    few.mer(["migrate", "--quiet"]).ok();
    let with_version = |n: u64| Access {
        request_uid: Uuid::from_u128(u128::from(n) << 64),
        weights_version: Some(n),
        ..access.clone()
    };
    record(&few.env, &few.url, &(1..=FEW).map(with_version).collect::<Vec<_>>());
    let mut places = vec![(few, FEW, "1,050 more versions are not shown.")];
    if let Some((server, database, place)) = OnServer::on_postgres() {
        record(&place.env, &place.url, &[with_version(1)]);
        server.sql(
            &database,
            &format!(
                r#"INSERT INTO "ModelAccess" SELECT (jsonb_populate_record(a,
                jsonb_build_object('requestUid', gen_random_uuid(), 'weightsVersion', n))).*
                FROM "ModelAccess" AS a, generate_series(2, {MANY}) AS n"#
            ),
        );
        places.push((place, MANY, "9,950 more versions are not shown."));
    }
    for (place, count, others) in places {
        let rows = place.mer_line("log stats --by version --model many --json").objects();
        assert_eq!(rows.len() as u64, count, "{}", place.url);
        assert!(rows.iter().all(|row| row["count"] == 1), "{}", place.url);
        assert_eq!(place.mer_line("log list --model many:777 --json").objects().len(), 1, "{}", place.url);
        let numbers = place.mer_line("report --since 2026-05-01 --until 2026-05-03 --utc --json -o page.html").object();
        let periods = numbers["models"]["rows"][0]["periods"].as_array().map_or(0, Vec::len);
        assert_eq!(periods as u64, count, "{}", place.url);
        let page = place.env.read("work/page.html");
        assert!(page.len() < 400_000 && page.contains(others), "{}", page.len());
    }
}
