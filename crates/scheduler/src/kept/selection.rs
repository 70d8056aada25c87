//! Selects kept processes.

use std::convert::Infallible;

use std::str::FromStr;

use mer_core::KeptProcess;

/// Which kept processes are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// All of them.
    All,
    /// Those of the model of this name.
    Model(String),
    /// The one with this id, such as `%7`.
    Id(String),
}

impl FromStr for Selection {
    type Err = Infallible;

    /// Parses the name of a model or an id. An id begins with `%`, which no name has in it.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(if text.starts_with('%') { Self::Id(text.to_owned()) } else { Self::Model(text.to_owned()) })
    }
}

impl Selection {
    /// Whether a process is meant.
    #[must_use]
    pub fn matches(&self, process: &KeptProcess) -> bool {
        self.is_of(&process.model, &process.id)
    }

    pub(crate) fn is_of(&self, model: &str, id: &str) -> bool {
        match self {
            Self::All => true,
            Self::Model(name) => name == model,
            Self::Id(wanted) => wanted == id,
        }
    }
}
