//! `ProxyCommand` as the SSH configuration gives it, and its start.

use std::{collections::BTreeMap, fmt, os::fd::OwnedFd, path::PathBuf, sync::Arc};

use super::{
    process::ChildProcess,
    running::{ProxyProcess, RunningProxies},
};
use crate::ssh::SshError;

/// A command whose pipes are the connection.
#[derive(Clone)]
pub(in crate::ssh) struct ProxyCommand {
    /// The line, with its tokens replaced.
    pub(in crate::ssh) line: String,
    pub(in crate::ssh) shell: PathBuf,
    pub(in crate::ssh) variables: Arc<BTreeMap<String, String>>,
    pub(in crate::ssh) running: RunningProxies,
}

impl fmt::Debug for ProxyCommand {
    /// Leaves the variables out: nothing of an environment belongs into a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyCommand").field("line", &self.line).finish_non_exhaustive()
    }
}

impl ProxyCommand {
    /// Starts the command for a host. Our end of its pipes is a socket, because libssh2 takes nothing else.
    pub(in crate::ssh) fn start(&self, host: &str) -> Result<(OwnedFd, Arc<ProxyProcess>), SshError> {
        // Locked until the process is listed, so that `RunningProxies::end` misses none.
        let mut started = self.running.lock();
        if started.closed {
            let detail = "the connection is no longer wanted".to_owned();
            return Err(SshError::ConnectionLost { host: host.to_owned(), detail });
        }
        let (ours, running) = ChildProcess::start(host, &self.shell, &self.line, &self.variables)?;
        started.running.push(Arc::clone(&running));
        drop(started);
        Ok((ours, Arc::new(ProxyProcess::new(running, self.running.clone()))))
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, path::PathBuf, thread, time::Duration};

    use super::{ChildProcess, ProxyCommand, ProxyProcess, RunningProxies};

    /// A command that ends neither with its pipes nor by TERM.
    fn stubborn(running: &RunningProxies) -> ProxyCommand {
        ProxyCommand {
            line: "sh -c 'trap \"\" TERM; echo; while :; do sleep 1; done'".to_owned(),
            shell: PathBuf::from("/bin/sh"),
            variables: std::sync::Arc::new(BTreeMap::from([("PATH".into(), "/usr/bin:/bin".into())])),
            running: running.clone(),
        }
    }

    #[test]
    fn what_its_owner_is_ending_is_waited_for_too() {
        let all = RunningProxies::default();
        let command = stubborn(&all);
        let (ours, running) =
            ChildProcess::start("there", &command.shell, &command.line, &command.variables).expect("started");
        // Once it has printed something, it ignores the signal.
        assert_eq!(rustix::io::read(&ours, &mut [0; 1]), Ok(1));
        all.lock().running.push(std::sync::Arc::clone(&running));
        let process = ProxyProcess::new(std::sync::Arc::clone(&running), all.clone());
        let owner = thread::spawn(move || drop(process));
        mer_testkit::processes::until("its owner ends it", Duration::from_secs(30), || {
            running.ending.try_lock().is_err()
        });
        all.end();
        // The group may still have zombies, until the first process of the machine reaps them.
        assert!(running.lock_child().is_none(), "the end of all of them came back too early");
        owner.join().expect("ended");
        assert!(all.lock().running.is_empty());
    }
}
