//! Why something cannot be imported.

use thiserror::Error;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why something cannot be imported.
#[derive(Debug, Error)]
#[error("{message}")]
pub struct ImportError {
    message: String,
    #[source]
    source: Option<BoxError>,
    fault: ImportFault,
}

/// What is wrong with an export, as far as something can be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImportFault {
    /// The export ends early. What came before has been imported.
    Incomplete,
    /// It is something else.
    NoExport,
    /// A newer MER wrote it.
    NewerFormat,
    /// It has weights that no reader of their format opens.
    UnreadableWeights,
    /// Anything else.
    Other,
}

impl ImportError {
    pub(super) const fn new(message: String) -> Self {
        Self { message, source: None, fault: ImportFault::Other }
    }

    #[must_use]
    pub(super) fn caused_by(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    #[must_use]
    pub(super) const fn with_fault(mut self, fault: ImportFault) -> Self {
        self.fault = fault;
        self
    }

    /// What is wrong with the export.
    #[must_use]
    pub const fn fault(&self) -> ImportFault {
        self.fault
    }
}
