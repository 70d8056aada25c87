//! Durations by model and server.

use maud::{Markup, html};

use super::table::{Kind, cell, failures, left_out, nothing, table, text};
use crate::{
    Latency, Report,
    chart::{Scale, range},
    words,
};

pub(super) fn section(report: &Report) -> Markup {
    let rows = &report.latency.rows;
    if rows.is_empty() {
        return nothing("No requests in this time.");
    }
    let scale = Scale::over(rows.iter().flat_map(|row| [row.p50, row.p99]).flatten());
    let columns = [
        ("Model", Kind::Name),
        ("Server", Kind::Name),
        ("Requests", Kind::Number),
        ("Failed", Kind::Number),
        ("p50", Kind::Number),
        ("p90", Kind::Number),
        ("p99", Kind::Number),
        ("p50 to p99", Kind::Word),
        ("Wait p90", Kind::Number),
    ];
    let cells: Vec<Vec<Markup>> = rows.iter().map(|row| cells(row, scale)).collect();
    html! {
        (table("Time in the model, of requests that succeeded; the drawing is logarithmic", &columns, &cells))
        (left_out(report.latency.left_out, "models and servers"))
    }
}

fn cells(row: &Latency, scale: Option<Scale>) -> Vec<Markup> {
    let drawing = match (scale, row.p50, row.p90, row.p99) {
        (Some(scale), Some(p50), Some(p90), Some(p99)) => range(scale, [p50, p90, p99]),
        _ => cell("–"),
    };
    vec![
        cell(text(&row.model)),
        cell(text(&row.server)),
        cell(words::count(row.requests)),
        failures(row.failed, row.requests),
        cell(words::duration_or_dash(row.p50)),
        cell(words::duration_or_dash(row.p90)),
        cell(words::duration_or_dash(row.p99)),
        drawing,
        cell(words::duration_or_dash(row.queue_p90)),
    ]
}
