//! What is done already, for a look at it without a change.

use std::path::Path;

use super::{
    file_results::{beside, checked, existing, of_subject, refuse_existing, spare_path},
    kept_index::KeptIndex,
    spare::Spare,
};
use crate::{
    error::BatchError,
    ledger::{Key, Kind, Manifest, boot_id},
    options::Options,
};

/// Results of earlier processes.
#[derive(Debug)]
pub(crate) struct Found {
    kept: KeptIndex,
    spare: Option<Spare>,
    with_failed: bool,
}

impl Found {
    /// Looks at the results in a file or a folder. Returns nothing if a batch with these options begins anew. With `any_format`
    /// the results may have another format than that of the options.
    ///
    /// # Errors
    /// As the batch itself.
    pub(crate) fn new(
        path: &Path,
        is_folder: bool,
        any_format: bool,
        options: &Options,
    ) -> Result<Option<Self>, BatchError> {
        let ledger_path = beside(path, ".mer");
        let mut manifest = Manifest::new(options, is_folder);
        let mut found = if options.resume { existing(&ledger_path, options, boot_id(options))? } else { None };
        if let Some(opened) = found {
            if any_format {
                manifest.adopt_output(&opened.manifest);
            }
            found = of_subject(&ledger_path, opened, &manifest, options)?;
        }
        let Some(found) = found else {
            if !options.force && !is_folder {
                refuse_existing(path, &ledger_path)?;
            }
            return Ok(None);
        };
        let with_failed = !options.retry_failed;
        if is_folder {
            let mut ledger = found.ledger;
            let kept = KeptIndex::new(&mut ledger, Some(path), u64::MAX)?;
            return Ok(Some(Self { kept, spare: None, with_failed }));
        }
        let (mut ledger, _, intact) = checked(path, found, options)?;
        let kept = KeptIndex::new(&mut ledger, None, intact)?;
        Ok(Some(Self { kept, spare: Spare::open(&spare_path(path), false)?, with_failed }))
    }

    /// Returns whether there is a result of this item, and of which kind.
    ///
    /// # Errors
    /// [`BatchError::Ledger`].
    pub(crate) fn find(&mut self, id: Option<&str>, key: Key, content: [u8; 8]) -> Result<Option<Kind>, BatchError> {
        let found = self.kept.find(id, key, content, self.with_failed)?;
        match (&mut self.spare, found) {
            (Some(spare), None) => Ok(spare.get(key, content, self.with_failed)?.map(|kept| kept.kind)),
            _ => Ok(found),
        }
    }

    /// Number of results whose item was not looked for, or has changed.
    pub(crate) fn unwanted(&self) -> u64 {
        self.kept.unwanted()
    }
}
