//! Switches off Nagle's algorithm, for which the client library (3.3.5) has no setting.
//!
//! With it a message waits until the one before has been acknowledged, which the other side delays by 40 ms. The
//! library does not expose its socket, but the kernel does: it gives a second handle on each socket of this process
//! that is connected to the server's port, and a setting made through that handle applies to the socket.

use std::{fs, io, pin::pin, time::Duration};

use rustix::{
    io::Errno,
    net::{getpeername, sockopt},
    process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open},
};
use tokio::time::timeout;

/// First pause between two searches for the new socket; it doubles each time.
const PAUSE: Duration = Duration::from_micros(500);

/// Awaits a connection to this port, and switches the algorithm off as soon as the connection exists. If the kernel
/// does not allow that (before Linux 5.6, or in a container without `ptrace`), everything works, only slower.
pub(super) async fn off_while<T>(port: u16, connecting: impl Future<Output = T>) -> T {
    let mut connecting = pin!(connecting);
    let mut pause = PAUSE;
    loop {
        let connected = timeout(pause, &mut connecting).await;
        let done = switch_off(port).unwrap_or_else(|error| {
            tracing::debug!(%error, "Nagle's algorithm stays on");
            1
        });
        match connected {
            Ok(connected) => return connected,
            Err(_) if done > 0 => return connecting.await,
            Err(_) => pause *= 2,
        }
    }
}

/// Switches it off, and returns for how many of this process's connections to this port it was on.
fn switch_off(port: u16) -> io::Result<usize> {
    let mut count = 0;
    let process = pidfd_open(getpid(), PidfdFlags::empty())?;
    for entry in fs::read_dir("/proc/self/fd")? {
        let entry = entry?;
        if !fs::read_link(entry.path()).is_ok_and(|link| link.as_os_str().as_encoded_bytes().starts_with(b"socket:")) {
            continue;
        }
        let Some(number) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let socket = match pidfd_getfd(&process, number, PidfdGetfdFlags::empty()) {
            Ok(socket) => socket,
            // Closed in the meantime.
            Err(Errno::BADF) => continue,
            Err(error) => return Err(error.into()),
        };
        // A socket that is not connected, or not to the network, has no such peer.
        let peer = getpeername(&socket).ok().flatten().and_then(|peer| std::net::SocketAddr::try_from(peer).ok());
        if peer.is_some_and(|peer| peer.port() == port) && !sockopt::tcp_nodelay(&socket)? {
            sockopt::set_tcp_nodelay(&socket, true)?;
            count += 1;
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn the_connections_to_one_port_send_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let other = TcpListener::bind("127.0.0.1:0").expect("a port");
        let [here, there] =
            [&listener, &other].map(|to| TcpStream::connect(to.local_addr().expect("an address")).expect("connected"));
        let port = listener.local_addr().expect("an address").port();
        assert_eq!(switch_off(port).expect("switched off"), 1);
        assert_eq!(switch_off(port).expect("switched off"), 0);
        assert!(here.nodelay().expect("a setting"));
        assert!(!there.nodelay().expect("a setting"));
    }
}
