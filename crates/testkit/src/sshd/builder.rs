//! The options of an `sshd`, its configuration file, and its start.

use std::fmt::{Display, Write as _};
use std::fs::{self, File};
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::files::{home, log_file, show_log};
use super::keys::{self, HostKey, KeyType, client_key};
use super::server::Sshd;
use super::shell::Shell;
use crate::network::Cable;
use crate::{processes, require};

/// How long a start may take on a loaded machine.
const START: Duration = Duration::from_secs(20);

/// The options of an [`Sshd`].
#[derive(Debug, Clone)]
pub struct Builder<'a> {
    cable: Option<&'a Cable>,
    host_keys: Vec<KeyType>,
    client_key: KeyType,
    passphrase: String,
    authorized: Vec<String>,
    listen: Option<Vec<IpAddr>>,
    shell: Option<(Shell, String)>,
    password: bool,
    public_key: bool,
    options: Vec<String>,
}

impl Default for Builder<'_> {
    fn default() -> Self {
        Self {
            cable: None,
            host_keys: vec![KeyType::Ed25519],
            client_key: KeyType::Ed25519,
            passphrase: String::new(),
            authorized: Vec::new(),
            listen: None,
            shell: None,
            password: false,
            public_key: true,
            options: Vec::new(),
        }
    }
}

impl Sshd {
    /// Starts a server with defaults. `None`, after reporting it, if there is no `sshd`; see
    /// [`crate::require::missing`].
    #[track_caller]
    pub fn start() -> Option<Self> {
        Self::builder().start()
    }

    /// The options of a server, before it starts.
    pub fn builder<'a>() -> Builder<'a> {
        Builder::default()
    }
}

impl<'a> Builder<'a> {
    /// Maximum number of channels on one connection (sshd's default is 10). The next one is refused.
    #[must_use]
    pub fn max_sessions(self, channels: u32) -> Self {
        self.option("MaxSessions", channels)
    }

    /// `start:rate:full` for connections that are not logged in. sshd's default is 10:30:100; here none is refused.
    #[must_use]
    pub fn max_startups(self, limit: &str) -> Self {
        self.option("MaxStartups", limit)
    }

    /// Renews the keys of a connection after this amount of data, as `64M`.
    #[must_use]
    pub fn rekey_limit(self, limit: &str) -> Self {
        self.option("RekeyLimit", limit)
    }

    /// The host keys, one of each type; an ed25519 one by default.
    #[must_use]
    pub fn host_keys(mut self, kinds: &[KeyType]) -> Self {
        assert!(!kinds.is_empty(), "sshd needs a host key");
        self.host_keys = kinds.to_vec();
        self
    }

    /// The type of the client key; ed25519 by default.
    #[must_use]
    pub fn client_key(mut self, kind: KeyType) -> Self {
        self.client_key = kind;
        self
    }

    /// Encrypts the client key with `passphrase`.
    #[must_use]
    pub fn passphrase(mut self, passphrase: &str) -> Self {
        passphrase.clone_into(&mut self.passphrase);
        self
    }

    /// Accepts another client key: a line of authorized_keys.
    #[must_use]
    pub fn authorize(mut self, line: &str) -> Self {
        self.authorized.push(line.trim().to_owned());
        self
    }

    /// The addresses to listen on, in place of 127.0.0.1 and, if the machine has it, ::1.
    #[must_use]
    pub fn listen(mut self, addresses: &[IpAddr]) -> Self {
        assert!(!addresses.is_empty(), "sshd needs an address");
        self.listen = Some(addresses.to_vec());
        self
    }

    /// Runs it at the server's end of `cable`, where it listens on that end's address only.
    #[must_use]
    pub fn at_server_of(mut self, cable: &'a Cable) -> Self {
        self.cable = Some(cable);
        self.listen(&[cable.server_address()])
    }

    /// Lets `shell` run each command, after `rc` in its own language.
    #[must_use]
    pub fn shell(mut self, shell: Shell, rc: &str) -> Self {
        self.shell = Some((shell, rc.to_owned()));
        self
    }

    /// Lets a bash run each command whose rc file prints on both streams.
    #[must_use]
    pub fn noisy(self) -> Self {
        self.shell(
            Shell::Bash,
            "echo 'Welcome to the machine!'; printf 'no newline, \\033[1m0%%'; echo 'rc: warning' >&2",
        )
    }

    /// Offers the method `password`, and refuses every password; see the module documentation. Off by default.
    #[must_use]
    pub fn offer_password(mut self) -> Self {
        self.password = true;
        self
    }

    /// Does not offer public keys, so that every login fails.
    #[must_use]
    pub fn no_public_key(mut self) -> Self {
        self.public_key = false;
        self
    }

    /// Adds any line of sshd_config except SetEnv. It replaces the default line of that name.
    #[must_use]
    pub fn option(mut self, name: &str, value: impl Display) -> Self {
        assert!(!name.eq_ignore_ascii_case("SetEnv"), "the nonce is set by SetEnv, and sshd keeps only one");
        self.options.push(format!("{name} {value}"));
        self
    }

    /// Starts the server, and waits for its banner.
    ///
    /// `None`, after [`require::missing`] has reported it, if OpenSSH or the requested shell is not installed. Panics
    /// with the log if the server does not start.
    #[track_caller]
    pub fn start(self) -> Option<Sshd> {
        let program = installed("sshd")?;
        installed("ssh")?;
        installed("ssh-keygen")?;
        let shell = match self.shell {
            None => None,
            Some((shell, ref rc)) => {
                let Some(path) = shell.path() else {
                    require::missing(shell.name(), "it is not on the PATH");
                    return None;
                };
                Some((shell, path, rc.clone()))
            }
        };

        let folder = tempfile::Builder::new().prefix("mer-sshd-").tempdir().expect("no temporary folder");
        let place = folder.path();
        let host_keys: Vec<HostKey> = self.host_keys.iter().map(|kind| HostKey::generate(*kind, place)).collect();
        let client_key = client_key(self.client_key, place, &self.passphrase);
        let mut authorized = vec![keys::public_half(&client_key)];
        authorized.extend(self.authorized.iter().cloned());
        fs::write(place.join("authorized_keys"), authorized.join("\n") + "\n")
            .expect("authorized_keys cannot be written");
        fs::create_dir(home(place)).expect("no home folder");
        let wrapper = shell.map(|(shell, path, rc)| shell.wrapper(&path, &rc, place));

        let nonce = processes::nonce();
        let listen = self.listen.clone().unwrap_or_else(loopback);
        let config = self.config(&program, place, &host_keys, wrapper.as_deref(), &nonce);
        let launch = || launch(&program, &folder, &listen, &config);
        let (child, port) = self.cable.map_or_else(launch, |cable| cable.at_server(launch));
        Some(Sshd { child, folder, port, listen, user: user(), client_key, host_keys, nonce })
    }

    /// The whole sshd_config, without addresses and port.
    fn config(&self, program: &Path, place: &Path, keys: &[HostKey], wrapper: Option<&Path>, nonce: &str) -> String {
        let yes = |is: bool| if is { "yes" } else { "no" };
        let mut lines = self.options.clone();
        lines.extend(keys.iter().map(|key| format!("HostKey {}", key.file.display())));
        lines.push(format!("AuthorizedKeysFile {}", place.join("authorized_keys").display()));
        lines.push(format!("PubkeyAuthentication {}", yes(self.public_key)));
        lines.push(format!("PasswordAuthentication {}", yes(self.password)));
        // One line, because sshd uses only the first.
        lines.push(format!("SetEnv MER_TEST_SSHD={nonce} HOME={}", home(place).display()));
        lines.extend(wrapper.map(|wrapper| format!("ForceCommand {}", wrapper.display())));
        // StrictModes would refuse a temporary folder below one that is writable for all.
        let usual = [
            "KbdInteractiveAuthentication no",
            "PermitRootLogin yes",
            "PermitUserRC no",
            "PidFile none",
            "PrintMotd no",
            "StrictModes no",
            "UseDNS no",
            "MaxStartups 500",
            // DEBUG1 would also be printed on the stderr of each session.
            "LogLevel VERBOSE",
        ];
        // For some names sshd uses the last line.
        let name = |line: &str| line.split(' ').next().unwrap_or_default().to_ascii_lowercase();
        let is_asked = |line: &&str| self.options.iter().any(|option| name(option) == name(line));
        lines.extend(usual.into_iter().filter(|line| !is_asked(line)).map(str::to_owned));
        // Since 9.8 sshd blocks an address for a while after a failed login, and all tests share one address.
        if version(program) >= (9, 8) {
            lines.push("PerSourcePenalties no".to_owned());
        }
        lines.join("\n") + "\n"
    }
}

/// Starts it on a free port. Repeated, because another process may take the port before sshd binds it.
fn launch(program: &Path, folder: &TempDir, listen: &[IpAddr], config: &str) -> (Child, u16) {
    let file = folder.path().join("sshd_config");
    let mut log = String::new();
    for _ in 0..10 {
        let port = free_port(listen);
        let mut text = String::new();
        for ip in listen {
            writeln!(text, "ListenAddress {}", SocketAddr::new(*ip, port)).expect("writing to a String");
        }
        fs::write(&file, text + config).expect("sshd_config cannot be written");
        let output = File::create(log_file(folder.path())).expect("no log file");
        let mut child = Command::new(program)
            .args(["-D", "-e", "-f"])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(output)
            .spawn()
            .expect("`sshd` cannot be run");
        if ready(&mut child, folder.path(), listen, port) {
            return (child, port);
        }
        let _ = child.kill();
        let _ = child.wait();
        log = String::from_utf8_lossy(&fs::read(log_file(folder.path())).unwrap_or_default()).into_owned();
        if let Some(missing) = log.lines().find_map(|line| line.split_once("privilege separation directory: ")) {
            // Under root sshd needs an empty folder that the start script of the package creates at boot.
            fs::create_dir_all(missing.1.trim()).expect("sshd's folder for privilege separation cannot be made");
        } else if !port_is_taken(&log) {
            break;
        }
    }
    show_log("sshd", &log);
    panic!("sshd did not start; its log is above");
}

/// Waits until it listens on all addresses and sends its banner; `false` if it exited, or could not bind an address.
fn ready(child: &mut Child, folder: &Path, listen: &[IpAddr], port: u16) -> bool {
    // Its log is checked first, because another server on the port would send a banner too.
    let listening = processes::poll(START, || {
        let log = fs::read_to_string(log_file(folder)).unwrap_or_default();
        let ended = !matches!(child.try_wait(), Ok(None)) || port_is_taken(&log);
        let all = listen.iter().all(|ip| log.contains(&format!("Server listening on {ip} port {port}.")));
        (ended || all).then_some(!ended)
    });
    listening == Some(true)
        && listen.iter().all(|ip| processes::poll(START, || greets(SocketAddr::new(*ip, port)).then_some(())).is_some())
}

/// Whether sshd could not bind an address. It goes on with the others if it has some.
fn port_is_taken(log: &str) -> bool {
    log.lines().any(|line| line.contains("Bind to port") && line.contains("failed"))
}

/// Whether a server at the address sends an SSH banner.
pub(crate) fn greets(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect_timeout(&address, START) else { return false };
    let mut banner = [0; 8];
    stream.set_read_timeout(Some(START)).is_ok() && stream.read_exact(&mut banner).is_ok() && &banner == b"SSH-2.0-"
}

fn free_port(listen: &[IpAddr]) -> u16 {
    let any = TcpListener::bind((listen[0], 0)).expect("no free port");
    any.local_addr().expect("no port").port()
}

fn loopback() -> Vec<IpAddr> {
    let six = IpAddr::V6(Ipv6Addr::LOCALHOST);
    let has_six = TcpListener::bind((six, 0)).is_ok();
    [Some(IpAddr::V4(Ipv4Addr::LOCALHOST)), has_six.then_some(six)].into_iter().flatten().collect()
}

#[track_caller]
fn installed(name: &str) -> Option<PathBuf> {
    let found = require::program(name, &[]);
    if found.is_none() {
        require::missing(name, "OpenSSH is not installed");
    }
    found
}

/// The name of the current user, by uid, because the environment may be wrong.
fn user() -> String {
    let output = Command::new("id").arg("-un").output().expect("`id` cannot be run");
    assert!(output.status.success(), "this user has no name, and sshd logs in nobody without one");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Major and minor version. Old versions do not know `-V`, and print their version above the usage.
fn version(program: &Path) -> (u32, u32) {
    let output = Command::new(program).arg("-V").stdin(Stdio::null()).output().expect("`sshd` cannot be run");
    parse_version(&String::from_utf8_lossy(&output.stderr)).unwrap_or_default()
}

fn parse_version(text: &str) -> Option<(u32, u32)> {
    let (_, rest) = text.split_once("OpenSSH_")?;
    let (major, rest) = rest.split_once('.')?;
    let minor: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        assert_eq!(parse_version("unknown option -- V\nOpenSSH_9.2p1 Debian-2, OpenSSL 3\nusage"), Some((9, 2)));
        assert_eq!(parse_version("OpenSSH_10.0p2, OpenSSL 3"), Some((10, 0)));
        assert_eq!(parse_version("something else"), None);
    }
}
