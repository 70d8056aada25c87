//! The lock that makes a process the resident, and the socket that it listens on.

use std::{
    fs, io,
    os::unix::{fs::PermissionsExt as _, net::UnixListener as StdListener},
};

use mer_client::Location;
use tokio::net::UnixListener;

use crate::error::ServeError;

/// Maximum number of connections that wait to be accepted; a further one is refused.
const BACKLOG: i32 = 4096;
/// Only this user may connect.
const MODE: u32 = 0o600;

/// The socket and the lock of this resident. Both are given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) listener: UnixListener,
    location: Location,
    /// Whether this process made the socket; a service manager removes its own.
    is_own: bool,
    _lock: fs::File,
}

impl Socket {
    /// Takes the lock, and listens. `given` is the socket of a service manager.
    pub(crate) fn listen(location: Location, given: Option<StdListener>) -> Result<Self, ServeError> {
        location.create()?;
        let path = location.socket();
        let failed = |source| ServeError::Listen { path: path.clone(), source };
        let lock = mer_files::open_lock_file(&location.lock()).map_err(failed)?;
        if !mer_files::try_lock(&lock).map_err(failed)? {
            return Err(ServeError::Running);
        }
        let is_own = given.is_none();
        let listener = match given {
            Some(listener) => listener,
            None => {
                // The lock was free: a socket that is there belongs to a resident that is gone.
                match fs::remove_file(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
                    _ => {}
                }
                let listener = StdListener::bind(&path).map_err(failed)?;
                fs::set_permissions(&path, fs::Permissions::from_mode(MODE)).map_err(failed)?;
                rustix::net::listen(&listener, BACKLOG).map_err(|error| failed(error.into()))?;
                listener
            }
        };
        listener.set_nonblocking(true).map_err(failed)?;
        let listener = UnixListener::from_std(listener).map_err(failed)?;
        Ok(Self { listener, location, is_own, _lock: lock })
    }

    /// Removes the socket, so that no caller waits for a resident that takes no more requests.
    pub(crate) fn close(&self) {
        if self.is_own {
            let _ = fs::remove_file(self.location.socket());
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.close();
    }
}
