//! A run as a job behaves as a run on this machine, and its job and wait are on record.

use serde_json::{Value, json};

use super::{Home, SOON};
use crate::support::{Live, sha256};

#[test]
fn runs_answer_and_are_on_record_with_their_jobs() {
    let Some(home) = Home::new() else { return };
    let mut live = Live::start(home.with(["run", "job-cat", "-"]), std::process::Stdio::piped());
    live.say(b"a\0b\xff");
    drop(live.take_stdin());
    assert_eq!(live.finish().ended(0).bytes, b"a\0b\xff");
    let row = home.newest();
    assert_eq!((&row["status"], &row["server"], &row["exitCode"]), (&json!("succeeded"), &json!("cluster"), &json!(0)));
    assert_eq!((&row["stdoutSha256"], &row["error"]), (&json!(sha256(b"a\0b\xff")), &Value::Null));
    assert!(row["jobId"].as_str().is_some_and(|id| id.parse::<u32>().is_ok()), "{row}");
    assert!(row["queueMs"].as_f64() > Some(0.0) && row["runMs"].as_f64() > Some(0.0), "{row}");

    // Nothing of Slurm's words is taken for the model's.
    let ran = home.mer(["run", "job-fail", "x"]).ended(1);
    assert_eq!(ran.stdout, "partial\n");
    assert!(
        ran.stderr.starts_with("a warningmer: `job-fail` on `cluster`: the model exited with code 3\n"),
        "{}",
        ran.stderr
    );
    let row = home.newest();
    assert_eq!((&row["exitCode"], &row["stderrTail"]), (&json!(3), &json!("a warning")));

    let told = home.mer(["run", "job-env", "x"]).ok();
    assert_eq!(told, format!("{}\njob-env 1 it's one\n0\n", home.folder().display()));
    let told = home.mer(["run", "job-nowhere", "x"]).failed(78);
    assert!(told.contains("the working directory `/no/such/folder` cannot be used"), "{told}");
    let told = home.mer(["run", "job-missing", "x"]).failed(78);
    assert!(told.contains("`no-such-program` does not exist: looked in the PATH of a node of `cluster`"), "{told}");
    assert_eq!(home.mer(["run", "--no-serve", "job-liner", "x"]).ok(), "got x\n");
    home.cluster.assert_no_jobs(SOON);
}

#[test]
fn a_run_within_a_job_is_a_job_of_its_own_and_a_ping_shows_the_partition() {
    let Some(home) = Home::new() else { return };
    let mut command = home.with(["run", "job-cat", "x"]);
    command.env("SLURM_JOB_ID", "99999").env("SLURM_JOBID", "99999");
    assert_eq!(crate::support::run(command).ok(), "x\n");

    home.mer(["server", "set", "cluster", "--partition", "short", "--cpus-per-task", "2", "--allow-changes"]).ended(0);
    let steps = home.mer(["server", "ping", "cluster", "--json"]).objects();
    let [step] = &steps[..] else { panic!("{steps:?}") };
    assert_eq!((&step["step"], &step["code"]), (&json!("partition"), &json!(0)), "{step}");
    let detail = step["detail"].as_str().expect("text");
    assert!(detail.starts_with("partition `short` is up, time limit 1:00, 1 of 1 nodes idle, 8 CPUs"), "{detail}");
    let told = home.mer(["doctor", "--json"]).ended(1).stdout;
    assert!(told.contains("partition `short` is up"), "{told}");
    assert_eq!(home.mer(["run", "job-cat", "y"]).ok(), "y\n");
}
