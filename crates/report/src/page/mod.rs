//! The page: its head, its style sheet, and a section for each list of the report.

mod batches;
mod latency;
mod overview;
mod requests;
mod runs;
mod servers;
mod table;
mod versions;

use jiff::tz::TimeZone;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::{Report, words};

const STYLE: &str = include_str!("style.css");

/// Returns the page, with times of a time zone.
#[must_use]
pub fn page(report: &Report, zone: &TimeZone) -> String {
    let sections: [(&str, &str, Markup); 8] = [
        ("requests", "Requests over time", requests::section(report, zone)),
        ("latency", "Durations by model and server", latency::section(report)),
        ("versions", "Versions in use", versions::section(report, zone)),
        ("servers", "Servers", servers::health(report, zone)),
        ("warm", "Kept processes", servers::warm(report)),
        ("batches", "Batches", batches::section(report, zone)),
        ("slowest", "Slowest runs", runs::slowest(report, zone)),
        ("failed", "Failed runs", runs::failed(report, zone)),
    ];
    let whole = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                title { "MER report, " (words::time(report.since, zone)) " to " (words::time(report.until, zone)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { "MER report" }
                    p { (words::time(report.since, zone)) " to " (words::time(report.until, zone)) " (" (zone_name(zone)) ")" }
                    (overview::cards(report))
                    nav aria-label="Sections" {
                        ul { @for (id, title, _) in &sections { li { a href={ "#" (id) } { (title) } } } }
                    }
                }
                main {
                    @for (id, title, section) in &sections {
                        section id=(id) aria-labelledby={ (id) "-title" } { h2 id={ (id) "-title" } { (title) } (section) }
                    }
                }
                footer {
                    p {
                        "Made by mer " (table::text(&report.mer_version)) " at " (words::time(report.made_at, zone)) " from "
                        (table::text(&report.database)) ". A part of a batch counts its items; quantiles are those of single requests that succeeded."
                    }
                }
            }
        }
    };
    whole.into_string()
}

fn zone_name(zone: &TimeZone) -> String {
    zone.iana_name().unwrap_or("local time").to_owned()
}

#[cfg(test)]
mod tests;
