//! `mer doctor`.

use clap::Args;

/// Arguments of `mer doctor`, which ends with 0, or with 1 where a check failed.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct DoctorArgs {
    /// Settings, folders and database only, within 5 seconds: for health checks
    #[arg(long)]
    pub(crate) brief: bool,
}
