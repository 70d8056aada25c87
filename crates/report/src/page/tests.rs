//! What the page says, and what it must never contain.

use jiff::{SignedDuration, Timestamp};
use mer_core::Status;

use super::*;
use crate::{
    AliasMove, Batch, Latency, List, ModelVersions, Period, Run, ServerHealth, Totals, VersionPeriod, WarmProcess,
};

/// A text that would be a script, a formula and a change of direction.
const EVIL: &str = "</title><script>alert(1)</script>\"' onload=x \u{202e}=cmd";

fn start() -> Timestamp {
    "2026-11-01T00:00:00Z".parse().expect("a time")
}

fn later(hours: i64) -> Timestamp {
    start() + SignedDuration::from_hours(hours)
}

fn empty() -> Report {
    Report {
        mer_version: "0.1.0".to_owned(),
        database: "embedded".to_owned(),
        made_at: later(48),
        since: start(),
        until: later(48),
        totals: Totals::default(),
        periods: (0..48).map(|hour| Period { start: later(hour), requests: 0, failed: 0 }).collect(),
        latency: List::default(),
        models: List::default(),
        servers: List::default(),
        warm: List::default(),
        batches: List::default(),
        slowest: List::default(),
        failed: List::default(),
    }
}

/// A report with many rows everywhere, whose texts are hostile.
fn full() -> Report {
    let run = |status| Run {
        request_uid: uuid::Uuid::nil(),
        model: EVIL.to_owned(),
        server: EVIL.to_owned(),
        start: later(3),
        status,
        run_ms: Some(1234.0),
        error: Some(EVIL.repeat(40)),
    };
    let latency = Latency {
        model: EVIL.to_owned(),
        server: EVIL.to_owned(),
        requests: 1_000_000,
        failed: 12,
        p50: Some(0.0),
        p90: Some(20.0),
        p99: Some(3000.0),
        queue_p90: None,
    };
    let versions =
        (0..48).flat_map(|period| (1..=9).map(move |version| VersionPeriod { period, version, requests: 7 }));
    Report {
        totals: Totals { requests: 1_000_000, failed: 12, open: 1 },
        periods: (0..48).map(|hour| Period { start: later(hour), requests: u64::MAX / 4, failed: 1 }).collect(),
        latency: List::first(vec![latency; 40], 30),
        models: List::first(
            vec![
                ModelVersions {
                    model: EVIL.to_owned(),
                    periods: versions.collect(),
                    moves: vec![AliasMove { at: later(5), alias: EVIL.to_owned(), version: Some(3) }],
                };
                12
            ],
            12,
        ),
        servers: List::first(
            vec![
                ServerHealth {
                    server: EVIL.to_owned(),
                    conn_type: "ssh".to_owned(),
                    last_reached: Some(later(1)),
                    requests: 30,
                    unreachable: 1,
                };
                50
            ],
            50,
        ),
        warm: List::first(
            vec![
                WarmProcess {
                    model: EVIL.to_owned(),
                    server: "local".to_owned(),
                    state: "ready".to_owned(),
                    queued: 2,
                    served: 9,
                    memory_bytes: Some(5_000_000),
                };
                20
            ],
            20,
        ),
        batches: List::first(
            vec![
                Batch {
                    batch_uid: uuid::Uuid::nil(),
                    model: EVIL.to_owned(),
                    start: later(2),
                    end: Some(later(4)),
                    items: 100,
                    failed: 3,
                };
                20
            ],
            20,
        ),
        slowest: List::first(vec![run(Status::Succeeded); 20], 20),
        failed: List::first(vec![run(Status::Failed); 25], 20),
        ..empty()
    }
}

#[test]
fn texts_from_outside_are_only_texts() {
    let page = page(&full(), &TimeZone::UTC);
    for bad in ["<script", "</title><script", "\u{202e}", " onload=x \""] {
        assert!(!page.contains(bad), "{bad}");
    }
    assert!(page.contains("&lt;script&gt;"));
    assert_eq!(page.matches("<title>MER").count(), 1);
}

#[test]
fn nothing_is_fetched_and_nothing_is_run() {
    let page = page(&full(), &TimeZone::UTC);
    for bad in ["http://", "https://", "src=", "url(", "@import", "<link", "<iframe", "javascript:"] {
        assert!(!page.contains(bad), "{bad}");
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn a_full_page_stays_below_400_kb_and_every_tag_is_closed() {
    let page = page(&full(), &TimeZone::UTC);
    assert!(page.len() < 400_000, "{} bytes", page.len());
    for tag in ["section", "table", "svg", "details", "ul", "div", "path", "tr", "title"] {
        let (open, closed) = (page.matches(&format!("<{tag}")).count(), page.matches(&format!("</{tag}>")).count());
        assert_eq!(open, closed, "{tag}");
    }
}

#[test]
fn every_list_says_so_if_it_is_empty_and_how_much_is_left_out() {
    let none = page(&empty(), &TimeZone::UTC);
    for words in [
        "No requests in this time.",
        "No servers are registered.",
        "No batches in this time.",
        "No run failed in this time.",
    ] {
        assert!(none.contains(words), "{words}");
    }
    assert!(!none.contains("NaN") && !none.contains("inf"));
    let full = page(&full(), &TimeZone::UTC);
    assert!(
        full.contains("10 more models and servers are not shown.")
            && full.contains("5 more failed runs are not shown.")
    );
    assert!(!full.contains("NaN"));
}

#[test]
fn each_drawing_has_its_numbers_in_words() {
    let page = page(&full(), &TimeZone::UTC);
    for words in
        ["1,000,000", "12 (&lt; 0.1 %)", "3.0 s", "version 9", "became version 3", "version 4 and older ones", "2.0 h"]
    {
        assert!(page.contains(words), "{words}");
    }
}

#[test]
fn ten_thousand_versions_are_a_few_colours_within_the_drawing() {
    let periods = (1..=10_000).map(|version| VersionPeriod { period: 3, version, requests: 2 }).collect();
    let model = ModelVersions { model: "m".to_owned(), periods, moves: Vec::new() };
    let report = Report { models: List::first(vec![model], 12), ..full() };
    let page = page(&report, &TimeZone::UTC);
    assert!(page.len() < 400_000, "{} bytes", page.len());
    let section =
        page.split("id=\"versions\"").nth(1).and_then(|rest| rest.split("id=\"servers\"").next()).expect("it");
    assert_eq!(section.matches("<path").count(), 6);
    let oldest =
        section.split("<path class=\"v5\" d=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a path");
    let tall = oldest.split("v-").nth(1).and_then(|rest| rest.split('h').next()).expect("a height");
    assert!(oldest.matches('M').count() == 1 && tall.parse::<f64>().is_ok_and(|tall| tall < 150.0), "{oldest}");
    for words in ["version 10000", "version 9995 and older ones", "9,950 more versions are not shown."] {
        assert!(section.contains(words), "{words}");
    }
}
