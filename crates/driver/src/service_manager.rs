//! The service manager (systemd) that has started this process, where one has.

use std::{
    ffi::OsString,
    os::{fd::OwnedFd, unix::net::UnixListener},
};

use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

use crate::variables::Variables;

/// The first descriptor that is handed over.
const FIRST_DESCRIPTOR: i32 = 3;

/// What the service manager has handed over.
#[derive(Debug)]
pub(crate) struct ServiceManager {
    /// The socket that it is told about readiness through.
    notify_socket: Option<OsString>,
    /// Whether it has handed over a socket to listen on.
    is_activated: bool,
}

impl ServiceManager {
    pub(crate) fn new(environment: &Variables) -> Self {
        let is_activated =
            mer_serve::is_activated(environment.text("LISTEN_PID"), environment.text("LISTEN_FDS"), std::process::id());
        Self { notify_socket: environment.get("NOTIFY_SOCKET").map(OsString::from), is_activated }
    }

    /// Tells it a state, such as `READY=1`.
    pub(crate) fn notify(&self, state: &str) {
        let Some(socket) = &self.notify_socket else { return };
        if let Err(error) = mer_serve::notify(socket, state) {
            tracing::warn!("the service manager cannot be told `{state}`: {error}");
        }
    }

    /// Takes the socket that it has handed over.
    ///
    /// # Errors
    /// The kernel does not give it.
    pub(crate) fn listener(&self) -> std::io::Result<Option<UnixListener>> {
        if !self.is_activated {
            return Ok(None);
        }
        let own = pidfd_open(getpid(), PidfdFlags::empty())?;
        // A copy that models do not inherit; they must not inherit the original either.
        let listener: OwnedFd = pidfd_getfd(own, FIRST_DESCRIPTOR, PidfdGetfdFlags::empty())?;
        nix::unistd::close(FIRST_DESCRIPTOR)?;
        Ok(Some(listener.into()))
    }
}
