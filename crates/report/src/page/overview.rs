//! The most important numbers.

use maud::{Markup, html};

use crate::{Report, words};

/// Returns a card for each number.
pub(super) fn cards(report: &Report) -> Markup {
    let totals = report.totals;
    let cards = [
        ("Requests", words::count(totals.requests)),
        ("Failed", format!("{} ({})", words::count(totals.failed), words::share(totals.failed, totals.requests))),
        ("Not over", words::count(totals.open)),
        ("Models in use", words::count(models(report))),
    ];
    html! { dl class="cards" { @for (name, value) in cards { div { dt { (name) } dd { (value) } } } } }
}

fn models(report: &Report) -> u64 {
    let mut names: Vec<&str> = report.latency.rows.iter().map(|row| row.model.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names.len() as u64
}
