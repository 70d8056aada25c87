//! Bars over time, each of several counts on top of each other.

use std::{collections::BTreeMap, fmt::Write as _};

use jiff::{Timestamp, tz::TimeZone};
use maud::{Markup, html};

use super::frame::{BOTTOM, HEIGHT, TOP, WIDTH, at, axes, height, round_up, slot};

/// The counts of a period, from below: a class of the style sheet, and the count.
#[derive(Debug)]
pub(crate) struct Bar {
    /// Position of the period.
    pub(crate) period: usize,
    /// The counts.
    pub(crate) parts: Vec<(String, u64)>,
}

/// A line at a time.
#[derive(Debug)]
pub(crate) struct Mark {
    /// The time as a share of the whole, from 0 to 1.
    pub(crate) share: f64,
    /// What happened.
    pub(crate) label: String,
}

/// A drawing of bars over time.
#[derive(Debug)]
pub(crate) struct StackedBars<'a> {
    /// What the drawing shows, for screen readers.
    pub(crate) title: &'a str,
    /// Starts of the periods.
    pub(crate) starts: &'a [Timestamp],
    /// The bars; a period without one has no requests.
    pub(crate) bars: Vec<Bar>,
    /// Lines over the bars.
    pub(crate) marks: Vec<Mark>,
}

impl StackedBars<'_> {
    /// Draws it.
    pub(crate) fn draw(&self, zone: &TimeZone) -> Markup {
        let sum = |bar: &Bar| bar.parts.iter().fold(0_u64, |sum, (_, count)| sum.saturating_add(*count));
        let top = round_up(self.bars.iter().map(sum).max().unwrap_or(0));
        html! {
            // A drawing that is wider than the screen is scrolled, also with the keyboard.
            div class="scroll" tabindex="0" role="group" aria-label=(self.title) {
                svg role="img" aria-label=(self.title) viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } {
                    (axes(top, self.starts, zone))
                    @for (class, path) in self.paths(top) { path class=(class) d=(path) {} }
                    @for mark in &self.marks { (draw_mark(mark)) }
                }
            }
        }
    }

    /// Returns the rectangles of each class as one path, which takes a fifth of the bytes of elements of their own.
    fn paths(&self, top: u64) -> BTreeMap<&str, String> {
        let mut paths: BTreeMap<&str, String> = BTreeMap::new();
        for bar in &self.bars {
            let (left, width) = slot(self.starts.len(), bar.period);
            let gap = (width * 0.15).min(2.0);
            let (x, wide) = (left + gap / 2.0, width - gap);
            let mut below = BOTTOM;
            for (class, count) in bar.parts.iter().filter(|(_, count)| *count > 0) {
                // A count that is small beside others is still seen.
                let tall = height(*count, top).max(1.0);
                // Writing to a `String` does not fail.
                let _ = write!(paths.entry(class).or_default(), "M{x:.1} {below:.1}h{wide:.1}v-{tall:.1}h-{wide:.1}z");
                below -= tall;
            }
        }
        paths
    }
}

fn draw_mark(mark: &Mark) -> Markup {
    let x = slot(1, 0).0 + slot(1, 0).1 * mark.share.clamp(0.0, 1.0);
    html! {
        line class="mark" x1=(at(x)) x2=(at(x)) y1=(at(TOP - 6.0)) y2=(at(BOTTOM)) { title { (mark.label) } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_of_a_class_are_one_path() {
        let starts = ["2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z"].map(|at| at.parse().expect("a time"));
        let bar = |period, good, bad| Bar { period, parts: vec![("a".to_owned(), good), ("b".to_owned(), bad)] };
        let chart =
            StackedBars { title: "t", starts: &starts, bars: vec![bar(0, 5, 0), bar(1, 3, 1)], marks: Vec::new() };
        let paths = chart.paths(5);
        assert_eq!(paths.keys().copied().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!([&paths["a"], &paths["b"]].map(|path| path.matches('M').count()), [2, 1]);
        assert!(paths["b"].contains(&format!("{:.1}h", BOTTOM - (BOTTOM - TOP) * 0.6)), "{paths:?}");
    }
}
