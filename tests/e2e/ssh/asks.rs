//! The question for the passphrase of a key, which is asked at a terminal only.

use std::{
    fs::File,
    io::{Read, Write},
    os::{fd::OwnedFd, unix::fs::OpenOptionsExt},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use mer_testkit::sshd::Sshd;
use nix::{
    fcntl::OFlag,
    pty::{grantpt, posix_openpt, ptsname_r, unlockpt},
};
use rustix::termios::{LocalModes, tcgetattr};

use super::There;
use crate::support::{Live, wait_until};

const PASSPHRASE: &str = "open sesame";
const QUESTION: &str = "Passphrase for `";

/// A `mer` at a new terminal.
struct Terminal {
    master: File,
    slave: File,
    child: Child,
    shown: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    fn start<const N: usize>(there: &There, args: [&str; N]) -> Self {
        let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).expect("a terminal");
        grantpt(&master).expect("grantpt");
        unlockpt(&master).expect("unlockpt");
        let name = ptsname_r(&master).expect("its name");
        let flags = (OFlag::O_NOCTTY | OFlag::O_CLOEXEC).bits();
        let slave = File::options().read(true).write(true).custom_flags(flags).open(name).expect("its other end");
        let master = File::from(OwnedFd::from(master));
        let end = || Stdio::from(slave.try_clone().expect("a copy"));
        // Its controlling terminal, which sends Ctrl-C.
        let mut command = Command::new("setsid");
        let mer = there.env.with(args);
        command
            .arg("--ctty")
            .arg(mer.get_program())
            .args(mer.get_args())
            .env_clear()
            .current_dir(there.env.path("work"));
        command.envs(mer.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().expect("setsid");
        let shown = Arc::new(Mutex::new(Vec::new()));
        let (mut reader, heard) = (master.try_clone().expect("a copy"), Arc::clone(&shown));
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                heard.lock().expect("lock").extend_from_slice(&buffer[..count]);
            }
        });
        Self { master, slave, child, shown }
    }

    fn output(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().expect("lock")).into_owned()
    }

    fn echoes(&self) -> bool {
        tcgetattr(&self.slave).expect("its mode").local_modes.contains(LocalModes::ECHO)
    }

    /// Waits for the question and types an answer.
    fn answer(&mut self, keys: &str) {
        wait_until("the question", || (self.output().contains(QUESTION) && !self.echoes()).then_some(()));
        self.master.write_all(keys.as_bytes()).expect("keys");
    }

    /// Returns the exit code and all output, and checks that the terminal's modes are restored.
    fn finish(mut self) -> (Option<i32>, String) {
        let status = wait_until("the end of mer", || self.child.try_wait().expect("a status"));
        assert!(self.echoes(), "the terminal stays silent");
        // The last output may not have been read yet.
        let code = status.code();
        if code == Some(0) {
            wait_until("the answer", || self.output().contains("x\r\n").then_some(()));
        }
        (code, self.output())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn there() -> Option<There> {
    There::with(Sshd::builder().passphrase(PASSPHRASE))
}

#[test]
fn a_passphrase_is_asked_for_and_not_shown() {
    let Some(there) = there() else { return };
    let mut terminal = Terminal::start(&there, ["run", "far-cat", "x"]);
    terminal.answer("open sesame\n");
    let (code, shown) = terminal.finish();
    assert_eq!(code, Some(0), "{shown}");
    assert!(!shown.contains(PASSPHRASE), "{shown}");
}

#[test]
fn a_wrong_passphrase_is_77() {
    let Some(there) = there() else { return };
    let mut terminal = Terminal::start(&there, ["server", "ping", "there"]);
    terminal.answer("open barley\n");
    let (code, shown) = terminal.finish();
    assert_eq!(code, Some(77), "{shown}");
    assert!(shown.contains("its passphrase is wrong") && !shown.contains("barley"), "{shown}");
}

#[test]
fn ctrl_c_at_the_question_leaves_and_gives_the_terminal_back() {
    let Some(there) = there() else { return };
    let mut terminal = Terminal::start(&there, ["run", "far-cat", "x"]);
    terminal.answer("\x03");
    let (code, shown) = terminal.finish();
    assert_eq!(code, Some(130), "{shown}");
    assert_eq!(there.env.row()["status"], "cancelled");
}

#[test]
fn no_question_is_asked_where_it_is_not_wanted() {
    let Some(there) = there() else { return };
    let terminal = Terminal::start(&there, ["run", "far-cat", "x", "--no-input"]);
    let (code, shown) = terminal.finish();
    assert_eq!(code, Some(77), "{shown}");
    assert!(!shown.contains(QUESTION), "{shown}");
}

/// The resident has no terminal: it gives the request back, and the caller connects by itself.
#[test]
fn a_passphrase_is_asked_for_by_the_caller_where_a_resident_lacks_it() {
    let Some(there) = there() else { return };
    there.env.file("config/mer/mer.toml", format!("runtimeDir = '{}'\n", there.env.path("runtime").display()));
    let resident = Live::start(there.env.with(["serve"]), Stdio::null());
    resident.wait_stderr("ready on");
    let asked = || {
        let mut terminal = Terminal::start(&there, ["run", "far-cat", "x"]);
        terminal.answer("open sesame\n");
        let (code, shown) = terminal.finish();
        assert_eq!(code, Some(0), "{shown}");
    };
    asked();
    let mut rows = there.env.rows();
    rows.sort_by_key(|row| row["attempt"].as_u64());
    let attempts: Vec<_> =
        rows.iter().map(|row| (row["attempt"].clone(), row["status"].clone(), row["via"].clone())).collect();
    let expected =
        [(1.into(), "unreachable".into(), "resident".into()), (2.into(), "succeeded".into(), serde_json::Value::Null)];
    assert_eq!(attempts, expected);
    assert_eq!(rows[0]["requestUid"], rows[1]["requestUid"]);
    // For a while the resident knows that it lacks the passphrase, and makes no attempt.
    asked();
    assert_eq!(there.env.rows().len(), 3);
    // Without a person to ask, the failure is that of a run without a resident.
    let terminal = Terminal::start(&there, ["run", "far-cat", "x", "--no-input"]);
    let (code, shown) = terminal.finish();
    assert_eq!(code, Some(77), "{shown}");
    assert!(shown.contains("its passphrase cannot be asked for here") && !shown.contains(QUESTION), "{shown}");
    resident.signal(rustix::process::Signal::TERM);
    resident.finish().ended(0);
}
