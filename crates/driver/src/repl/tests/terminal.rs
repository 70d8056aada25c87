//! A pseudo-terminal with a REPL behind it.

use std::{
    fs::File,
    io::{Read, Write},
    os::{fd::OwnedFd, unix::fs::OpenOptionsExt},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use nix::{
    fcntl::OFlag,
    pty::{grantpt, posix_openpt, ptsname_r, unlockpt},
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open},
    termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr},
};

/// The variable that makes the test `child` a REPL; it holds the path of the history.
pub(super) const CHILD: &str = "MER_TEST_REPL_HISTORY";

/// Bound on each wait, long enough for a machine that is busy with other tests.
const TIMEOUT: Duration = Duration::from_secs(30);

pub(super) struct Terminal {
    /// `None` once the terminal has been closed.
    master: Option<File>,
    /// Kept open, so that output is not lost when the process ends.
    slave: Option<File>,
    child: Option<Child>,
    output: Vec<u8>,
    /// Number of bytes that `expect` has consumed.
    read_to: usize,
    folder: Option<tempfile::TempDir>,
}

impl Terminal {
    pub(super) fn open() -> Self {
        Self::in_folder(tempfile::tempdir().expect("temp dir"))
    }

    /// Starts another REPL with the same history.
    pub(super) fn again(mut self) -> Self {
        Self::in_folder(self.folder.take().expect("folder"))
    }

    fn in_folder(folder: tempfile::TempDir) -> Self {
        let (master, slave) = pair();
        let end = || Stdio::from(slave.try_clone().expect("slave"));
        let history: PathBuf = folder.path().join("state/history");
        // `setsid --ctty` makes the terminal the one that Ctrl-C comes from.
        let child = Command::new("setsid")
            .arg("--ctty")
            .arg(std::env::current_exe().expect("test binary"))
            .args(["--exact", "repl::tests::child", "--nocapture", "--test-threads=1"])
            .env(CHILD, history)
            .env("TERM", "xterm")
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .expect("setsid");
        Self {
            master: Some(master),
            slave: Some(slave),
            child: Some(child),
            output: Vec::new(),
            read_to: 0,
            folder: Some(folder),
        }
    }

    /// Types keys. A Ctrl-C behind other keys is a key too: the line discipline must not take it first.
    pub(super) fn keys(&mut self, keys: &str) -> &mut Self {
        self.master.as_mut().expect("terminal").write_all(keys.as_bytes()).expect("keys");
        self
    }

    /// Sends bytes that no keyboard of a UTF-8 terminal sends.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.master.as_mut().expect("terminal").write_all(bytes).expect("bytes");
        self
    }

    /// Waits for this text, behind what was expected before.
    pub(super) fn expect(&mut self, text: &str) -> &mut Self {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let fresh = &self.output[self.read_to..];
            if let Some(at) = fresh.windows(text.len()).position(|window| window == text.as_bytes()) {
                self.read_to += at + text.len();
                return self;
            }
            assert!(self.more(deadline), "`{text}` did not come; there was: {:?}", self.seen());
        }
    }

    /// Waits for output and reads it; returns whether any came.
    fn more(&mut self, deadline: Instant) -> bool {
        let master = self.master.as_mut().expect("terminal");
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).expect("a short time");
        let mut fds = [PollFd::new(master, PollFlags::IN)];
        if poll(&mut fds, Some(&left)).expect("poll") == 0 {
            return false;
        }
        let mut buffer = [0; 4096];
        let count = master.read(&mut buffer).unwrap_or(0);
        self.output.extend_from_slice(&buffer[..count]);
        count > 0
    }

    pub(super) fn seen(&self) -> String {
        String::from_utf8_lossy(&self.output).into_owned()
    }

    /// Whether the terminal echoes keys, which the line editor switches off.
    pub(super) fn echoes(&self) -> bool {
        let mode = tcgetattr(self.slave.as_ref().expect("terminal")).expect("mode");
        mode.local_modes.contains(LocalModes::ECHO | LocalModes::ICANON)
    }

    /// Puts the terminal into the mode of a shell.
    pub(super) fn make_cooked(&self) {
        let slave = self.slave.as_ref().expect("terminal");
        let mut mode = tcgetattr(slave).expect("mode");
        mode.local_modes |= LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        tcsetattr(slave, OptionalActions::Now, &mode).expect("mode");
    }

    pub(super) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(self.child.as_ref().expect("child"));
        kill_process(pid, signal).expect("signal");
    }

    /// Waits for the end; returns the exit code.
    pub(super) fn ended(&mut self) -> Option<i32> {
        wait(self.child.as_mut().expect("child"))
    }

    /// Closes the terminal, as a window is closed.
    pub(super) fn close(&mut self) -> Child {
        self.master = None;
        self.slave = None;
        self.child.take().expect("child")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Opens both ends of a new pseudo-terminal. Unlike those of `openpty` they are not inherited by processes that other tests
/// start meanwhile, so closing them here closes the terminal.
fn pair() -> (File, File) {
    let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).expect("pseudo-terminal");
    grantpt(&master).expect("grant");
    unlockpt(&master).expect("unlock");
    let name = ptsname_r(&master).expect("name");
    let options = File::options().read(true).write(true).custom_flags(OFlag::O_NOCTTY.bits()).clone();
    (OwnedFd::from(master).into(), options.open(name).expect("slave"))
}

/// Waits for the end within the bound.
pub(super) fn wait(child: &mut Child) -> Option<i32> {
    let pid = pidfd_open(Pid::from_child(child), PidfdFlags::empty()).expect("pidfd");
    let timeout = Timespec::try_from(TIMEOUT).expect("a short time");
    if poll(&mut [PollFd::new(&pid, PollFlags::IN)], Some(&timeout)).expect("poll") == 0 {
        let _ = child.kill();
        panic!("it did not end");
    }
    child.wait().expect("wait").code()
}
