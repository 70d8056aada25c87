//! The same through a login node: the commands of Slurm are called there.

use mer_testkit::sshd::{Shell, Sshd};
use rustix::process::Signal;
use serde_json::json;

use super::{Home, SOON};
use crate::support::wait_until;

fn login(home: &Home) -> Option<(Sshd, String)> {
    let sshd =
        Sshd::builder().shell(Shell::Sh, &format!("export SLURM_CONF={}", home.cluster.conf().display())).start()?;
    home.env.file("home/.ssh/known_hosts", sshd.known_hosts());
    let server = format!(
        "[servers.cluster]\nconnType = 'slurm'\nhost = '{}'\nport = {}\nuser = '{}'\nidentityFile = '{}'\ncacheDir = '{}'\n",
        sshd.host(),
        sshd.port(),
        sshd.user(),
        sshd.client_key().display(),
        home.folder().join("cache").display(),
    );
    Some((sshd, server))
}

#[test]
fn runs_weights_and_trainings_go_through_a_login_node() {
    let Some(home) = Home::new() else { return };
    let Some((_sshd, server)) = login(&home) else { return };
    home.apply(&server);
    // `mer` itself does not know the cluster.
    let mer = |args: [&str; 3]| home.env.mer(args);
    assert_eq!(mer(["run", "job-cat", "hello"]).ok(), "hello\n");
    let row = home.newest();
    assert!(row["jobId"].is_string() && row["connectMs"].as_f64() > Some(0.0), "{row}");
    let told = mer(["run", "job-fail", "x"]).ended(1);
    assert!(
        told.stderr.starts_with("a warningmer: `job-fail` on `cluster`: the model exited with code 3\n"),
        "{}",
        told.stderr
    );
    home.env.piped(["train", "job-weights", "--promote", "--allow-changes", "-"], "trained").ended(0);
    let told = mer(["run", "job-weights", "x"]).ok();
    let (path, weights) = told.split_once('\n').expect("two lines");
    assert!(path.starts_with(home.folder().join("cache").to_str().expect("text")), "{path}");
    assert_eq!(weights, "trained");
    let steps = home.env.mer(["server", "ping", "cluster", "--json"]).objects();
    assert_eq!(steps.last().expect("a step")["step"], "partition");
    home.cluster.assert_no_jobs(SOON);
}

#[test]
fn a_signal_and_a_killed_mer_end_the_job_behind_a_login_node() {
    let Some(home) = Home::new() else { return };
    let Some((_sshd, server)) = login(&home) else { return };
    home.apply(&(server + "orphanAfter = '2s'\n"));
    let live = home.env.start(["run", "job-slow", "x"]);
    live.wait_stdout("begun\n");
    live.signal(Signal::TERM);
    assert_eq!(live.finish().ended(143).stdout, "begun\nended politely\n");
    assert_eq!(home.newest()["status"], json!("cancelled"));
    home.cluster.assert_no_jobs(SOON);
    let live = home.env.start(["run", "job-deaf", "x"]);
    live.wait_stdout("begun\n");
    live.signal(Signal::KILL);
    home.cluster.assert_no_jobs(SOON);
}

#[test]
fn the_items_of_a_batch_share_jobs_behind_a_login_node() {
    let Some(home) = Home::new() else { return };
    let Some((_sshd, server)) = login(&home) else { return };
    home.apply(&(server + "orphanAfter = '2s'\n"));
    let items: String = (0..40).map(|number| format!("{number}\n")).collect();
    home.env.file("work/in", &items);
    home.env.mer(["batch", "job-item", "in", "-o", "out", "--jobs", "8"]).ended(0);
    let results = std::fs::read_to_string(home.env.path("work/out")).expect("results");
    assert_eq!(results, (0..40).map(|number| format!("got {number}\n")).collect::<String>());
    let jobs: std::collections::BTreeSet<_> = home.env.rows().iter().map(|row| row["jobId"].to_string()).collect();
    // More of them than a connection has channels.
    assert!((2..=8).contains(&jobs.len()), "{jobs:?}");
    home.cluster.assert_no_jobs(SOON);

    home.env.file("work/in", "gate\n");
    let live = home.env.start(["batch", "job-item", "in", "-o", "out", "--force"]);
    wait_until("the gate", || {
        std::fs::read_to_string(home.folder().join("ran")).is_ok_and(|ran| ran.contains("gate")).then_some(())
    });
    live.signal(Signal::KILL);
    home.cluster.assert_no_jobs(SOON);
}
