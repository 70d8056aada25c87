//! Detached runs on a cluster: jobs of `sbatch`, which need neither `mer` nor the login node.

use serde_json::json;

use super::{Home, SOON};
use crate::support::wait_until;

impl Home {
    /// Starts a detached run, and returns its uid.
    #[track_caller]
    fn detach(&self, model: &str) -> String {
        self.mer(["run", model, "some input", "--detach"]).ended(0).stdout.trim().to_owned()
    }

    /// Waits until `mer ps` shows a run in this state.
    #[track_caller]
    fn wait_state(&self, state: &str) {
        wait_until(state, || self.mer(["ps"]).stdout.contains(state).then_some(()));
    }
}

#[test]
fn a_detached_run_is_a_job_and_is_collected() {
    let Some(home) = Home::new() else { return };
    let cache = home.folder().join("cache").display().to_string();
    let servers = format!("[servers.cluster]\nconnType = 'slurm'\ncacheDir = '{cache}'\n");
    home.apply(&servers);
    let uid = home.detach("job-cat");
    home.mer(["wait", &uid]).ended(0);
    let row = home.newest();
    assert_eq!((&row["status"], &row["via"], &row["exitCode"]), (&json!("succeeded"), &json!("detached"), &json!(0)));
    assert!(row["jobId"].is_string() && row["stdoutBytes"] == json!(11), "{row}");
    assert_eq!(home.mer(["attach", &uid]).ended(0).stdout, "some input\n");
    home.cluster.assert_no_jobs(SOON);

    let uid = home.detach("job-fail");
    home.mer(["wait", &uid]).ended(1);
    assert_eq!((&home.newest()["exitCode"], &home.newest()["stderrTail"]), (&json!(3), &json!("a warning")));

    // Told to stop while it runs, and while it waits in the queue.
    let uid = home.detach("job-slow");
    home.cluster.wait_job("RUNNING");
    wait_until("its output", || {
        let jobs = std::fs::read_dir(format!("{cache}/runs")).ok()?.flatten();
        jobs.map(|run| run.path().join("stdout"))
            .any(|file| std::fs::read_to_string(file).is_ok_and(|text| text.contains("begun")))
            .then_some(())
    });
    home.mer(["stop", &uid]).ended(0);
    home.mer(["wait", &uid]).ended(130);
    assert_eq!(home.newest()["status"], "cancelled");
    home.cluster.assert_no_jobs(SOON);
}

#[test]
fn jobs_that_slurm_refuses_or_ends_are_told() {
    let Some(home) = Home::new() else { return };
    let cache = home.folder().join("cache").display().to_string();
    let server = |rest: &str| format!("[servers.cluster]\nconnType = 'slurm'\ncacheDir = '{cache}'\n{rest}\n");
    home.apply(&server("partition = 'nope'"));
    let told = home.mer(["run", "job-cat", "x", "--detach"]).failed(78);
    assert!(told.contains("the partition `nope` does not exist (there are `debug`"), "{told}");
    assert_eq!(home.newest()["status"], "failed");

    home.apply(&server("partition = 'stopped'"));
    let uid = home.detach("job-cat");
    home.cluster.wait_job("PENDING");
    home.wait_state("queued");
    home.mer(["stop", &uid]).ended(0);
    home.cluster.assert_no_jobs(SOON);
}
