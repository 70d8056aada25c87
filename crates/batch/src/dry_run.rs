//! A look at what a batch would do.

use crate::{
    batch::Batch,
    error::BatchError,
    input::{Entries, Source},
    ledger::{Key, Kind},
    options::{Duplicates, Output},
    path_checks::{check_paths, is_special},
    results::Found,
};

/// What a batch would do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DryRun {
    /// Number of items.
    pub items: u64,
    /// Size of what models would be sent, in bytes.
    pub bytes: u64,
    /// Number of items that cannot be run, because they are too large or not what their format says.
    pub faulty: u64,
    /// Number of items with the identity of an earlier one.
    pub repeated: u64,
    /// Number of items whose result is there already, with failures.
    pub kept: u64,
    /// Number of failures among [`DryRun::kept`].
    pub kept_failed: u64,
    /// Number of items that would be run.
    pub to_run: u64,
    /// Number of results that would be removed or replaced.
    pub dropped: u64,
}

impl Batch {
    /// Reads the whole input, and counts what the batch would do. Nothing is run, and no result is changed. It blocks. With
    /// `any_format` results of an earlier process count whatever their format is, where the caller does not know it.
    ///
    /// # Errors
    /// As [`Batch::run`], and everything that is wrong with the input.
    pub fn dry_run(self, any_format: bool) -> Result<DryRun, BatchError> {
        let Self { options, input, output } = self;
        let source = Source::open(input, || true)?;
        check_paths(&options, &source, &output)?;
        let mut found = match &output {
            Output::Stream(_) => None,
            Output::File(path) if is_special(path) => None,
            Output::File(path) => Found::new(path, false, any_format, &options)?,
            Output::Folder(path) => Found::new(path, true, any_format, &options)?,
        };
        let mut entries = Entries::new(source, &options)?;
        let mut counts = DryRun::default();
        while let Some(entry) = entries.next()? {
            counts.items += 1;
            counts.bytes += entry.item.input.len() as u64;
            counts.repeated += u64::from(entry.first.is_some());
            let key = Key { identity: entry.item.identity, occurrence: entry.item.occurrence };
            let kind = match &mut found {
                Some(found) => found.find(entry.id.as_deref(), key, entry.content)?,
                None => None,
            };
            if let Some(kind) = kind {
                counts.kept += 1;
                counts.kept_failed += u64::from(kind == Kind::Failed);
            } else if entry.fault.is_some() {
                counts.faulty += 1;
            } else if entry.first.is_none() || options.duplicates != Duplicates::Share {
                counts.to_run += 1;
            }
        }
        counts.dropped = found.map_or(0, |found| found.unwanted());
        Ok(counts)
    }
}
