//! Where a migration script failed.

use std::fmt;

/// Position in a script where the database stopped, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScriptFailure {
    /// Line in the file, from 1.
    pub line: Option<usize>,
    /// The statement, shortened to one line.
    pub statement: Option<String>,
    /// The session of the server that held the lock that the statement waited for.
    pub holder: Option<String>,
    /// Whether another attempt can succeed, as after a wait for a lock that was used up.
    pub may_pass: bool,
}

impl fmt::Display for ScriptFailure {
    /// What follows "the script failed": line, statement and the holder of a lock, as far as they are known.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, " at line {line}")?;
        }
        if let Some(statement) = &self.statement {
            write!(f, ", in `{statement}`")?;
        }
        if let Some(holder) = &self.holder {
            write!(f, ": {holder} has locked what it needs")?;
        }
        Ok(())
    }
}
