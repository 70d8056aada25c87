//! What is to be done to a database: a pure function of what it has and what the binary has.

use mer_dal::Applied;

use crate::{MigrationError, Script, Scripts};

/// Where a script stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StepStatus {
    /// In the database as in the binary.
    Applied,
    /// In the binary only: it is to be applied.
    Pending,
    /// In the database only: this binary does not know it.
    Missing,
    /// In both, with another text or name.
    Changed,
}

impl StepStatus {
    /// The name in output.
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

/// One script of either side.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Its number.
    pub number: u32,
    /// Its name; the binary's where the two differ.
    pub name: String,
    /// Where it stands.
    pub status: StepStatus,
    /// Whether it is an organisation's own, and none of MER's.
    pub own: bool,
    /// The checksum of the script at hand, where there is one.
    pub checksum: Option<String>,
    /// Its row, where it has been applied.
    pub applied: Option<Applied>,
}

/// The scripts of both sides, by number.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// Each number once.
    pub steps: Vec<Step>,
}

impl Plan {
    /// The numbers of the scripts to apply, in their order.
    pub fn pending(&self) -> impl Iterator<Item = u32> {
        self.steps.iter().filter(|step| step.status == StepStatus::Pending).map(|step| step.number)
    }

    /// The scripts that are not those that were applied under their numbers.
    pub fn changed(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| step.status == StepStatus::Changed)
    }

    /// Whether the database is exactly as the binary wants it.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.steps.iter().all(|step| step.status == StepStatus::Applied)
    }

    /// Refuses a database that knows scripts which this binary does not, or knows them otherwise.
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

    /// Refuses a database that knows scripts of MER which this binary does not.
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

    /// The last script that is in the database only.
    fn missing(&self, own: bool) -> Option<&Step> {
        self.steps.iter().rfind(|step| step.status == StepStatus::Missing && step.own == own)
    }
}

/// Compares what a database has with what it is to have. The order of neither matters. Where no own scripts were given,
/// those in the database are taken as they are: only who has the folder can tell.
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
