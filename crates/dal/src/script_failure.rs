//! Where a migration script failed.

use std::fmt;

/// Position in a script at which the database stopped, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScriptFailure {
    /// Line in the file, from 1.
    pub line: Option<usize>,
    /// The statement, shortened to one line.
    pub statement: Option<String>,
    /// Session of the server that held the lock which the statement waited for.
    pub holder: Option<String>,
    /// Whether the script may succeed when it is run again, as after a wait for a lock that ran out.
    pub may_pass: bool,
}

/// Writes ` at line 3, in `…`: … holds a lock that it needs`, without the parts that are not known.
impl fmt::Display for ScriptFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, " at line {line}")?;
        }
        if let Some(statement) = &self.statement {
            write!(f, ", in `{statement}`")?;
        }
        match &self.holder {
            Some(holder) => write!(f, ": {holder} holds a lock that it needs"),
            None => Ok(()),
        }
    }
}
