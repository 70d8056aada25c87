//! A running `sshd`.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use super::files::{home, log_file, show_log};
use super::keys::{self, HostKey, known_hosts};
use super::launch::launch_again;
use crate::{processes, require};

/// A running `sshd`. Dropping it ends the server, its connections, and their processes.
///
/// Do not store one in a `static`: statics are never dropped, so that it would outlive the tests.
#[derive(Debug)]
pub struct Sshd {
    pub(super) child: Child,
    pub(super) folder: TempDir,
    pub(super) port: u16,
    pub(super) listen: Vec<IpAddr>,
    pub(super) user: String,
    pub(super) client_key: PathBuf,
    pub(super) host_keys: Vec<HostKey>,
    pub(super) nonce: String,
}

impl Sshd {
    /// The first address that it listens on, in the form of configuration files.
    pub fn host(&self) -> String {
        self.listen[0].to_string()
    }

    /// The port, the same on every address.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// All addresses that it listens on, with the port.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listen.iter().map(|ip| SocketAddr::new(*ip, self.port)).collect()
    }

    /// The only user that it logs in: the user of the test.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The private key that it accepts. The public key is beside it, with `.pub`.
    pub fn client_key(&self) -> &Path {
        &self.client_key
    }

    /// Its host keys, in the order of [`super::Builder::host_keys`].
    pub fn host_keys(&self) -> &[HostKey] {
        &self.host_keys
    }

    /// The temporary folder of the server, removed when it is dropped. Tests may add files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The HOME of its sessions, empty at first.
    pub fn home(&self) -> PathBuf {
        home(self.folder())
    }

    /// The text of a known_hosts file: a line for each host key, which names each address as `[address]:port`.
    pub fn known_hosts(&self) -> String {
        known_hosts(&self.host_keys, &self.names())
    }

    /// The same for one address only, such as that of a proxy in front of the server.
    pub fn known_hosts_for(&self, address: SocketAddr) -> String {
        known_hosts(&self.host_keys, &[format!("[{}]:{}", address.ip(), address.port())])
    }

    /// The same with hashed names (`|1|salt|hash`), a line for each key and address.
    pub fn known_hosts_hashed(&self) -> String {
        keys::hash_names(&self.host_keys, &self.names(), self.folder())
    }

    /// Writes [`Self::known_hosts`] to a file, and returns its path.
    pub fn known_hosts_file(&self) -> PathBuf {
        let file = self.folder().join("known_hosts");
        fs::write(&file, self.known_hosts()).expect("known_hosts cannot be written");
        file
    }

    /// A block of `~/.ssh/config` for this server under an alias.
    pub fn ssh_config(&self, alias: &str) -> String {
        format!(
            "Host {alias}\n  HostName {}\n  Port {}\n  User {}\n  IdentityFile {}\n  IdentitiesOnly yes\n  \
             UserKnownHostsFile {}\n",
            self.host(),
            self.port,
            self.user,
            self.client_key.display(),
            self.known_hosts_file().display()
        )
    }

    /// An `ssh` client that reaches this server and reads no file of the user; the test adds the remote command.
    pub fn ssh(&self) -> Command {
        let config = self.folder().join("ssh_config");
        fs::write(&config, self.ssh_config("server")).expect("ssh_config cannot be written");
        let mut command = Command::new("ssh");
        command.arg("-F").arg(&config).args(["-o", "BatchMode=yes", "-o", "GlobalKnownHostsFile=none", "server"]);
        command.env_remove("SSH_AUTH_SOCK");
        command
    }

    /// Its pid.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The nonce in the environment of every process that was started over a connection to this server.
    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    /// The log of the server, at level VERBOSE.
    pub fn log(&self) -> String {
        let bytes = fs::read(log_file(self.folder())).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits until `text` is in the log. Panics if it does not come within `bound`.
    #[track_caller]
    pub fn wait_for_log(&self, text: &str, bound: Duration) {
        processes::until(&format!("`{text}` in the log of sshd"), bound, || self.log().contains(text));
    }

    /// Kills the server's side of every connection, as an administrator does, and its processes. The server goes on
    /// listening.
    pub fn end_connections(&self) {
        // Stopped first, so that no connection comes meanwhile.
        processes::signal(self.pid(), Signal::STOP);
        self.kill_below();
        processes::signal(self.pid(), Signal::CONT);
    }

    /// Stops the server and its connections: alive for TCP, silent for SSH.
    pub fn freeze(&self) {
        self.signal_all(Signal::STOP);
    }

    /// Lets a frozen server go on.
    pub fn thaw(&self) {
        self.signal_all(Signal::CONT);
    }

    /// Ends the server, its connections, and their processes. The port is closed afterwards.
    pub fn stop(&mut self) {
        processes::signal(self.pid(), Signal::STOP);
        self.kill_below();
        // By the handle, because the pid may be reused after the wait.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Kills the server's side of every connection with SIGKILL. The processes that were started over them go on.
    pub fn cut_connections(&self) {
        for pid in processes::descendants(self.pid()).into_iter().filter(|pid| is_sshd(*pid)) {
            processes::kill(pid);
        }
    }

    /// Kills the server and its side of every connection with SIGKILL. The processes that it started for others go on.
    pub fn crash(&mut self) {
        // Stopped first, so that no connection comes meanwhile.
        processes::signal(self.pid(), Signal::STOP);
        self.cut_connections();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts the server again after [`Self::stop`] or [`Self::crash`], with the same keys on the same port.
    #[track_caller]
    pub fn start_again(&mut self) {
        let program = require::program("sshd", &[]).expect("`sshd` is gone");
        self.child = launch_again(&program, self.folder.path(), &self.listen, self.port);
    }

    fn signal_all(&self, signal: Signal) {
        processes::signal(self.pid(), signal);
        for pid in processes::descendants(self.pid()) {
            processes::signal(pid, signal);
        }
    }

    /// Kills the processes below the server, and those that have left it and carry its nonce.
    fn kill_below(&self) {
        let none_left = || {
            let mut below = processes::descendants(self.pid());
            below.extend(processes::with_nonce(&self.nonce));
            below.retain(|pid| processes::alive(*pid));
            below.iter().for_each(|pid| processes::kill(*pid));
            below.is_empty().then_some(())
        };
        if processes::poll(Duration::from_secs(5), none_left).is_none() && !thread::panicking() {
            panic!("sessions of sshd {} outlived SIGKILL", self.pid());
        }
    }

    /// Its names in known_hosts.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.listen.iter().map(|ip| format!("[{ip}]:{}", self.port)).collect();
        if self.listen.iter().any(IpAddr::is_loopback) {
            names.push(format!("[localhost]:{}", self.port));
        }
        names
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.stop();
        } else {
            // What was left by a crash.
            processes::with_nonce(&self.nonce).into_iter().for_each(processes::kill);
        }
        if thread::panicking() {
            show_log("sshd", &self.log());
        }
    }
}

/// Whether a process is a server, or its side of a connection.
fn is_sshd(pid: u32) -> bool {
    let program = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
    program.file_name().is_some_and(|name| name.to_string_lossy().starts_with("sshd"))
}
