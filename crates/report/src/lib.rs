//! The page that `mer report` writes: HTML with SVG in one file, without scripts, network and fonts of its own. It is complete on
//! a screen, a phone and paper, in light and dark, and for screen readers: each drawing has its numbers in a table.
//!
//! [`Report`] are the numbers, also as JSON; [`page`] draws them.

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod chart;
mod data;
mod page;
mod words;

pub use data::{
    AliasMove, Batch, Latency, List, ModelVersions, Period, Report, Run, ServerHealth, Totals, VersionPeriod,
    WarmProcess,
};
pub use page::page;
