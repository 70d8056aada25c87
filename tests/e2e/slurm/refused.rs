//! Jobs that do not begin: the reason is told, and no job is left.

use serde_json::json;

use super::{Home, SOON};

#[test]
fn what_slurm_refuses_is_told_in_its_words() {
    let Some(home) = Home::new() else { return };
    home.apply("[servers.cluster]\nconnType = 'slurm'\npartition = 'nope'\n");
    let told = home.mer(["run", "job-cat", "x"]).failed(78);
    assert!(
        told.contains("the partition `nope` does not exist (there are `debug`, `short`, `stopped`, `urgent`)"),
        "{told}"
    );
    assert!(told.contains("mer server set cluster --partition debug"), "{told}");
    assert_eq!(home.newest()["status"], "failed");
    home.mer(["server", "ping", "cluster"]).ended(78);

    home.apply("[servers.cluster]\nconnType = 'slurm'\npartition = 'debug'\ngres = 'gpu:1'\n");
    let told = home.mer(["run", "job-cat", "x"]).failed(78);
    assert!(told.contains("Slurm refused the job: Invalid generic resource (gres) specification"), "{told}");
    let told = home.mer(["run", "job-cat", "x", "--detach"]).failed(78);
    assert!(told.contains("Slurm refused the job: Invalid generic resource (gres) specification"), "{told}");
    // A folder that cannot be made is no word of Slurm.
    home.apply("[servers.cluster]\nconnType = 'slurm'\ncacheDir = '/proc/none'\n");
    let told = home.mer(["run", "job-cat", "x", "--detach"]).failed(74);
    assert!(told.contains("could not be started on `cluster`: mkdir: ") && !told.contains("Slurm"), "{told}");
}

#[test]
fn a_wait_in_the_queue_is_bounded_and_leaves_no_job() {
    let Some(mut home) = Home::new() else { return };
    home.apply("[servers.cluster]\nconnType = 'slurm'\npartition = 'stopped'\n");
    home.mer(["model", "set", "job-cat", "--queue-timeout", "2s", "--allow-changes"]).ended(0);
    let told = home.mer(["run", "job-cat", "x"]).failed(75);
    assert!(told.contains("`queueTimeout` ran out after 2s: job "), "{told}");
    assert!(told.contains("was still in the queue (PartitionDown)"), "{told}");
    assert_eq!(home.newest()["status"], "timeout");
    home.cluster.assert_no_jobs(SOON);

    home.mer(["model", "set", "job-cat", "--unset", "queueTimeout", "--allow-changes"]).ended(0);
    let live = home.start(["run", "job-cat", "x"]);
    home.cluster.wait_job("PENDING");
    home.cluster.call("scancel", ["--state=PENDING"]);
    let told = live.finish().failed(130);
    assert!(told.contains("the job was cancelled in the queue"), "{told}");

    home.cluster.stop_controller();
    let told = home.mer(["run", "job-cat", "x"]).failed(69);
    assert!(told.contains("Slurm cannot be reached: "), "{told}");
    assert_eq!(home.newest()["status"], json!("unreachable"));
}
