//! The meaning of a plain line: a command, or an input of a model.

use std::sync::{Arc, Mutex, PoisonError};

/// The meaning of a plain line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Mode {
    /// A command.
    #[default]
    Commands,
    /// An input of this model (`use MODEL`).
    Model(String),
}

/// The mode, shared between the session that changes it and the thread that reads lines.
#[derive(Debug, Clone, Default)]
pub(super) struct SharedMode(Arc<Mutex<Mode>>);

impl SharedMode {
    /// Returns the current mode.
    pub(super) fn get(&self) -> Mode {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes the mode.
    pub(super) fn set(&self, mode: Mode) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = mode;
    }
}
