//! A relay between libssh2 and the real SSH agent, for one login.
//!
//! libssh2 offers what an agent lists. The relay lists the keys that are to be offered, certificates from files
//! included, has each signed by the key that belongs to it, and keeps the time limit.

use std::{
    fs, io,
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Instant,
};

use mer_core::not_started;
use ssh2::{Agent, Session};

use super::{
    agent_client::AgentClient,
    relay_server::{Offer, RelayServer},
};
use crate::ssh::session::nonce;

/// The agent that libssh2 uses.
pub(super) struct AgentRelay {
    agent: Agent,
    keys: Vec<ssh2::PublicKey>,
    /// Why the last signature failed.
    trouble: Arc<Mutex<Option<String>>>,
}

impl AgentRelay {
    pub(super) fn start(
        session: &Session,
        real: AgentClient,
        offers: Vec<Offer>,
        folders: &[PathBuf],
        deadline: Instant,
    ) -> Result<Self, String> {
        let (mut agent, stream) = connect_libssh2(session, folders)?;
        let trouble = Arc::new(Mutex::new(None));
        let serve = RelayServer { stream, real, offers, deadline, trouble: Arc::clone(&trouble) };
        let spawned = thread::Builder::new().name("mer-agent".to_owned()).spawn(move || serve.run());
        spawned.map_err(|error| not_started(error).to_string())?;
        agent.list_identities().map_err(|error| error.message().to_owned())?;
        let keys = agent.identities().map_err(|error| error.message().to_owned())?;
        Ok(Self { agent, keys, trouble })
    }

    /// Offers one of the keys to the server. `None` if it is not one of the relay's.
    pub(super) fn offer(&self, user: &str, blob: &[u8]) -> Option<Result<(), ssh2::Error>> {
        let key = self.keys.iter().find(|key| key.blob() == blob)?;
        Some(self.agent.userauth(user, key))
    }

    pub(super) fn take_trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Connects libssh2 to the relay. It takes only a path, hence a socket in a private folder, for a moment.
fn connect_libssh2(session: &Session, folders: &[PathBuf]) -> Result<(Agent, UnixStream), String> {
    let mut failure = "there is no folder for a socket".to_owned();
    for folder in folders {
        let private = match PrivateSocket::new(folder) {
            Ok(private) => private,
            Err(error) => {
                failure = format!("no socket in `{}`: {error}", folder.display());
                continue;
            }
        };
        let connect = || {
            let mut agent = session.agent()?;
            agent.set_identity_path(&private.socket)?;
            agent.connect()?;
            Ok(agent)
        };
        match connect().map_err(|error: ssh2::Error| error.message().to_owned()) {
            // Does not block, because the connection is in the queue already.
            Ok(agent) => match private.listener.accept() {
                Ok((stream, _)) => return Ok((agent, stream)),
                Err(error) => failure = error.to_string(),
            },
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// A socket in a folder that only its owner may enter. Dropping it removes both.
struct PrivateSocket {
    folder: PathBuf,
    socket: PathBuf,
    listener: UnixListener,
}

impl PrivateSocket {
    fn new(parent: &Path) -> io::Result<Self> {
        let folder = parent.join(format!("mer-{}", &nonce()));
        mer_files::create_new_private_dir(&folder)?;
        let socket = folder.join("agent");
        let bound = UnixListener::bind(&socket).and_then(|listener| {
            listener.set_nonblocking(true)?;
            Ok(listener)
        });
        match bound {
            Ok(listener) => Ok(Self { folder, socket, listener }),
            Err(error) => {
                let _ = fs::remove_dir(&folder);
                Err(error)
            }
        }
    }
}

impl Drop for PrivateSocket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.socket);
        let _ = fs::remove_dir(&self.folder);
    }
}
