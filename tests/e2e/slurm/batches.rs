//! A batch of a model that ends with its item: as many jobs as items run at once, in which one item runs after the other.

use std::{collections::BTreeSet, fs};

use mer_testkit::processes;
use rustix::process::Signal;
use serde_json::json;

use super::{Home, SOON};
use crate::support::{Live, wait_until};

impl Home {
    /// Starts a batch of these items, with results in the file `out`.
    fn batch<const N: usize>(&self, items: &[&str], words: [&str; N]) -> Live {
        self.env.file("work/in", items.join("\n") + "\n");
        let mut command = self.with(["batch", "job-item", "in", "-o", "out"]);
        command.args(words);
        Live::start(command, std::process::Stdio::null())
    }

    fn results(&self) -> String {
        fs::read_to_string(self.env.path("work/out")).expect("results")
    }

    /// Job and item of each process that ran.
    fn ran(&self) -> Vec<(String, String)> {
        let told = fs::read_to_string(self.folder().join("ran")).unwrap_or_default();
        told.lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(job, item)| (job.to_owned(), item.to_owned()))
            .collect()
    }

    /// Waits until an item is in process, and returns its job.
    #[track_caller]
    fn wait_item(&self, item: &str) -> String {
        wait_until(item, || self.ran().into_iter().rev().find(|(_, ran)| ran == item).map(|(job, _)| job))
    }

    /// The names of all jobs that were submitted so far, also those that have ended.
    fn names(&self) -> Vec<String> {
        let told = self.cluster.call("squeue", ["-h", "-t", "all", "-o", "%j"]).stdout;
        String::from_utf8_lossy(&told).lines().map(|name| name.trim().to_owned()).collect()
    }

    /// Lets the items `gate` go on.
    fn open_gate(&self) {
        fs::write(self.folder().join("go"), "").expect("a file");
    }
}

fn answers(items: &[&str]) -> String {
    items.iter().map(|item| format!("got {item}\n")).collect()
}

#[test]
fn items_share_as_many_jobs_as_run_at_once() {
    let Some(home) = Home::new() else { return };
    let mut items: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    items.extend(["bad", "hang", "last"].map(str::to_owned));
    let items: Vec<&str> = items.iter().map(String::as_str).collect();
    let ran = home.batch(&items, ["--jobs", "2", "--timeout", "3s"]).finish().ended(1);
    assert!(ran.stderr.contains("23 items: 21 succeeded, 2 failed"), "{}", ran.stderr);
    assert_eq!(home.results(), answers(&items[..20]) + "\n\ngot last\n");

    let names = home.names();
    let rows = home.env.rows();
    let batch = rows[0]["batchUid"].as_str().expect("a uid");
    let expected: BTreeSet<_> = (1..=2).map(|number| format!("mer-{batch}-{number}")).collect();
    assert_eq!((names.len(), names.into_iter().collect::<BTreeSet<_>>()), (2, expected));
    let jobs: BTreeSet<_> = home.ran().into_iter().map(|(job, _)| job).collect();
    assert_eq!(jobs.len(), 2);
    assert_eq!(rows.len(), 23);
    assert!(rows.iter().all(|row| row["jobId"].as_str().is_some_and(|job| jobs.contains(job))), "{rows:?}");
    assert!(rows.iter().all(|row| row["queueMs"].is_number() && row["runMs"].is_number()), "{rows:?}");
    let of = |status: &str| rows.iter().filter(|row| row["status"] == status).count();
    assert_eq!((of("succeeded"), of("failed"), of("timeout")), (21, 1, 1));
    assert!(rows.iter().any(|row| row["exitCode"] == json!(3)), "{rows:?}");
    home.cluster.assert_no_jobs(SOON);
}

#[test]
fn items_wait_for_no_job_of_their_own_where_another_one_is_free() {
    let Some(home) = Home::new() else { return };
    home.apply("[servers.cluster]\nconnType = 'slurm'\ncpusPerTask = 8\n");
    let items = ["a", "b", "c", "d", "e", "f"];
    home.batch(&items, ["--jobs", "3"]).finish().ended(0);
    assert_eq!(home.results(), answers(&items));
    let jobs: BTreeSet<_> = home.ran().into_iter().map(|(job, _)| job).collect();
    assert_eq!(jobs.len(), 1);
    home.cluster.assert_no_jobs(SOON);
}

#[test]
fn an_item_whose_job_was_ended_is_repeated_in_another_job() {
    let Some(mut home) = Home::new() else { return };
    for (cause, error) in [
        ("cancelled", "was cancelled on the cluster"),
        ("preempted", "was preempted by another job"),
        ("lost node", "lost its node"),
    ] {
        for name in ["ran", "go"] {
            let _ = fs::remove_file(home.folder().join(name));
        }
        let items = ["a", "gate", "b"];
        let live = home.batch(&items, ["--jobs", "1", "--force"]);
        let job = home.wait_item("gate");
        match cause {
            "cancelled" => drop(home.cluster.call("scancel", [&job])),
            "preempted" => drop(home.cluster.call("srun", ["-p", "urgent", "-n1", "--exclusive", "true"])),
            _ => {
                home.cluster.kill_node();
                wait_until("its end", || {
                    let told = home.cluster.call("scontrol", ["show", "job", "-o", &job]).stdout;
                    String::from_utf8_lossy(&told).contains("JobState=NODE_FAIL").then_some(())
                });
                home.cluster.start_node();
            }
        }
        home.open_gate();
        let ran = live.finish().ended(0);
        assert_eq!(home.results(), answers(&items), "{cause}: {}", ran.stderr);
        let jobs: Vec<_> = home.ran().into_iter().filter(|(_, item)| item == "gate").map(|(job, _)| job).collect();
        assert!(jobs.len() == 2 && jobs[0] != jobs[1], "{cause}: {jobs:?}");
        let rows = home.env.rows();
        let row = rows.iter().find(|row| row["jobId"] == json!(job) && row["status"] == "failed");
        let told = row.map(|row| row["error"].as_str().unwrap_or_default().to_owned()).unwrap_or_default();
        assert!(told.contains(&format!("job {job} {error}")), "{cause}: {rows:?}");
        home.cluster.assert_no_jobs(SOON);
    }
}

#[test]
fn a_part_whose_job_was_ended_says_why_and_goes_on_in_another_one() {
    let Some(home) = Home::new() else { return };
    let items = ["a", "gate", "b"];
    home.env.file("work/in", items.join("\n") + "\n");
    let batch = home.with(["batch", "job-liner", "in", "-o", "out", "--jobs", "1"]);
    let live = Live::start(batch, std::process::Stdio::null());
    let job = home.wait_item("gate");
    home.cluster.call("scancel", [&job]);
    wait_until("the second try", || home.ran().iter().any(|(other, _)| *other != job).then_some(()));
    home.open_gate();
    let ran = live.finish().ended(0);
    assert_eq!(home.results(), answers(&items), "{}", ran.stderr);
    let rows = home.env.rows();
    let told = format!("job {job} was cancelled on the cluster");
    let is_told = |row: &serde_json::Value| row["error"].as_str().is_some_and(|error| error.starts_with(&told));
    assert!(rows.iter().any(is_told), "{rows:?}");
}

#[test]
fn a_free_job_that_was_cancelled_is_replaced() {
    let Some(home) = Home::new() else { return };
    // The second job has nothing to do while the first one is at the gate.
    let mut live = home.start(["batch", "job-item", "-", "--jobs", "2", "-o", "out"]);
    live.say(b"gate\nb\n");
    let (gate, free) = (home.wait_item("gate"), home.wait_item("b"));
    assert_ne!(gate, free);
    wait_until("its step has ended", || {
        let told = home.cluster.call("squeue", ["-h", "-s", "-j", &free, "-o", "%i"]).stdout;
        String::from_utf8_lossy(&told).trim().is_empty().then_some(())
    });
    home.cluster.call("scancel", [&free]);
    live.say(b"c\n");
    let third = home.wait_item("c");
    assert!(third != gate && third != free);
    home.open_gate();
    drop(live.take_stdin());
    live.finish().ended(0);
    assert_eq!(home.results(), answers(&["gate", "b", "c"]));
    home.cluster.assert_no_jobs(SOON);
}

#[test]
fn a_job_whose_command_was_killed_is_ended_and_replaced() {
    let Some(home) = Home::new() else { return };
    let items = ["gate", "b"];
    let live = home.batch(&items, ["--jobs", "1"]);
    let job = home.wait_item("gate");
    let of_salloc =
        |pid: &&u32| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim() == "salloc");
    let below = processes::descendants(live.pid());
    let salloc = below.iter().filter(of_salloc).min().expect("the command");
    processes::kill(*salloc);
    wait_until("another job", || (home.wait_item("gate") != job).then_some(()));
    home.open_gate();
    live.finish().ended(0);
    assert_eq!(home.results(), answers(&items));
    home.cluster.assert_no_jobs(SOON);
}

#[test]
fn a_job_that_is_not_needed_is_given_back_while_a_long_item_runs() {
    let Some(home) = Home::new() else { return };
    let live = home.batch(&["gate", "b"], ["--jobs", "2"]);
    let (gate, free) = (home.wait_item("gate"), home.wait_item("b"));
    assert!(processes::poll(SOON * 2, || (home.cluster.jobs().len() == 1).then_some(())).is_some());
    assert!(home.cluster.jobs()[0].starts_with(&format!("{gate} ")) && gate != free);
    home.open_gate();
    live.finish().ended(0);
    assert_eq!(home.results(), answers(&["gate", "b"]));
    home.cluster.assert_no_jobs(SOON);
}

#[test]
fn a_batch_waits_for_a_controller_that_is_away() {
    let Some(mut home) = Home::new() else { return };
    let items = ["gate", "b", "c"];
    let live = home.batch(&items, ["--jobs", "1"]);
    home.wait_item("gate");
    home.cluster.stop_controller();
    home.open_gate();
    live.wait_stderr("Slurm cannot be reached");
    home.cluster.start_controller();
    live.finish().ended(0);
    assert_eq!(home.results(), answers(&items));
    home.cluster.assert_no_jobs(SOON);
}

/// Slurm's shortest time limit is a minute, and it looks for jobs that are over theirs every half a minute.
#[test]
fn a_time_limit_is_that_of_many_items() {
    if std::env::var_os("MER_TEST_LARGE").is_none() {
        return;
    }
    let Some(home) = Home::new() else { return };
    home.apply("[servers.cluster]\nconnType = 'slurm'\ntime = '1m'\n");
    let items = ["a", "gate", "b"];
    let live = home.batch(&items, ["--jobs", "1"]);
    let first = home.wait_item("gate");
    assert!(processes::poll(SOON * 4, || (home.wait_item("gate") != first).then_some(())).is_some());
    home.open_gate();
    live.finish().ended(0);
    assert_eq!(home.results(), answers(&items));
    let rows = home.env.rows();
    let row = rows.iter().find(|row| row["status"] == "timeout").expect("an attempt");
    assert_eq!(row["error"], json!(format!("job {first} reached its time limit")));
    home.cluster.assert_no_jobs(SOON);

    fs::remove_file(home.folder().join("go")).expect("the file");
    let mut live = home.batch(&["gate"], ["--jobs", "1", "--force"]);
    processes::until("the end of the second job", SOON * 8, || live.is_over());
    let ran = live.finish().ended(1);
    assert!(ran.stderr.contains("reached its time limit"), "{}", ran.stderr);
    home.cluster.assert_no_jobs(SOON);
}

#[test]
fn no_job_of_a_batch_stays_behind_however_it_ends() {
    let Some(home) = Home::new() else { return };
    let items = ["gate", "b", "gate", "c"];
    // One of the jobs is free when the first one is killed.
    let live = home.batch(&items, ["--jobs", "3"]);
    home.wait_item("c");
    live.signal(Signal::KILL);
    home.cluster.assert_no_jobs(SOON);
    drop(live);

    // The first Ctrl-C finishes what runs.
    let live = home.batch(&items, ["--jobs", "1", "--force"]);
    wait_until("the gate", || (home.ran().iter().filter(|(_, item)| item == "gate").count() > 2).then_some(()));
    live.signal(Signal::INT);
    live.wait_stderr("Ctrl-C once more ends");
    home.open_gate();
    live.finish().ended(130);
    assert_eq!(home.results(), "got gate\n");
    home.cluster.assert_no_jobs(SOON);
    assert_eq!(home.newest()["status"], "succeeded");

    // The second one ends it.
    let live = home.batch(&["a", "hang", "b"], ["--jobs", "2", "--force"]);
    home.wait_item("hang");
    live.signal(Signal::INT);
    live.wait_stderr("Ctrl-C once more ends");
    live.signal(Signal::INT);
    live.finish().ended(130);
    home.cluster.assert_no_jobs(SOON);
    let batch = home.newest()["batchUid"].as_str().expect("a uid").to_owned();
    processes::assert_gone(&format!("SLURM_JOB_NAME=mer-{batch}"), SOON);
}

#[test]
fn jobs_that_do_not_begin_end_the_batch_after_a_while_or_at_ctrl_c() {
    let Some(home) = Home::new() else { return };
    home.apply("[servers.cluster]\nconnType = 'slurm'\npartition = 'stopped'\n");
    let live = home.batch(&["a", "b", "c"], ["--jobs", "2"]);
    home.cluster.wait_job("PENDING");
    live.signal(Signal::INT);
    live.finish().ended(130);
    home.cluster.assert_no_jobs(SOON);
    let rows = home.env.rows();
    assert!(!rows.is_empty() && rows.iter().all(|row| row["status"] == "cancelled"), "{rows:?}");

    let live = home.batch(&["a", "b", "c"], ["--jobs", "2", "--force"]);
    home.cluster.wait_job("PENDING");
    live.signal(Signal::KILL);
    home.cluster.assert_no_jobs(SOON);
    drop(live);

    home.mer(["model", "set", "job-item", "--queue-timeout", "2s", "--allow-changes"]).ended(0);
    let told = home.batch(&["a", "b", "c"], ["--jobs", "2", "--force"]).finish().failed(69);
    assert!(told.contains("was still in the queue (PartitionDown)"), "{told}");
    assert_eq!(home.newest()["status"], "timeout");
    home.cluster.assert_no_jobs(SOON);

    home.apply("[servers.cluster]\nconnType = 'slurm'\npartition = 'nope'\n");
    let told = home.batch(&["a", "b"], ["--jobs", "2", "--force"]).finish().failed(78);
    assert!(told.contains("the partition `nope` does not exist (there are `debug`"), "{told}");
}
