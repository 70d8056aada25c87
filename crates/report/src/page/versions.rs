//! Versions of weights in use over time, and moves of their names.

use std::collections::BTreeMap;

use jiff::{Timestamp, tz::TimeZone};
use maud::{Markup, html};

use super::table::{Kind, cell, left_out, legend, nothing, table, text};
use crate::{
    ModelVersions, Report,
    chart::{Bar, Mark, StackedBars},
    words,
};

/// Number of colours; the newest versions have one each, all older ones share the last.
const COLOURS: usize = 6;

pub(super) fn section(report: &Report, zone: &TimeZone) -> Markup {
    if report.models.rows.is_empty() {
        return nothing("No requests with weights in this time.");
    }
    html! {
        @for model in &report.models.rows { h3 { (text(&model.model)) } (of_model(model, report, zone)) }
        (left_out(report.models.left_out, "models"))
    }
}

fn of_model(model: &ModelVersions, report: &Report, zone: &TimeZone) -> Markup {
    let starts: Vec<Timestamp> = report.periods.iter().map(|period| period.start).collect();
    let mut versions: Vec<u64> = model.periods.iter().map(|part| part.version).collect();
    versions.sort_unstable_by(|one, other| other.cmp(one));
    versions.dedup();
    // Descending, so that the newest versions come first.
    let place = |version: u64| versions.binary_search_by(|known| version.cmp(known)).unwrap_or(COLOURS);
    let class = |version: u64| format!("v{}", place(version).min(COLOURS - 1));
    let mut bars: Vec<Bar> = Vec::new();
    for part in &model.periods {
        let entry = (class(part.version), part.requests);
        match bars.last_mut() {
            // The versions of a colour are one part of the bar.
            Some(bar) if bar.period == part.period => match bar.parts.iter_mut().find(|(class, _)| *class == entry.0) {
                Some((_, requests)) => *requests = requests.saturating_add(entry.1),
                None => bar.parts.push(entry),
            },
            _ => bars.push(Bar { period: part.period, parts: vec![entry] }),
        }
    }
    let marks = model
        .moves
        .iter()
        .map(|one| Mark { share: share_of(one.at, report), label: told(one.at, &one.alias, one.version, zone) });
    let title = format!("Requests to {} by version of its weights", text(&model.model));
    let chart = StackedBars { title: &title, starts: &starts, bars, marks: marks.collect() };
    let named = versions.iter().take(COLOURS).map(|version| {
        let older = versions.len() > COLOURS && class(*version) == format!("v{}", COLOURS - 1);
        (
            class(*version),
            if older { format!("version {version} and older ones") } else { format!("version {version}") },
        )
    });
    let mut sums: BTreeMap<u64, u64> = BTreeMap::new();
    for part in &model.periods {
        let sum = sums.entry(part.version).or_default();
        *sum = sum.saturating_add(part.requests);
    }
    let rows = sums.iter().rev().take(50).map(|(version, sum)| vec![cell(*version), cell(words::count(*sum))]);
    let rows: Vec<Vec<Markup>> = rows.collect();
    html! {
        (legend(&named.collect::<Vec<_>>()))
        (chart.draw(zone))
        @if !model.moves.is_empty() {
            p { "Dashed lines are moves of aliases:" }
            ul { @for one in &model.moves { li { (told(one.at, &one.alias, one.version, zone)) } } }
        }
        details {
            summary { "Numbers" }
            (table(&title, &[("Version", Kind::Word), ("Requests", Kind::Number)], &rows))
            (left_out(versions.len().saturating_sub(50) as u64, "versions"))
        }
    }
}

fn told(at: Timestamp, alias: &str, version: Option<u64>, zone: &TimeZone) -> String {
    let at = words::time(at, zone);
    match version {
        Some(version) => format!("{at}: {} became version {version}", text(alias)),
        None => format!("{at}: {} was removed", text(alias)),
    }
}

/// Returns a time as a share of the report's time.
fn share_of(at: Timestamp, report: &Report) -> f64 {
    let whole = report.until.duration_since(report.since).as_secs_f64();
    if whole > 0.0 { at.duration_since(report.since).as_secs_f64() / whole } else { 0.0 }
}
