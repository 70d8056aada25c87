//! The options of an `sshd`, its configuration file, and its start.

use std::fmt::Display;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::files::home;
use super::keys::{self, HostKey, KeyType, client_key};
use super::launch::{launch, version};
use super::server::Sshd;
use super::shell::Shell;
use crate::network::Cable;
use crate::{processes, require};

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
        fs::create_dir(runtime(place)).expect("no folder for watchdogs");
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
        // Watchdogs that a test kills leave their folders, which go with the folder of the server.
        let (home, runtime) = (home(place), runtime(place));
        let set = format!("MER_TEST_SSHD={nonce} HOME={} XDG_RUNTIME_DIR={}", home.display(), runtime.display());
        lines.push(format!("SetEnv {set}"));
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

/// The folder in which watchdogs make theirs.
fn runtime(place: &Path) -> PathBuf {
    place.join("run")
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
