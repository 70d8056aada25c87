//! An SSH server that does wrong what a test asks for, and that takes passwords without an account behind them.
//!
//! Where no fault is asked for it is a plain server: it runs each command by `sh -c`, as whoever runs the test, with its
//! own HOME, streams both ways under the window, and reports exit codes and signals.

mod builder;
mod handler;
mod run;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::oneshot;

pub use builder::Builder;

use crate::link::Proxy;
use crate::processes;
use crate::sshd::{HostKey, known_hosts};

/// A running faulty server. Dropping it ends it, its connections and what they run.
#[derive(Debug)]
pub struct FaultySsh {
    address: SocketAddr,
    folder: TempDir,
    shown: HostKey,
    claimed: HostKey,
    client_key: PathBuf,
    nonce: String,
    seen: Arc<Mutex<Seen>>,
    proxy: Option<Proxy>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What clients have done.
#[derive(Debug, Default)]
struct Seen {
    connections: usize,
    methods: Vec<&'static str>,
    commands: Vec<String>,
    refused: usize,
}

impl FaultySsh {
    /// What may be asked of one before it starts.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Where clients connect to: always 127.0.0.1.
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

    /// Any user will do; this is one.
    pub fn user(&self) -> &'static str {
        "anybody"
    }

    /// A private key; any other is accepted too, if keys are.
    pub fn client_key(&self) -> &Path {
        &self.client_key
    }

    /// The host key that it shows to clients.
    pub fn host_key(&self) -> &HostKey {
        &self.shown
    }

    /// The host key that [`Self::known_hosts`] claims: the same one, but for [`Builder::wrong_host_key`].
    pub fn claimed_host_key(&self) -> &HostKey {
        &self.claimed
    }

    /// The text of a known_hosts file with the claimed key.
    pub fn known_hosts(&self) -> String {
        known_hosts(std::slice::from_ref(&self.claimed), &[format!("[{}]:{}", self.host(), self.port())])
    }

    /// The folder that goes when this is dropped; tests may put more into it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What every process has in its environment that was started over a connection to this server.
    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    /// How many connections there have been.
    pub fn connections(&self) -> usize {
        self.seen().connections
    }

    /// The authentication methods that clients have tried, in order, over all connections.
    pub fn methods(&self) -> Vec<&'static str> {
        self.seen().methods.clone()
    }

    /// The command lines that it was asked to run, in order.
    pub fn commands(&self) -> Vec<String> {
        self.seen().commands.clone()
    }

    /// How many channels it has refused.
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

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
