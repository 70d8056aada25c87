//! Detached runs, with each shell that may be `sh` on a server.

mod put_back;

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use mer_core::{Bounds, Protocol, RunSpec, Tokens};
use mer_meal::{
    DetachedEnd, DetachedState, EndedBy, FOLLOW, HASH, LOOK, Launched, REMOVE, RunFolder, SEND_FILES, SIGNAL,
    SupervisorId, detached_command, end_of_input, launch_script, launched, observations, survey, survey_script,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// Closes what the tests themselves were started with.
const CLOSE_OTHERS: &str = r#"for fd in /proc/self/fd/*; do
    [ "${fd##*/}" -le 2 ] || eval "exec ${fd##*/}>&-"
done"#;

/// A machine whose `sh` is one shell.
struct Machine {
    shell: &'static str,
    root: tempfile::TempDir,
}

/// Returns a machine for each shell that is installed.
fn machines() -> Vec<Machine> {
    let shells = ["dash", "busybox", "mksh", "bash"].into_iter();
    let found = shells.filter_map(|shell| {
        let path = PathBuf::from("/usr/bin").join(shell);
        let path = path.exists().then_some(path)?;
        let root = tempfile::tempdir().expect("a folder");
        fs::create_dir(root.path().join("bin")).expect("a folder");
        std::os::unix::fs::symlink(path, root.path().join("bin/sh")).expect("a link");
        Some(Machine { shell, root })
    });
    let found: Vec<Machine> = found.collect();
    assert!(!found.is_empty(), "no shell is installed");
    found
}

impl Machine {
    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn search_path(&self) -> String {
        format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap_or_default())
    }

    /// Runs a script with this machine's `sh`, with three descriptors.
    fn script(&self, text: &str, arguments: &[&str], input: &[u8]) -> Output {
        self.script_after(CLOSE_OTHERS, text, arguments, input)
    }

    /// Runs a script with this machine's `sh`, and the descriptors that this text of bash leaves.
    fn script_after(&self, descriptors: &str, text: &str, arguments: &[&str], input: &[u8]) -> Output {
        let mut child = Command::new("bash")
            .args(["-c", &format!("{descriptors}; exec \"$@\""), "bash"])
            .arg(self.path("bin/sh"))
            .args(["-c", text, "mer"])
            .args(arguments)
            .env("PATH", self.search_path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a shell");
        child.stdin.take().expect("piped").write_all(input).expect("written");
        child.wait_with_output().expect("ended")
    }

    fn try_launch(&self, name: &str, spec: &RunSpec, bounds: [&str; 2], input: &[u8]) -> Output {
        self.try_launch_after(CLOSE_OTHERS, name, spec, bounds, input)
    }

    fn try_launch_after(
        &self,
        descriptors: &str,
        name: &str,
        spec: &RunSpec,
        bounds: [&str; 2],
        input: &[u8],
    ) -> Output {
        let (launch, supervisor) = launch_script();
        let mut bytes = detached_command(spec, &BTreeMap::new(), false).expect("a command").into_bytes();
        bytes.extend_from_slice(input);
        bytes.extend_from_slice(end_of_input(name).as_bytes());
        let base = self.root.path().display().to_string();
        let arguments = [&base, name, bounds[0], bounds[1], "a run of a test", &supervisor];
        self.script_after(descriptors, &launch, &arguments, &bytes)
    }

    fn launch(&self, name: &str, script: &str, bounds: [&str; 2], input: &[u8]) -> Launched {
        self.launched(&self.try_launch(name, &spec(&["sh", "-c", script]), bounds, input))
    }

    fn launched(&self, output: &Output) -> Launched {
        let answer = String::from_utf8_lossy(&output.stdout).into_owned();
        launched(&answer).unwrap_or_else(|| panic!("{}: {answer} {output:?}", self.shell))
    }

    fn look(&self, run: &Launched) -> DetachedState {
        let known = SupervisorId {
            pid: Some(run.pid),
            start_time: Some(run.start_time.clone()),
            boot_id: run.boot_id.clone(),
            host: Some(run.host.clone()),
        };
        let folder = RunFolder::Known(run.folder.clone());
        let output = self.script(&LOOK.text(), &[], known.line(&folder).expect("a line").as_bytes());
        let seen = observations(&String::from_utf8_lossy(&output.stdout), 1);
        let seen = seen.unwrap_or_else(|| panic!("{}: {output:?}", self.shell));
        assert_eq!((&seen.boot_id, &seen.host), (&run.boot_id, &run.host));
        seen.seen.into_iter().next().expect("a run").state
    }

    fn until(&self, run: &Launched, what: &str, is_it: impl Fn(&DetachedState) -> bool) -> DetachedState {
        let begin = Instant::now();
        loop {
            let state = self.look(run);
            if is_it(&state) {
                return state;
            }
            assert!(begin.elapsed() < PATIENCE, "{}: not {what}: {state:?}", self.shell);
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn end(&self, run: &Launched) -> DetachedEnd {
        match self.until(run, "ended", |state| matches!(state, DetachedState::Ended(_))) {
            DetachedState::Ended(end) => end,
            other => panic!("{other:?}"),
        }
    }
}

fn spec(argv: &[&str]) -> RunSpec {
    let env = [("PLAIN", "x"), ("QUOTED", "it's\n two \"lines\""), ("ODD.NAME", "y")];
    RunSpec {
        argv: argv.iter().map(|&word| word.to_owned()).collect(),
        cwd: None,
        env: env.map(|(name, value)| (OsString::from(name), OsString::from(value))).into(),
        protocol: Protocol::Oneshot,
        tokens: Tokens::defaults(Protocol::Oneshot),
        bounds: Bounds::default(),
        leave_children: false,
    }
}

fn read(folder: &str, name: &str) -> String {
    fs::read_to_string(Path::new(folder).join(name)).unwrap_or_default()
}

/// Waits until a file has this many words.
fn words(folder: &str, name: &str, count: usize) -> Vec<String> {
    let begin = Instant::now();
    loop {
        let words: Vec<String> = read(folder, name).split_whitespace().map(str::to_owned).collect();
        if words.len() >= count {
            return words;
        }
        assert!(begin.elapsed() < PATIENCE, "`{name}` has {words:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn kill(signal: &str, process: &str) {
    let done = Command::new("kill").args([signal, "--", process]).status().expect("kill");
    assert!(done.success(), "kill {signal} {process}");
}

/// Whether a process lives, and is no zombie.
fn lives(process: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

#[test]
fn a_run_goes_on_and_leaves_what_it_wrote() {
    for machine in machines() {
        let script = "cat; echo \"$QUOTED\"; echo oops >&2; mkdir \"$MER_RUN_DIR/a b\"; \
                      echo kept >\"$MER_RUN_DIR/a b/c\"; exit 3";
        let run = machine.launch("u-1", script, ["5", ""], b"one\0two");
        let end = machine.end(&run);
        assert_eq!((end.status, end.by, end.disk_full), (Some(3), None, false), "{}", machine.shell);
        assert!(end.at.is_some_and(|at| at > 1_700_000_000), "{end:?}");
        assert_eq!(read(&run.folder, "stdout"), "one\0twoit's\n two \"lines\"\n", "{}", machine.shell);
        assert_eq!(read(&run.folder, "stderr"), "oops\n");
        assert_eq!(read(&run.folder, "about"), "a run of a test\n");
        let mut left: Vec<String> = fs::read_dir(&run.folder)
            .expect("the folder")
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        left.sort_unstable();
        // The process that counts the time may have been ended before it began.
        left.retain(|name| name != "heartbeat");
        assert_eq!(left, ["about", "artefacts", "end", "model", "pid", "stderr", "stdout"], "{}", machine.shell);

        let hash = machine.script(HASH, &[&run.folder, "1"], b"").stdout;
        let hash = String::from_utf8_lossy(&hash).into_owned();
        assert!(hash.starts_with("25 ") && hash.ends_with(" 5\noops\n"), "{}: {hash}", machine.shell);
        let files = machine.script(SEND_FILES, &[&run.folder], b"").stdout;
        let files = String::from_utf8_lossy(&files).into_owned();
        assert!(
            files.contains("17 5\n./artefacts/a b/c\nkept\n") && files.ends_with("0 0\n"),
            "{}: {files}",
            machine.shell
        );
        let tail = machine.script(&FOLLOW.text(), &[&run.folder, "stdout", "1"], b"").stdout;
        assert_eq!(String::from_utf8_lossy(&tail), " two \"lines\"\n", "{}", machine.shell);
    }
}

/// A descriptor that the caller has open may be a lock, or a pipe that is read to its end.
#[test]
fn a_run_is_started_whatever_descriptors_are_open_and_holds_none_of_them() {
    for machine in machines() {
        let pipe = machine.path("held");
        fs::write(&pipe, "").expect("a file");
        for (number, open) in ["3", "3 4 5", "9", "3 10 11", "10", "12 63"].iter().enumerate() {
            let numbers = open.split(' ');
            let opened: Vec<String> = numbers.map(|fd| format!("exec {fd}<>'{}'", pipe.display())).collect();
            let descriptors = format!("{CLOSE_OTHERS}; {}", opened.join("; "));
            let name = format!("u-{number}");
            let endless = spec(&["sh", "-c", "echo up; exec sleep 600"]);
            let output = machine.try_launch_after(&descriptors, &name, &endless, ["1", ""], b"");
            let run = machine.launched(&output);
            words(&run.folder, "stdout", 1);
            let model = words(&run.folder, "model", 2)[0].clone();
            let counter = words(&run.folder, "heartbeat", 3)[1].clone();
            for process in [&model, &counter, &run.pid.to_string()] {
                let held = fs::read_dir(format!("/proc/{process}/fd")).expect("a process");
                let held = held.filter_map(|entry| {
                    let entry = entry.ok()?;
                    let at = fs::read_link(entry.path()).is_ok_and(|at| at == pipe);
                    at.then(|| entry.file_name().to_string_lossy().into_owned())
                });
                // The shells have no word for a descriptor of two digits; `mer` closes those.
                let held: Vec<String> =
                    held.filter(|fd| open.split(' ').any(|open| open == fd && fd.len() == 1)).collect();
                assert!(held.is_empty(), "{}, {open}: {process} holds {held:?}", machine.shell);
            }
            kill("-KILL", &format!("-{model}"));
            assert_eq!(machine.end(&run).status, Some(137), "{}", machine.shell);
        }
    }
}

#[test]
fn the_folder_and_what_is_in_it_are_private_and_the_environment_is_not_kept() {
    use std::os::unix::fs::PermissionsExt as _;
    for machine in machines() {
        let run = machine.launch("u-1", "echo started; read -r line; exec sleep 600", ["5", ""], b"x\n");
        words(&run.folder, "stdout", 1);
        let mode = |name: &str| {
            let path = Path::new(&run.folder).join(name);
            fs::metadata(path).expect("a file").permissions().mode() & 0o777
        };
        assert_eq!((mode(""), mode("stdout"), mode("input")), (0o700, 0o600, 0o600), "{}", machine.shell);
        for entry in fs::read_dir(&run.folder).expect("the folder") {
            let path = entry.expect("an entry").path();
            let text = fs::read(&path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
            assert!(!text.contains("two \\\"lines"), "{}", path.display());
            assert!(!text.contains("QUOTED"), "{} has the environment", path.display());
        }
        let pids = words(&run.folder, "model", 2);
        kill("-KILL", &format!("-{}", pids[0]));
        assert_eq!(machine.end(&run).status, Some(137), "{}", machine.shell);
    }
}

#[test]
fn a_run_ends_when_it_is_told_to_or_its_time_is_over() {
    for machine in machines() {
        let polite =
            machine.launch("u-1", "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.1; done", ["5", ""], b"");
        let stubborn = machine.launch("u-2", "trap '' TERM; echo up; while :; do sleep 0.1; done", ["1", ""], b"");
        let bounded = machine.launch("u-3", "echo up; exec sleep 600", ["1", "1"], b"");
        for run in [&polite, &stubborn] {
            words(&run.folder, "stdout", 1);
            assert!(matches!(machine.look(run), DetachedState::Running(_)), "{}", machine.shell);
            let told = machine.script(&SIGNAL.text(), &["TERM", &run.folder], b"");
            assert!(told.status.success(), "{}: {told:?}", machine.shell);
        }
        let end = machine.end(&polite);
        assert_eq!((end.status, end.by), (Some(0), Some(EndedBy::Stop)), "{}", machine.shell);
        let end = machine.end(&stubborn);
        assert_eq!((end.status, end.by), (Some(137), Some(EndedBy::Stop)), "{}", machine.shell);
        let end = machine.end(&bounded);
        assert_eq!((end.status, end.by), (Some(143), Some(EndedBy::MaxRunTime)), "{}", machine.shell);
    }
}

#[test]
fn a_supervisor_that_is_killed_leaves_no_model_and_a_true_end() {
    for machine in machines() {
        let first = machine.launch("u-1", "echo up; exec sleep 600", ["1", ""], b"");
        let second = machine.launch("u-2", "echo up; exec sleep 600", ["1", ""], b"");
        let third = machine.launch("u-3", "echo up; exec sleep 600", ["1", ""], b"");
        let model = |run: &Launched| words(&run.folder, "model", 2)[0].clone();
        // The process that counts the time takes over.
        kill("-KILL", &first.pid.to_string());
        let end = machine.end(&first);
        assert_eq!((end.status, lives(&model(&first))), (None, false), "{}", machine.shell);
        // Without both, the look ends the model.
        let counter = words(&second.folder, "heartbeat", 3)[1].clone();
        let killed = model(&second);
        kill("-KILL", &counter);
        kill("-KILL", &second.pid.to_string());
        let state = machine.until(&second, "killed", |state| !matches!(state, DetachedState::Running(_)));
        assert_eq!(state, DetachedState::Killed, "{}", machine.shell);
        let begin = Instant::now();
        while lives(&killed) {
            assert!(begin.elapsed() < PATIENCE, "{}: the model lives", machine.shell);
            std::thread::sleep(Duration::from_millis(10));
        }
        // Without the process that counts the time, the supervisor still writes the end.
        let counter = words(&third.folder, "heartbeat", 3)[1].clone();
        kill("-KILL", &counter);
        kill("-TERM", &third.pid.to_string());
        kill("-TERM", &format!("-{}", model(&third)));
        assert_eq!(machine.end(&third).status, Some(143), "{}", machine.shell);
    }
}

#[test]
fn what_cannot_be_started_leaves_nothing() {
    for machine in machines() {
        let wrong = spec(&["no-such-program-here"]);
        let output = machine.try_launch("u-1", &wrong, ["5", ""], b"");
        assert_eq!(output.stdout, b"=nf\n", "{}: {output:?}", machine.shell);
        let elsewhere = RunSpec { cwd: Some("/no/such/folder".into()), ..spec(&["sh"]) };
        assert_eq!(machine.try_launch("u-1", &elsewhere, ["5", ""], b"").stdout, b"=cd\n", "{}", machine.shell);
        assert!(!machine.path("runs").join("u-1").exists());
        machine.launch("u-1", "exit 0", ["5", ""], b"");
        let again = machine.try_launch("u-1", &spec(&["sh"]), ["5", ""], b"");
        assert!(!again.status.success() && again.stdout.is_empty(), "{}: {again:?}", machine.shell);
    }
}

#[test]
fn a_removed_folder_and_another_boot_are_told_apart() {
    for machine in machines() {
        let run = machine.launch("u-1", "echo up; exec sleep 600", ["1", ""], b"");
        let pid = words(&run.folder, "pid", 4);
        words(&run.folder, "stdout", 1);
        let model = words(&run.folder, "model", 2)[0].clone();
        machine.until(&run, "counted", |state| matches!(state, DetachedState::Running(Some(1..))));
        let before = Path::new(&run.folder).join("pid");
        fs::write(&before, format!("{} {} other-boot {}\n", pid[0], pid[1], pid[3])).expect("a file");
        assert_eq!(machine.look(&run), DetachedState::Rebooted, "{}", machine.shell);
        fs::write(&before, format!("{} {} {} another-host\n", pid[0], pid[1], pid[2])).expect("a file");
        assert_eq!(machine.look(&run), DetachedState::Elsewhere("another-host".to_owned()), "{}", machine.shell);
        assert!(lives(&model), "{}", machine.shell);
        fs::remove_dir_all(&run.folder).expect("removed");
        machine.until(&run, "removed", |state| *state == DetachedState::Removed);
        assert!(!lives(&model), "{}: the model lives on without its folder", machine.shell);
    }
}

#[test]
fn a_folder_that_is_not_known_is_found() {
    for machine in machines() {
        let run = machine.launch("u-1", "exit 0", ["5", ""], b"");
        machine.end(&run);
        // The default is below the home.
        let usual = machine.path(".local/state/mer");
        fs::create_dir_all(&usual).expect("a folder");
        std::os::unix::fs::symlink(machine.path("runs"), usual.join("runs")).expect("a link");
        let home = format!("HOME='{}'; XDG_STATE_HOME=; export HOME XDG_STATE_HOME\n", machine.root.path().display());
        for (base, place) in
            [(machine.root.path().display().to_string(), "runs"), (String::new(), ".local/state/mer/runs")]
        {
            let folder = RunFolder::Default { name: "u-1".to_owned(), base };
            let line = SupervisorId::default().line(&folder).expect("a line");
            let output = machine.script(&(home.clone() + &LOOK.text()), &[], line.as_bytes()).stdout;
            let seen = observations(&String::from_utf8_lossy(&output), 1).expect("an answer").seen.remove(0);
            let expected = machine.path(place).join("u-1").display().to_string();
            assert_eq!(seen.folder, Some(expected), "{}", machine.shell);
            assert!(matches!(seen.state, DetachedState::Ended(_)), "{}: {:?}", machine.shell, seen.state);
        }
    }
}

/// Prints what logind would, by the name of the property.
const BUSCTL: &str = "#!/bin/sh\nfor word do case $word in Kill*) cat \"${0%/*}/$word\" ;; esac; done\n";
/// Notes its words, and becomes the command behind its options.
const SYSTEMD_RUN: &str =
    "#!/bin/sh\necho \"$*\" >>\"${0%/*}/scopes\"\nwhile [ \"${1#-}\" != \"$1\" ]; do shift; done\nexec \"$@\"\n";

#[test]
fn runs_that_systemd_ends_with_the_session_are_told_and_kept_where_the_user_lingers() {
    use std::os::unix::fs::PermissionsExt as _;
    let told = Command::new("id").arg("-un").output().expect("id").stdout;
    let user = String::from_utf8_lossy(&told).trim().to_owned();
    for machine in machines() {
        let place = machine.path("bin");
        let at = place.display().to_string();
        let write = |name: &str, text: &str| fs::write(place.join(name), text).expect("a file");
        for (name, script) in [("busctl", BUSCTL), ("systemd-run", SYSTEMD_RUN)] {
            write(name, script);
            fs::set_permissions(place.join(name), fs::Permissions::from_mode(0o755)).expect("chmod");
        }
        // The places that only systemd makes.
        let moved = |text: &str| {
            let text = text.replace("/run/systemd/system", &at).replace("/proc/self/cgroup", &format!("{at}/cgroup"));
            text.replace("/var/lib/systemd/linger", &format!("{at}/linger"))
        };
        let survey = || {
            let base = machine.root.path().display().to_string();
            let output = machine.script(&moved(&survey_script()), &[&base], b"");
            let found = survey(&String::from_utf8_lossy(&output.stdout));
            found.unwrap_or_else(|| panic!("{}: {output:?}", machine.shell)).ends_with_session
        };
        let session = "0::/user.slice/user-7.slice/session-3.scope\n";
        let (me, other) = (format!("as 1 \"{user}\"\n"), "as 2 \"ann\" \"bob\"\n".to_owned());
        let none = "as 0\n".to_owned();
        let cases = [
            ("b true", &other, &none, session, true),
            ("b false", &other, &none, session, false),
            ("b true", &me, &none, session, false),
            ("b true", &none, &none, session, user != "root"),
            ("b false", &other, &me, session, true),
            ("b true", &me, &me, session, false),
            ("b true", &none, &other, session, false),
            ("b true", &other, &none, "0::/system.slice/sshd.service\n", false),
        ];
        for (kills, excluded, only, cgroup, ends) in cases {
            write("KillUserProcesses", &format!("{kills}\n"));
            write("KillExcludeUsers", excluded);
            write("KillOnlyUsers", only);
            write("cgroup", cgroup);
            assert_eq!(survey(), ends, "{}: {kills}, not {excluded}, only {only}, {cgroup}", machine.shell);
        }
        write("KillOnlyUsers", &none);
        write("cgroup", session);
        let start = |name: &str| {
            let (launch, supervisor) = launch_script();
            let mut bytes = detached_command(&spec(&["true"]), &BTreeMap::new(), false).expect("a command");
            bytes.push_str(&end_of_input(name));
            let base = machine.root.path().display().to_string();
            let arguments = [&base, name, "1", "", "a run of a test", &supervisor];
            machine.launched(&machine.script(&moved(&launch), &arguments, bytes.as_bytes()))
        };
        let run = start("u-1");
        assert!(run.ends_with_session && !place.join("scopes").exists(), "{}: {run:?}", machine.shell);
        assert_eq!(machine.end(&run).status, Some(0));
        fs::create_dir(place.join("linger")).expect("a folder");
        write(&format!("linger/{user}"), "");
        assert!(!survey(), "{}", machine.shell);
        let run = start("u-2");
        let scopes = fs::read_to_string(place.join("scopes")).expect("scopes");
        assert!(!run.ends_with_session, "{}: {run:?}", machine.shell);
        assert!(
            scopes.lines().any(|line| line.starts_with("--user --scope -q setsid sh -c ")),
            "{}: {scopes}",
            machine.shell
        );
        assert_eq!(machine.end(&run).status, Some(0), "{}", machine.shell);
        // Without a manager of the user there is no scope.
        write("systemd-run", "#!/bin/sh\nexit 1\n");
        assert!(survey(), "{}", machine.shell);
    }
}

/// Without a home, the folder of all runs is where every user may make files.
#[test]
fn without_a_home_only_a_folder_of_this_user_is_used() {
    for machine in machines() {
        let user = rustix::process::getuid().as_raw();
        let (launch, supervisor) = launch_script();
        let homeless =
            format!("{CLOSE_OTHERS}; unset HOME XDG_STATE_HOME; export TMPDIR='{}'", machine.path("").display());
        let start = |name: &str| {
            let command = detached_command(&spec(&["true"]), &BTreeMap::new(), false).expect("a command");
            let input = command + &end_of_input(name);
            let arguments = ["", name, "1", "", "a run of a test", &supervisor];
            machine.script_after(&homeless, &launch, &arguments, input.as_bytes())
        };
        let run = machine.launched(&start("u-1"));
        let own = machine.path(&format!("mer-{user}"));
        assert!(Path::new(&run.folder).starts_with(own.join("runs")), "{}", run.folder);
        machine.end(&run);
        // Others could turn a link elsewhere later.
        let moved = machine.path("moved");
        fs::rename(&own, &moved).expect("renamed");
        std::os::unix::fs::symlink(&moved, &own).expect("a link");
        let is_refused = |name: &str| {
            let refused = start(name);
            let words = String::from_utf8_lossy(&refused.stderr).into_owned();
            assert!(words.contains("belongs to another user"), "{}: {words} {refused:?}", machine.shell);
            assert!(!moved.join("runs").join(name).exists() && !own.join("runs").join(name).exists());
        };
        is_refused("u-2");
        fs::remove_file(&own).expect("removed");
        fs::create_dir_all(own.join("runs")).expect("made");
        for folder in [own.join("runs"), own.clone()] {
            let mode = |mode| fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(mode));
            mode(0o777).expect("opened");
            is_refused("u-2");
            mode(0o700).expect("closed");
        }
        // Only root can make a folder of another user.
        if user == 0 {
            for folder in [&own.join("runs"), &own] {
                std::os::unix::fs::chown(folder, Some(65534), None).expect("given away");
                is_refused("u-3");
                std::os::unix::fs::chown(folder, Some(0), None).expect("taken back");
            }
            machine.end(&machine.launched(&start("u-4")));
        }
    }
}

#[test]
fn a_run_is_not_started_with_a_part_of_its_input() {
    for machine in machines() {
        let (launch, supervisor) = launch_script();
        let command = detached_command(&spec(&["cat"]), &BTreeMap::new(), false).expect("a command");
        let base = machine.root.path().display().to_string();
        let end = end_of_input("u-1");
        let parts: [&[u8]; 5] = [b"", b"some", b"mer-end u-2\n", &end.as_bytes()[..end.len() - 1], b"\0\n"];
        for part in parts {
            let bytes = [command.as_bytes(), part].concat();
            let output = machine.script(&launch, &[&base, "u-1", "1", "", "a run of a test", &supervisor], &bytes);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!output.status.success() && said.contains("did not arrive"), "{}: {output:?}", machine.shell);
            assert!(!machine.path("runs/u-1").exists(), "{}", machine.shell);
        }
        let all: Vec<u8> = (0..=255).cycle().take(100_000).collect();
        for (name, input) in [("u-1", all), ("u-2", Vec::new()), ("u-3", end_of_input("u-3").into_bytes())] {
            let run = machine.launched(&machine.try_launch(name, &spec(&["cat"]), ["1", ""], &input));
            assert_eq!(machine.end(&run).status, Some(0), "{}", machine.shell);
            let written = fs::read(Path::new(&run.folder).join("stdout")).expect("stdout");
            assert!(written == input, "{}: {} bytes of {}", machine.shell, written.len(), input.len());
        }
    }
}

#[test]
fn what_a_run_made_unreadable_is_sent_and_removed_with_the_rest() {
    for machine in machines() {
        let script = "cd \"$MER_RUN_DIR\"; mkdir shut; echo in >shut/f; echo x >f; chmod 000 shut f; mkdir ro; echo y >ro/f; chmod 555 ro";
        let run = machine.launch("u-1", script, ["1", ""], b"");
        words(&run.folder, "end", 6);
        let (path, base) = (machine.search_path(), machine.root.path().to_owned());
        // Root reads whatever its mode is.
        let as_user = |text: &str, arguments: &[&str]| {
            let mut words = vec!["sh", "-c", text, "mer"];
            words.extend(arguments);
            let mut command = if rustix::process::geteuid().is_root() {
                let owned = Command::new("chown").args(["-R", "4711"]).arg(&base).status().expect("chown");
                assert!(owned.success());
                let mut command = Command::new("setpriv");
                command.args(["--reuid=4711", "--regid=4711", "--clear-groups"]).args(&words);
                command
            } else {
                let mut command = Command::new(words[0]);
                command.args(&words[1..]);
                command
            };
            command.env("PATH", &path).output().expect("a shell")
        };
        let sent = as_user(SEND_FILES, &[&run.folder, "artefacts"]);
        let text = String::from_utf8_lossy(&sent.stdout).into_owned();
        let told = format!("{}: {sent:?}", machine.shell);
        assert!(sent.status.success() && text.ends_with("0 0\n"), "{told}");
        assert!(["./f\nx\n", "./shut/f\nin\n", "./ro/f\ny\n"].iter().all(|file| text.contains(file)), "{told}");
        let removed = as_user(REMOVE, &[&run.folder]);
        assert!(removed.status.success() && !Path::new(&run.folder).exists(), "{}: {removed:?}", machine.shell);
    }
}
