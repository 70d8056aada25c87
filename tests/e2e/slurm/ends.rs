//! No job stays behind, however `mer` ends.

use rustix::process::Signal;
use serde_json::json;

use super::{Home, SOON};

#[test]
fn a_signal_ends_the_job_politely_and_its_end_is_observed() {
    let Some(home) = Home::new() else { return };
    let live = home.start(["run", "job-slow", "x"]);
    live.wait_stdout("begun\n");
    live.signal(Signal::TERM);
    let ran = live.finish().ended(143);
    assert_eq!(ran.stdout, "begun\nended politely\n");
    let said = "mer: `job-slow` on `cluster`: cancelled by SIGTERM; its process on `cluster` is gone\n";
    assert!(ran.stderr.starts_with(said), "{}", ran.stderr);
    assert_eq!(home.newest()["status"], "cancelled");
    home.cluster.assert_no_jobs(SOON);

    let live = home.start(["run", "job-deaf", "x"]);
    live.wait_stdout("begun\n");
    live.signal(Signal::INT);
    live.finish().ended(130);
    home.cluster.assert_no_jobs(SOON);
}

#[test]
fn a_killed_mer_leaves_no_job_running_or_waiting() {
    let Some(home) = Home::new() else { return };
    let live = home.start(["run", "job-deaf", "x"]);
    live.wait_stdout("begun\n");
    live.signal(Signal::KILL);
    home.cluster.assert_no_jobs(SOON);
    drop(live);

    home.apply("[servers.cluster]\nconnType = 'slurm'\npartition = 'stopped'\n");
    for signal in [Signal::KILL, Signal::INT] {
        let live = home.start(["run", "job-cat", "x"]);
        home.cluster.wait_job("PENDING");
        live.signal(signal);
        home.cluster.assert_no_jobs(SOON);
        drop(live);
    }
    let statuses: Vec<_> = home.env.rows().iter().map(|row| row["status"].clone()).collect();
    assert_eq!(statuses, [json!("cancelled"), json!("lost"), json!("lost")]);
}

#[test]
fn a_killed_mer_and_a_controller_that_is_away_leave_no_job() {
    let Some(mut home) = Home::new() else { return };
    let live = home.start(["run", "job-deaf", "x"]);
    live.wait_stdout("begun\n");
    home.cluster.stop_controller();
    live.signal(Signal::KILL);
    drop(live);
    home.cluster.start_controller();
    home.cluster.assert_no_jobs(SOON * 2);
}
