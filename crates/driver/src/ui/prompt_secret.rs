//! Prompts for passwords and passphrases: the answer is not echoed.

use std::{
    fs::File,
    io::{self, Write as _},
    os::fd::AsFd as _,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr},
};

use super::status_line;

/// Interval at which to check whether the answer is still wanted: 50 ms.
const CHECK: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
/// Maximum length of an answer, in bytes.
const MAX_ANSWER: usize = 4096;

/// The terminal of an open question, and the mode to restore. Nothing else reads the terminal meanwhile.
static ASKING: Mutex<Option<(File, Termios)>> = Mutex::new(None);

/// Asks on the controlling terminal, whatever stdin and stdout are. Blocks until the answer comes, at most for `bound`.
///
/// # Errors
/// There is no terminal, no answer came in time, or [`stop_asking`] was called.
pub(crate) fn ask_secret(question: &str, bound: Duration) -> io::Result<String> {
    #[expect(clippy::disallowed_methods, reason = "the terminal of this process, which is there or not")]
    let mut terminal = File::options().read(true).write(true).open("/dev/tty")?;
    let usual = tcgetattr(&terminal)?;
    let mut hidden = usual.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    *asking() = Some((terminal.try_clone()?, usual));
    let answer = tcsetattr(&terminal, OptionalActions::Flush, &hidden).map_err(io::Error::from).and_then(|()| {
        status_line::hide();
        terminal.write_all(question.as_bytes())?;
        wait(&terminal, bound)
    });
    stop_asking();
    answer
}

fn wait(terminal: &File, bound: Duration) -> io::Result<String> {
    let begun = Instant::now();
    let mut line = [0; MAX_ANSWER];
    while begun.elapsed() < bound {
        let mut fds = [PollFd::new(terminal, PollFlags::IN)];
        match poll(&mut fds, Some(&CHECK)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) => {
                // Under the lock: after `stop_asking` another reader may use the terminal at once.
                let asking = asking();
                if asking.is_none() {
                    break;
                }
                let count = rustix::io::read(terminal.as_fd(), &mut line)?;
                let text = std::str::from_utf8(&line[..count]).map_err(io::Error::other)?;
                return Ok(text.trim_end_matches(['\n', '\r']).to_owned());
            }
            Err(errno) => return Err(errno.into()),
        }
        if asking().is_none() {
            break;
        }
    }
    Err(io::Error::new(io::ErrorKind::TimedOut, "no answer came in time"))
}

/// Withdraws an open question and restores the terminal: the command that asked is over.
pub(crate) fn stop_asking() {
    if let Some((mut terminal, usual)) = asking().take() {
        let _ = tcsetattr(&terminal, OptionalActions::Now, &usual);
        // The end of the typed line was not echoed.
        let _ = terminal.write_all(b"\n");
    }
}

/// Whether a question is open.
pub(super) fn is_asking() -> bool {
    asking().is_some()
}

fn asking() -> MutexGuard<'static, Option<(File, Termios)>> {
    ASKING.lock().unwrap_or_else(PoisonError::into_inner)
}
