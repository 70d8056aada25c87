//! A real `ssh-agent` for one test.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::{processes, require};

/// Bound on its start.
const START: Duration = Duration::from_secs(20);

/// An `ssh-agent`, which ends with this value.
#[derive(Debug)]
pub struct SshAgent {
    child: Child,
    socket: PathBuf,
    _folder: tempfile::TempDir,
}

impl SshAgent {
    /// Starts an agent without keys. `None`, after [`require::missing`] has reported it, if there is no `ssh-agent`.
    pub fn start() -> Option<Self> {
        let folder = tempfile::Builder::new().prefix("meragent").tempdir().expect("a temporary folder");
        let socket = folder.path().join("agent");
        let child = Command::new("ssh-agent").arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn();
        let Ok(child) = child else {
            require::missing("ssh-agent", "the agent is tested with it");
            return None;
        };
        let agent = Self { child, socket, _folder: folder };
        processes::until_listening(&agent.socket, START);
        Some(agent)
    }

    /// Its socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Adds a private key, which has no passphrase.
    pub fn add(&self, key: &Path) {
        let added = Command::new("ssh-add").arg("-q").arg(key).env("SSH_AUTH_SOCK", &self.socket).status();
        assert!(added.expect("`ssh-add` did not start").success(), "`ssh-add` failed");
    }
}

impl Drop for SshAgent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
