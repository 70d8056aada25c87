//! Looks at the partitions of a cluster.

use std::time::{Duration, Instant};

use super::{SlurmError, executor::SlurmExecutor, refusal::refusal};

/// What was found of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterPing {
    /// How long it took.
    pub took: Duration,
    /// The partitions that jobs go to, with state and limits, or why there are none.
    pub found: Result<String, SlurmError>,
}

/// What `sinfo` prints of a partition: name, state, time limit, nodes by state (allocated, idle, other, all).
const FORMAT: &str = "%R|%a|%l|%F|%c|%m";

impl SlurmExecutor {
    /// Asks Slurm for the partition of the server.
    pub(crate) async fn ping(&self) -> ClusterPing {
        let begin = Instant::now();
        let partition = self.config().params.partition.clone();
        let mut words = vec!["sinfo", "-h", "-o", FORMAT];
        if let Some(partition) = &partition {
            words.extend(["-p", partition]);
        }
        let found = match self.capture(&words).await {
            Ok(told) if told.succeeded => {
                let partitions: Vec<String> = told.stdout.lines().filter_map(described).collect();
                match (partitions.is_empty(), partition) {
                    (false, _) => Ok(partitions.join("; ")),
                    (true, Some(partition)) => {
                        Err(SlurmError::NoPartition { partition, known: self.partitions().await })
                    }
                    (true, None) => Err(SlurmError::Refused { words: "it has no partition".to_owned() }),
                }
            }
            Ok(told) => Err(refusal(&told.stderr.replace("slurm_load_partitions: ", ""), "sinfo", None)),
            Err(crate::StartError::NotFound { command, .. }) => Err(SlurmError::NoCommands { command }),
            Err(error) => Err(SlurmError::Unreachable { words: mer_core::with_causes(&error) }),
        };
        ClusterPing { took: begin.elapsed(), found }
    }

    /// Returns the names of the partitions.
    pub(super) async fn partitions(&self) -> Vec<String> {
        let Ok(told) = Box::pin(self.capture(&["sinfo", "-h", "-o", "%R"])).await else { return Vec::new() };
        let mut names: Vec<String> = told.stdout.lines().map(|line| line.trim().to_owned()).collect();
        names.sort_unstable();
        names.dedup();
        names.retain(|name| !name.is_empty());
        names
    }
}

/// Returns a line of `sinfo` in words.
fn described(line: &str) -> Option<String> {
    let mut fields = line.trim().split('|');
    let [name, state, limit, nodes, cpus, memory] = std::array::from_fn(|_| fields.next());
    let limit = limit?.trim();
    let limit = if limit == "infinite" { "no time limit".to_owned() } else { format!("time limit {limit}") };
    let mut counts = nodes?.split('/');
    let [_, idle, _, all] = std::array::from_fn(|_| counts.next().unwrap_or("?"));
    Some(format!(
        "partition `{}` is {}, {limit}, {idle} of {all} nodes idle, {} CPUs and {} MB a node",
        name?, state?, cpus?, memory?
    ))
}

#[cfg(test)]
mod tests {
    use super::described;

    #[test]
    fn a_partition_is_described() {
        assert_eq!(
            described("gpu|up|1-00:00:00|1/2/0/3|8|24000+\n").as_deref(),
            Some("partition `gpu` is up, time limit 1-00:00:00, 2 of 3 nodes idle, 8 CPUs and 24000+ MB a node")
        );
        assert!(described("x|up|infinite|0/0/1/1|8|1").is_some_and(|text| text.contains("no time limit")));
        assert_eq!(described("what"), None);
    }
}
