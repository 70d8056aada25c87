//! Detached runs on a cluster: jobs of `sbatch`, which need neither `mer` nor the login node.

use rustix::process::Signal;
use serde_json::json;

use super::{Home, SOON};
use crate::support::{Live, wait_until};

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

/// Hands a job to Slurm, says so, and does not come back.
const SLOW_SBATCH: &str =
    "#!/bin/sh\nPATH=${PATH#*:}\nsbatch \"$@\" >/dev/null && : >\"${0%/*}/handed\"\nexec sleep 600\n";

#[test]
fn a_job_whose_submission_was_cut_off_is_found_by_its_name_and_not_submitted_twice() {
    let Some(home) = Home::new() else { return };
    let cache = home.folder().join("cache").display().to_string();
    home.apply(&format!("[servers.cluster]\nconnType = 'slurm'\ncacheDir = '{cache}'\n"));
    let sbatch = home.env.file("bin/sbatch", SLOW_SBATCH);
    std::fs::set_permissions(&sbatch, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("chmod");
    let handed = home.env.path("bin/handed");
    let path = format!("{}:{}", home.env.path("bin").display(), std::env::var("PATH").unwrap_or_default());
    for with_script in [true, false] {
        let mut command = home.with(["run", "job-cat", "some input", "--detach"]);
        command.env("PATH", &path);
        let live = Live::start(command, std::process::Stdio::null());
        wait_until("the job is handed over", || handed.exists().then_some(()));
        std::fs::remove_file(&handed).expect("removed");
        // Without its script nothing can take the job back.
        let below = mer_testkit::processes::descendants(live.pid());
        live.signal(Signal::STOP);
        if with_script {
            below.into_iter().for_each(mer_testkit::processes::kill);
        }
        live.signal(Signal::KILL);
        drop(live);
        let row = home.newest();
        let uid = row["requestUid"].as_str().expect("a uid").to_owned();
        // The start that was cut off keeps others from collecting the run for a minute and a half.
        let wait = || home.mer(["wait", &uid, "--timeout", "40s"]);
        let ended = (0..5).map(|_| wait()).find(|ended| ended.code != Some(124)).expect("it is collected");
        let row = home.newest();
        if with_script {
            assert_eq!((ended.code, &row["status"]), (Some(0), &json!("succeeded")), "{row}");
            assert_eq!(home.mer(["attach", &uid]).ok(), "some input\n");
        } else {
            // It was taken back, unless the job was quicker.
            assert!(row["status"] == "lost" || row["status"] == "succeeded", "{row}");
        }
        home.cluster.assert_no_jobs(SOON);
        let told = home.cluster.call("squeue", ["-h", "-t", "all", "-o", "%j"]).stdout;
        let count = String::from_utf8_lossy(&told).lines().filter(|name| name.contains(&uid)).count();
        assert!(count <= 1, "it was submitted {count} times");
    }
}

#[test]
fn the_queue_of_a_detached_job_is_on_record_and_bounded() {
    let Some(home) = Home::new() else { return };
    let cache = home.folder().join("cache").display().to_string();
    let server = |partition: &str| {
        format!("[servers.cluster]\nconnType = 'slurm'\npartition = '{partition}'\ncacheDir = '{cache}'\n")
    };
    home.apply(&server("debug"));
    let bounded = |bound: &str| {
        home.mer(["model", "set", "job-cat", "--queue-timeout", bound, "--allow-changes"]).ended(0);
    };
    bounded("1h");
    let uid = home.detach("job-cat");
    home.mer(["wait", &uid]).ended(0);
    assert!(home.newest()["queueMs"].as_f64().is_some_and(|wait| wait >= 0.0), "{}", home.newest());

    home.apply(&server("stopped"));
    bounded("1s");
    let uid = home.detach("job-cat");
    let job = home.cluster.wait_job("PENDING");
    let told = home.mer(["wait", &uid]).failed(75);
    let said = format!("`queueTimeout` ran out: job {job} was still in the queue");
    assert!(told.contains(&said), "{told}");
    let row = home.newest();
    assert_eq!((&row["status"], &row["error"]), (&json!("timeout"), &json!(said)));
    home.cluster.assert_no_jobs(SOON);

    // A job that begins too late ends by itself, whether there is a look or not.
    let uid = home.detach("job-cat");
    let job = home.cluster.wait_job("PENDING");
    std::thread::sleep(std::time::Duration::from_millis(2_500));
    home.cluster.call("scontrol", ["update", "PartitionName=stopped", "State=UP"]);
    home.cluster.assert_no_jobs(SOON);
    let told = home.mer(["wait", &uid]).failed(75);
    assert!(told.contains("its job began too late") && !job.is_empty(), "{told}");
    assert_eq!(home.newest()["stdoutBytes"], json!(0));
}
