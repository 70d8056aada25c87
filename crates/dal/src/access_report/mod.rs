//! What a report on the log counts, in one reading.

mod fold;
mod reader;
mod summary;

pub use reader::ReportReader;
pub use summary::{BatchCount, LatencyGroup, LogSummary, ReportRange, VersionCount};
