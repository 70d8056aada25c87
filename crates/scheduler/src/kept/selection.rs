//! Selects kept processes.

use mer_core::KeptProcess;

/// Which kept processes are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// All of them.
    All,
    /// Those of the model of this name.
    Model(String),
    /// The one with this id.
    Id(String),
}

impl Selection {
    /// Whether a process is meant.
    #[must_use]
    pub fn matches(&self, process: &KeptProcess) -> bool {
        self.means(&process.model, &process.id)
    }

    pub(crate) fn means(&self, model: &str, id: &str) -> bool {
        match self {
            Self::All => true,
            Self::Model(name) => name == model,
            Self::Id(wanted) => wanted == id,
        }
    }
}
