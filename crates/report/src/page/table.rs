//! Tables and texts.

use std::borrow::Cow;

use maud::{Markup, Render, html};
use mer_core::escaped;

use crate::words;

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

/// What a column has, which decides how wide it must be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// Numbers, at the right edge and on one line.
    Number,
    /// Times, states and drawings, on one line.
    Word,
    /// Uids, on two lines where there is little room.
    Uid,
    /// Names, which may be broken.
    Name,
    /// Sentences.
    Text,
}

impl Kind {
    /// Returns the class of the style sheet.
    fn class(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Word => "word",
            Self::Uid => "uid",
            Self::Name => "name",
            Self::Text => "text",
        }
    }
}

/// A column: its heading, and what it has.
pub(super) type Column = (&'static str, Kind);

/// Returns a table in a box that can be scrolled. The first cell of a row names it.
pub(super) fn table(caption: &str, columns: &[Column], rows: &[Vec<Markup>]) -> Markup {
    html! {
        div class="scroll" tabindex="0" role="group" aria-label=(caption) {
            table {
                caption { span { (caption) } }
                thead { tr { @for (title, kind) in columns { th scope="col" class=(kind.class()) { (title) } } } }
                tbody {
                    @for row in rows {
                        tr {
                            @for (i, (cell, (_, kind))) in row.iter().zip(columns).enumerate() {
                                @if i == 0 { th scope="row" class=(kind.class()) { (cell) } } @else { td class=(kind.class()) { (cell) } }
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

/// Returns a number of failures, with their share of a whole.
pub(super) fn failures(count: u64, whole: u64) -> Markup {
    html! { @if count == 0 { "0" } @else { span class="bad" { (words::count(count)) " (" (words::share(count, whole)) ")" } } }
}

/// Returns a note on rows that are not shown.
pub(super) fn left_out(count: u64, what: &str) -> Markup {
    html! { @if count > 0 { p class="faint" { (words::count(count)) " more " (what) " are not shown." } } }
}

/// Returns a paragraph in place of an empty list.
pub(super) fn nothing(words: &str) -> Markup {
    html! { p class="faint" { (words) } }
}

/// Returns a legend: a class of the style sheet and what it stands for.
pub(super) fn legend(entries: &[(String, String)]) -> Markup {
    html! { ul class="legend" { @for (class, what) in entries { li { i class={ "swatch " (class) } {} (what) } } } }
}
