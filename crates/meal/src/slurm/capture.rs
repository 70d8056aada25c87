//! Runs a short command where the commands of Slurm are, and collects its output.

use super::executor::SlurmExecutor;
use crate::{
    StartError,
    captured::{Captured, captured, short_command},
};

impl SlurmExecutor {
    /// Runs a command of Slurm.
    pub(super) async fn capture(&self, words: &[&str]) -> Result<Captured, StartError> {
        let spec = short_command(words.iter().map(|word| (*word).to_owned()).collect());
        let run = Box::pin(self.start_beside(&spec, None)).await?;
        Ok(captured(run, &spec.bounds).await)
    }
}
