//! Tells a service manager how far the resident is (`sd_notify`).

use std::os::{
    linux::net::SocketAddrExt as _,
    unix::{
        ffi::OsStrExt as _,
        net::{SocketAddr, UnixDatagram},
    },
};
use std::{ffi::OsStr, io};

/// Sends a state such as `READY=1` to the socket that `NOTIFY_SOCKET` names.
///
/// # Errors
/// The socket cannot be reached.
pub fn notify(socket: &OsStr, state: &str) -> io::Result<()> {
    let address = match socket.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(socket)?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address).map(drop)
}

/// Whether `LISTEN_PID` and `LISTEN_FDS` say that this process was given exactly one socket, as descriptor 3.
#[must_use]
pub fn is_activated(listen_pid: Option<&str>, listen_fds: Option<&str>, pid: u32) -> bool {
    listen_pid.and_then(|text| text.parse().ok()) == Some(pid) && listen_fds == Some("1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_socket_for_this_process_is_an_activation() {
        assert!(is_activated(Some("7"), Some("1"), 7));
        for (pid, fds) in [(None, None), (Some("8"), Some("1")), (Some("7"), Some("2")), (Some("x"), Some("1"))] {
            assert!(!is_activated(pid, fds, 7));
        }
    }

    #[test]
    fn a_state_arrives_by_path_and_by_abstract_name() {
        let folder = std::env::temp_dir().join(format!("mer-notify-{}", std::process::id()));
        let by_path = UnixDatagram::bind(&folder).expect("a socket");
        let name = format!("mer-notify-{}", std::process::id());
        let by_name =
            UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).expect("a name")).expect("a socket");
        for (socket, address) in [(&by_path, folder.clone().into_os_string()), (&by_name, format!("@{name}").into())] {
            notify(&address, "READY=1").expect("sent");
            let mut bytes = [0; 16];
            let length = socket.recv(&mut bytes).expect("received");
            assert_eq!(&bytes[..length], b"READY=1");
        }
        std::fs::remove_file(folder).expect("removed");
    }
}
