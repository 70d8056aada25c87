//! Servers and kept processes.

use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::table::{Kind, cell, failures, left_out, nothing, table, text};
use crate::{Report, words};

/// Whether servers could be reached.
pub(super) fn health(report: &Report, zone: &TimeZone) -> Markup {
    if report.servers.rows.is_empty() {
        return nothing("No servers are registered.");
    }
    let rows = report.servers.rows.iter().map(|server| {
        vec![
            cell(text(&server.server)),
            cell(text(&server.conn_type)),
            cell(words::count(server.requests)),
            failures(server.unreachable, server.requests),
            cell(server.last_reached.map_or_else(|| "–".to_owned(), |at| words::time(at, zone))),
        ]
    });
    let columns = [
        ("Server", Kind::Name),
        ("Kind", Kind::Word),
        ("Requests", Kind::Number),
        ("Unreachable", Kind::Number),
        ("Last reached", Kind::Word),
    ];
    html! {
        (table("Requests by server, and those for which it could not be reached", &columns, &rows.collect::<Vec<_>>()))
        (left_out(report.servers.left_out, "servers"))
    }
}

/// What the resident keeps.
pub(super) fn warm(report: &Report) -> Markup {
    if report.warm.rows.is_empty() {
        return nothing("No resident keeps a process on this machine.");
    }
    let rows = report.warm.rows.iter().map(|process| {
        vec![
            cell(text(&process.model)),
            cell(text(&process.server)),
            cell(text(&process.state)),
            cell(words::count(process.queued)),
            cell(words::count(process.served)),
            cell(process.memory_bytes.map_or_else(|| "–".to_owned(), words::size)),
        ]
    });
    let columns = [
        ("Model", Kind::Name),
        ("Server", Kind::Name),
        ("State", Kind::Word),
        ("Waiting", Kind::Number),
        ("Served", Kind::Number),
        ("Memory", Kind::Number),
    ];
    html! {
        (table("Processes that the resident keeps, when the report was made", &columns, &rows.collect::<Vec<_>>()))
        (left_out(report.warm.left_out, "processes"))
    }
}
