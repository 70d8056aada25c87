//! The exit code of an SSH error, and what to do about it.

use mer_core::{ExitCode, Shortage};

use super::SshError;

impl SshError {
    /// The exit code of `mer`: 69, 75, 77 or 78.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        // A shortage on this machine says nothing about the server.
        if let Some(shortage) = Shortage::of(self) {
            return shortage.exit_code();
        }
        match self {
            Self::Config { .. } => ExitCode::CONFIG,
            Self::KeyUnknown { .. }
            | Self::KeyChanged { .. }
            | Self::KeyRevoked { .. }
            | Self::KnownHosts { .. }
            | Self::AuthFailed { .. } => ExitCode::REFUSED,
            Self::Jump { source, .. } => source.exit_code(),
            Self::Resources { .. } => ExitCode::BUSY,
            _ => ExitCode::UNREACHABLE,
        }
    }

    /// What to do about it, as a sentence. `server` is the name to put into a command line.
    #[must_use]
    pub fn hint(&self, server: &str) -> Option<String> {
        if let Some(shortage) = Shortage::of(self) {
            return Some(shortage.hint().to_owned());
        }
        Some(match self {
            Self::NotResolved { .. } => "check `host`, the name server, or the alias in ~/.ssh/config".to_owned(),
            Self::Refused { .. } => "check `port`, and that sshd runs there".to_owned(),
            Self::ConnectTimedOut { .. } | Self::Unreachable { .. } => {
                "check the network, a firewall on the way, or whether a `proxyJump` is needed".to_owned()
            }
            Self::Dropped { message: Some(_), .. } => {
                "raise MaxStartups in the server's sshd_config, start fewer at once, or raise `connectTimeout`"
                    .to_owned()
            }
            Self::Dropped { .. } => {
                "check `port`, and whether that machine keeps this one out (fail2ban, hosts.deny, MaxStartups in its \
                 sshd_config)"
                    .to_owned()
            }
            Self::NothingInCommon { .. } => {
                "allow one of them in the server's sshd_config (KexAlgorithms, HostKeyAlgorithms, Ciphers, MACs)"
                    .to_owned()
            }
            Self::NotSsh { .. } => "check `host` and `port`: an SSH server must listen there".to_owned(),
            Self::Handshake { .. } => "check that it is an SSH server that listens on that port".to_owned(),
            Self::KeyUnknown { .. } => format!(
                "compare the fingerprint with the server's own, then accept it: mer server ping {server} --accept-new"
            ),
            Self::KeyChanged { host, file, .. } => format!(
                "ask the server's owner; only if the key was replaced on purpose: ssh-keygen -R '{host}' -f '{}'",
                file.display()
            ),
            Self::KeyRevoked { .. } => "do not connect; ask the server's owner".to_owned(),
            Self::AuthFailed { hung_up_after: Some(count), .. } => format!(
                "the server hung up after {count}, as sshd does after `MaxAuthTries`: name the right key as `identityFile`, \
                 and set `IdentitiesOnly yes` for the host in ~/.ssh/config"
            ),
            Self::AuthFailed { .. } => {
                "check `user` and `identityFile`, and that its public key is in authorized_keys there".to_owned()
            }
            Self::ProxyCommand { .. } => {
                "run the command of `ProxyCommand` in ~/.ssh/config by hand: it is to print the server's `SSH-2.0-` line"
                    .to_owned()
            }
            Self::KnownHosts { .. } => {
                "make the file readable, and writable for `--accept-new`; or name another one as `knownHosts`"
                    .to_owned()
            }
            Self::Config { .. } | Self::AuthTimedOut { .. } | Self::NoShell { .. } => {
                format!("mer server ping {server}, which shows each step")
            }
            Self::NoGreeting { .. } => {
                "an rc file there reads, starts another shell or waits: let it do so only where it is interactive \
                 (`case $- in *i*) … esac` in ~/.bashrc, `status is-interactive` in config.fish)"
                    .to_owned()
            }
            Self::ChannelRefused { .. } => "check MaxSessions in the server's sshd_config".to_owned(),
            Self::NoWayOn { hop, .. } => {
                format!("check `host` and `port` as `{hop}` sees them, and AllowTcpForwarding in its sshd_config")
            }
            // Pinging the server accepts the keys of its jump hosts too.
            Self::Jump { source, .. } => return source.hint(server),
            _ => return None,
        })
    }
}
