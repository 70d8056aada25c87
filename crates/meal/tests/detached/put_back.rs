//! Jobs of Slurm that are put back into the queue. Commands of the tests stand for those of Slurm.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use mer_meal::{DetachedState, EndedBy, Launched, detached_command, end_of_input, launch_script};

use super::{Machine, PATIENCE, kill, machines, read, spec, words};

/// What the commands of Slurm do here: a job is stored, and the queue is the file `queue`.
const SLURM: [(&str, &str); 4] = [
    ("sbatch", "while [ \"${1##*/}\" != job.sh ]; do shift; done; printf '%s\\n' \"$@\" >ROOT/job; echo 7"),
    ("squeue", "cat ROOT/queue"),
    ("scancel", ""),
    ("scontrol", ""),
];

/// Starts the job as Slurm does, for the time that this number says.
fn start_job(machine: &Machine, restarts: &str) -> std::process::Child {
    let text = fs::read_to_string(machine.path("job")).expect("a job");
    let words: Vec<&str> = text.lines().collect();
    let log = fs::OpenOptions::new().create(true).append(true).open(Path::new(words[1]).join("slurm")).expect("a file");
    let path = machine.search_path();
    let mut job = Command::new(machine.path("bin/sh"));
    job.args(&words).envs([("PATH", path.as_str()), ("SLURM_JOB_ID", "7"), ("SLURM_RESTART_COUNT", restarts)]);
    job.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().expect("a shell")
}

#[test]
fn a_job_that_is_put_back_runs_again_for_its_whole_time() {
    for machine in machines() {
        let shell = machine.shell;
        let base = machine.root.path().display().to_string();
        for (name, text) in SLURM {
            let path = machine.path("bin").join(name);
            fs::write(&path, format!("#!/bin/sh\n{}\n", text.replace("ROOT", &base))).expect("a file");
            fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a mode");
        }
        let mut spec = spec(&["sh", "-c", "echo \"attempt $MER_ATTEMPT\"; cat; exec sleep 600"]);
        spec.env.insert("MER_ATTEMPT".into(), "1".into());
        let (launch, supervisor) = launch_script();
        let mut bytes = detached_command(&spec, &BTreeMap::new(), false).expect("a command").into_bytes();
        bytes.extend_from_slice(format!("some input\n{}", end_of_input("u-1")).as_bytes());
        let arguments = [&base, "u-1", "1", "5", "a run of a test", &supervisor, "", "1", "sbatch"];
        let mut run = machine.launched(&machine.script(&launch, &arguments, &bytes));
        run.boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok().map(|id| id.trim().to_owned());
        assert_eq!(run.job_id.as_deref(), Some("7"), "{shell}");

        let mut job = start_job(&machine, "0");
        let model = words(&run.folder, "model", 2)[0].clone();
        let begin = Instant::now();
        while words(&run.folder, "heartbeat", 3)[0].as_str() < "2" && begin.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(20));
        }
        let mut log = fs::OpenOptions::new().append(true).open(Path::new(&run.folder).join("slurm")).expect("a file");
        log.write_all(b"slurmstepd: *** JOB 7 ON n1 CANCELLED AT T DUE TO JOB REQUEUE ***\n").expect("written");
        kill("-TERM", &job.id().to_string());
        kill("-TERM", &format!("-{model}"));
        job.wait().expect("ended");
        start_job(&machine, "1").wait().expect("ended");

        fs::write(machine.path("queue"), "7 COMPLETED 1 mer-u-1\n").expect("a file");
        let DetachedState::Requeued(cut) = machine.look(&run) else { panic!("{shell}: {:?}", machine.look(&run)) };
        assert_eq!((cut.cut.kind, cut.cut.id.as_str()), (mer_meal::JobEndKind::Requeued, "7"), "{shell}");
        let next = Launched { folder: cut.next_folder, ..run.clone() };
        let DetachedState::Ended(end) = machine.look(&next) else { panic!("{shell}: {:?}", machine.look(&next)) };
        // The time of the first attempt does not count.
        assert_eq!(
            (end.by, end.seconds.map(|seconds| seconds >= 4)),
            (Some(EndedBy::MaxRunTime), Some(true)),
            "{shell}: {end:?}"
        );
        assert_eq!(read(&run.folder, "stdout"), "attempt 1\nsome input\n", "{shell}");
        assert_eq!(read(&next.folder, "stdout"), "attempt 2\nsome input\n", "{shell}");
        let is_kept = |name: &str| Path::new(&run.folder).join(name).exists();
        assert!(!is_kept("input") && !is_kept("env.kept"), "{shell}");
    }
}
