//! Parameters of a cluster that is run by Slurm.

use serde::{Deserialize, Serialize};

/// Options with which MER itself calls `srun` and `sbatch`, so that `extra` may not set them.
const OWN_OPTIONS: [&str; 8] = ["job-name", "ntasks", "nodes", "input", "output", "error", "pty", "jobid"];
/// The same, as letters.
const OWN_LETTERS: [&str; 6] = ["J", "n", "N", "i", "o", "e"];
/// Options that make several jobs or none, on another cluster, or let `sbatch` wait for the end of the job.
const FOREIGN_OPTIONS: [&str; 14] = [
    "array",
    "wait",
    "wrap",
    "clusters",
    "cluster",
    "test-only",
    "help",
    "usage",
    "version",
    "parsable",
    "open-mode",
    "requeue",
    "no-requeue",
    "multi-prog",
];
/// The same, as letters.
const FOREIGN_LETTERS: [&str; 5] = ["a", "W", "M", "h", "V"];

/// What is asked of Slurm for each job of a server. What is not set is left to the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SlurmParams {
    /// Partition, or several that are separated by commas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// Account that is charged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Quality of service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qos: Option<String>,
    /// Generic resources: `gpu:1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gres: Option<String>,
    /// Time limit of a job, as `2h` or as Slurm writes it: `1-12:00:00`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Number of processors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus_per_task: Option<u32>,
    /// Memory of a node, as Slurm writes it: `16G`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mem: Option<String>,
    /// Further options, word by word.
    #[serde(rename = "extra", skip_serializing_if = "Option::is_none")]
    pub extra_options: Option<Vec<String>>,
}

impl SlurmParams {
    /// The keys, as a registry file has them.
    pub const KEYS: &'static [&'static str] =
        &["partition", "account", "qos", "gres", "time", "cpusPerTask", "mem", "extra"];

    /// Returns a key that is set.
    #[must_use]
    pub fn any_set(&self) -> Option<&'static str> {
        let set = serde_json::to_value(self).ok()?;
        Self::KEYS.iter().copied().find(|key| set.get(key).is_some())
    }

    /// Checks the values.
    ///
    /// # Errors
    /// The first key with a value that Slurm would misread, and what is wrong with it.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        for (key, text) in
            [("partition", &self.partition), ("account", &self.account), ("qos", &self.qos), ("gres", &self.gres)]
        {
            if let Some(text) = text
                && (text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control()))
            {
                return Err((key, format!("is {text:?}; it is one word, as Slurm writes it")));
            }
        }
        if let Some(time) = &self.time
            && time_limit(time).is_none()
        {
            let what = format!("is {time:?}; write for example `90m`, `2h` or `1-12:00:00`");
            return Err(("time", what));
        }
        if self.cpus_per_task == Some(0) {
            return Err(("cpusPerTask", "is 0; it is 1 at least".to_owned()));
        }
        if let Some(mem) = &self.mem
            && !is_memory(mem)
        {
            return Err(("mem", format!("is {mem:?}; write for example `4000M` or `16G`")));
        }
        self.check_extra()
    }

    fn check_extra(&self) -> Result<(), (&'static str, String)> {
        let Some(words) = &self.extra_options else { return Ok(()) };
        if let Some(first) = words.first().filter(|word| !word.starts_with('-')) {
            return Err(("extra", format!("begins with {first:?}, which is no option")));
        }
        if words.iter().any(|word| word == "--" || word.is_empty()) {
            return Err(("extra", "has an empty word or `--` in it, which ends the options".to_owned()));
        }
        // Slurm knows a long option by its beginning, too.
        let is_one_of = |word: &str, options: &[&str], letters: &[&str]| match word.strip_prefix("--") {
            Some(option) => {
                let name = option.split('=').next().unwrap_or_default();
                options.iter().any(|known| *known == name || name.len() > 2 && known.starts_with(name))
            }
            None => word.strip_prefix('-').is_some_and(|rest| letters.iter().any(|letter| rest.starts_with(letter))),
        };
        for word in words {
            let why = if is_one_of(word, &OWN_OPTIONS, &OWN_LETTERS) {
                "which MER sets itself"
            } else if is_one_of(word, &FOREIGN_OPTIONS, &FOREIGN_LETTERS) {
                "and a run is one job of this cluster, which MER submits and waits for"
            } else {
                continue;
            };
            return Err(("extra", format!("has `{word}`, {why}")));
        }
        Ok(())
    }

    /// Returns the options for `srun` and `sbatch`.
    #[must_use]
    pub fn options(&self) -> Vec<String> {
        let time = self.time.as_deref().and_then(time_limit);
        let cpus = self.cpus_per_task.map(|cpus| cpus.to_string());
        let named = [
            ("partition", &self.partition),
            ("account", &self.account),
            ("qos", &self.qos),
            ("gres", &self.gres),
            ("time", &time),
            ("cpus-per-task", &cpus),
            ("mem", &self.mem),
        ];
        let options = named.into_iter().filter_map(|(name, value)| Some(format!("--{name}={}", value.as_ref()?)));
        options.chain(self.extra_options.iter().flatten().cloned()).collect()
    }

    /// Returns the options with which a step in such a job is started. It has everything else of its job.
    #[must_use]
    pub fn step_options(&self) -> Vec<String> {
        let cpus = Self { cpus_per_task: self.cpus_per_task, ..Self::default() };
        cpus.options()
    }
}

/// Returns a time limit as Slurm reads it; none if it is not one. A number without a unit is refused, because it would be
/// minutes for Slurm and seconds for MER.
fn time_limit(text: &str) -> Option<String> {
    if text.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    if let Ok(bound) = text.parse::<crate::Bound>() {
        // Slurm counts in minutes, and rounds up itself.
        let seconds = bound.duration()?.as_millis().div_ceil(1_000);
        return (seconds > 0).then(|| format!("{}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60));
    }
    let (days, clock) = text.split_once('-').map_or((None, text), |(days, clock)| (Some(days), clock));
    let is_number = |part: &str| !part.is_empty() && part.len() <= 6 && part.chars().all(|c| c.is_ascii_digit());
    let parts: Vec<&str> = clock.split(':').collect();
    let is_clock = days.is_none_or(is_number) && parts.len() <= 3 && parts.into_iter().all(is_number);
    is_clock.then(|| text.to_owned())
}

fn is_memory(text: &str) -> bool {
    let digits = text.trim_end_matches(['K', 'M', 'G', 'T']);
    text.len() - digits.len() <= 1 && !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_limits_are_written_for_slurm() {
        for (text, expected) in [
            ("2h", "2:00:00"),
            ("90s", "0:01:30"),
            ("3d", "72:00:00"),
            ("1-12:00:00", "1-12:00:00"),
            ("1-12", "1-12"),
            ("30:00", "30:00"),
        ] {
            assert_eq!(time_limit(text).as_deref(), Some(expected), "{text}");
        }
        for text in ["", "90", "none", "0s", "1-", "-1:00", "1:2:3:4", "two hours", "1h30m"] {
            assert_eq!(time_limit(text), None, "{text}");
        }
    }

    #[test]
    fn values_that_slurm_would_misread_are_refused() {
        let wrong = |json: &str| {
            let params: SlurmParams = serde_json::from_str(json).expect(json);
            params.check().expect_err(json)
        };
        for (json, key, told) in [
            (r#"{"partition":"a b"}"#, "partition", "one word"),
            (r#"{"gres":""}"#, "gres", "one word"),
            (r#"{"time":"90"}"#, "time", "`2h`"),
            (r#"{"cpusPerTask":0}"#, "cpusPerTask", "1 at least"),
            (r#"{"mem":"16GiB"}"#, "mem", "`16G`"),
            (r#"{"mem":"G"}"#, "mem", "`16G`"),
            (r#"{"extra":["a100"]}"#, "extra", "no option"),
            (r#"{"extra":["--exclusive","--"]}"#, "extra", "ends the options"),
            (r#"{"extra":["--output=/x"]}"#, "extra", "MER sets itself"),
            (r#"{"extra":["-n2"]}"#, "extra", "MER sets itself"),
            (r#"{"extra":["--outp","/x"]}"#, "extra", "MER sets itself"),
            (r#"{"extra":["--array=1-3"]}"#, "extra", "a run is one job"),
            (r#"{"extra":["--hold","--arr","1-3"]}"#, "extra", "a run is one job"),
            (r#"{"extra":["-W"]}"#, "extra", "a run is one job"),
        ] {
            let (found, what) = wrong(json);
            assert!(found == key && what.contains(told), "{json}: {found} {what}");
        }
    }

    #[test]
    fn options_are_those_of_the_keys_and_the_extra_words() {
        let json = r#"{"partition":"gpu","account":"lab","qos":"high","gres":"gpu:1","time":"2h","cpusPerTask":4,"mem":"16G",
            "extra":["--constraint","a100"]}"#;
        let params: SlurmParams = serde_json::from_str(json).expect("parameters");
        assert_eq!(params.check(), Ok(()));
        for known in [
            "--hold",
            "--nodelist=n1",
            "--wait-all-nodes=1",
            "--exclusive",
            "--dependency=afterok:1",
            "-C",
            "--nice=-1",
        ] {
            let params = SlurmParams { extra_options: Some(vec![known.to_owned()]), ..SlurmParams::default() };
            assert_eq!(params.check(), Ok(()), "{known}");
        }
        assert_eq!(
            params.options(),
            [
                "--partition=gpu",
                "--account=lab",
                "--qos=high",
                "--gres=gpu:1",
                "--time=2:00:00",
                "--cpus-per-task=4",
                "--mem=16G",
                "--constraint",
                "a100"
            ]
        );
        assert_eq!(params.step_options(), ["--cpus-per-task=4"]);
        assert_eq!(SlurmParams::default().options(), [""; 0]);
        assert_eq!((params.any_set(), SlurmParams::default().any_set()), (Some("partition"), None));
    }
}
