//! `mer doctor`.

use clap::Args;

/// Arguments of `mer doctor`.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct DoctorArgs {
    /// Settings, folders and database only, within 5 seconds: for health checks
    #[arg(long)]
    pub(crate) brief: bool,
}
