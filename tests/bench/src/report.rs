//! The table for people and the numbers for programs.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::measure::Sample;

/// The limit of a measurement.
#[derive(Debug, Clone, Copy)]
pub enum Limit {
    /// Maximum value.
    AtMost(f64),
    /// Maximum ratio to the comparison.
    AtMostTimes(f64),
    /// Minimum ratio to the comparison.
    AtLeastShare(f64),
    /// No limit.
    None,
}

/// One measurement: a row of the table.
#[derive(Debug)]
pub struct Row {
    /// Name of the measurement.
    pub what: String,
    /// Unit of all its numbers.
    pub unit: &'static str,
    /// Its limit.
    pub limit: Limit,
    /// For each binary: heading of the column and numbers.
    pub measured: Vec<(&'static str, Sample)>,
    /// The comparison: name and numbers.
    pub beside: Option<(&'static str, Sample)>,
}

impl Row {
    /// Returns the ratio to the comparison.
    fn ratio(&self, sample: &Sample) -> Option<f64> {
        self.beside.as_ref().map(|(_, beside)| sample.median() / beside.median())
    }

    fn holds(&self, sample: &Sample) -> bool {
        let ratio = self.ratio(sample).unwrap_or(f64::NAN);
        match self.limit {
            Limit::AtMost(most) => sample.median() <= most,
            Limit::AtMostTimes(most) => ratio <= most,
            Limit::AtLeastShare(least) => ratio >= least,
            Limit::None => true,
        }
    }
}

/// All measurements.
#[derive(Debug)]
pub struct Report {
    machine: Value,
    /// Rows in the order of the cases.
    pub rows: Vec<Row>,
    failures: Vec<(String, String)>,
}

impl Report {
    pub fn new(machine: Value) -> Self {
        Self { machine, rows: Vec::new(), failures: Vec::new() }
    }

    /// Adds a case that could not be measured.
    pub fn failed(&mut self, case: &str, sentence: &str) {
        self.failures.push((case.to_owned(), sentence.to_owned()));
    }

    pub fn all_held(&self) -> bool {
        self.failures.is_empty() && self.rows.iter().all(|row| row.measured.iter().all(|(_, sample)| row.holds(sample)))
    }

    /// Returns the table of docs/BENCHMARKS.md. A number that misses its limit is bold.
    pub fn markdown(&self) -> String {
        let mut columns: Vec<&str> = Vec::new();
        for (name, _) in self.rows.iter().flat_map(|row| &row.measured) {
            if !columns.contains(name) {
                columns.push(name);
            }
        }
        let mut text = String::new();
        let text_of = |name: &str| match &self.machine[name] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let _ = writeln!(
            text,
            "{}, {} cores, {} memory; Linux {}; {}, one fdatasync {} ms (median); load before {}.\n",
            text_of("cpu"),
            text_of("cores"),
            text_of("memory"),
            text_of("kernel"),
            text_of("filesystem"),
            number(self.machine["fdatasyncMs"].as_f64().unwrap_or(f64::NAN)),
            text_of("loadBefore"),
        );
        let _ = writeln!(text, "| what | limit | {} | beside it |", columns.join(" | "));
        let _ = writeln!(text, "|---|---|{}---|", "---|".repeat(columns.len()));
        for row in &self.rows {
            let limit = match row.limit {
                Limit::AtMost(most) => format!("≤ {} {}", number(most), row.unit),
                Limit::AtMostTimes(most) => format!("≤ {} ×", number(most)),
                Limit::AtLeastShare(least) => format!("≥ {} %", number(least * 100.0)),
                Limit::None => String::new(),
            };
            let _ = write!(text, "| {} | {limit} |", row.what);
            for column in &columns {
                let cell = row.measured.iter().find(|(name, _)| name == column).map(|(_, sample)| {
                    let mut cell = format!("{} {}", number(sample.median()), row.unit);
                    match (row.ratio(sample), row.limit) {
                        (Some(ratio), Limit::AtLeastShare(_)) => cell += &format!(" ({:.0} %)", ratio * 100.0),
                        (Some(ratio), Limit::AtMostTimes(_) | Limit::None) => cell += &format!(" ({ratio:.2} ×)"),
                        _ => {}
                    }
                    if row.holds(sample) { cell } else { format!("**{cell}**") }
                });
                let _ = write!(text, " {} |", cell.unwrap_or_default());
            }
            let beside = row.beside.as_ref();
            let beside = beside.map(|(name, sample)| format!("{name}: {} {}", number(sample.median()), row.unit));
            let _ = writeln!(text, " {} |", beside.unwrap_or_default());
        }
        for (case, sentence) in &self.failures {
            let _ = writeln!(text, "\n**{case}** could not be measured: {sentence}");
        }
        text
    }

    /// Returns all numbers as JSON.
    pub fn json(&self) -> String {
        let numbers = |sample: &Sample| {
            json!({
                "median": sample.median(),
                "p10": sample.quantile(0.1),
                "p90": sample.quantile(0.9),
                "rounds": sample.rounds(),
            })
        };
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                let measured = row.measured.iter().map(|(name, sample)| {
                    let mut value = numbers(sample);
                    value["ratio"] = json!(row.ratio(sample));
                    value["holds"] = json!(row.holds(sample));
                    ((*name).to_owned(), value)
                });
                let (kind, value) = match row.limit {
                    Limit::AtMost(value) => ("atMost", Some(value)),
                    Limit::AtMostTimes(value) => ("atMostTimes", Some(value)),
                    Limit::AtLeastShare(value) => ("atLeastShare", Some(value)),
                    Limit::None => ("none", None),
                };
                json!({
                    "what": row.what,
                    "unit": row.unit,
                    "limit": { "kind": kind, "value": value },
                    "measured": Value::Object(measured.collect()),
                    "beside": row.beside.as_ref().map(|(name, sample)| {
                        let mut value = numbers(sample);
                        value["name"] = json!(name);
                        value
                    }),
                })
            })
            .collect();
        let failures: Vec<Value> =
            self.failures.iter().map(|(case, sentence)| json!({ "case": case, "error": sentence })).collect();
        format!("{:#}\n", json!({ "machine": self.machine, "rows": rows, "failures": failures }))
    }
}

/// Formats a number with three significant digits.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}").trim_end_matches(".0").to_owned(),
        _ => {
            let text = format!("{value:.2}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
    }
}
