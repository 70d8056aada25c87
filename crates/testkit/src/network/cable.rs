//! Two network namespaces with a cable between them that can be pulled. Root only.

use std::fmt;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::require;

/// Addresses reserved for documentation. The namespaces have no other network.
const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

/// Two network namespaces, client and server, and the cable between them. Dropping it removes all three; end the
/// processes inside before.
pub struct Cable {
    client: Namespace,
    server: Namespace,
}

/// A named namespace, deleted on drop.
struct Namespace(String);

impl Cable {
    /// Creates a cable. `None`, after [`require::unavailable`] has reported `netns`, if the machine does not allow
    /// it.
    #[track_caller]
    pub fn new() -> Option<Self> {
        match Self::make() {
            Ok(cable) => Some(cable),
            Err(why) => {
                require::unavailable("netns", &why);
                None
            }
        }
    }

    fn make() -> Result<Self, String> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("mer-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let cable = Self { client: Namespace::add(format!("{name}c"))?, server: Namespace::add(format!("{name}s"))? };
        let (client, server) = (&cable.client.0, &cable.server.0);
        ip(&["-n", client, "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", server])?;
        for (namespace, address) in [(client, CLIENT), (server, SERVER)] {
            ip(&["-n", namespace, "address", "add", &format!("{address}/30"), "dev", "cable"])?;
            ip(&["-n", namespace, "link", "set", "lo", "up"])?;
            ip(&["-n", namespace, "link", "set", "cable", "up"])?;
        }
        cable.client.run(|| ()).map_err(|error| format!("it cannot be entered: {error}"))?;
        Ok(cable)
    }

    /// Pulls the cable: nothing gets through in either direction, and neither end notices.
    pub fn pull(&self) {
        // Done at the server's end, so that the client does not see its own interface go down.
        ip(&["-n", &self.server.0, "link", "set", "cable", "down"]).expect("the cable cannot be pulled");
    }

    /// Plugs the cable in again.
    pub fn plug(&self) {
        ip(&["-n", &self.server.0, "link", "set", "cable", "up"]).expect("the cable cannot be plugged in");
    }

    /// The server's address, as the client reaches it.
    pub fn server_address(&self) -> IpAddr {
        SERVER.into()
    }

    /// A program that runs at the client's end.
    pub fn client_command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.client.0, program]);
        command
    }

    /// Runs `work` at the client's end, on a separate thread. Threads that it starts are at that end too, so that a
    /// runtime must be built inside.
    pub fn at_client<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.client.run(work).expect("the client's end cannot be entered")
    }

    /// Runs `work` at the server's end, as [`Self::at_client`]. Processes that it starts stay there.
    pub fn at_server<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.server.run(work).expect("the server's end cannot be entered")
    }
}

impl fmt::Debug for Cable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cable({} - {})", self.client.0, self.server.0)
    }
}

impl Namespace {
    fn add(name: String) -> Result<Self, String> {
        ip(&["netns", "add", &name])?;
        Ok(Self(name))
    }

    /// A thread that has entered a namespace never leaves it, so that it ends with the work. The error is about
    /// entering.
    fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> std::io::Result<T> {
        let namespace = File::open(format!("/run/netns/{}", self.0))?;
        thread::scope(|scope| {
            let inside = scope.spawn(move || {
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
                Ok(work())
            });
            inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = ip(&["netns", "delete", &self.0]);
    }
}

/// Runs `ip`. The error is what it printed on stderr.
fn ip(arguments: &[&str]) -> Result<(), String> {
    let program = require::program("ip", &[]).ok_or("no `ip` (iproute2) is installed")?;
    let output = Command::new(program).args(arguments).output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("`ip {}`: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
}
