//! What to do about a server that cannot be used over SSH.

use mer_core::Shortage;
use mer_meal::SshError;

use super::system_hints::shortage_hint;

/// What to do about an error of SSH; `server` is the registered name, for the commands in it.
pub(crate) fn ssh_hint(error: &SshError, server: &str) -> Option<String> {
    use SshError as E;
    if let Some(shortage) = Shortage::of(error) {
        return Some(shortage_hint(shortage).to_owned());
    }
    let hint = match error {
        E::KeyUnknown { .. } => {
            return Some(format!(
                "compare the fingerprint with the server's own, then accept it: mer server ping {server} --accept-new"
            ));
        }
        E::KeyChanged { host, file, .. } => {
            return Some(format!(
                "ask the server's owner; only if the key was replaced on purpose: ssh-keygen -R '{host}' -f '{}'",
                file.display()
            ));
        }
        E::AuthFailed { hung_up_after: Some(count), .. } => {
            return Some(format!(
                "the server hung up after {count}, as sshd does after `MaxAuthTries`: name the right key as \
                 `identityFile`, and set `IdentitiesOnly yes` for the host in ~/.ssh/config"
            ));
        }
        E::Config { .. } | E::AuthTimedOut { .. } | E::NoShell { .. } => {
            return Some(format!("mer server ping {server}, which shows each step"));
        }
        E::NoWayOn { hop, .. } => {
            return Some(format!(
                "check `host` and `port` as `{hop}` sees them, and AllowTcpForwarding in its sshd_config"
            ));
        }
        // Pinging the server accepts the keys of the hosts on the way, too.
        E::Jump { source, .. } => return ssh_hint(source, server),
        E::NotResolved { .. } => "check `host`, the name server, or the alias in ~/.ssh/config",
        E::Refused { .. } => "check `port`, and that sshd runs there",
        E::ConnectTimedOut { .. } | E::Unreachable { .. } => {
            "check the network, a firewall on the way, or whether a `proxyJump` is needed"
        }
        E::Dropped { message: Some(_), .. } => {
            "raise MaxStartups in the server's sshd_config, start fewer at once, or raise `connectTimeout`"
        }
        E::Dropped { .. } => {
            "check `port`, and whether that machine blocks this one (fail2ban, hosts.deny, MaxStartups in its \
             sshd_config)"
        }
        E::NothingInCommon { .. } => {
            "allow one of them in the server's sshd_config (KexAlgorithms, HostKeyAlgorithms, Ciphers, MACs)"
        }
        E::NotSsh { .. } => "check `host` and `port`: an SSH server must listen there",
        E::Handshake { .. } => "check that an SSH server listens on that port",
        E::KeyRevoked { .. } => "do not connect; ask the server's owner",
        E::AuthFailed { .. } => "check `user` and `identityFile`, and that its public key is in authorized_keys there",
        E::ProxyCommand { .. } => {
            "run the command of `ProxyCommand` in ~/.ssh/config by hand: it must print the server's `SSH-2.0-` line"
        }
        E::KnownHosts { .. } => {
            "make the file readable, and writable for `--accept-new`; or name another one as `knownHosts`"
        }
        E::NoGreeting { .. } => {
            "an rc file there reads input, starts another shell or waits: let it do so only in interactive shells \
             (`case $- in *i*) … esac` in ~/.bashrc, `status is-interactive` in config.fish)"
        }
        E::ChannelRefused { .. } => "check MaxSessions in the server's sshd_config",
        _ => return None,
    };
    Some(hint.to_owned())
}
