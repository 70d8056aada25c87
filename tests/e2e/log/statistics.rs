//! `mer log stats`.

use mer_core::Access;
use serde_json::json;

use super::{everywhere, hourly};

#[test]
fn statistics_are_the_same_in_every_database() {
    let mut all = hourly(60);
    // A part of a batch, and one run of a batch.
    all[0] = Access { items: Some(40), failed_items: Some(2), run_ms: Some(1000.0), ..all[0].clone() };
    all[1] = Access { items: Some(1), failed_items: Some(0), ..all[1].clone() };
    let mut told: Vec<Vec<String>> = Vec::new();
    for place in everywhere(&all) {
        let row = place.mer_line("log stats --json").object();
        assert_eq!(row["count"], 99, "{}", place.url);
        assert_eq!((&row["failed"], &row["open"]), (&json!(22), &json!(0)));
        assert_eq!(row["itemsPerSecond"], 40.0);
        assert_eq!(row["runMsMax"], 58.5, "a part is no single run");
        let mut texts = Vec::new();
        for by in ["model", "server", "version", "caller", "status", "hour", "day"] {
            for format in ["", "--json", "--csv"] {
                texts.push(place.mer_line(&format!("log stats --by {by} {format}")).ok());
            }
        }
        texts.push(place.mer_line("log stats --model iris --failed --by day --json").ok());
        texts.push(
            place.mer_line("log stats --caller ada --since 2026-05-01T03:00Z --until 2026-05-02 --json --utc").ok(),
        );
        texts.push(place.mer_line("log stats --model none --by model").ok());
        texts.push(place.mer_line("log stats --model none --json").ok());
        told.push(texts);
    }
    for texts in &told[1..] {
        for (one, other) in told[0].iter().zip(texts) {
            assert_eq!(one, other);
        }
    }
    let texts = &told[0];
    assert!(texts[0].starts_with("MODEL  COUNT  FAILED  OPEN  P50 MS"), "{}", texts[0]);
    let version: serde_json::Value = serde_json::from_str(texts[7].lines().next().expect("a row")).expect("JSON");
    assert_eq!((&version["model"], &version["weightsVersion"]), (&json!("iris"), &json!(7)));
    let days: Vec<&str> = texts[18].lines().skip(1).map(|line| &line[..10]).collect();
    assert_eq!(days, ["2026-05-01", "2026-05-02", "2026-05-03"]);
    assert!(texts[20].starts_with("day,count,failed,open,runMsP50,"), "{}", texts[20]);
    assert!(texts[20].contains("\n2026-05-01T00:00:00.000000Z,63,"), "{}", texts[20]);
    assert_eq!(texts.last().expect("none").matches("\"count\":0").count(), 1);
}
