//! Where the socket of a resident is.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use mer_core::{Classified, FailureKind};
use rustix::fs::{Access, access};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// Number of bytes of the hash that name a socket.
const HASH_BYTES: usize = 8;
/// Maximum number of bytes of a socket's path; the kernel takes 108 with the zero byte at its end.
const MAX_SOCKET_PATH: usize = 107;
/// Bits of a mode that let others enter a folder or write to it.
const OTHERS: u32 = 0o077;

/// The socket and the lock of the resident of one user, machine and database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    folder: PathBuf,
    name: String,
}

/// Why a folder cannot hold sockets.
#[derive(Debug, Error)]
pub enum LocationError {
    /// The folder cannot be made or looked at.
    #[error("the folder `{}` for the socket of a resident cannot be used", path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The folder is not one that only this user can use.
    #[error("the folder `{}` for the socket of a resident {why}", path.display())]
    Distrusted {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl Classified for LocationError {
    fn failure_kind(&self) -> FailureKind {
        match self {
            Self::Distrusted { .. } => FailureKind::Refused,
            Self::Io { .. } => FailureKind::Io,
        }
    }
}

impl Location {
    /// Returns the location for a database. `database` is its canonical URL with its user.
    #[must_use]
    pub fn of(database: &str) -> Self {
        let uid = rustix::process::getuid().as_raw();
        let run = PathBuf::from(format!("/run/user/{uid}"));
        let own = fs::symlink_metadata(&run).is_ok_and(|found| found.is_dir() && found.uid() == uid);
        let folder = if own { run.join("mer") } else { PathBuf::from(format!("/tmp/mer-{uid}")) };
        Self::in_folder(folder, &machine_id(), database)
    }

    /// As [`Location::of`], in a folder that the settings name. Returns none if the path of a socket would be too long there.
    #[must_use]
    pub fn within(folder: &Path, database: &str) -> Option<Self> {
        let location = Self::in_folder(folder.to_owned(), &machine_id(), database);
        (location.socket().as_os_str().len() <= MAX_SOCKET_PATH).then_some(location)
    }

    fn in_folder(folder: PathBuf, machine: &str, database: &str) -> Self {
        let hash = Sha256::digest(format!("{machine}\n{database}"));
        let name = hash.iter().take(HASH_BYTES).map(|byte| format!("{byte:02x}")).collect();
        Self { folder, name }
    }

    /// The path of the socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.join(format!("{}.sock", self.name))
    }

    /// The path of the file that the resident holds locked while it lives.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.folder.join(format!("{}.lock", self.name))
    }

    /// The path of the folder of the locks on resources, which all processes of this user, machine and database share.
    #[must_use]
    pub fn limits(&self) -> PathBuf {
        self.folder.join(format!("{}.limits", self.name))
    }

    /// Checks that the folder exists and that no other user can use it. Returns false if it does not exist.
    ///
    /// # Errors
    /// [`LocationError`].
    pub fn exists(&self) -> Result<bool, LocationError> {
        match fs::symlink_metadata(&self.folder) {
            Ok(found) => check(&self.folder, &found).map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(LocationError::Io { path: self.folder.clone(), source }),
        }
    }

    /// Checks, without a change, that a resident could make its socket: the folder exists and can be written to, or it can be
    /// made.
    ///
    /// # Errors
    /// [`LocationError`].
    pub fn check_usable(&self) -> Result<(), LocationError> {
        let folder = match (self.exists()?, self.folder.parent()) {
            (false, Some(parent)) if !parent.as_os_str().is_empty() => parent,
            (false, _) => Path::new("."),
            (true, _) => &self.folder,
        };
        let failed = |source: rustix::io::Errno| LocationError::Io { path: self.folder.clone(), source: source.into() };
        access(folder, Access::WRITE_OK | Access::EXEC_OK).map_err(failed)
    }

    /// Makes the folder, if it does not exist, and checks it.
    ///
    /// # Errors
    /// [`LocationError`].
    pub fn create(&self) -> Result<(), LocationError> {
        match mer_files::create_new_private_dir(&self.folder) {
            Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
                Err(LocationError::Io { path: self.folder.clone(), source })
            }
            _ => self.exists().map(drop),
        }
    }
}

/// Checks that a folder is one that only this user can use.
fn check(path: &Path, found: &fs::Metadata) -> Result<(), LocationError> {
    let why = if !found.is_dir() {
        "is no folder, or a link to one"
    } else if found.uid() != rustix::process::getuid().as_raw() {
        "belongs to another user"
    } else if found.mode() & OTHERS != 0 {
        "can be entered by others; its mode must be 0700"
    } else {
        return Ok(());
    };
    Err(LocationError::Distrusted { path: path.to_owned(), why })
}

/// Returns an id of this machine, or its name if it has no id, as in a container.
fn machine_id() -> String {
    let read = |path: &str| mer_files::read_external_to_string(Path::new(path)).ok();
    let id = read("/etc/machine-id").or_else(|| read("/var/lib/dbus/machine-id"));
    let id = id.map(|text| text.trim().to_owned()).filter(|id| !id.is_empty());
    id.unwrap_or_else(mer_service::host_name)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn each_machine_and_database_has_its_own_name() {
        let at = |machine, database| Location::in_folder("/run/user/7/mer".into(), machine, database).socket();
        let one = at("m", "surrealkv:///d");
        assert_eq!(one, at("m", "surrealkv:///d"));
        assert_ne!(one, at("n", "surrealkv:///d"));
        assert_ne!(one, at("m", "surrealkv:///e"));
        assert_eq!(one.file_name().expect("a name").len(), 16 + ".sock".len());
    }

    #[test]
    fn a_folder_that_others_can_use_or_that_is_a_link_is_refused() {
        let base = tempfile::tempdir().expect("a folder");
        let location = |name: &str| Location::in_folder(base.path().join(name), "m", "d");
        assert!(!location("own").exists().expect("looked at"));
        location("own").create().expect("made");
        location("own").create().expect("there already");
        assert!(location("own").exists().expect("looked at"));
        symlink(base.path().join("own"), base.path().join("link")).expect("a link");
        fs::write(base.path().join("file"), "").expect("a file");
        fs::create_dir(base.path().join("open")).expect("a folder");
        fs::set_permissions(base.path().join("open"), fs::Permissions::from_mode(0o770)).expect("a mode");
        let long = base.path().join("x".repeat(100));
        assert_eq!(Location::within(&long, "d"), None);
        assert!(Location::within(&base.path().join("own"), "d").is_some());
        for name in ["link", "file", "open"] {
            assert!(matches!(location(name).create(), Err(LocationError::Distrusted { .. })), "{name}");
        }
        for use_it in [Location::create, Location::check_usable] {
            assert!(matches!(use_it(&location("no/such/parent")), Err(LocationError::Io { .. })));
            assert!(matches!(use_it(&location("file/child")), Err(LocationError::Io { .. })));
        }
        location("own").check_usable().expect("it is there");
        location("new").check_usable().expect("it can be made");
        assert!(!location("new").exists().expect("looked at"), "nothing was made");
    }
}
