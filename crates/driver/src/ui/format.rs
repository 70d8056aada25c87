//! The output format.

use serde::{Deserialize, Serialize};

/// The reader that output is written for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// People: tables and labels.
    #[default]
    Text,
    /// Programs: one JSON object a line.
    Json,
    /// Cron: nothing on success, except data that was asked for byte by byte.
    Quiet,
}
