//! Jobs that end before their process did are told apart, and a controller that is away disturbs no run.

use std::fs;

use serde_json::json;

use super::{Home, SOON};

#[test]
fn a_job_that_was_cancelled_or_preempted_failed_for_that_reason() {
    let Some(home) = Home::new() else { return };
    let live = home.start(["run", "job-slow", "x"]);
    live.wait_stdout("begun\n");
    let job = home.cluster.wait_job("RUNNING");
    home.cluster.call("scancel", [&job]);
    // The model ends well on TERM, and has not done its work.
    let told = live.finish().ended(130).stderr;
    assert!(told.contains(&format!("`job-slow` on `cluster`: job {job} was cancelled on the cluster")), "{told}");
    let row = home.newest();
    assert_eq!((&row["status"], &row["jobId"]), (&json!("failed"), &json!(job)), "{row}");

    let live = home.start(["run", "job-slow", "x"]);
    live.wait_stdout("begun\n");
    let job = home.cluster.wait_job("RUNNING");
    home.cluster.call("srun", ["-p", "urgent", "-n1", "--exclusive", "true"]);
    let told = live.finish().ended(75).stderr;
    assert!(told.contains(&format!("job {job} was preempted by another job")), "{told}");
    assert_eq!(home.newest()["status"], "failed");
}

#[test]
fn a_lost_node_is_told_and_a_run_goes_on_without_controller_and_node_daemon() {
    let Some(mut home) = Home::new() else { return };
    let live = home.start(["run", "job-short", "x"]);
    live.wait_stdout("begun\n");
    home.cluster.stop_controller();
    home.cluster.start_controller();
    fs::write(home.folder().join("go"), "").expect("a file");
    assert_eq!(live.finish().ok(), "begun\ndone\n");
    home.cluster.assert_no_jobs(SOON);

    let live = home.start(["run", "job-deaf", "x"]);
    live.wait_stdout("begun\n");
    let job = home.cluster.wait_job("RUNNING");
    home.cluster.kill_node();
    let told = live.finish().ended(69).stderr;
    assert!(told.contains(&format!("job {job} lost its node")), "{told}");
    assert_eq!(home.newest()["status"], "failed");
    home.cluster.start_node();
}

/// Slurm's shortest time limit is a minute, and it looks for jobs that are over theirs every half a minute.
#[test]
fn a_time_limit_of_the_job_is_a_timeout() {
    if std::env::var_os("MER_TEST_LARGE").is_none() {
        return;
    }
    let Some(home) = Home::new() else { return };
    let cache = home.folder().join("cache");
    home.apply(&format!("[servers.cluster]\nconnType = 'slurm'\ntime = '1m'\ncacheDir = '{}'\n", cache.display()));
    let detached = home.mer(["run", "job-slow", "x", "--detach"]).ended(0).stdout.trim().to_owned();
    let live = home.start(["run", "job-slow", "x"]);
    live.wait_stdout("begun\n");
    home.cluster.assert_no_jobs(SOON * 4);
    let told = live.finish().ended(124).stderr;
    assert!(told.contains("reached its time limit"), "{told}");
    home.mer(["wait", &detached]).ended(124);
    let rows = home.env.rows();
    assert!(rows.iter().all(|row| row["status"] == "timeout"), "{rows:?}");
    assert!(
        rows.iter().all(|row| row["error"].as_str().is_some_and(|error| error.ends_with("reached its time limit")))
    );
    home.cluster.assert_no_jobs(SOON);
}
