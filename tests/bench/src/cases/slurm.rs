//! A model that is kept as a job of Slurm; a cluster of the benchmark on this machine.

use std::{fs, process::Command};

use mer_testkit::slurm::Cluster;

use super::{lines, row};
use crate::{
    Result, child,
    measure::Sample,
    report::{Limit, Row},
    subject::Bench,
};

/// Requests of one process, and rounds in which the processes take turns.
const EXCHANGES: usize = 500;
const TURNS: usize = 5;

/// A round trip, beside one through the pipes of `srun` without `mer`. Nothing where Slurm is not installed.
pub fn kept(bench: &Bench) -> Result<Vec<Row>> {
    let Some(cluster) = Cluster::start() else { return Ok(Vec::new()) };
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    let registry = bench.work.join("slurm.toml");
    let text = format!(
        "[servers.cluster]\nconnType = 'slurm'\n\n\
         [models.job-pong]\nservers = ['cluster']\nprotocol = 'lines'\ninferenceCommand = [{this:?}, {:?}]\n",
        child::PONG
    );
    fs::write(&registry, text).map_err(|error| format!("`{}`: {error}", registry.display()))?;
    bench.each(|subject| subject.apply(&registry).map(|()| 0.0))?;
    let count = bench.scaled(EXCHANGES);
    let (mut times, mut bare) = (vec![Vec::new(); bench.subjects.len()], Vec::new());
    for _ in 0..bench.scaled(TURNS) {
        for (subject, times) in bench.subjects.iter().zip(&mut times) {
            let mut command = subject.command(&[]);
            command.env("SLURM_CONF", cluster.conf());
            times.push(lines::ping_pong(&mut command, "run job-pong hello\n", count)?.median());
        }
        let mut srun = Command::new("srun");
        srun.args(["-n1", "--quiet", "--unbuffered"]).arg(&this).arg(child::PONG).env("SLURM_CONF", cluster.conf());
        bare.push(lines::ping_pong(&mut srun, "hello\n", count)?.median());
    }
    let samples = times.into_iter().map(Sample::new).chain([Sample::new(bare)]).collect();
    let what = "`lines` round trip of a model that is kept on Slurm, through a script, on record";
    Ok(vec![row(bench, what, "µs", Limit::AtMostTimes(2.0), samples, Some("the pipes of `srun`"))])
}
