//! Export and import of everything that a database holds, as lines of JSON: for moves between databases, and between
//! versions of the embedded engine.
//!
//! The first line names format and version, the last one the number of lines, so that half an export is recognised. Each
//! line between them has a `kind`; the registry comes before what names it, and a version of weights before its bytes.
//! Neither direction holds more in memory than the registry, a few mebibytes of weights and a few thousand accesses, nor the
//! embedded database for longer than a second.

mod alias_history;
mod bounds;
mod error;
mod export;
mod export_weights;
mod import;
mod import_registry;
mod import_weights;
mod reader;
mod record;
mod writer;

pub use error::{ImportError, ImportFault};
pub use export::export;
pub use import::{ImportReport, import};
