//! Versions of weights in use over time, and moves of their names.

use jiff::{Timestamp, tz::TimeZone};
use maud::{Markup, html};

use super::table::{cell, left_out, legend, nothing, table, text};
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
    let class = |version: u64| {
        let place = versions.iter().position(|known| *known == version).unwrap_or(COLOURS);
        format!("v{}", place.min(COLOURS - 1))
    };
    let mut bars: Vec<Bar> = Vec::new();
    for part in &model.periods {
        let entry = (class(part.version), part.requests);
        match bars.last_mut() {
            Some(bar) if bar.period == part.period => bar.parts.push(entry),
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
    let rows: Vec<Vec<Markup>> = versions
        .iter()
        .take(50)
        .map(|version| {
            let of = model.periods.iter().filter(|part| part.version == *version);
            let sum = of.fold(0_u64, |sum, part| sum.saturating_add(part.requests));
            vec![cell(*version), cell(words::count(sum))]
        })
        .collect();
    html! {
        (legend(&named.collect::<Vec<_>>()))
        (chart.draw(zone))
        @if !model.moves.is_empty() {
            p { "Dashed lines are moves of aliases:" }
            ul { @for one in &model.moves { li { (told(one.at, &one.alias, one.version, zone)) } } }
        }
        details {
            summary { "Numbers" }
            (table(&title, &[("Version", false), ("Requests", true)], &rows))
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
