//! The kind of each error of the database layer, and what else a caller can ask about an error.

use mer_core::{Classified, FailureKind, Shortage};

use crate::{DalError, DiskFault, error::ANONYMOUS};

impl Classified for DalError {
    fn failure_kind(&self) -> FailureKind {
        // A shortage of this machine is no fault of the request or of the database.
        if let Some(shortage) = Shortage::of(self) {
            return shortage.failure_kind();
        }
        match self {
            // A full disk is no fault of the script.
            Self::Script { .. } if DiskFault::of(self).is_some() => FailureKind::Io,
            Self::Script { failure, .. } if failure.may_pass => FailureKind::Busy,
            Self::Busy { .. }
            | Self::Changed { .. }
            | Self::Conflict { .. }
            | Self::Migrating { .. }
            | Self::Late { .. }
            | Self::Locked { .. }
            | Self::NotReady { .. }
            | Self::Collected { .. }
            | Self::Short { .. } => FailureKind::Busy,
            Self::Invalid { .. } => FailureKind::Input,
            Self::Distrusted { .. }
            | Self::Refused { .. }
            | Self::Rights { .. }
            | Self::VersionInUse { .. }
            | Self::HasWeights { .. } => FailureKind::Refused,
            Self::NoVersion { .. } | Self::NoAlias { .. } | Self::ModelGone { .. } => FailureKind::NotFound,
            Self::Url { .. }
            | Self::FolderName { .. }
            | Self::Foreign { .. }
            | Self::OtherVersion { .. }
            | Self::NoSchema { .. }
            | Self::NoDatabase { .. }
            | Self::TooOld { .. }
            | Self::Encoding { .. }
            | Self::Script { .. }
            | Self::ScriptRow { .. } => FailureKind::Config,
            _ => FailureKind::Io,
        }
    }
}

impl DalError {
    /// Returns whether the engine could not open the database because it found bytes that it did not write. It passes on text
    /// only.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        const SIGNS: [&str; 6] = ["checksum", "corrupt", "manifest", "sstable", "wal error", "fill whole buffer"];
        let Self::Open { source, .. } = self else { return false };
        let text = source.to_string().to_ascii_lowercase();
        SIGNS.iter().any(|sign| text.contains(sign))
    }

    /// Returns whether the database refused an operation because no user signed in.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        matches!(self, Self::Rights { user, .. } if user == ANONYMOUS)
    }
}
