//! Compares the scripts of a database with those of the binary.

use mer_dal::Applied;

use crate::{MigrationError, Script, Scripts};

/// Status of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StepStatus {
    /// In the database and in the binary, with the same text and name.
    Applied,
    /// In the binary only: to be applied.
    Pending,
    /// In the database only: unknown to this binary.
    Missing,
    /// In both, with another text or name.
    Changed,
}

impl StepStatus {
    /// Returns the name for output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Pending => "pending",
            Self::Missing => "missing",
            Self::Changed => "changed",
        }
    }
}

/// A script of the database, the binary, or both.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Number of the script.
    pub number: u32,
    /// Name; the binary's if the two differ.
    pub name: String,
    /// Status.
    pub status: StepStatus,
    /// True for a script of an organisation, false for one of MER's.
    pub own: bool,
    /// Checksum of the binary's script, if there is one.
    pub checksum: Option<String>,
    /// Row in the database, if it was applied.
    pub applied: Option<Applied>,
}

/// The scripts of database and binary, by number.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// One step for each number.
    pub steps: Vec<Step>,
}

impl Plan {
    /// Returns the numbers of the scripts to apply, in order.
    pub fn pending(&self) -> impl Iterator<Item = u32> {
        self.steps.iter().filter(|step| step.status == StepStatus::Pending).map(|step| step.number)
    }

    /// Returns the scripts that differ from the ones applied under their numbers.
    pub fn changed(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| step.status == StepStatus::Changed)
    }

    /// Returns whether the database has exactly the scripts of the binary.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.steps.iter().all(|step| step.status == StepStatus::Applied)
    }

    /// Checks that this binary knows every script of the database, with the same text.
    ///
    /// # Errors
    /// [`MigrationError::Newer`], [`MigrationError::Missing`], [`MigrationError::OwnMissing`] or
    /// [`MigrationError::Changed`].
    pub fn check(&self) -> Result<(), MigrationError> {
        self.check_age()?;
        if let Some(step) = self.missing(true) {
            return Err(MigrationError::OwnMissing { number: step.number, name: step.name.clone() });
        }
        match self.steps.iter().find(|step| step.status == StepStatus::Changed) {
            Some(step) => Err(MigrationError::Changed { number: step.number, name: step.name.clone() }),
            None => Ok(()),
        }
    }

    /// Checks that this binary knows every script of MER in the database.
    ///
    /// # Errors
    /// [`MigrationError::Newer`], [`MigrationError::Missing`].
    pub fn check_age(&self) -> Result<(), MigrationError> {
        let known = |step: &&Step| step.status != StepStatus::Missing && !step.own;
        let last = self.steps.iter().filter(known).map(|step| step.number).max().unwrap_or(0);
        match self.missing(false) {
            Some(step) if step.number > last => {
                let by = step.applied.as_ref().map(|row| row.mer_version.clone()).unwrap_or_default();
                Err(MigrationError::Newer { number: step.number, name: step.name.clone(), by, last })
            }
            Some(step) => Err(MigrationError::Missing { number: step.number, name: step.name.clone() }),
            None => Ok(()),
        }
    }

    /// Returns the last script that is in the database only.
    fn missing(&self, own: bool) -> Option<&Step> {
        self.steps.iter().rfind(|step| step.status == StepStatus::Missing && step.own == own)
    }
}

/// Compares the scripts of a database with those that it should have, in any order. If no own scripts are given, own
/// scripts in the database count as applied: only their folder could tell more.
#[must_use]
pub fn plan(applied: &[Applied], scripts: &Scripts) -> Plan {
    let mut steps: Vec<Step> = scripts
        .list
        .iter()
        .map(|script| {
            let row = applied.iter().find(|row| row.number == script.number);
            let status = match row {
                None => StepStatus::Pending,
                Some(row) if is_same(row, script) => StepStatus::Applied,
                Some(_) => StepStatus::Changed,
            };
            Step {
                number: script.number,
                name: script.name.clone(),
                status,
                own: script.own,
                checksum: Some(script.checksum.clone()),
                applied: row.cloned(),
            }
        })
        .collect();
    let strange = applied.iter().filter(|row| scripts.list.iter().all(|script| script.number != row.number));
    steps.extend(strange.map(|row| Step {
        number: row.number,
        name: row.name.clone(),
        status: if row.own && !scripts.with_own { StepStatus::Applied } else { StepStatus::Missing },
        own: row.own,
        checksum: None,
        applied: Some(row.clone()),
    }));
    steps.sort_by_key(|step| step.number);
    Plan { steps }
}

fn is_same(row: &Applied, script: &Script) -> bool {
    row.checksum == script.checksum && row.name == script.name && row.own == script.own
}
