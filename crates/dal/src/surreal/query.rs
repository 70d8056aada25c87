//! Variables and results of queries.

use std::collections::HashMap;

use surrealdb::{
    Error, IndexedResults,
    types::{SurrealValue, Variables},
};

use super::error::is_not_executed;
use crate::DalError;

/// Returns the results, or the error that caused all others.
pub(super) fn outcome(answer: Result<IndexedResults, Error>) -> Result<IndexedResults, Failure> {
    match answer {
        Err(error) => Err(Failure { statement: None, error: Box::new(error) }),
        Ok(mut results) => match root_cause(results.take_errors()) {
            Some(failure) => Err(failure),
            None => Ok(results),
        },
    }
}

/// Why a query failed.
#[derive(Debug)]
pub(super) struct Failure {
    /// Index of the statement, from 0; `None` if the text could not be parsed.
    pub(super) statement: Option<usize>,
    /// The engine's error.
    pub(super) error: Box<Error>,
}

/// Finds the error that caused the others: in a failed transaction every other statement reports that it was not executed.
fn root_cause(errors: HashMap<usize, Error>) -> Option<Failure> {
    errors
        .into_iter()
        .min_by_key(|(index, error)| (is_not_executed(error), *index))
        .map(|(index, error)| Failure { statement: Some(index), error: Box::new(error) })
}

/// Makes the variables of a query.
pub(super) fn variables<const N: usize>(pairs: [(&str, surrealdb::types::Value); N]) -> Variables {
    let mut variables = Variables::new();
    for (name, value) in pairs {
        variables.insert(name, value);
    }
    variables
}

/// Takes the result of a statement.
///
/// # Errors
/// [`DalError::Row`] if it does not have the expected shape.
pub(super) fn take<T: SurrealValue>(
    results: &mut IndexedResults,
    index: usize,
    table: &'static str,
) -> Result<Vec<T>, DalError> {
    results.take::<Vec<T>>(index).map_err(|error| DalError::Row { table, reason: error.to_string() })
}
