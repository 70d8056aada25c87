//! The log of accesses: listing, looking up, counting, exporting, following, pruning, and draining the journal into it.

mod csv;
mod drain;
mod export;
mod follow;
mod lookup;
mod prune;
mod query;
mod report;
mod stats;

pub use csv::CsvLines;
pub use drain::drain;
pub use export::{ExportFormat, ExportRequest, Exported, export};
pub use follow::Follower;
pub use lookup::attempts;
pub use prune::prune;
pub use query::AccessReader;
pub use report::report;
pub use stats::stats;
