//! Keys for one test, made by `ssh-keygen`, and the known_hosts text for them.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A type of key, for hosts and for clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyType {
    /// `ssh-ed25519`.
    Ed25519,
    /// `ecdsa-sha2-nistp256`.
    Ecdsa,
    /// `ssh-rsa`, 2048 bits; signs with `rsa-sha2-256` and `rsa-sha2-512`.
    Rsa,
}

impl KeyType {
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Ed25519 => &["-t", "ed25519"],
            Self::Ecdsa => &["-t", "ecdsa", "-b", "256"],
            Self::Rsa => &["-t", "rsa", "-b", "2048"],
        }
    }

    fn file_name(self, whose: &str) -> String {
        match self {
            Self::Ed25519 => format!("{whose}_ed25519"),
            Self::Ecdsa => format!("{whose}_ecdsa"),
            Self::Rsa => format!("{whose}_rsa"),
        }
    }
}

/// A host key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostKey {
    /// Its type.
    pub kind: KeyType,
    /// Its public key, `ssh-ed25519 AAAA…`, as known_hosts has it after the name.
    pub public: String,
    /// Its fingerprint, `SHA256:…`, as printed by `ssh-keygen -l`.
    pub fingerprint: String,
    /// The file of its private key, PEM.
    pub file: PathBuf,
}

impl HostKey {
    /// Creates a key in `folder`: for a server, or for a test that needs a wrong one.
    pub fn generate(kind: KeyType, folder: &Path) -> Self {
        let file = generate(kind, folder, "host", "");
        let public = public_half(&file);
        let listing = ssh_keygen(&["-l", "-E", "sha256", "-f", text(&file)]);
        let fingerprint = listing.split(' ').nth(1).expect("`ssh-keygen -l` gives no fingerprint").to_owned();
        Self { kind, public, fingerprint, file }
    }
}

/// Creates a client's key pair in `folder`, and returns the path of the private key. `passphrase` may be empty.
pub(crate) fn client_key(kind: KeyType, folder: &Path, passphrase: &str) -> PathBuf {
    generate(kind, folder, "client", passphrase)
}

/// Creates a key pair in `folder`, and returns the path of the private key. `passphrase` may be empty.
fn generate(kind: KeyType, folder: &Path, whose: &str, passphrase: &str) -> PathBuf {
    let file = folder.join(kind.file_name(whose));
    let mut arguments = kind.arguments().to_vec();
    arguments.extend(["-q", "-N", passphrase, "-C", "mer-test", "-f", text(&file)]);
    ssh_keygen(&arguments);
    file
}

/// Type and public key beside `file`, without the comment.
pub(super) fn public_half(file: &Path) -> String {
    let mut public = file.to_path_buf().into_os_string();
    public.push(".pub");
    let line = fs::read_to_string(public).expect("a public key cannot be read");
    line.split(' ').take(2).collect::<Vec<_>>().join(" ").trim_end().to_owned()
}

pub(crate) fn known_hosts(keys: &[HostKey], names: &[String]) -> String {
    let mut lines = String::new();
    for key in keys {
        writeln!(lines, "{} {}", names.join(","), key.public).expect("writing to a String");
    }
    lines
}

pub(super) fn hash_names(keys: &[HostKey], names: &[String], folder: &Path) -> String {
    // In a new folder, because two threads of a test may call this at once, and ssh-keygen rewrites the file in
    // place.
    let own = tempfile::tempdir_in(folder).expect("no temporary folder");
    let file = own.path().join("known_hosts");
    fs::write(&file, known_hosts(keys, names)).expect("known_hosts cannot be written");
    ssh_keygen(&["-H", "-f", text(&file)]);
    fs::read_to_string(file).expect("known_hosts cannot be read")
}

fn ssh_keygen(arguments: &[&str]) -> String {
    let output = Command::new("ssh-keygen").args(arguments).stdin(Stdio::null()).output();
    let output = output.expect("`ssh-keygen` cannot be run");
    assert!(output.status.success(), "`ssh-keygen` failed: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a temporary folder that is not UTF-8")
}
