//! Location of a database.
//!
//! A copy of a database, such as a restored dump or a copied folder, has the uid of the original. Records that a run of
//! one of them left in the journal must not be recorded in the other, so a segment of the journal also names the
//! location of its database.

#[cfg(any(feature = "postgres", feature = "surreal-server"))]
use std::net::IpAddr;
use std::{fs, os::unix::fs::MetadataExt as _, path::Path};

use serde::{Deserialize, Serialize};

/// Host that replaces every name of this machine.
#[cfg(any(feature = "postgres", feature = "surreal-server"))]
const HERE: &str = "localhost";

/// Location of a database when it was connected to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Location {
    /// Address without user and password.
    pub address: String,
    /// Identifier of the server, which is stable for as long as its data exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) system: Option<String>,
    /// Identifier of the database on the server, which is stable for as long as the database exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) object: Option<String>,
    /// Identifier that no other database has at the same time: the start of the server's process, or device and inode
    /// of the folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) instance: Option<String>,
}

impl Location {
    /// Makes a location of which only the address is known.
    pub(crate) const fn at(address: String) -> Self {
        Self { address, system: None, object: None, instance: None }
    }

    /// Returns the location of an engine's folder. The same folder under another name (a link, a mount, after `mv`) is
    /// the same location.
    pub(crate) fn of_folder(folder: &Path) -> Self {
        let found = folder.canonicalize();
        let path = found.as_deref().unwrap_or(folder);
        let meta = fs::metadata(path).ok();
        Self {
            instance: meta.map(|meta| format!("{}:{}", meta.dev(), meta.ino())),
            ..Self::at(format!("surrealkv://{}", path.display()))
        }
    }

    /// Returns whether both are the same database, and not a database and its copy.
    ///
    /// Identifiers that are known on both sides must not differ. Beyond that, either the address is the same, as after
    /// a restart or a failover, or it is the same process under another address.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let differ = |one: &Option<String>, other: &Option<String>| one.is_some() && other.is_some() && one != other;
        if differ(&self.system, &other.system) || differ(&self.object, &other.object) {
            return false;
        }
        self.address == other.address || (self.instance.is_some() && self.instance == other.instance)
    }
}

/// Returns host and port as part of an address. All names of this machine, and sockets, become the same host.
#[cfg(any(feature = "postgres", feature = "surreal-server"))]
pub(crate) fn host_and_port(host: &str, port: u16) -> String {
    let host = host.trim_end_matches('.').trim_start_matches('[').trim_end_matches(']').to_lowercase();
    let address = host.parse::<IpAddr>().ok();
    let is_here = host.starts_with('/') || host == HERE || address.is_some_and(|address| address.is_loopback());
    match address {
        _ if is_here => format!("{HERE}:{port}"),
        Some(IpAddr::V6(address)) => format!("[{address}]:{port}"),
        _ => format!("{host}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(address: &str, system: &str, object: &str, instance: &str) -> Location {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Location { address: address.to_owned(), system: some(system), object: some(object), instance: some(instance) }
    }

    #[test]
    fn a_place_is_known_again_and_a_copy_is_another() {
        let known = server("postgres://localhost:5432/mer", "71", "16384", "1000");
        for (other, same, why) in [
            (server("postgres://localhost:5432/mer", "71", "16384", "2000"), true, "the server was started again"),
            (server("postgres://db:5432/mer", "71", "16384", "1000"), true, "another name of the running server"),
            (server("postgres://localhost:5432/mer", "", "16384", "1000"), true, "this user may not ask for it"),
            (server("postgres://localhost:5432/mer", "", "", ""), true, "nothing else is known"),
            (server("postgres://localhost:5432/mer", "72", "16384", "1000"), false, "another server in its place"),
            (server("postgres://localhost:5432/mer", "71", "16385", "1000"), false, "another database in its place"),
            (server("postgres://localhost:5432/copy", "71", "16385", "1000"), false, "a copy on the same server"),
            (server("postgres://localhost:5433/mer", "71", "16384", "2000"), false, "a copy of the server's files"),
            (server("postgres://db:5432/mer", "", "", ""), false, "another address, and nothing else is known"),
        ] {
            assert_eq!(known.is_same(&other), same, "{why}");
            assert_eq!(other.is_same(&known), same, "{why}");
        }
    }

    #[test]
    fn a_folder_is_the_same_when_it_was_moved_and_a_copy_is_not() {
        let root = tempfile::tempdir().unwrap();
        let [one, moved, copy, link] = ["one", "moved", "copy", "link"].map(|name| root.path().join(name));
        fs::create_dir(&one).unwrap();
        fs::create_dir(&copy).unwrap();
        std::os::unix::fs::symlink(&one, &link).unwrap();
        let known = Location::of_folder(&one);
        assert!(known.is_same(&Location::of_folder(&link)));
        assert!(!known.is_same(&Location::of_folder(&copy)));
        fs::rename(&one, &moved).unwrap();
        assert!(known.is_same(&Location::of_folder(&moved)));
    }

    #[cfg(any(feature = "postgres", feature = "surreal-server"))]
    #[test]
    fn names_of_this_machine_are_one() {
        for host in ["localhost", "LOCALHOST.", "127.0.0.1", "127.1.2.3", "::1", "[::1]", "/run/postgresql"] {
            assert_eq!(host_and_port(host, 5432), "localhost:5432", "{host}");
        }
        assert_eq!(host_and_port("DB.example.org.", 1), "db.example.org:1");
        assert_eq!(host_and_port("[2001:DB8:0::1]", 1), "[2001:db8::1]:1");
    }
}
