//! The command line.

use std::path::PathBuf;

use crate::Result;

/// What to measure, and how.
#[derive(Debug)]
pub struct Args {
    /// The binary under test.
    pub mer: PathBuf,
    /// The musl static build of it, to stand beside it.
    pub mer_static: Option<PathBuf>,
    /// The benchmark of mer-meal, which measures its `Executor`.
    pub meal_bench: Option<PathBuf>,
    /// The one of its way over SSH, and bare `ssh2` beside it.
    pub ssh_bench: Option<PathBuf>,
    /// What puts bytes into databases by their own means.
    pub bulk_bench: Option<PathBuf>,
    /// A static program that does nothing.
    pub nothing: PathBuf,
    /// Where databases and files go: on a real disk.
    pub work: PathBuf,
    /// Where the numbers go.
    pub json: Option<PathBuf>,
    /// Only cases whose name has this in it.
    pub only: Option<String>,
    /// A tenth of the rounds and bytes: shows that it works, not how fast.
    pub quick: bool,
    /// Exit code 1 when a limit is not held.
    pub check: bool,
}

impl Args {
    pub fn parse(arguments: &[String]) -> Result<Self> {
        let (mut mer, mut mer_static, mut nothing, mut work) = (None, None, None, None);
        let (mut meal_bench, mut ssh_bench, mut bulk_bench) = (None, None, None);
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
            nothing: needed(nothing, "--nothing")?,
            work: needed(work, "--work")?,
            json,
            only,
            quick,
            check,
        })
    }
}
