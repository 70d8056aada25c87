//! A real Dropbear for one test: the SSH server of routers and small images, which differs from sshd in some points.
//!
//! It looks for keys only in the home folder of the account. So it runs in a private mount namespace, in which
//! `/etc/passwd` names the test's folder as the home; this requires root.

use std::{
    fs::{self, Permissions},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    processes, require,
    sshd::{KeyType, client_key, greets, show_log},
};

/// How long a start may take on a loaded machine.
const START: Duration = Duration::from_secs(20);
/// Creates the namespace and execs the server.
const SCRIPT: &str = "mount --bind \"$1\" /etc/passwd && shift && exec \"$@\"";

/// A running Dropbear. Dropping it ends the server, its connections, and their processes.
#[derive(Debug)]
pub struct Dropbear {
    child: Child,
    folder: TempDir,
    port: u16,
    client_key: PathBuf,
    host_key: String,
    nonce: String,
}

impl Dropbear {
    /// Starts a server. `None`, after reporting it, if there is no Dropbear, or if the test may not create a
    /// namespace.
    #[track_caller]
    pub fn start() -> Option<Self> {
        let possible =
            Command::new("unshare").args(["-m", "sh", "-c", "mount --bind /etc/passwd /etc/passwd"]).output();
        if !possible.is_ok_and(|output| output.status.success()) {
            require::unavailable("dropbear", "a mount namespace cannot be made here");
            return None;
        }
        let mut found = Vec::new();
        for name in ["dropbear", "dropbearkey", "ssh-keygen"] {
            let Some(path) = require::program(name, &[]) else {
                require::missing(name, "it is not on the PATH");
                return None;
            };
            found.push(path);
        }
        let folder = tempfile::Builder::new().prefix("mer-dropbear-").tempdir().expect("no temporary folder");
        let place = folder.path();
        let client_key = client_key(KeyType::Ed25519, place, "");
        let home = place.join("home");
        fs::create_dir_all(home.join(".ssh")).expect("no home folder");
        for folder in [place, &home, &home.join(".ssh")] {
            fs::set_permissions(folder, Permissions::from_mode(0o700)).expect("mode");
        }
        fs::copy(client_key.with_extension("pub"), home.join(".ssh/authorized_keys")).expect("authorized_keys");
        fs::write(place.join("passwd"), format!("root:x:0:0:root:{}:/bin/sh\n", home.display())).expect("passwd");
        let key = place.join("host");
        let made = Command::new(&found[1]).args(["-t", "ed25519", "-f"]).arg(&key).output().expect("dropbearkey");
        assert!(made.status.success(), "{made:?}");
        let made = String::from_utf8_lossy(&made.stdout).into_owned();
        let line = made.lines().find(|line| line.starts_with("ssh-")).expect("a public key");
        let host_key = line.split(' ').take(2).collect::<Vec<_>>().join(" ");
        let nonce = processes::nonce();
        let mut log = String::new();
        // Repeated, because another process may take the port before the server binds it.
        for _ in 0..10 {
            let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("no free port");
            let port = socket.local_addr().expect("no port").port();
            drop(socket);
            let mut child = Command::new("unshare")
                .args(["-m", "sh", "-c", SCRIPT, "sh"])
                .arg(place.join("passwd"))
                .arg(&found[0])
                .args(["-F", "-E", "-e", "-s", "-m", "-p", &format!("127.0.0.1:{port}"), "-r"])
                .arg(&key)
                .arg("-P")
                .arg(place.join("pid"))
                .env("MER_TEST_SSHD", &nonce)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(fs::File::create(place.join("log")).expect("no log file"))
                // Commands run in the process group of the server, which must not be the group of the test.
                .process_group(0)
                .spawn()
                .expect("`unshare` cannot be run");
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let ready = processes::poll(START, || {
                let ended = !matches!(child.try_wait(), Ok(None));
                (ended || greets(address)).then_some(!ended)
            });
            if ready == Some(true) {
                return Some(Self { child, folder, port, client_key, host_key, nonce });
            }
            let _ = child.kill();
            let _ = child.wait();
            log = fs::read_to_string(place.join("log")).unwrap_or_default();
        }
        panic!("Dropbear did not start: {log}");
    }

    /// The address that it listens on.
    pub fn host(&self) -> &'static str {
        "127.0.0.1"
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The only user that it logs in.
    pub fn user(&self) -> &'static str {
        "root"
    }

    /// The private key that it accepts.
    pub fn client_key(&self) -> &Path {
        &self.client_key
    }

    /// The text of a known_hosts file.
    pub fn known_hosts(&self) -> String {
        format!("[127.0.0.1]:{} {}\n", self.port, self.host_key)
    }

    /// The temporary folder of the server, removed when it is dropped.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The nonce in the environment of every process that was started over a connection to this server.
    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    /// Whether the server still runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The log of the server.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.folder().join("log")).unwrap_or_default()).into_owned()
    }
}

impl Drop for Dropbear {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        processes::poll(Duration::from_secs(5), || {
            let left = processes::with_nonce(&self.nonce);
            left.iter().for_each(|pid| processes::kill(*pid));
            left.is_empty().then_some(())
        });
        if thread::panicking() {
            show_log("Dropbear", &self.log());
        }
    }
}
