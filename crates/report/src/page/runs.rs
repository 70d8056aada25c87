//! Single runs: those that took longest, and those that failed.

use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::table::{Kind, cell, left_out, nothing, table, text};
use crate::{Report, Run, words};

pub(super) fn slowest(report: &Report, zone: &TimeZone) -> Markup {
    if report.slowest.rows.is_empty() {
        return nothing("No run has ended in this time.");
    }
    let columns = [
        ("Run", Kind::Uid),
        ("Model", Kind::Name),
        ("Server", Kind::Name),
        ("Began", Kind::Word),
        ("Took", Kind::Number),
        ("Status", Kind::Word),
    ];
    let rows = report.slowest.rows.iter().map(|run| {
        let mut cells = about(run, zone);
        cells.push(cell(words::duration_or_dash(run.run_ms)));
        cells.push(cell(run.status.name()));
        cells
    });
    table("The runs that took longest", &columns, &rows.collect::<Vec<_>>())
}

pub(super) fn failed(report: &Report, zone: &TimeZone) -> Markup {
    if report.failed.rows.is_empty() {
        return nothing("No run failed in this time.");
    }
    let columns = [
        ("Run", Kind::Uid),
        ("Model", Kind::Name),
        ("Server", Kind::Name),
        ("Began", Kind::Word),
        ("Status", Kind::Word),
        ("Why", Kind::Text),
    ];
    let rows = report.failed.rows.iter().map(|run| {
        let mut cells = about(run, zone);
        cells.push(html! { span class="bad" { (run.status.name()) } });
        cells.push(cell(text(run.error.as_deref().unwrap_or("–"))));
        cells
    });
    html! {
        (table("The newest runs that failed", &columns, &rows.collect::<Vec<_>>()))
        (left_out(report.failed.left_out, "failed runs"))
    }
}

fn about(run: &Run, zone: &TimeZone) -> Vec<Markup> {
    vec![
        html! { code { (run.request_uid) } },
        cell(text(&run.model)),
        cell(text(&run.server)),
        cell(words::time(run.start, zone)),
    ]
}
