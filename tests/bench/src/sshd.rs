//! An `sshd` as the current user, in the folder of the measurement, on a free port of loopback.

use std::{
    fs,
    io::Read,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{Result, measure::run_silent};

/// A running server. Dropping it ends it.
#[derive(Debug)]
pub struct Sshd {
    child: Child,
    folder: PathBuf,
    pub port: u16,
    pub user: String,
}

impl Sshd {
    pub fn start(work: &Path) -> Result<Self> {
        let folder = work.join("sshd");
        // Left from an earlier case.
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        // An empty HOME: the user's rc files must not be measured.
        fs::create_dir_all(folder.join("home")).map_err(|error| error.to_string())?;
        for key in ["host_key", "key"] {
            let mut make = Command::new("ssh-keygen");
            run_silent(make.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(folder.join(key)))?;
        }
        let socket = TcpListener::bind(("127.0.0.1", 0)).map_err(|error| error.to_string())?;
        let port = socket.local_addr().map_err(|error| error.to_string())?.port();
        drop(socket);
        let output = Command::new("id").arg("-un").output().map_err(|error| error.to_string())?;
        let user = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let path = folder.display();
        let write = |name: &str, text: String| fs::write(folder.join(name), text).map_err(|error| error.to_string());
        write(
            "sshd_config",
            format!(
                "ListenAddress 127.0.0.1\nPort {port}\nHostKey {path}/host_key\nAuthorizedKeysFile {path}/key.pub\n\
                 StrictModes no\nPidFile none\nUseDNS no\nPasswordAuthentication no\nPermitRootLogin yes\n\
                 PrintMotd no\nMaxStartups 500\nLogLevel QUIET\nSetEnv HOME={path}/home\n"
            ),
        )?;
        let host_key = fs::read_to_string(folder.join("host_key.pub")).map_err(|error| error.to_string())?;
        write("known_hosts", format!("[127.0.0.1]:{port} {host_key}"))?;
        write(
            "ssh_config",
            format!(
                "Host there\n  HostName 127.0.0.1\n  Port {port}\n  User {user}\n  IdentityFile {path}/key\n\
                 IdentitiesOnly yes\n  UserKnownHostsFile {path}/known_hosts\n  GlobalKnownHostsFile none\n\
                 BatchMode yes\n  LogLevel ERROR\n"
            ),
        )?;
        let program =
            ["/usr/sbin/sshd", "/usr/bin/sshd", "/sbin/sshd"].into_iter().find(|path| Path::new(path).exists());
        // As root, sshd needs a folder that the package's start script makes at boot.
        let _ = fs::create_dir_all("/run/sshd");
        let mut command = Command::new(program.unwrap_or("sshd"));
        command.args(["-D", "-e", "-f"]).arg(folder.join("sshd_config")).stdin(Stdio::null());
        let child = command.spawn().map_err(|error| format!("{command:?}: {error}"))?;
        let sshd = Self { child, folder, port, user };
        let begun = Instant::now();
        while !greets(port) {
            if begun.elapsed() > Duration::from_secs(20) {
                return Err("sshd does not start".to_owned());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(sshd)
    }

    pub fn key(&self) -> PathBuf {
        self.folder.join("key")
    }

    pub fn known_hosts(&self) -> PathBuf {
        self.folder.join("known_hosts")
    }

    /// Returns the table of this server in a registry file.
    pub fn table(&self, name: &str) -> String {
        format!(
            "[servers.{name}]\nconnType = 'ssh'\nhost = '127.0.0.1'\nport = {}\nuser = '{}'\nidentityFile = '{}'\n\
             knownHosts = '{}'\n",
            self.port,
            self.user,
            self.key().display(),
            self.known_hosts().display()
        )
    }

    /// Returns a client with a new connection.
    pub fn ssh(&self) -> Command {
        let mut command = Command::new("ssh");
        command.arg("-F").arg(self.folder.join("ssh_config")).arg("there");
        command
    }

    /// Returns that client as a command line.
    pub fn ssh_words(&self) -> String {
        format!("ssh -F {}", self.folder.join("ssh_config").display())
    }

    /// Starts a connection that clients share.
    pub fn master(&self) -> Result<Master<'_>> {
        let master = Master(self);
        let mut command = Command::new("ssh");
        command.arg("-F").arg(self.folder.join("ssh_config")).args(["-M", "-N", "-f", "-S"]).arg(master.socket());
        run_silent(command.arg("there").stderr(Stdio::null()))?;
        Ok(master)
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A ControlMaster.
#[derive(Debug)]
pub struct Master<'a>(&'a Sshd);

impl Master<'_> {
    fn socket(&self) -> PathBuf {
        // The length of a socket's path is limited.
        std::env::temp_dir().join(format!("mer-bench-{}", self.0.port))
    }

    /// Returns a client that uses the connection.
    pub fn ssh(&self) -> Command {
        let mut command = Command::new("ssh");
        command.arg("-F").arg(self.0.folder.join("ssh_config")).arg("-S").arg(self.socket()).arg("there");
        command
    }
}

impl Drop for Master<'_> {
    fn drop(&mut self) {
        let mut command = Command::new("ssh");
        command
            .arg("-F")
            .arg(self.0.folder.join("ssh_config"))
            .args(["-O", "exit", "-S"])
            .arg(self.socket())
            .arg("there");
        let _ = run_silent(&mut command);
    }
}

fn greets(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let mut banner = [0; 4];
    let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
    stream.read_exact(&mut banner).is_ok() && &banner == b"SSH-"
}
