//! Tables and texts.

use std::borrow::Cow;

use maud::{Markup, Render, html};
use mer_core::escaped;

/// Maximum number of characters of a text in a table.
const LONGEST: usize = 300;

/// Returns a text that came from outside, with invisible characters escaped and its end cut off where it is long.
pub(super) fn text(from_outside: &str) -> String {
    let short: Cow<'_, str> = match from_outside.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &from_outside[..end]).into(),
        None => from_outside.into(),
    };
    escaped(&short)
}

/// A column: its heading, and whether it has numbers.
pub(super) type Column = (&'static str, bool);

/// Returns a table in a box that can be scrolled. The first cell of a row names it.
pub(super) fn table(caption: &str, columns: &[Column], rows: &[Vec<Markup>]) -> Markup {
    html! {
        div class="scroll" tabindex="0" role="group" aria-label=(caption) {
            table {
                caption { (caption) }
                thead { tr { @for (title, numbers) in columns { th scope="col" class=[numbers.then_some("number")] { (title) } } } }
                tbody {
                    @for row in rows {
                        tr {
                            @for (i, (cell, (_, numbers))) in row.iter().zip(columns).enumerate() {
                                @if i == 0 { th scope="row" { (cell) } } @else { td class=[numbers.then_some("number")] { (cell) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Returns a cell.
pub(super) fn cell(content: impl Render) -> Markup {
    content.render()
}

/// Returns a note on rows that are not shown.
pub(super) fn left_out(count: u64, what: &str) -> Markup {
    html! { @if count > 0 { p class="faint" { (crate::words::count(count)) " more " (what) " are not shown." } } }
}

/// Returns a paragraph in place of an empty list.
pub(super) fn nothing(words: &str) -> Markup {
    html! { p class="faint" { (words) } }
}

/// Returns a legend: a class of the style sheet and what it stands for.
pub(super) fn legend(entries: &[(String, String)]) -> Markup {
    html! { ul class="legend" { @for (class, what) in entries { li { i class={ "swatch " (class) } {} (what) } } } }
}
