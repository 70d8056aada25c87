//! Options of a REPL.

use std::path::PathBuf;

use super::completion::Names;

/// Options of a REPL.
pub(crate) struct Options {
    /// The history file; without one the history lasts as long as the REPL.
    pub(crate) history: Option<PathBuf>,
    /// Greets a person at the start.
    pub(crate) banner: String,
    /// Names for completion.
    pub(crate) names: Box<dyn Names + Send>,
}
