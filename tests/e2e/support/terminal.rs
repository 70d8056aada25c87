//! A `mer` at a pseudo-terminal: with its input and errors there, or with its output.

use std::{
    fs::File,
    io::{Read, Write},
    os::{fd::OwnedFd, unix::fs::OpenOptionsExt},
    process::{Command, Stdio},
    thread::JoinHandle,
};

use nix::{
    fcntl::OFlag,
    pty::{grantpt, posix_openpt, ptsname_r, unlockpt},
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    termios::{Winsize, tcsetwinsize},
};

use super::{BOUND, Live, Ran, TestEnv};

/// Both ends of a new terminal, the outer one first.
fn terminal() -> (File, File) {
    // Close-on-exec: processes of other tests must not inherit either end.
    let terminal = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).expect("terminal");
    grantpt(&terminal).expect("grant");
    unlockpt(&terminal).expect("unlock");
    let name = ptsname_r(&terminal).expect("name");
    let inner = File::options().read(true).write(true).custom_flags(OFlag::O_NOCTTY.bits()).open(name);
    (OwnedFd::from(terminal).into(), inner.expect("terminal"))
}

/// A `mer` whose standard output is a terminal.
pub(crate) struct OnScreen {
    pub(crate) mer: Live,
    reader: JoinHandle<Vec<u8>>,
}

impl OnScreen {
    /// Starts a command on a terminal of this many rows and columns.
    pub(crate) fn start(command: Command, stdin: impl Into<Stdio>, (rows, columns): (u16, u16)) -> Self {
        let (mut terminal, inner) = terminal();
        tcsetwinsize(&inner, Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).expect("a size");
        let reader = std::thread::spawn(move || {
            let (mut shown, mut buffer) = (Vec::new(), [0; 4096]);
            // An error is the end: no process has the other side open.
            while let Ok(count @ 1..) = terminal.read(&mut buffer) {
                shown.extend_from_slice(&buffer[..count]);
            }
            shown
        });
        Self { mer: Live::start_to(command, stdin, inner), reader }
    }

    /// Waits for the end. Returns exit code and errors, and what the terminal has shown, with `^` for an escape.
    #[track_caller]
    pub(crate) fn finish(self) -> (Ran, String) {
        let ran = self.mer.finish();
        let shown = String::from_utf8(self.reader.join().expect("a reader")).expect("text");
        (ran, shown.replace("\r\n", "\n").replace('\x1b', "^"))
    }
}

/// A `mer` whose standard input and error are a terminal.
pub(crate) struct AtTerminal {
    pub(crate) mer: Live,
    terminal: File,
    shown: String,
}

impl AtTerminal {
    pub(crate) fn start<const N: usize>(env: &TestEnv, args: [&str; N]) -> Self {
        let (terminal, inner) = terminal();
        let mut command = env.with(args);
        command.stderr(inner.try_clone().expect("terminal"));
        let mer = Live::start_with(command, inner);
        Self { mer, terminal, shown: String::new() }
    }

    /// Waits until the terminal shows this text.
    #[track_caller]
    pub(crate) fn expect(&mut self, text: &str) {
        while !self.shown.contains(text) {
            let mut fds = [PollFd::new(&self.terminal, PollFlags::IN)];
            let bound = Timespec::try_from(BOUND).expect("a time");
            assert_eq!(poll(&mut fds, Some(&bound)), Ok(1), "`{text}` never came, but this:\n{}", self.shown);
            let mut buffer = [0; 1024];
            let count = self.terminal.read(&mut buffer).unwrap_or(0);
            assert!(count > 0, "`{text}` never came, but this:\n{}", self.shown);
            self.shown.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    }

    /// Waits for the end, and returns all that the terminal has shown.
    #[track_caller]
    pub(crate) fn finish(self) -> (Ran, String) {
        let Self { mer, mut terminal, mut shown } = self;
        let ran = mer.finish();
        // The other end is closed, so the rest can be read at once.
        let mut buffer = [0; 1024];
        while let Ok(count @ 1..) = terminal.read(&mut buffer) {
            shown.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
        (ran, shown)
    }

    /// Waits for the question, types the answer and waits for the end.
    #[track_caller]
    pub(crate) fn answer(mut self, question: &str, answer: &str) -> Ran {
        self.expect(question);
        self.terminal.write_all(answer.as_bytes()).expect("typed");
        self.mer.finish()
    }
}
