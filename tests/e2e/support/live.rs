//! A running `mer`.

use std::{
    io::{Read, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::{BOUND, Ran, wait_until};

/// A running `mer`, which is ended when it is dropped.
pub(crate) struct Live {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Arc<Heard>,
    stderr: Arc<Heard>,
}

/// The bytes that were read from a pipe so far, and whether it is closed.
#[derive(Default)]
struct Heard {
    so_far: Mutex<(Vec<u8>, bool)>,
    changed: Condvar,
}

impl Live {
    /// Starts a command with this standard input, and collects both outputs.
    pub(crate) fn start(command: Command, stdin: impl Into<Stdio>) -> Self {
        Self::start_to(command, stdin, Stdio::piped())
    }

    /// The same with another standard output, which is not collected.
    pub(crate) fn start_to(mut command: Command, stdin: impl Into<Stdio>, stdout: impl Into<Stdio>) -> Self {
        let mut child = command.stdin(stdin).stdout(stdout).stderr(Stdio::piped()).spawn().expect("mer");
        // The command keeps copies of its streams; with them a pipe would never be closed.
        drop(command);
        let stdout = Heard::from(child.stdout.take());
        let stderr = Heard::from(child.stderr.take());
        Self { stdin: child.stdin.take(), child, stdout, stderr }
    }

    /// Starts a command with this standard input and the standard error that the command already has.
    pub(crate) fn start_with(mut command: Command, stdin: impl Into<Stdio>) -> Self {
        let mut child = command.stdin(stdin).stdout(Stdio::piped()).spawn().expect("mer");
        drop(command);
        let stdout = Heard::from(child.stdout.take());
        let stderr = Heard::from(child.stderr.take());
        Self { stdin: None, child, stdout, stderr }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Writes to its standard input.
    #[track_caller]
    pub(crate) fn say(&mut self, text: impl AsRef<[u8]>) {
        self.stdin.as_mut().expect("an open stdin").write_all(text.as_ref()).expect("written");
    }

    /// Takes its standard input, for a thread that writes to it.
    pub(crate) fn take_stdin(&mut self) -> ChildStdin {
        self.stdin.take().expect("an open stdin")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid().try_into().expect("a pid")).expect("a pid");
        kill_process(pid, signal).expect("a signal");
    }

    /// Waits until the standard output contains this text, and returns all of it so far.
    #[track_caller]
    pub(crate) fn wait_stdout(&self, text: &str) -> String {
        self.stdout.wait("standard output", text)
    }

    /// Waits until the standard error contains this text, and returns all of it so far.
    #[track_caller]
    pub(crate) fn wait_stderr(&self, text: &str) -> String {
        self.stderr.wait("standard error", text)
    }

    /// Returns the standard output so far.
    pub(crate) fn stdout_so_far(&self) -> String {
        String::from_utf8_lossy(&self.stdout.so_far.lock().expect("lock").0).into_owned()
    }

    /// Returns whether the process has ended.
    pub(crate) fn is_over(&mut self) -> bool {
        self.child.try_wait().expect("a status").is_some()
    }

    /// Waits for the end. No other process may hold its pipes longer.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Ran {
        drop(self.stdin.take());
        let status = wait_until("the end of mer", || self.child.try_wait().expect("a status"));
        Ran::new(status, self.stdout.all("standard output"), &self.stderr.all("standard error"))
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // TERM first, so that `mer` ends its models; KILL after 10 s.
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal(Signal::TERM);
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_secs(10) && matches!(self.child.try_wait(), Ok(None)) {
                thread::sleep(Duration::from_millis(5));
            }
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

impl Heard {
    fn from(pipe: Option<impl Read + Send + 'static>) -> Arc<Self> {
        let heard = Arc::new(Self::default());
        let Some(mut pipe) = pipe else {
            heard.so_far.lock().expect("lock").1 = true;
            return heard;
        };
        let writer = Arc::clone(&heard);
        thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            loop {
                let count = pipe.read(&mut buffer).unwrap_or(0);
                let mut so_far = writer.so_far.lock().expect("lock");
                so_far.0.extend_from_slice(&buffer[..count]);
                so_far.1 = count == 0;
                writer.changed.notify_all();
                if count == 0 {
                    return;
                }
            }
        });
        heard
    }

    #[track_caller]
    fn wait(&self, whose: &str, text: &str) -> String {
        let begun = Instant::now();
        let mut so_far = self.so_far.lock().expect("lock");
        loop {
            let said = String::from_utf8_lossy(&so_far.0).into_owned();
            if said.contains(text) {
                return said;
            }
            let late = begun.elapsed() > BOUND;
            assert!(!so_far.1 && !late, "`{text}` never came on {whose}, but this:\n{said}");
            so_far = self.changed.wait_timeout(so_far, Duration::from_secs(1)).expect("lock").0;
        }
    }

    #[track_caller]
    fn all(&self, whose: &str) -> Vec<u8> {
        let so_far = self.so_far.lock().expect("lock");
        let (mut so_far, waited) = self.changed.wait_timeout_while(so_far, BOUND, |so_far| !so_far.1).expect("lock");
        assert!(!waited.timed_out(), "another process still holds {whose} of a mer that has ended");
        std::mem::take(&mut so_far.0)
    }
}
