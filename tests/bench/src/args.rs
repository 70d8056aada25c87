//! The command line.

use std::path::PathBuf;

use crate::Result;

/// The parsed command line.
#[derive(Debug)]
pub struct Args {
    /// The binary under test.
    pub mer: PathBuf,
    /// Its musl static build, for comparison.
    pub mer_static: Option<PathBuf>,
    /// The benchmark program of mer-meal's `Executor`.
    pub meal_bench: Option<PathBuf>,
    /// The benchmark program of mer-meal over SSH, beside bare `ssh2`.
    pub ssh_bench: Option<PathBuf>,
    /// The program that writes bytes to databases without MER.
    pub bulk_bench: Option<PathBuf>,
    /// A Python that has HyperQueue.
    pub hyperqueue: Option<PathBuf>,
    /// A static program that does nothing.
    pub nothing: PathBuf,
    /// Folder of databases and files, on a real disk.
    pub work: PathBuf,
    /// File for all numbers.
    pub json: Option<PathBuf>,
    /// Runs only cases whose name contains this.
    pub only: Option<String>,
    /// Uses a tenth of the rounds and bytes: a check that the benchmark works, not a measurement.
    pub quick: bool,
    /// Ends with exit code 1 if a limit is missed.
    pub check: bool,
}

impl Args {
    pub fn parse(arguments: &[String]) -> Result<Self> {
        let (mut mer, mut mer_static, mut nothing, mut work) = (None, None, None, None);
        let (mut meal_bench, mut ssh_bench, mut bulk_bench) = (None, None, None);
        let mut hyperqueue = None;
        let (mut json, mut only, mut quick, mut check) = (None, None, false, false);
        let mut arguments = arguments.iter();
        while let Some(flag) = arguments.next() {
            let mut value = || arguments.next().cloned().ok_or_else(|| format!("`{flag}` needs a value"));
            match flag.as_str() {
                "--mer" => mer = Some(value()?.into()),
                "--mer-static" => mer_static = Some(value()?.into()),
                "--meal-bench" => meal_bench = Some(value()?.into()),
                "--ssh-bench" => ssh_bench = Some(value()?.into()),
                "--bulk-bench" => bulk_bench = Some(value()?.into()),
                "--hyperqueue" => hyperqueue = Some(value()?.into()),
                "--nothing" => nothing = Some(value()?.into()),
                "--work" => work = Some(value()?.into()),
                "--json" => json = Some(value()?.into()),
                "--only" => only = Some(value()?),
                "--quick" => quick = true,
                "--check" => check = true,
                _ => return Err(format!("`{flag}` is unknown; see tests/bench/run --help")),
            }
        }
        let needed = |value: Option<PathBuf>, flag: &str| value.ok_or_else(|| format!("`{flag} PATH` is needed"));
        Ok(Self {
            mer: needed(mer, "--mer")?,
            mer_static,
            meal_bench,
            ssh_bench,
            bulk_bench,
            hyperqueue,
            nothing: needed(nothing, "--nothing")?,
            work: needed(work, "--work")?,
            json,
            only,
            quick,
            check,
        })
    }
}
