//! Settings from flags.

use std::path::Path;

use super::{
    layer::{FlagValue, LayerValue},
    origin::Origin,
    schema,
    value::{self, Base},
};
use crate::errors::CliError;

/// The flag that ignores `./.env`. It is no setting, because a setting could stand in that file.
pub(crate) const NO_DOTENV: &str = "--no-dotenv";

/// Reads flags.
///
/// # Errors
/// A value does not fit its setting (64).
pub(super) fn read(flags: &[FlagValue], cwd: &Path, home: Option<&Path>) -> Result<Vec<LayerValue>, CliError> {
    let base = Base { folder: cwd, home };
    let mut values = Vec::new();
    for (name, flag, text) in flags {
        let Some(setting) = schema::setting(name) else { continue };
        let value = value::from_os(setting, text, base).map_err(|why| {
            let error = CliError::usage(format!("`{flag}` must be {}", setting.kind.expected()));
            match why {
                Some(why) => error.caused_by(why),
                None => error,
            }
        })?;
        values.push(LayerValue { setting, value, origin: Origin::Flag(flag), is_local: false });
    }
    Ok(values)
}
