//! A TCP proxy on loopback that counts what it forwards, and holds or cuts connections on command.

mod state;

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

pub use self::state::Direction;
use self::state::{Limit, Shared};

/// How long a read waits before it checks whether the connection was cut.
const TICK: Duration = Duration::from_millis(20);

/// A TCP proxy in front of one server. Dropping it ends it and its connections.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Listens on a free port of 127.0.0.1 and forwards every connection to `server`.
    pub fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("no free port");
        let address = listener.local_addr().expect("no port");
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let acceptor = thread::spawn(move || accept(&listener, server, &theirs));
        Self { address, shared, acceptor: Some(acceptor) }
    }

    /// The address for clients.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Number of bytes that were forwarded in this direction, on all connections.
    pub fn forwarded(&self, direction: Direction) -> u64 {
        self.shared.lock().counters[direction as usize].forwarded
    }

    /// Number of connections so far.
    pub fn connections(&self) -> u64 {
        self.shared.lock().connections
    }

    /// Becomes a black hole: connections stay open, new ones are accepted, and nothing gets through. Bytes on their
    /// way are kept until [`Self::release`].
    pub fn hold(&self) {
        self.shared.change(|state| state.held = true);
    }

    /// Forwards again, beginning with what was kept.
    pub fn release(&self) {
        self.shared.change(|state| state.held = false);
    }

    /// Resets every connection at both ends; new ones are forwarded. As with any reset, an end may lose bytes that it
    /// has not read yet.
    pub fn cut(&self) {
        self.shared.change(|state| state.cuts += 1);
    }

    /// Becomes a black hole in both directions after byte number `bytes` of this direction, counted from the start of
    /// the proxy.
    pub fn hold_after(&self, direction: Direction, bytes: u64) {
        self.limit(direction, bytes, Limit::Hold);
    }

    /// As [`Self::cut`], after byte number `bytes` of this direction, counted from the start of the proxy.
    pub fn cut_after(&self, direction: Direction, bytes: u64) {
        self.limit(direction, bytes, Limit::Cut);
    }

    fn limit(&self, direction: Direction, bytes: u64, then: Limit) {
        self.shared.change(|state| {
            state.counters[direction as usize].limit = Some((bytes, then));
            // The limit may be passed already.
            state.act_on_limits();
        });
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.change(|state| {
            state.closed = true;
            state.cuts += 1;
        });
        // Wakes the acceptor, which waits for a connection.
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

fn accept(listener: &TcpListener, server: SocketAddr, shared: &Arc<Shared>) {
    let mut pumps = Vec::new();
    for client in listener.incoming() {
        let born = {
            let mut state = shared.lock();
            if state.closed {
                break;
            }
            state.connections += 1;
            state.cuts
        };
        let (Ok(client), Ok(server)) = (client, TcpStream::connect(server)) else { continue };
        if prepare(&client).and_then(|()| prepare(&server)).is_err() {
            continue;
        }
        let (client, server) = (Arc::new(client), Arc::new(server));
        for direction in [Direction::ToServer, Direction::ToClient] {
            let (shared, client, server) = (Arc::clone(shared), Arc::clone(&client), Arc::clone(&server));
            pumps.push(thread::spawn(move || match direction {
                Direction::ToServer => pump(&client, &server, direction, &shared, born),
                Direction::ToClient => pump(&server, &client, direction, &shared, born),
            }));
        }
        pumps.retain(|pump| !pump.is_finished());
    }
    for pump in pumps {
        let _ = pump.join();
    }
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(TICK))?;
    stream.set_write_timeout(Some(TICK))
}

/// Forwards one direction until it ends, by itself or by a cut. The sockets are closed when both directions have ended.
fn pump(mut from: &TcpStream, to: &TcpStream, direction: Direction, shared: &Shared, born: u64) {
    let mut buffer = [0; 64 * 1024];
    loop {
        if shared.permit(direction, 1, born).is_none() {
            return reset(from, to);
        }
        match from.read(&mut buffer) {
            Ok(0) => {
                let _ = to.shutdown(Shutdown::Write);
                return;
            }
            Ok(length) => match forward(&buffer[..length], to, direction, shared, born) {
                Ok(()) => {}
                Err(_) => return give_up(from, to),
            },
            Err(error) if is_tick(&error) => {}
            Err(_) => return give_up(from, to),
        }
    }
}

fn forward(mut bytes: &[u8], mut to: &TcpStream, direction: Direction, shared: &Shared, born: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let Some(permitted) = shared.permit(direction, bytes.len() as u64, born) else {
            // The loop of the pump finds the cut.
            return Ok(());
        };
        let length = usize::try_from(permitted).unwrap_or(bytes.len());
        match to.write(&bytes[..length]) {
            Ok(written) => {
                shared.count(direction, written as u64);
                bytes = &bytes[written..];
            }
            Err(error) if is_tick(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Makes the sockets close by RST, after the other direction has found the same cut and dropped them too.
fn reset(from: &TcpStream, to: &TcpStream) {
    for stream in [from, to] {
        let _ = set_socket_linger(stream, Some(Duration::ZERO));
    }
}

/// One end has gone: ends the other direction as well.
fn give_up(from: &TcpStream, to: &TcpStream) {
    for stream in [from, to] {
        let _ = stream.shutdown(Shutdown::Both);
    }
}

fn is_tick(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests;
