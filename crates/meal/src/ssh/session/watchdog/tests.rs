//! The script in every shell of this machine.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use super::script::script;
use crate::ssh::session::wrapper::{nonce, wrapper};

const SHELLS: [&[&str]; 6] = [&["sh"], &["dash"], &["bash", "--posix"], &["busybox", "sh"], &["mksh"], &["ksh"]];

struct Watchdog {
    folder: PathBuf,
    shell: Child,
    stdin: Option<ChildStdin>,
    lines: BufReader<ChildStdout>,
}

impl Watchdog {
    fn start(shell: &[&str], orphan_after: Duration) -> Option<Self> {
        let mut command = Command::new(shell[0]);
        command.args(&shell[1..]).args(["-c", "IFS= read -r mer_l && eval \"$mer_l\""]);
        let mut shell = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
        let (stdin, lines) = (shell.stdin.take(), BufReader::new(shell.stdout.take()?));
        let mut started = Self { folder: PathBuf::new(), shell, stdin, lines };
        started.send(script(orphan_after, &nonce()).trim_end());
        let ready = started.receive();
        let words: Vec<_> = ready.split(' ').collect();
        let ["r", folder, pid] = words[..] else { panic!("{ready}") };
        assert!(pid.parse::<i32>().is_ok(), "{ready}");
        started.folder = PathBuf::from(folder);
        Some(started)
    }

    fn send(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().expect("open"), "{line}").expect("written");
    }

    fn receive(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.stdin = None;
        let _ = self.shell.wait();
    }
}

fn group(argv: &[&str]) -> Child {
    Command::new(argv[0])
        .args(&argv[1..])
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts")
}

fn sleeper() -> Child {
    group(&["sleep", "60"])
}

fn each(orphan_after: Duration, test: impl Fn(&mut Watchdog)) {
    let mut tested = 0;
    for shell in SHELLS {
        if let Some(mut watchdog) = Watchdog::start(shell, orphan_after) {
            test(&mut watchdog);
            tested += 1;
        }
    }
    assert!(tested > 0, "no shell at all");
}

#[test]
fn it_signals_and_tells_what_is_gone() {
    each(Duration::from_secs(30), |watchdog| {
        let (mut one, mut two) = (sleeper(), sleeper());
        watchdog.send(&format!("a {} 3", one.id()));
        assert_eq!(watchdog.receive(), format!("a {}", one.id()));
        watchdog.send(&format!("a {} 3", two.id()));
        assert_eq!(watchdog.receive(), format!("a {}", two.id()));
        watchdog.send(&format!("t {}", one.id()));
        assert_eq!(one.wait().expect("ended").signal(), Some(15));
        watchdog.send("c");
        assert_eq!(watchdog.receive(), format!("e {}", one.id()));
        watchdog.send(&format!("r {}", one.id()));
        assert_eq!(watchdog.receive(), format!("g {}", one.id()));
        watchdog.send("c");
        watchdog.send("b");
        assert_eq!(watchdog.receive(), "b");
        watchdog.send(&format!("k {}", two.id()));
        assert_eq!(two.wait().expect("ended").signal(), Some(9));
    });
}

#[test]
fn the_end_of_its_input_is_the_end_of_the_groups() {
    each(Duration::from_secs(30), |watchdog| {
        let mut polite = sleeper();
        let mut deaf = group(&["sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 0.05; done"]);
        let mut line = String::new();
        BufReader::new(deaf.stdout.take().expect("piped")).read_line(&mut line).expect("it has set its trap");
        for child in [&polite, &deaf] {
            watchdog.send(&format!("a {} 2", child.id()));
            watchdog.receive();
        }
        watchdog.stdin = None;
        assert_eq!(polite.wait().expect("ended").signal(), Some(15));
        assert_eq!(deaf.wait().expect("ended").signal(), Some(9));
    });
}

#[test]
fn silence_is_the_end_of_the_groups_and_a_heartbeat_is_not() {
    each(Duration::from_millis(600), |watchdog| {
        let mut child = sleeper();
        watchdog.send(&format!("a {} 1", child.id()));
        watchdog.receive();
        for _ in 0..4 {
            std::thread::sleep(Duration::from_millis(250));
            watchdog.send("b");
            assert_eq!(watchdog.receive(), "b");
        }
        assert!(child.try_wait().expect("asked").is_none(), "it was not silent");
        // Its stdin stays open, so that only the time can end it.
        assert_eq!(child.wait().expect("ended").signal(), Some(15));
    });
}

#[test]
fn a_group_of_which_only_zombies_are_left_is_gone() {
    each(Duration::from_secs(30), |watchdog| {
        let (mut zombie, mut living) = (sleeper(), sleeper());
        for child in [&zombie, &living] {
            watchdog.send(&format!("a {} 3", child.id()));
            watchdog.receive();
        }
        // Reaped only after the watchdog has reported.
        watchdog.send(&format!("k {}", zombie.id()));
        let asked = std::time::Instant::now();
        loop {
            watchdog.send(&format!("r {}", zombie.id()));
            if watchdog.receive() == format!("g {}", zombie.id()) {
                break;
            }
            assert!(asked.elapsed() < Duration::from_secs(20), "it is dead");
        }
        assert_eq!(zombie.wait().expect("ended").signal(), Some(9));
        watchdog.send("c");
        watchdog.send("b");
        assert_eq!(watchdog.receive(), "b");
        assert!(living.try_wait().expect("asked").is_none());
        watchdog.send(&format!("k {}", living.id()));
        living.wait().expect("ended");
    });
}

/// Only root can start a watchdog that may not signal its group.
#[test]
fn a_group_that_may_not_be_signalled_is_not_gone() {
    if !rustix::process::getuid().is_root() {
        return;
    }
    let mut tested = 0;
    for shell in SHELLS {
        let found = Command::new(shell[0]).args(&shell[1..]).args(["-c", "exit 3"]).status();
        if !found.is_ok_and(|status| status.code() == Some(3)) {
            continue;
        }
        let nobody = [&["runuser", "-u", "nobody", "--"], shell].concat();
        let Some(mut watchdog) = Watchdog::start(&nobody, Duration::from_secs(30)) else { return };
        let mut child = sleeper();
        watchdog.send(&format!("a {} 3", child.id()));
        watchdog.receive();
        watchdog.send("c");
        watchdog.send(&format!("r {}", child.id()));
        assert_eq!(watchdog.receive(), format!("n {}", child.id()), "{shell:?}");
        child.kill().expect("killed");
        child.wait().expect("ended");
        watchdog.send("c");
        assert_eq!(watchdog.receive(), format!("e {}", child.id()), "{shell:?}");
        watchdog.send(&format!("r {}", child.id()));
        assert_eq!(watchdog.receive(), format!("g {}", child.id()), "{shell:?}");
        tested += 1;
    }
    assert!(tested > 0, "no shell at all");
}

#[test]
fn a_group_in_the_folder_is_ended_unless_it_is_known_to_be_gone() {
    each(Duration::from_secs(30), |watchdog| {
        let (mut named, mut gone, mut reused) = (sleeper(), sleeper(), sleeper());
        for (child, tenths) in [(&named, 3), (&reused, 50)] {
            std::fs::write(watchdog.folder.join(format!("{}.{tenths}.nonce", child.id())), "").expect("written");
        }
        watchdog.send(&format!("h {} 3", gone.id()));
        watchdog.send(&format!("k {}", gone.id()));
        assert_eq!(gone.wait().expect("ended").signal(), Some(9));
        // The number of the group is another one's by now.
        watchdog.send(&format!("r {} {}.50.nonce", gone.id(), reused.id()));
        assert_eq!(watchdog.receive(), format!("g {}", gone.id()));
        watchdog.stdin = None;
        assert_eq!(named.wait().expect("ended").signal(), Some(15));
        watchdog.shell.wait().expect("ended");
        assert!(reused.try_wait().expect("asked").is_none(), "it was not started here");
        assert!(!watchdog.folder.exists());
        reused.kill().expect("killed");
        reused.wait().expect("ended");
    });
}

#[test]
fn names_of_groups_that_are_gone_do_not_pile_up() {
    each(Duration::from_secs(30), |watchdog| {
        let named = |watchdog: &Watchdog| std::fs::read_dir(&watchdog.folder).expect("a folder").count();
        for index in 0..70 {
            let mut child = group(&["true"]);
            let name = format!("{}.3.{index}", child.id());
            std::fs::write(watchdog.folder.join(&name), "").expect("written");
            child.wait().expect("ended");
            watchdog.send(&format!("h {} 3", child.id()));
            watchdog.send(&format!("r {} {name}", child.id()));
            assert_eq!(watchdog.receive(), format!("g {}", child.id()));
        }
        assert!(named(watchdog) < 10, "{}", named(watchdog));
        watchdog.send("b");
        assert_eq!(watchdog.receive(), "b");
        watchdog.send("d /nonexistent");
        watchdog.send("b");
        assert_eq!(watchdog.receive(), "b");
        // What is left is the file of error messages.
        assert!(named(watchdog) <= 1, "{}", named(watchdog));
    });
}

/// A wrapper starts nothing if its watchdog has ended, or if the folder was renamed.
#[test]
fn without_a_watchdog_a_wrapper_starts_nothing() {
    each(Duration::from_secs(30), |watchdog| {
        let pid = watchdog.shell.id();
        let start = |folder: &std::path::Path| {
            let mut child = Command::new("sh")
                .args(["-c", &wrapper("mer00", false)])
                .process_group(0)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .expect("starts");
            let line = format!("mer_w {} {pid} 3.nonce; mer_k=; mer_r true\n", folder.display());
            child.stdin.take().expect("piped").write_all(line.as_bytes()).expect("written");
            let id = child.id();
            let out = child.wait_with_output().expect("ended").stdout;
            (id, String::from_utf8_lossy(&out).lines().last().map(str::to_owned))
        };
        let (id, said) = start(&watchdog.folder);
        assert_eq!(said.as_deref(), Some("=ok"));
        assert!(watchdog.folder.join(format!("{id}.3.nonce")).exists());
        let renamed = watchdog.folder.with_extension("renamed");
        std::fs::rename(&watchdog.folder, &renamed).expect("renamed");
        assert_eq!(start(&watchdog.folder).1.as_deref(), Some("=ng"));
        std::fs::rename(&renamed, &watchdog.folder).expect("renamed");
        watchdog.shell.kill().expect("killed");
        watchdog.shell.wait().expect("ended");
        assert_eq!(start(&watchdog.folder).1.as_deref(), Some("=ng"));
        std::fs::remove_dir_all(&watchdog.folder).expect("removed");
    });
}
