//! A pager: a program that shows output which is taller than the terminal.

use std::{
    io,
    os::fd::AsFd as _,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        OnceLock,
        mpsc::{RecvTimeoutError, channel},
    },
    time::Duration,
};

use mer_service::spawn_thread;
use rustix::process::{Pid, kill_process};

use super::{
    blocking_write::{Listener, WriteError, has_reader, write_to},
    status_line,
};
use crate::{errors::CliError, signal::Signal};

/// Interval at which it is looked whether a pager has ended, or a signal came.
pub(super) const CHECK: Duration = Duration::from_millis(100);

/// The pager of this process, as a line of words, and the variable `LESS` of its environment if it is not set there; `None` where
/// output is not paged.
static PAGER: OnceLock<Option<(String, Option<&str>)>> = OnceLock::new();

/// Sets the pager of this process. Only the first call counts.
pub(crate) fn set_pager(line: Option<String>, less_flags: Option<&'static str>) {
    let _ = PAGER.set(line.map(|line| (line, less_flags)));
}

/// Whether output may be paged.
pub(super) fn has_pager() -> bool {
    PAGER.get().is_some_and(Option::is_some)
}

/// A running pager. It gets output until its user has seen enough.
#[derive(Debug)]
pub(super) struct Pager {
    child: Child,
    /// `None` once it wants no more.
    stdin: Option<ChildStdin>,
    listener: Option<Listener>,
}

impl Pager {
    /// Starts the pager; `None` if it cannot be started.
    pub(super) fn start() -> Option<Self> {
        let (line, less_flags) = PAGER.get()?.as_ref()?;
        // Before it is there: a signal must not end this process and leave the terminal to the pager.
        let listener = Some(Listener::start());
        let started = start(line, *less_flags)
            .inspect_err(|error| tracing::info!("the pager `{line}` could not be started: {error}"));
        let mut child = started.ok()?;
        status_line::suspend(true);
        let stdin = child.stdin.take();
        Some(Self { child, stdin, listener })
    }

    /// Whether it takes further output: its user has not left it, and Ctrl-C did not end the output.
    ///
    /// # Errors
    /// SIGTERM or SIGHUP came; the pager is told to end.
    pub(super) fn is_open(&mut self) -> Result<bool, CliError> {
        let signal = self.listener.as_ref().and_then(Listener::received);
        let is_open = signal.is_none() && self.stdin.as_ref().is_some_and(has_reader);
        if !is_open {
            self.stdin = None;
        }
        signal.map_or(Ok(is_open), |signal| terminate_on(signal, Pid::from_child(&self.child)).map(|()| false))
    }

    /// Writes output, unless the pager wants no more. Ctrl-C ends the output and not the pager, which treats it as a key.
    ///
    /// # Errors
    /// SIGTERM or SIGHUP came; the pager is told to end.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        let Some(stdin) = &self.stdin else { return Ok(()) };
        let written = write_to(stdin.as_fd(), bytes, &mut self.listener);
        let Err(error) = written else { return Ok(()) };
        self.stdin = None;
        match error {
            WriteError::Signal(signal) => terminate_on(signal, Pid::from_child(&self.child)),
            // It has ended, or wants no more.
            WriteError::Io(_) => Ok(()),
        }
    }

    /// Waits until the user has left the pager.
    ///
    /// # Errors
    /// SIGTERM or SIGHUP came; the pager was told to end.
    pub(super) fn finish(mut self) -> Result<(), CliError> {
        drop(self.stdin.take());
        let Self { mut child, listener, .. } = self;
        let pid = Pid::from_child(&child);
        let (sender, ended) = channel();
        let waited = spawn_thread("mer-pager", move || drop(sender.send(child.wait())));
        let mut outcome = Ok(());
        while waited.is_ok() && matches!(ended.recv_timeout(CHECK), Err(RecvTimeoutError::Timeout)) {
            let Some(signal) = listener.as_ref().and_then(Listener::received) else { continue };
            outcome = outcome.and(terminate_on(signal, pid));
        }
        status_line::suspend(false);
        outcome
    }
}

/// Tells the pager to end, unless the signal is Ctrl-C, which the terminal has sent to the pager too.
fn terminate_on(signal: Signal, pager: Pid) -> Result<(), CliError> {
    if signal == Signal::Interrupt {
        return Ok(());
    }
    let _ = kill_process(pager, rustix::process::Signal::TERM);
    Err(CliError::ended_by(signal))
}

fn start(line: &str, less_flags: Option<&str>) -> io::Result<Child> {
    let words = shlex::split(line).filter(|words| !words.is_empty());
    let words = words.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it is not a command"))?;
    status_line::hide();
    // In the group of this process, so that it may read from the terminal.
    let variables = less_flags.map(|flags| ("LESS", flags));
    Command::new(&words[0]).args(&words[1..]).envs(variables).stdin(Stdio::piped()).spawn()
}
