//! A kept process is one job that serves many requests, of a REPL and of a resident.

use rustix::process::Signal;
use serde_json::json;

use super::{Home, SOON};
use crate::support::Live;

#[test]
fn a_script_and_separate_calls_share_a_job() {
    let Some(home) = Home::new() else { return };
    let resident = Live::start(home.with(["serve"]), std::process::Stdio::null());
    resident.wait_stderr("ready on");
    let job = home.mer(["run", "job-liner", "job"]).ok();
    assert_eq!(home.mer(["run", "job-liner", "job"]).ok(), job);
    let rows = home.env.rows();
    let (second, first) = (&rows[0], &rows[1]);
    assert_eq!((&first["jobId"], &second["jobId"]), (&json!(job.trim()), &json!(job.trim())));
    assert!(first["queueMs"].as_f64() > Some(0.0) && second["queueMs"].as_f64() < first["queueMs"].as_f64());
    assert_eq!(home.cluster.wait_job("RUNNING"), job.trim());

    // The death of the job is noticed, and the next call has another one.
    home.cluster.call("scancel", [job.trim()]);
    home.cluster.assert_no_jobs(SOON);
    let next = home.mer(["run", "job-liner", "job"]).ok();
    assert_ne!(next, job);
    resident.signal(Signal::TERM);
    resident.finish().ended(0);
    home.cluster.assert_no_jobs(SOON);
}
