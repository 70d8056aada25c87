//! Reads what `srun` and `salloc` say when no job begins, or no step in one.

use super::SlurmError;

/// Maximum number of characters of its words.
const MAX_WORDS: usize = 400;

/// Returns the error that these lines of stderr mean. `command` is what was called.
pub(super) fn refusal(stderr: &str, command: &str, partition: Option<&str>) -> SlurmError {
    if stderr.contains(&missing(command)) {
        return SlurmError::NoCommands { command: command.to_owned() };
    }
    let words = words(stderr, command);
    let lower = words.to_lowercase();
    let has = |texts: &[&str]| texts.iter().any(|text| lower.contains(text));
    if has(&["invalid partition"]) {
        let partition = partition.unwrap_or_default().to_owned();
        return SlurmError::NoPartition { partition, known: Vec::new() };
    }
    if has(&["contact slurm controller", "socket timed out", "connection refused", "zero bytes were transmitted"]) {
        return SlurmError::Unreachable { words };
    }
    if has(&["has been revoked", "force terminated", "cancelled"]) {
        return SlurmError::Cancelled { words };
    }
    if has(&["has expired", "invalid job id", "job/step already completing"]) {
        return SlurmError::Ended { words };
    }
    if has(&["violates accounting/qos policy", "submit limit", "qosmax", "assocmax", "assocgrp", "qosgrp"]) {
        return SlurmError::LimitReached { words };
    }
    SlurmError::Refused { words }
}

/// The line that a script writes where a command is missing.
fn missing(command: &str) -> String {
    format!("mer: no {command}\n")
}

/// Returns the lines as one sentence, without the names of the commands and what only informs.
fn words(stderr: &str, command: &str) -> String {
    let mut lines = Vec::new();
    for line in stderr.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let names = ["srun: ", "sbatch: ", "salloc: ", "error: "];
        let text = names.iter().fold(line, |text, name| text.strip_prefix(name).unwrap_or(text));
        let informs = ["Pending job allocation ", "Granted job allocation "].iter().any(|name| text.starts_with(name))
            || text.starts_with("job ") && (text.contains(" queued and waiting") || text.contains("been allocated"));
        if !informs && !lines.contains(&text) {
            lines.push(text);
        }
    }
    if lines.is_empty() {
        return format!("`{command}` ended and gave no reason");
    }
    lines.join("; ").chars().take(MAX_WORDS).collect()
}

/// Returns the number of the job that waits in the queue, if Slurm's command named it.
pub(super) fn queued_job(stderr: &str) -> Option<&str> {
    let line = stderr.lines().find(|line| line.contains(" queued and waiting"))?;
    let id = line.split(" job ").nth(1)?.split(' ').next()?;
    (!id.is_empty() && id.chars().all(|c| c.is_ascii_digit())).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_slurm_says_is_kept_and_told_apart() {
        let of = |stderr: &str| refusal(stderr, "srun", Some("gpu"));
        let partition = "srun: error: invalid partition specified: gpu\nsrun: error: Unable to allocate resources: Invalid \
                         partition name specified\n";
        assert!(matches!(of(partition), SlurmError::NoPartition { partition, .. } if partition == "gpu"));
        let away = "srun: error: Unable to allocate resources: Unable to contact slurm controller (connect failure)\n";
        assert_eq!(
            of(away).to_string(),
            "Slurm cannot be reached: Unable to allocate resources: Unable to contact slurm controller (connect failure)"
        );
        let queued = "srun: job 10 queued and waiting for resources\n";
        let cancelled = format!("{queued}srun: Job allocation 10 has been revoked\nsrun: Force Terminated JobId=10\n");
        assert_eq!(
            of(&cancelled).to_string(),
            "the job was cancelled in the queue: Job allocation 10 has been revoked; Force Terminated JobId=10"
        );
        let queued_in_vain = "salloc: Pending job allocation 6\nsalloc: job 6 queued and waiting for resources\nsalloc: Job \
                              has been cancelled\nsalloc: error: Job submit/allocate failed: Job/step already completing or \
                              completed\n";
        assert!(matches!(of(queued_in_vain), SlurmError::Cancelled { words } if words.starts_with("Job has been")));
        assert_eq!(queued_job(queued_in_vain), Some("6"));
        for gone in [
            "srun: error: Slurm job 5 has expired\n",
            "srun: error: Unable to confirm allocation for job 5: Invalid job id specified\n",
            "srun: error: Unable to create step for job 5: Job/step already completing or completed\n",
        ] {
            assert!(matches!(of(gone), SlurmError::Ended { .. }), "{gone}");
        }
        assert!(matches!(of("srun: error: Job violates accounting/QOS policy"), SlurmError::LimitReached { .. }));
        assert!(matches!(of("srun: error: Invalid generic resource (gres) specification"), SlurmError::Refused { .. }));
        assert!(matches!(of("mer: no srun\n"), SlurmError::NoCommands { .. }));
        assert_eq!(of("").to_string(), "Slurm refused the job: `srun` ended and gave no reason");
        assert_eq!((queued_job(queued), queued_job(away)), (Some("10"), None));
    }
}
