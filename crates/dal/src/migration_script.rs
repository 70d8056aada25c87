//! Migration scripts as a database runs and remembers them.

use jiff::Timestamp;

use crate::{DalError, script_failure::ScriptFailure};

/// A row of `Migrations`: a script that was applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// Number of the script.
    pub number: u32,
    /// Name without number and ending.
    pub name: String,
    /// sha256 of the text with normalised line ends, in hexadecimal.
    pub checksum: String,
    /// Time of the database server at which it was applied.
    pub applied_at: Timestamp,
    /// Run time in milliseconds.
    pub duration_ms: f64,
    /// Version of MER that applied it.
    pub mer_version: String,
    /// True for a script of an organisation, false for one of MER's.
    pub own: bool,
}

/// First line of a script that is not run in a transaction.
const NO_TRANSACTION: &str = "-- mer: no-transaction";

/// A script to apply, together with its row in `Migrations`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptRun {
    /// Number of the script.
    pub number: u32,
    /// Name without number and ending.
    pub name: String,
    /// File name, for messages.
    pub file: String,
    /// sha256 of the text with normalised line ends, in hexadecimal.
    pub checksum: String,
    /// Text of the script.
    pub sql: String,
    /// Version of MER that applies it.
    pub mer_version: String,
    /// True for a script of an organisation, false for one of MER's.
    pub own: bool,
}

impl ScriptRun {
    /// Returns whether the script runs in a transaction, which its first line may decline.
    pub(crate) fn in_transaction(&self) -> bool {
        self.sql.lines().next().is_none_or(|line| line.trim_end() != NO_TRANSACTION)
    }

    /// Returns the error for a script that begins or ends a transaction itself.
    pub(crate) fn controls_transaction(&self, line: usize, statement: String) -> DalError {
        const WHY: &str = "a script runs in one transaction with its row in `Migrations`: it neither begins nor ends one itself, nor returns";
        self.refused(line, statement, WHY)
    }

    /// Returns the error for a script that is not run because of one of its statements.
    pub(crate) fn refused(&self, line: usize, statement: String, why: &'static str) -> DalError {
        let failure = ScriptFailure { line: Some(line), statement: Some(statement), ..ScriptFailure::default() };
        DalError::Script { script: self.file.clone(), failure: Box::new(failure), source: why.into() }
    }
}

/// Language of a database, which decides which scripts apply to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dialect {
    /// SurrealQL.
    Surreal,
    /// PostgreSQL's SQL.
    Postgres,
}

#[cfg(test)]
mod tests {
    use super::ScriptRun;

    #[test]
    fn the_first_line_opts_out_of_the_transaction() {
        let script = |sql: &str| ScriptRun {
            number: 1,
            name: String::new(),
            file: String::new(),
            checksum: String::new(),
            sql: sql.to_owned(),
            mer_version: String::new(),
            own: false,
        };
        assert!(!script("-- mer: no-transaction\nCREATE INDEX").in_transaction());
        assert!(script("-- a comment\n-- mer: no-transaction\n").in_transaction());
        assert!(script("").in_transaction());
    }
}
