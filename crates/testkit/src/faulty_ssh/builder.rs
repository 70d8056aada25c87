//! The options of a faulty server, and its start.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use russh::server::Config;
use tokio::runtime;
use tokio::sync::oneshot;

use super::conduct::{Conduct, ExitReport};
use super::handler::Connection;
use super::server::{FaultySsh, Seen, lock};
use crate::network::{Direction, Proxy};
use crate::sshd::{HostKey, KeyType, client_key};
use crate::{processes, require};

/// The options of a [`FaultySsh`]. Faults may be combined.
#[derive(Debug, Clone, Default)]
pub struct Builder {
    wrong_host_key: bool,
    window: Option<u32>,
    cuts: Vec<(Direction, u64)>,
    conduct: Conduct,
}

impl FaultySsh {
    /// The options of a server, before it starts.
    pub fn builder() -> Builder {
        Builder::default()
    }
}

impl Builder {
    /// Accepts this password by the method `password`. Keys are accepted too, unless [`Self::no_keys`] is set.
    #[must_use]
    pub fn password(mut self, secret: &str) -> Self {
        self.conduct.password = Some(secret.to_owned());
        self
    }

    /// Asks for this secret by keyboard-interactive, and then sends a round without questions, as PAM does.
    #[must_use]
    pub fn keyboard_interactive(mut self, secret: &str) -> Self {
        self.conduct.keyboard_interactive = Some(secret.to_owned());
        self
    }

    /// Does not offer public keys. By default any key is accepted.
    #[must_use]
    pub fn no_keys(mut self) -> Self {
        self.conduct.no_keys = true;
        self
    }

    /// Requires a key and another method after it, as sshd with `AuthenticationMethods publickey,password`.
    #[must_use]
    pub fn key_first(mut self) -> Self {
        self.conduct.key_first = true;
        self
    }

    /// Shows another host key than the one in its known_hosts text.
    #[must_use]
    pub fn wrong_host_key(mut self) -> Self {
        self.wrong_host_key = true;
        self
    }

    /// Never answers an authentication request, not even `none`.
    #[must_use]
    pub fn authentication_hangs(mut self) -> Self {
        self.conduct.authentication_hangs = true;
        self
    }

    /// Resets the connection after this many bytes in one direction, counted from the first byte on the wire; a login
    /// without a command takes about 4 kB. Later connections are not affected.
    #[must_use]
    pub fn cut_after(mut self, direction: Direction, bytes: u64) -> Self {
        self.cuts.push((direction, bytes));
        self
    }

    /// Gives each channel a window of `bytes` and renews it once for the whole connection, when half of it is used,
    /// and never again. A client may send between one and a half and two windows. (The server library cannot leave
    /// the first renewal out.)
    #[must_use]
    pub fn window_stops(mut self, bytes: u32) -> Self {
        assert!(bytes >= 1024, "too small a window even for a command's first line");
        self.window = Some(bytes);
        self.conduct.window_stops = true;
        self
    }

    /// Reports that the command died of this signal (`TERM`, `KILL`, …, without SIG), however it ended.
    #[must_use]
    pub fn exit_signal(mut self, name: &str) -> Self {
        self.conduct.exit_report = ExitReport::Signal(name.to_owned());
        self
    }

    /// Reports neither exit code nor signal: only EOF and close.
    #[must_use]
    pub fn no_exit_status(mut self) -> Self {
        self.conduct.exit_report = ExitReport::None;
        self
    }

    /// Sends these bytes as stdout after the EOF of a command, which the protocol forbids.
    #[must_use]
    pub fn data_after_eof(mut self, bytes: &[u8]) -> Self {
        self.conduct.after_eof = bytes.to_vec();
        self
    }

    /// Sends and receives packets of one byte.
    #[must_use]
    pub fn one_byte_packets(mut self) -> Self {
        self.conduct.one_byte = true;
        self
    }

    /// Refuses every channel of a connection after this many, even if earlier ones were closed.
    #[must_use]
    pub fn channels(mut self, count: usize) -> Self {
        self.conduct.channels = Some(count);
        self
    }

    /// Starts the server. `None`, after [`require::missing`] has reported it, if there is no `ssh-keygen`.
    #[track_caller]
    pub fn start(mut self) -> Option<FaultySsh> {
        if require::program("ssh-keygen", &[]).is_none() {
            require::missing("ssh-keygen", "OpenSSH is not installed");
            return None;
        }
        let folder = tempfile::Builder::new().prefix("mer-faulty-").tempdir().expect("no temporary folder");
        let shown = HostKey::generate(KeyType::Ed25519, folder.path());
        let claimed = if self.wrong_host_key {
            let other = folder.path().join("claimed");
            fs::create_dir(&other).expect("no folder for the claimed key");
            HostKey::generate(KeyType::Ed25519, &other)
        } else {
            shown.clone()
        };
        let client_key = client_key(KeyType::Ed25519, folder.path(), "");
        self.conduct.nonce = processes::nonce();
        self.conduct.home = folder.path().join("home");
        fs::create_dir(&self.conduct.home).expect("no home folder");

        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("no free port");
        let own = listener.local_addr().expect("no port");
        let proxy = (!self.cuts.is_empty()).then(|| Proxy::to(own));
        for (proxy, (direction, bytes)) in proxy.iter().flat_map(|proxy| self.cuts.iter().map(move |cut| (proxy, cut)))
        {
            proxy.cut_after(*direction, *bytes);
        }
        let address = proxy.as_ref().map_or(own, Proxy::address);

        let config = Arc::new(self.config(&shown));
        let nonce = self.conduct.nonce.clone();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (stop, stopped) = oneshot::channel();
        let (conduct, theirs) = (Arc::new(self.conduct), Arc::clone(&seen));
        let serving = thread::Builder::new().name("faulty-ssh".to_owned());
        let serving = serving.spawn(move || serve(listener, &config, &conduct, &theirs, stopped)).expect("no thread");
        Some(FaultySsh {
            address,
            folder,
            shown,
            claimed,
            client_key,
            nonce,
            seen,
            proxy,
            stop: Some(stop),
            thread: Some(serving),
        })
    }

    fn config(&self, key: &HostKey) -> Config {
        let key = russh::keys::load_secret_key(&key.file, None).expect("the host key cannot be read");
        let mut config = Config {
            keys: vec![key],
            methods: self.conduct.methods(false),
            auth_rejection_time: Duration::ZERO,
            inactivity_timeout: None,
            nodelay: true,
            ..Config::default()
        };
        if let Some(window) = self.window {
            config.window_size = window;
        }
        if self.conduct.one_byte {
            config.maximum_packet_size = 1;
        }
        config
    }
}

/// Accepts connections until `stopped` is sent or its sender is dropped; everything ends with the runtime.
fn serve(
    listener: TcpListener,
    config: &Arc<Config>,
    conduct: &Arc<Conduct>,
    seen: &Arc<Mutex<Seen>>,
    stopped: oneshot::Receiver<()>,
) {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("no runtime");
    let accept = async {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            lock(seen).connections += 1;
            let (config, handler) = (Arc::clone(config), Connection::new(Arc::clone(conduct), Arc::clone(seen)));
            tokio::spawn(async move {
                // In many tests the client goes away in the middle.
                if let Ok(session) = russh::server::run_stream(config, stream, handler).await {
                    let _ = session.await;
                }
            });
        }
    };
    runtime.block_on(async {
        tokio::select! {
            _ = stopped => {}
            ended = accept => {
                let ended: io::Result<()> = ended;
                ended.expect("the faulty server cannot listen");
            }
        }
    });
}
