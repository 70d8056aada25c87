//! The line that sets the environment of a detached run and becomes its program.

use std::{collections::BTreeMap, ffi::OsString};

use mer_core::RunSpec;

use crate::{StartError, shell_words::Prepared};

/// Returns the line, its newline included, for the functions of the launch script. Variables that are the same in `inherited`,
/// the environment of that script, are left out. A training gets a path in the folder of the run (`MER_WEIGHTS_OUT`).
///
/// # Errors
/// The command is empty, or a text cannot be passed to a program.
pub fn detached_command(
    spec: &RunSpec,
    inherited: &BTreeMap<OsString, OsString>,
    trains: bool,
) -> Result<String, StartError> {
    let env = spec.env.iter().filter(|(name, value)| inherited.get(*name) != Some(value));
    let env = env.map(|(name, value)| (name.clone(), value.clone())).collect();
    let spec = RunSpec { env, ..spec.clone() };
    let prepared = Prepared::new(&spec)?;
    let weights = if trains { "MER_WEIGHTS_OUT=$mer_d/weights; export MER_WEIGHTS_OUT; " } else { "" };
    Ok(format!("{weights}{}mer_x{}\n", prepared.line, prepared.words(&spec)))
}
