//! What to do about a cluster that takes no job.

use mer_meal::SlurmError;

/// What to do about an error of Slurm; `server` is the registered name, for the commands in it.
pub(crate) fn slurm_hint(error: &SlurmError, server: &str) -> Option<String> {
    use SlurmError as E;
    let hint = match error {
        E::NoCommands { .. } => {
            return Some(format!(
                "install Slurm's commands there, put them on the PATH, or name a login node: mer server set {server} \
                 [USER@]HOST"
            ));
        }
        E::NoPartition { known, .. } => {
            let first = known.first()?;
            return Some(format!("mer server set {server} --partition {first}"));
        }
        E::Unreachable { .. } => "check that slurmctld runs, and that SLURM_CONF names the right cluster",
        E::QueueTimeout { .. } => "raise `queueTimeout` of the model, or ask for less: `time`, `gres`, `mem`",
        E::LimitReached { .. } => "try again when other jobs of the account have ended",
        _ => return None,
    };
    Some(hint.to_owned())
}
