//! Drawings in SVG. Their colours are classes of the page's style sheet, so that light, dark and paper can differ.

mod frame;
mod range;
mod stacked_bars;

pub(crate) use range::{Scale, range};
pub(crate) use stacked_bars::{Bar, Mark, StackedBars};
