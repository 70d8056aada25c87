//! Our end of the watcher: it is started beside the first model, and told which process groups there are.

use std::{
    collections::{BTreeMap, hash_map::RandomState},
    hash::{BuildHasher, Hasher},
    io::{self, Write},
    os::{fd::OwnedFd, unix::process::CommandExt},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rustix::{
    pipe::{PipeFlags, pipe_with},
    process::Pid,
};

/// The watcher as seen from here. One for an executor and its clones.
#[derive(Debug)]
pub(super) struct Watch {
    program: PathBuf,
    argv: Vec<String>,
    nonce: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    live: Option<Live>,
    /// What a new watcher has to be told if this one dies. By group, the grace in milliseconds.
    groups: BTreeMap<i32, u128>,
}

#[derive(Debug)]
struct Live {
    /// Its closing is the message that we are gone.
    pipe: std::fs::File,
    child: Child,
}

impl Watch {
    pub(super) fn new(program: PathBuf, argv: Vec<String>) -> Self {
        Self { program, argv, nonce: nonce(), state: Mutex::default() }
    }

    /// What every model carries in its environment.
    pub(super) fn nonce(&self) -> &str {
        &self.nonce
    }

    /// Starts the watcher where it does not run.
    pub(super) fn ensure(&self) -> io::Result<()> {
        let mut state = self.lock();
        if state.live.is_some() {
            return Ok(());
        }
        let mut live = self.launch()?;
        let mut hello = format!("nonce {}\n", self.nonce);
        for (group, grace) in &state.groups {
            hello.push_str(&format!("+{group} {grace}\n"));
        }
        live.pipe.write_all(hello.as_bytes())?;
        state.live = Some(live);
        Ok(())
    }

    pub(super) fn add(&self, group: Pid, grace: Duration) {
        let group = group.as_raw_nonzero().get();
        let mut state = self.lock();
        state.groups.insert(group, grace.as_millis());
        if !state.tell(&format!("+{group} {}\n", grace.as_millis())) {
            // It died (killed for memory, by an admin): another one takes over all groups.
            drop(state);
            if let Err(error) = self.ensure() {
                tracing::warn!(%error, "the watcher could not be started again: models would outlive this process");
            }
        }
    }

    pub(super) fn remove(&self, group: Pid) {
        let group = group.as_raw_nonzero().get();
        let mut state = self.lock();
        state.groups.remove(&group);
        state.tell(&format!("-{group}\n"));
    }

    fn launch(&self) -> io::Result<Live> {
        let (theirs, ours) = pipe_with(PipeFlags::CLOEXEC)?;
        // Never let a watcher that was stopped stop us.
        rustix::io::ioctl_fionbio(&ours, true)?;
        let mut command = Command::new(&self.program);
        command.args(&self.argv).env_clear().current_dir("/");
        // A group of its own: the terminal's Ctrl-C is not for it.
        command.process_group(0);
        // It has nothing to say, and must hold none of our streams open. An empty root folder has no `/dev/null`: a pipe that
        // nobody reads does as well.
        let (_unread, nowhere) = pipe_with(PipeFlags::CLOEXEC)?;
        command.stdin(Stdio::from(theirs)).stdout(Stdio::from(nowhere.try_clone()?)).stderr(Stdio::from(nowhere));
        let child = command.spawn()?;
        Ok(Live { pipe: OwnedFd::into(ours), child })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Writes a line; false where the watcher is gone. Lines are shorter than PIPE_BUF, so they are written whole.
    fn tell(&mut self, line: &str) -> bool {
        let Some(live) = &mut self.live else { return false };
        match live.pipe.write(line.as_bytes()) {
            Ok(_) => true,
            // It is stopped, and the pipe full: the environment of the models still tells it enough.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => true,
            Err(_) => {
                let _ = live.child.try_wait();
                self.live = None;
                false
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.lock().tell("bye\n");
    }
}

/// Something nobody else has in an environment. The hasher's keys come from the kernel's random numbers.
fn nonce() -> String {
    let word = || RandomState::new().build_hasher().finish();
    format!("{}-{:016x}{:016x}", std::process::id(), word(), word())
}
