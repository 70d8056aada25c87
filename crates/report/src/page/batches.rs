//! Batches.

use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::table::{Kind, cell, failures, left_out, nothing, table, text};
use crate::{Report, words};

pub(super) fn section(report: &Report, zone: &TimeZone) -> Markup {
    if report.batches.rows.is_empty() {
        return nothing("No batches in this time.");
    }
    let rows = report.batches.rows.iter().map(|batch| {
        let seconds = batch.end.map(|end| end.duration_since(batch.start).as_secs_f64());
        vec![
            html! { code { (batch.batch_uid) } },
            cell(text(&batch.model)),
            cell(words::time(batch.start, zone)),
            cell(words::duration_or_dash(seconds.map(|seconds| seconds * 1000.0))),
            cell(words::count(batch.items)),
            failures(batch.failed, batch.items),
        ]
    });
    let columns = [
        ("Batch", Kind::Uid),
        ("Model", Kind::Name),
        ("Began", Kind::Word),
        ("Took", Kind::Number),
        ("Items", Kind::Number),
        ("Failed", Kind::Number),
    ];
    html! {
        (table("Batches, the newest first", &columns, &rows.collect::<Vec<_>>()))
        (left_out(report.batches.left_out, "batches"))
    }
}
