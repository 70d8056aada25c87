//! A running faulty server, and what its clients have done.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::network::Proxy;
use crate::processes;
use crate::sshd::{HostKey, known_hosts};

/// A running faulty server. Dropping it ends the server, its connections, and their processes.
#[derive(Debug)]
pub struct FaultySsh {
    pub(super) address: SocketAddr,
    pub(super) folder: TempDir,
    pub(super) shown: HostKey,
    pub(super) claimed: HostKey,
    pub(super) client_key: PathBuf,
    pub(super) nonce: String,
    pub(super) seen: Arc<Mutex<Seen>>,
    pub(super) proxy: Option<Proxy>,
    pub(super) stop: Option<oneshot::Sender<()>>,
    pub(super) thread: Option<JoinHandle<()>>,
}

/// What the clients have done.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) connections: usize,
    pub(super) methods: Vec<&'static str>,
    pub(super) commands: Vec<String>,
    pub(super) refused: usize,
}

impl FaultySsh {
    /// The address for clients, always on 127.0.0.1.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address without the port.
    pub fn host(&self) -> String {
        self.address.ip().to_string()
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// A user name. Any other is accepted too.
    pub fn user(&self) -> &'static str {
        "anybody"
    }

    /// A private key. Any other is accepted too, unless keys are refused.
    pub fn client_key(&self) -> &Path {
        &self.client_key
    }

    /// The host key that it shows to clients.
    pub fn host_key(&self) -> &HostKey {
        &self.shown
    }

    /// The host key in [`Self::known_hosts`]: another one only with [`super::Builder::wrong_host_key`].
    pub fn claimed_host_key(&self) -> &HostKey {
        &self.claimed
    }

    /// The text of a known_hosts file with the claimed key.
    pub fn known_hosts(&self) -> String {
        known_hosts(std::slice::from_ref(&self.claimed), &[format!("[{}]:{}", self.host(), self.port())])
    }

    /// The temporary folder of the server, removed when it is dropped. Tests may add files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The nonce in the environment of every process that was started over a connection to this server.
    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    /// Number of connections so far.
    pub fn connections(&self) -> usize {
        self.seen().connections
    }

    /// The authentication methods that clients have tried, in order, on all connections.
    pub fn methods(&self) -> Vec<&'static str> {
        self.seen().methods.clone()
    }

    /// The command lines that clients have requested, in order.
    pub fn commands(&self) -> Vec<String> {
        self.seen().commands.clone()
    }

    /// Number of refused channels.
    pub fn refused_channels(&self) -> usize {
        self.seen().refused
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }
}

impl Drop for FaultySsh {
    fn drop(&mut self) {
        drop(self.proxy.take());
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        processes::poll(Duration::from_secs(5), || {
            let left = processes::with_nonce(&self.nonce);
            left.iter().for_each(|pid| processes::kill(*pid));
            left.is_empty().then_some(())
        });
    }
}

pub(super) fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
