//! Requests and failures over time.

use jiff::{Timestamp, tz::TimeZone};
use maud::{Markup, html};

use super::table::{Kind, cell, legend, nothing, table};
use crate::{
    Report,
    chart::{Bar, StackedBars},
    words,
};

pub(super) fn section(report: &Report, zone: &TimeZone) -> Markup {
    if report.totals.requests == 0 {
        return nothing("No requests in this time.");
    }
    let starts: Vec<Timestamp> = report.periods.iter().map(|period| period.start).collect();
    let bars = report.periods.iter().enumerate().map(|(i, period)| Bar {
        period: i,
        parts: vec![
            ("good".to_owned(), period.requests.saturating_sub(period.failed)),
            ("failed".to_owned(), period.failed),
        ],
    });
    let chart = StackedBars { title: "Requests over time", starts: &starts, bars: bars.collect(), marks: Vec::new() };
    let busy = report.periods.iter().filter(|period| period.requests > 0).map(|period| {
        vec![
            cell(words::time(period.start, zone)),
            cell(words::count(period.requests)),
            cell(words::count(period.failed)),
        ]
    });
    let columns = [("From", Kind::Word), ("Requests", Kind::Number), ("Failed", Kind::Number)];
    html! {
        (legend(&[("good".to_owned(), "succeeded or not over".to_owned()), ("failed".to_owned(), "failed".to_owned())]))
        (chart.draw(zone))
        details { summary { "Numbers" } (table("Requests by period; periods without requests are left out", &columns, &busy.collect::<Vec<_>>())) }
    }
}
