//! `ProxyCommand`: a process whose stdin and stdout are the connection.
//!
//! It has a process group of its own, which ends with the session. Where `mer` is killed, its pipes close, which is the
//! end of every command that carries a connection.

use std::{
    io::Read,
    os::{
        fd::OwnedFd,
        unix::{net::UnixStream, process::CommandExt},
    },
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use mer_core::not_started;
use rustix::{
    net::{Shutdown, shutdown},
    process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid},
};

use super::{
    SshError,
    target::{Hop, ProxyCommand},
};

/// How long it may take to end by itself once its pipes are closed, and then once it was asked to.
const POLITE: Duration = Duration::from_millis(200);
const ASKED: Duration = Duration::from_millis(300);
/// How long its last words are waited for.
const LAST_WORDS: Duration = Duration::from_millis(500);
const LOOK: Duration = Duration::from_millis(5);
/// How much of what it says is kept.
const MOST_WORDS: usize = 4096;

/// The processes of one server that run. Clones are the same ones.
#[derive(Debug, Clone, Default)]
pub(super) struct Live(Arc<Mutex<Started>>);

#[derive(Debug, Default)]
struct Started {
    /// Until it has ended, also while its owner ends it: what is being ended must be waited for too.
    running: Vec<Arc<Running>>,
    /// No more of them: this process is about to end.
    over: bool,
}

impl Live {
    /// Ends all of them, and returns when they have ended: before this process ends, or their groups would be left.
    pub(super) fn end(&self) {
        let all = {
            let mut started = self.lock();
            started.over = true;
            std::mem::take(&mut started.running)
        };
        all.iter().for_each(|running| running.end());
    }

    fn lock(&self) -> MutexGuard<'_, Started> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The process. Dropping it ends its group.
#[derive(Debug)]
pub(super) struct Process {
    running: Arc<Running>,
    live: Live,
}

/// The process as those that may end it see it.
#[derive(Debug)]
struct Running {
    /// Our end of its pipes, to close them for every holder at once.
    socket: OwnedFd,
    group: Pid,
    /// Until it was ended.
    child: Mutex<Option<Child>>,
    /// Held by the one that ends it; another one waits here until it has ended.
    ending: Mutex<()>,
    said: Arc<Mutex<Said>>,
}

/// What it said on stderr.
#[derive(Debug, Default)]
struct Said {
    bytes: Vec<u8>,
    all: bool,
}

impl Process {
    /// Starts the command of a hop; our end of its pipes is a socket, because libssh2 takes nothing else.
    pub(super) fn start(hop: &Hop, command: &ProxyCommand) -> Result<(OwnedFd, Arc<Self>), SshError> {
        // Held until it is listed: none may be missed by an end of all of them.
        let mut started = command.live.lock();
        if started.over {
            let detail = "the connection is not wanted any more".to_owned();
            return Err(SshError::ConnectionLost { host: hop.label(), detail });
        }
        let (ours, running) = Running::start(&hop.label(), command)?;
        started.running.push(Arc::clone(&running));
        drop(started);
        Ok((ours, Arc::new(Self { running, live: command.live.clone() })))
    }

    /// What a failed handshake means where the bytes come from a process; `late`: the time ran out. Nothing: it is no
    /// fault of the process.
    pub(super) fn explain(&self, hop: &Hop, late: bool) -> Option<SshError> {
        self.running.explain(hop, late)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.running.end();
        self.live.lock().running.retain(|other| !Arc::ptr_eq(other, &self.running));
    }
}

impl Running {
    fn start(host: &str, command: &ProxyCommand) -> Result<(OwnedFd, Arc<Self>), SshError> {
        let failed = |what: &'static str| {
            let host = host.to_owned();
            move |source: std::io::Error| SshError::resources(host, what, source)
        };
        let (ours, theirs) = UnixStream::pair().map_err(failed("socket"))?;
        let (theirs, ours) = (OwnedFd::from(theirs), OwnedFd::from(ours));
        let output = theirs.try_clone().map_err(failed("socket"))?;
        let kept = ours.try_clone().map_err(failed("socket"))?;
        let mut start = Command::new(&command.shell);
        start.arg("-c").arg(format!("exec {}", command.line)).env_clear().envs(command.variables.iter());
        start.stdin(Stdio::from(theirs)).stdout(Stdio::from(output)).stderr(Stdio::piped()).process_group(0);
        let mut child = start.spawn().map_err(|error| SshError::ProxyCommand {
            host: host.to_owned(),
            detail: format!("`{}` cannot be run: {}", command.shell.display(), not_started(error)),
        })?;
        // Its copies of the socket are in the command still.
        drop(start);
        let said = Arc::new(Mutex::new(Said::default()));
        let stderr = child.stderr.take();
        let group = Pid::from_child(&child);
        let process = Arc::new(Self {
            socket: kept,
            group,
            child: Mutex::new(Some(child)),
            ending: Mutex::new(()),
            said: Arc::clone(&said),
        });
        if let Some(stderr) = stderr {
            let listen = move || listen(stderr, &said);
            let listening = thread::Builder::new().name("mer-proxy".to_owned()).spawn(listen);
            listening.inspect_err(|_| process.end()).map_err(not_started).map_err(failed("thread"))?;
        }
        Ok((ours, process))
    }

    fn explain(&self, hop: &Hop, late: bool) -> Option<SshError> {
        let deadline = Instant::now() + LAST_WORDS;
        let ended = loop {
            let ended = self.has_ended();
            if (ended && self.lock_said().all) || Instant::now() >= deadline {
                break ended;
            }
            thread::sleep(LOOK);
        };
        let words = String::from_utf8_lossy(&self.lock_said().bytes).into_owned();
        let words: Vec<_> = words.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let words = words.iter().rev().take(3).rev().copied().collect::<Vec<_>>().join("; ");
        let said = if words.is_empty() { String::new() } else { format!(": {}", words.escape_debug()) };
        let detail = if ended {
            let status = self.status().filter(|status| !status.success())?;
            format!("it ended with {status}{said}")
        } else if late && !words.is_empty() {
            format!("no SSH server answered within {}{said}", mer_core::Bound::After(hop.connect_timeout))
        } else {
            return None;
        };
        Some(SshError::ProxyCommand { host: hop.label(), detail })
    }

    /// How it ended; only where it did.
    fn status(&self) -> Option<ExitStatus> {
        // Whatever it left behind goes first: once its status is taken, its number may be another group's.
        let _ = kill_process_group(self.group, Signal::KILL);
        self.lock_child().take().and_then(|mut child| child.wait().ok())
    }

    /// Without taking its status: until that is taken, its number is its own.
    fn has_ended(&self) -> bool {
        if self.lock_child().is_none() {
            return true;
        }
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        !matches!(waitid(WaitId::Pid(self.group), options), Ok(None))
    }

    /// Closes its pipes, and ends what does not end then.
    fn end(&self) {
        let _one = self.ending.lock().unwrap_or_else(PoisonError::into_inner);
        if self.lock_child().is_none() {
            return;
        }
        let _ = shutdown(&self.socket, Shutdown::Both);
        self.wait(POLITE);
        let _ = kill_process_group(self.group, Signal::TERM);
        self.wait(ASKED);
        let _ = kill_process_group(self.group, Signal::KILL);
        if let Some(mut child) = self.lock_child().take() {
            let _ = child.wait();
        }
    }

    fn wait(&self, bound: Duration) {
        let deadline = Instant::now() + bound;
        while !self.has_ended() && Instant::now() < deadline {
            thread::sleep(LOOK);
        }
    }

    fn lock_child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads to the end, so that it never waits for us; the first bytes are kept.
fn listen(mut stderr: ChildStderr, said: &Mutex<Said>) {
    let mut buffer = [0; 1024];
    while let Ok(count @ 1..) = stderr.read(&mut buffer) {
        tracing::debug!(said = %String::from_utf8_lossy(&buffer[..count]), "ProxyCommand");
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        let room = MOST_WORDS.saturating_sub(said.bytes.len()).min(count);
        said.bytes.extend_from_slice(&buffer[..room]);
    }
    said.lock().unwrap_or_else(PoisonError::into_inner).all = true;
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, path::PathBuf, thread, time::Duration};

    use super::{Live, Process, ProxyCommand, Running};

    /// One that neither the end of its pipes nor a polite signal ends.
    fn stubborn(live: &Live) -> ProxyCommand {
        ProxyCommand {
            line: "sh -c 'trap \"\" TERM; echo; while :; do sleep 1; done'".to_owned(),
            shell: PathBuf::from("/bin/sh"),
            variables: std::sync::Arc::new(BTreeMap::from([("PATH".into(), "/usr/bin:/bin".into())])),
            live: live.clone(),
        }
    }

    #[test]
    fn what_its_owner_is_ending_is_waited_for_too() {
        let live = Live::default();
        let (ours, running) = Running::start("there", &stubborn(&live)).expect("started");
        // Once it has said something it ignores the signal.
        assert_eq!(rustix::io::read(&ours, &mut [0; 1]), Ok(1));
        live.lock().running.push(std::sync::Arc::clone(&running));
        let process = Process { running: std::sync::Arc::clone(&running), live: live.clone() };
        let owner = thread::spawn(move || drop(process));
        mer_testkit::processes::until("its owner ends it", Duration::from_secs(30), || {
            running.ending.try_lock().is_err()
        });
        live.end();
        // The group may have zombies still, which wait for the first process of the machine.
        assert!(running.lock_child().is_none(), "the end of all of them came back too early");
        owner.join().expect("ended");
        assert!(live.lock().running.is_empty());
    }
}
