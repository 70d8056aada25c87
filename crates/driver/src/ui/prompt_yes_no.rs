//! Yes-or-no questions.

use std::{io, os::fd::OwnedFd};

use mer_service::run_blocking;
use rustix::{
    event::{PollFd, PollFlags, poll},
    pipe::{PipeFlags, pipe_with},
    stdio,
};

use super::stderr;
use crate::errors::CliError;

/// Maximum length of an answer, in bytes.
const MAX_ANSWER: usize = 1024;

/// Asks on standard error and reads a line from standard input; returns whether the answer is yes.
///
/// Waiting blocks, so it happens on another thread. When the returned future is dropped, the thread ends without reading:
/// otherwise it would take the next line away from the REPL.
pub(super) async fn confirm(question: &str) -> Result<bool, CliError> {
    let cannot = |error: io::Error| CliError::io("cannot read the answer", error);
    stderr::write(&format!("{question} [y/N] "));
    let (gone, waits) = pipe_with(PipeFlags::CLOEXEC).map_err(|errno| cannot(errno.into()))?;
    let answer = run_blocking("mer-confirm", move || read_answer(&gone)).await;
    drop(waits);
    let answer = answer.map_err(cannot)?;
    if answer.is_empty() {
        stderr::write("\n");
    }
    let answer = String::from_utf8_lossy(&answer);
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// Reads the next line; empty once the other end of the pipe `gone` is closed.
fn read_answer(gone: &OwnedFd) -> io::Result<Vec<u8>> {
    let stdin = stdio::stdin();
    let mut fds = [PollFd::new(&stdin, PollFlags::IN), PollFd::new(gone, PollFlags::IN)];
    while let Err(errno) = poll(&mut fds, None) {
        if errno != rustix::io::Errno::INTR {
            return Err(errno.into());
        }
    }
    if !fds[1].revents().is_empty() {
        return Ok(Vec::new());
    }
    let mut answer = vec![0; MAX_ANSWER];
    let count = rustix::io::read(stdin, &mut answer)?;
    answer.truncate(count);
    Ok(answer)
}
