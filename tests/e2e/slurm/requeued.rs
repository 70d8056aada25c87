//! Detached jobs that Slurm puts back into the queue: each start of theirs is an attempt on record, and they are asked for.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use rustix::process::{Pid, test_kill_process};
use serde_json::{Value, json};

use super::{Home, SOON};
use crate::support::{sha256, wait_until};

impl Home {
    /// Returns a cluster with a cache folder.
    fn with_cache() -> Option<Self> {
        let home = Self::new()?;
        let cache = home.folder().join("cache").display().to_string();
        home.apply(&format!("[servers.cluster]\nconnType = 'slurm'\ncacheDir = '{cache}'\n"));
        Some(home)
    }

    /// Starts a detached run that may run again, and waits until its first attempt has written something. Returns its uid and
    /// its job.
    #[track_caller]
    fn detach_again(&self, model: &str, retries: &str) -> (String, String) {
        let uid = self.mer(["run", model, "some input", "--detach", "--retries", retries]).ended(0).stdout;
        let uid = uid.trim().to_owned();
        self.wait_text(&uid, 1, "stdout", "\n");
        (uid, self.cluster.wait_job("RUNNING"))
    }

    fn run_folder(&self, uid: &str, attempt: u32) -> PathBuf {
        self.folder().join(format!("cache/runs/{uid}-{attempt}"))
    }

    /// Waits until a file of an attempt contains a text.
    #[track_caller]
    fn wait_text(&self, uid: &str, attempt: u32, name: &str, text: &str) -> String {
        let path = self.run_folder(uid, attempt).join(name);
        wait_until(&format!("{text:?} in {path:?}"), || fs::read_to_string(&path).ok().filter(|all| all.contains(text)))
    }

    /// Looks at all runs. The answer of Slurm that is kept for half a minute is not used.
    #[track_caller]
    fn look_anew(&self) {
        let _ = fs::remove_file(self.folder().join("cache/runs/.queue"));
        self.mer(["ps"]).ended(0);
    }

    /// Looks until as many attempts are on record.
    #[track_caller]
    fn wait_attempts(&self, uid: &str, count: usize) -> Vec<Value> {
        wait_until("the attempts", || {
            self.look_anew();
            Some(self.attempts(uid)).filter(|rows| rows.len() == count)
        })
    }

    /// The attempts of a run on record, from the first one.
    #[track_caller]
    fn attempts(&self, uid: &str) -> Vec<Value> {
        let mut rows: Vec<Value> = self.env.rows().into_iter().filter(|row| row["requestUid"] == *uid).collect();
        rows.sort_by_key(|row| row["attempt"].as_u64());
        rows
    }

    /// Asserts that nothing is left that another attempt would need.
    #[track_caller]
    fn assert_nothing_kept(&self, uid: &str) {
        for attempt in 1..=2 {
            for name in ["env", "env.kept", "input"] {
                let path = self.run_folder(uid, attempt).join(name);
                assert!(!path.exists(), "{path:?}");
            }
        }
    }
}

#[track_caller]
fn assert_cut(row: &Value, job: &str, why: &str) {
    let said = format!("job {job} {why}, and runs again as attempt 2");
    assert_eq!((&row["status"], &row["error"]), (&json!("failed"), &json!(said)), "{row}");
    assert_eq!((&row["attempt"], &row["jobId"], &row["exitCode"]), (&json!(1), &json!(job), &Value::Null), "{row}");
}

#[test]
fn a_job_that_is_put_back_by_hand_is_another_attempt_with_clean_output_and_the_same_input() {
    let Some(home) = Home::with_cache() else { return };
    let (uid, job) = home.detach_again("job-again", "2");
    let kept = home.run_folder(&uid, 1).join("env.kept");
    assert_eq!(fs::metadata(&kept).expect("the environment is kept").permissions().mode() & 0o777, 0o600);
    home.wait_text(&uid, 1, "stdout", "some input\n");
    let attached = home.start(["attach", &uid]);
    attached.wait_stdout("some input\n");
    home.cluster.requeue(&job);
    let rows = home.wait_attempts(&uid, 2);
    assert_cut(&rows[0], &job, "was put back into the queue");
    assert_eq!((&rows[1]["status"], &rows[1]["attempt"]), (&json!("started"), &json!(2)));
    let listed = home.mer(["ps", "--json"]).ended(0).stdout;
    assert!(listed.contains(r#""state":"queued""#) && listed.contains(r#""attempt":2"#), "{listed}");

    home.cluster.begin_now(&job);
    home.mer(["wait", &uid]).ended(0);
    home.cluster.assert_no_jobs(SOON);
    home.look_anew();
    let rows = home.attempts(&uid);
    assert_eq!(rows.len(), 2);
    assert_cut(&rows[0], &job, "was put back into the queue");
    assert_eq!(
        (&rows[1]["status"], &rows[1]["jobId"], &rows[1]["via"]),
        (&json!("succeeded"), &json!(job), &json!("detached"))
    );
    let text = |attempt: u32| format!("attempt {attempt}\nsome input\n");
    for (row, attempt) in rows.iter().zip(1..) {
        assert_eq!(row["stdoutSha256"], json!(sha256(text(attempt).as_bytes())), "{row}");
    }
    assert_eq!(home.mer(["attach", &uid]).ended(0).stdout, text(2));
    let attached = attached.finish().ended(0);
    assert_eq!(attached.stdout, text(1) + &text(2));
    assert!(
        attached.stderr.contains("was put back into the queue, and runs again as attempt 2"),
        "{}",
        attached.stderr
    );
    home.assert_nothing_kept(&uid);
    let to = home.env.path("fetched");
    home.mer(["fetch", &uid, to.to_str().expect("text")]).ended(0);
    assert_eq!(fs::read_to_string(to.join("artefacts/note")).expect("the artefact"), "kept 2\n");
}

#[test]
fn a_training_that_is_put_back_and_looked_at_by_none_until_its_end_makes_one_version() {
    let Some(home) = Home::with_cache() else { return };
    let uid = home.mer(["train", "job-again", "the weights", "--detach", "--retries", "1"]).ended(0).stdout;
    let uid = uid.trim();
    home.wait_text(uid, 1, "weights", "wrong\n");
    let job = home.cluster.wait_job("RUNNING");
    home.cluster.requeue(&job);
    home.cluster.begin_now(&job);
    home.cluster.assert_no_jobs(SOON);
    // Several look at once.
    let waits: Vec<_> = (0..3).map(|_| home.start(["wait", uid])).collect();
    for wait in waits {
        wait.finish().ended(0);
    }
    let rows = home.attempts(uid);
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert_cut(&rows[0], &job, "was put back into the queue");
    assert_eq!((&rows[0]["weightsVersion"], &rows[0]["kind"]), (&Value::Null, &json!("train")));
    assert_eq!((&rows[1]["status"], &rows[1]["weightsVersion"]), (&json!("succeeded"), &json!(1)), "{}", rows[1]);
    assert_eq!(rows[1]["weightsSha256"], json!(sha256(b"the weights\n")));
    assert_eq!(home.mer(["weights", "list", "job-again", "--json"]).objects().len(), 1);
    home.assert_nothing_kept(uid);
}

#[test]
fn a_stop_holds_for_the_second_attempt_and_for_one_that_waits() {
    let Some(home) = Home::with_cache() else { return };
    let (uid, job) = home.detach_again("job-slow", "3");
    home.cluster.requeue(&job);
    home.cluster.begin_now(&job);
    home.wait_text(&uid, 2, "stdout", "begun");
    home.mer(["stop", &uid]).ended(0);
    home.cluster.assert_no_jobs(SOON);
    let rows = home.attempts(&uid);
    assert_cut(&rows[0], &job, "was put back into the queue");
    assert_eq!(
        (rows.len(), &rows[1]["status"], &rows[1]["error"]),
        (2, &json!("cancelled"), &json!("it was told to stop"))
    );
    assert_eq!(fs::read_to_string(home.run_folder(&uid, 2).join("stdout")).expect("text"), "begun\nended politely\n");
    home.assert_nothing_kept(&uid);

    // In the queue, as the second attempt and before that is on record.
    for is_known in [true, false] {
        let (uid, job) = home.detach_again("job-slow", "3");
        home.cluster.requeue(&job);
        if is_known {
            home.wait_attempts(&uid, 2);
        }
        home.mer(["stop", &uid]).ended(0);
        home.cluster.assert_no_jobs(SOON);
        let rows = home.attempts(&uid);
        assert_eq!(rows.len(), 1 + usize::from(is_known), "{rows:?}");
        assert_eq!(rows[rows.len() - 1]["error"], "it was told to stop");
        home.assert_nothing_kept(&uid);
    }
}

#[test]
fn a_job_runs_again_as_often_as_it_may_and_its_reason_is_told() {
    let Some(home) = Home::with_cache() else { return };
    // Unasked, nothing runs twice.
    let (uid, job) = home.detach_again("job-slow", "0");
    assert!(!home.cluster.call("scontrol", ["requeue", &job]).status.success());
    home.cluster.call("srun", ["-p", "urgent", "-n1", "--exclusive", "true"]);
    home.mer(["wait", &uid]).ended(75);
    let rows = home.attempts(&uid);
    assert_eq!((rows.len(), &rows[0]["error"]), (1, &json!(format!("job {job} was preempted by another job"))));

    let (uid, job) = home.detach_again("job-slow", "1");
    home.cluster.call("srun", ["-p", "urgent", "-n1", "--exclusive", "true"]);
    home.cluster.begin_now(&job);
    home.wait_text(&uid, 2, "stdout", "begun");
    assert_cut(&home.wait_attempts(&uid, 2)[0], &job, "was preempted by another job");
    wait_until("Slurm knows that it was the last attempt", || {
        let told = home.cluster.call("scontrol", ["show", "job", &job]);
        String::from_utf8_lossy(&told.stdout).contains("Requeue=0").then_some(())
    });
    home.cluster.call("srun", ["-p", "urgent", "-n1", "--exclusive", "true"]);
    home.mer(["wait", &uid]).ended(75);
    let rows = home.attempts(&uid);
    assert_eq!((rows.len(), &rows[1]["error"]), (2, &json!(format!("job {job} was preempted by another job"))));
    home.cluster.assert_no_jobs(SOON);
    home.assert_nothing_kept(&uid);
}

#[test]
fn a_job_whose_node_is_lost_runs_again_and_its_first_attempt_is_ended() {
    let Some(mut home) = Home::with_cache() else { return };
    let (uid, job) = home.detach_again("job-again", "1");
    let model = home.wait_text(&uid, 1, "model", "\n");
    home.cluster.kill_node();
    assert_eq!(home.cluster.wait_job("PENDING"), job);
    assert_cut(&home.wait_attempts(&uid, 2)[0], &job, "lost its node");
    // What went on there is ended before it runs a second time.
    let wait_end = |name: &str, text: &str| {
        let pid = text.split(' ').next().and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw).expect("a pid");
        wait_until(&format!("the first {name} ends"), || test_kill_process(pid).is_err().then_some(()));
    };
    wait_end("model", &model);
    home.cluster.start_node();
    // Its supervisor does not end by itself: Slurm would take that for the end of the second attempt.
    wait_end("supervisor", &home.wait_text(&uid, 1, "pid", "\n"));
    home.cluster.begin_now(&job);
    home.mer(["wait", &uid]).ended(0);
    let rows = home.attempts(&uid);
    assert_cut(&rows[0], &job, "lost its node");
    assert_eq!((rows.len(), &rows[1]["status"], &rows[1]["stdoutBytes"]), (2, &json!("succeeded"), &json!(21)));
    home.assert_nothing_kept(&uid);
}

#[test]
fn the_wait_of_a_second_attempt_is_bounded_too() {
    let Some(home) = Home::with_cache() else { return };
    home.mer(["model", "set", "job-slow", "--queue-timeout", "15s", "--allow-changes"]).ended(0);
    let (uid, job) = home.detach_again("job-slow", "1");
    home.cluster.requeue(&job);
    home.mer(["wait", &uid]).failed(75);
    let rows = home.attempts(&uid);
    assert_cut(&rows[0], &job, "was put back into the queue");
    let said = format!("`queueTimeout` ran out: job {job} was still in the queue");
    assert_eq!((&rows[1]["status"], &rows[1]["error"]), (&json!("timeout"), &json!(said)));
    home.cluster.assert_no_jobs(SOON);
    home.assert_nothing_kept(&uid);
}
