//! A question to the person at the terminal, whose answer is not shown.

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

use super::stream;

/// How often to look whether the answer is still wanted.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
/// The longest answer.
const LONGEST: usize = 4096;

/// The terminal of a question that stands, and the mode to give back to it. Nobody else reads the terminal meanwhile.
static ASKING: Mutex<Option<(File, Termios)>> = Mutex::new(None);

/// Asks on the controlling terminal, whatever stdin and stdout are. Blocks, up to the bound.
///
/// # Errors
/// There is no terminal, nobody answered, or [`stop_asking`] was called.
pub(crate) fn ask_secret(question: &str, bound: Duration) -> io::Result<String> {
    #[expect(clippy::disallowed_methods, reason = "the terminal of this process, which is there or not")]
    let mut terminal = File::options().read(true).write(true).open("/dev/tty")?;
    let usual = tcgetattr(&terminal)?;
    let mut hidden = usual.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    *asking() = Some((terminal.try_clone()?, usual));
    let answer = tcsetattr(&terminal, OptionalActions::Flush, &hidden).map_err(io::Error::from).and_then(|()| {
        stream::step_aside();
        terminal.write_all(question.as_bytes())?;
        wait(&terminal, bound)
    });
    stop_asking();
    answer
}

fn wait(terminal: &File, bound: Duration) -> io::Result<String> {
    let begun = Instant::now();
    let mut line = [0; LONGEST];
    while begun.elapsed() < bound {
        let mut fds = [PollFd::new(terminal, PollFlags::IN)];
        match poll(&mut fds, Some(&LOOK)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) => {
                // Under the lock: whoever stops the question may read the terminal at once.
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
    Err(io::Error::new(io::ErrorKind::TimedOut, "nobody answered"))
}

/// Gives the terminal back where a question stands: the command that asked is over.
pub(crate) fn stop_asking() {
    if let Some((mut terminal, usual)) = asking().take() {
        let _ = tcsetattr(&terminal, OptionalActions::Now, &usual);
        // The person's own end of line was not shown.
        let _ = terminal.write_all(b"\n");
    }
}

/// Whether a question stands on the terminal.
pub(super) fn is_asking() -> bool {
    asking().is_some()
}

fn asking() -> MutexGuard<'static, Option<(File, Termios)>> {
    ASKING.lock().unwrap_or_else(PoisonError::into_inner)
}
