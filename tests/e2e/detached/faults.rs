//! Faults of the folder of a run, process ids that belong to others, much output, and many runs.

use std::{
    fs,
    io::Read as _,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use uuid::Uuid;

use super::support::{detach, folder, home, listed, words};
use crate::support::{OnServer, Ran, TestEnv, alive, run, wait_gone, with_session};

/// How long a list of a thousand runs may take with a debug build on a loaded machine. It is a quarter of a second otherwise.
const LIST_BOUND: Duration = Duration::from_secs(20);
/// Maximum memory of a process that shows output, without mapped code.
const MEMORY_KIB: u64 = 64 * 1024;

/// Runs a script with a disk of 1 MiB as the folder of all runs. Returns none where no disk can be mounted.
fn on_small_disk(env: &TestEnv, script: &str) -> Option<Ran> {
    let runs = env.path("state/mer/runs");
    fs::create_dir_all(&runs).expect("a folder");
    let unshare = |script: String| {
        let mut command = env.program("unshare".as_ref());
        command.arg(if rustix::process::geteuid().is_root() { "-m" } else { "-rm" });
        command.args(["sh", "-c", &script]).env("MER", TestEnv::binary()).env("RUNS", &runs);
        run(command)
    };
    let mount = "mount -t tmpfs -o size=1m none \"$RUNS\"";
    let possible = unshare(mount.to_owned());
    if possible.code != Some(0) {
        #[expect(clippy::print_stderr, reason = "what is left out is said")]
        {
            eprintln!("LEFT OUT: no disk can be mounted here: {}", possible.stderr.trim());
        }
        return None;
    }
    Some(unshare(format!("{mount} || exit 99\n{script}")))
}

#[test]
fn a_folder_that_is_full_is_told_and_what_does_not_fit_is_not_started() {
    let env = home();
    env.apply(
        "[models.fills]\nshell = true\ninferenceCommand = 'head -c 4000000 /dev/zero'\n\n\
         [models.takes]\ninferenceCommand = ['cat']\n",
    );
    env.file("work/large", vec![b'x'; 4_000_000]);
    let script = "uid=$(\"$MER\" --quiet run fills --detach) || exit 98
        \"$MER\" wait \"$uid\"; echo \"code $?\"
        \"$MER\" log show \"$uid\"
        \"$MER\" fetch \"$uid\" got; echo \"code $?\"
        \"$MER\" run takes @large --detach; echo \"code $?\"
        ls \"$RUNS\"";
    let Some(ran) = on_small_disk(&env, script) else { return };
    let told = &ran.stdout;
    assert!(told.contains("the model exited with code 1; the disk of its folder was full"), "{ran:?}");
    let codes: Vec<&str> = told.lines().filter(|line| line.starts_with("code ")).collect();
    assert_eq!(codes, ["code 1", "code 0", "code 74"], "{ran:?}");
    assert!(ran.stderr.contains("could not be started on `local`"), "{ran:?}");
    assert!(told.ends_with("code 74\n"), "a folder is left: {ran:?}");
    let rows = env.rows();
    assert!(rows.iter().all(|row| row["status"] == "failed"), "{rows:?}");
    assert!(fs::metadata(env.path("work/got/stdout")).expect("the part that fitted").len() > 100_000);
}

#[test]
fn a_folder_of_another_user_is_left_alone() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let env = home();
    let uid = detach(&env, &["run", "waits"]);
    let run = folder(&env, &uid);
    let model: u32 = words(&run, "artefacts/pid", 1)[0].parse().expect("a pid");
    crate::support::give(&run, 4_711);
    let row = listed(&env).remove(0);
    let expected = (Some("unknown"), Some("its folder belongs to another user"));
    assert_eq!((row["state"].as_str(), row["why"].as_str()), expected);
    assert!(env.mer(["stop", &uid, "--now"]).failed(74).contains("its folder is not there"));
    assert!(alive(model) && !run.join("stop").exists());
    crate::support::give(&run, 0);
    env.mer(["stop", &uid, "--now"]).ended(0);
    wait_gone(model);
}

#[test]
fn a_process_id_that_was_given_to_another_program_is_not_taken_for_the_run() {
    let env = home();
    let uid = detach(&env, &["run", "waits"]);
    let run = folder(&env, &uid);
    let model: u32 = words(&run, "artefacts/pid", 1)[0].parse().expect("a pid");
    let counter: u32 = words(&run, "heartbeat", 3)[1].parse().expect("a pid");
    let pid = words(&run, "pid", 4);
    for process in [counter, pid[0].parse().expect("a pid"), model] {
        mer_testkit::processes::kill(process);
        wait_gone(process);
    }
    let _ = fs::remove_file(run.join("end"));
    // Its numbers belong to a program that leads a group of its own.
    let mut other = Command::new("setsid").args(["sleep", "600"]).spawn().expect("setsid");
    let other_pid = other.id();
    for (name, rest) in [("pid", format!("1 {} {}", pid[2], pid[3])), ("model", "1".to_owned())] {
        fs::write(run.join(name), format!("{other_pid} {rest}\n")).expect("a file");
    }
    fs::write(run.join("heartbeat"), format!("3 {other_pid} 1\n")).expect("a file");
    assert!(env.mer(["wait", &uid]).failed(69).contains("its supervisor was killed"));
    assert_eq!(env.mer(["log", "show", &uid, "--json"]).object()["status"], "lost");
    let lives = alive(other_pid);
    mer_testkit::processes::kill(other_pid);
    let _ = other.wait();
    assert!(lives, "a foreign program was ended");
}

#[test]
fn two_databases_share_the_folder_of_runs() {
    let env = home();
    let second = |args: &[&str]| {
        let mut command = env.command();
        command.args(["--data-dir", "second"]).args(args);
        run(command)
    };
    let models = env.file("models.toml", super::support::MODELS);
    second(&["apply", models.to_str().expect("text"), "--allow-changes", "--quiet"]).ended(0);
    let first = detach(&env, &["run", "gated"]);
    let other = second(&["run", "gated", "--detach", "--quiet"]).ok().trim().to_owned();
    let seen = |text: String| [&first, &other].map(|uid| text.contains(uid.as_str()));
    assert_eq!(seen(env.mer(["ps"]).ended(0).stdout), [true, false]);
    assert_eq!(seen(second(&["ps"]).ended(0).stdout), [false, true]);
    assert!(env.mer(["fetch", &other]).failed(66).contains("there is no access"));
    for uid in [&first, &other] {
        words(&folder(&env, uid), "stdout", 1);
        fs::write(folder(&env, uid).join("artefacts/go"), "").expect("a file");
    }
    env.mer(["wait", &first]).ended(0);
    env.mer(["fetch", &first, "got"]).ended(0);
    assert!(folder(&env, &other).exists() && !folder(&env, &first).exists());
    second(&["wait", &other]).ended(0);
    assert_eq!(second(&["attach", &other]).ok(), "begun\ndone\n");
}

#[test]
fn much_output_is_shown_in_constant_memory_at_the_pace_of_its_reader() {
    const TOTAL: usize = 150_000_000;
    let env = home();
    env.apply(format!("[models.much]\nshell = true\ninferenceCommand = 'head -c {TOTAL} /dev/zero'\n"));
    let uid = detach(&env, &["run", "much"]);
    env.mer(["wait", &uid]).ended(0);
    let mut command = env.with(["attach", &uid]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("mer");
    let mut stdout = child.stdout.take().expect("stdout");
    let mut block = vec![0; 1 << 20];
    let mut left = TOTAL;
    while left > 0 {
        let length = block.len().min(left);
        stdout.read_exact(&mut block[..length]).expect("the stream");
        left -= length;
    }
    let peak = peak_kib(child.id());
    assert_eq!(stdout.read(&mut block).expect("the end"), 0);
    assert!(child.wait().expect("a status").success());
    assert!(peak < MEMORY_KIB, "{peak} KiB");
}

/// Returns the peak memory of a process, without mapped files; 0 if it has ended.
fn peak_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let field = |name: &str| -> u64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.trim().trim_end_matches(" kB").parse().unwrap_or_default()
    };
    field("VmHWM:").saturating_sub(field("RssFile:"))
}

#[test]
fn a_thousand_runs_are_listed_in_a_moment() {
    let place = OnServer::embedded();
    place.apply(super::support::MODELS);
    let uid = super::support::detach_on(&place, &["run", "waits"]);
    let first = folder(&place.env, &uid);
    words(&first, "artefacts/pid", 1);
    with_session(&place.env, &place.url, async |mut session| {
        let run = session.detached_runs().await.expect("runs").remove(0);
        let access = session.access(run.request_uid).await.expect("an access").remove(0);
        for number in 1..1_000 {
            let request_uid = Uuid::now_v7();
            let copy = folder(&place.env, &request_uid.to_string());
            copy_files(&first, &copy);
            let mut run = mer_core::DetachedRun { request_uid, ..run.clone() };
            run.folder = Some(copy.display().to_string());
            let access = mer_core::Access { request_uid, ..access.clone() };
            session.add_detached(&run, Duration::from_secs(86_400), &access).await.expect("added");
            if number % 100 == 0 {
                session = session.renew().await.expect("a session");
            }
        }
        session
    });
    let begin = Instant::now();
    let rows = place.mer(["ps", "--json"]).objects();
    let took = begin.elapsed();
    eprintln!("a thousand detached runs are listed in {took:?}");
    assert_eq!(rows.iter().filter(|row| row["state"] == "running").count(), 1_000);
    assert!(took < LIST_BOUND, "{took:?}");
    place.mer(["stop", &uid, "--now"]).ended(0);
}

fn copy_files(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a folder");
    for name in ["pid", "model", "heartbeat", "stdout", "stderr"] {
        fs::copy(from.join(name), to.join(name)).expect("a copy");
    }
}
