//! Private key files.

use std::{io, os::unix::fs::MetadataExt, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{public_key::PublicKey, wire_format::Reader};

/// The content of a file that is named as a key.
#[derive(Debug)]
pub(super) enum KeyFile {
    Private(PrivateKey),
    /// Only a public key: the agent may hold the private one.
    Public(PublicKey),
}

/// A private key in its file format.
#[derive(Clone)]
pub(super) struct PrivateKey {
    pub(super) text: String,
    pub(super) is_encrypted: bool,
    /// Its public key, if it can be read without the passphrase.
    pub(super) public: Option<PublicKey>,
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PrivateKey").field("is_encrypted", &self.is_encrypted).finish_non_exhaustive()
    }
}

impl KeyFile {
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let text = match read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return beside(path, ".pub").map(Self::Public).ok_or(error);
            }
            Err(error) => return Err(error),
        };
        if let Some(public) = PublicKey::parse(&text) {
            return Ok(Self::Public(public));
        }
        let modern = modern(&text);
        let is_encrypted = text.contains("ENCRYPTED") || modern.as_ref().is_some_and(|(encrypted, _)| *encrypted);
        let public = modern.map(|(_, public)| public).or_else(|| beside(path, ".pub"));
        Ok(Self::Private(PrivateKey { text, is_encrypted, public }))
    }
}

/// The certificate beside a key, where `ssh-keygen -s` puts it.
pub(super) fn certificate_of(path: &Path) -> Option<PublicKey> {
    let of_private = path.to_str().and_then(|path| path.strip_suffix(".pub")).map(Path::new);
    let found = beside(path, "-cert.pub").or_else(|| beside(of_private?, "-cert.pub"));
    found.filter(|public| public.is_certificate() && public.is_for_users())
}

/// The mode of a key file that others may read or write. `None` for a file of another owner, as in OpenSSH.
pub(super) fn open_to_others(path: &Path) -> Option<u32> {
    let found = std::fs::metadata(path).ok()?;
    let is_ours = found.uid() == rustix::process::getuid().as_raw();
    (is_ours && found.mode() & 0o077 != 0).then_some(found.mode() & 0o777)
}

fn beside(path: &Path, suffix: &str) -> Option<PublicKey> {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PublicKey::read(Path::new(&name))
}

fn read(path: &Path) -> io::Result<String> {
    mer_files::read_external_lossy(path)
}

/// Reads OpenSSH's format: whether the key is encrypted, and the public key, which never is.
fn modern(text: &str) -> Option<(bool, PublicKey)> {
    let body: String = text.lines().map(str::trim).filter(|line| !line.starts_with("-----")).collect();
    let bytes = STANDARD.decode(body).ok()?;
    let mut reader = Reader(bytes.strip_prefix(b"openssh-key-v1\0")?);
    let cipher = reader.string()?;
    let (_kdf, _options, _count) = (reader.string()?, reader.string()?, reader.number()?);
    Some((cipher != b"none", PublicKey { blob: reader.string()?.to_vec() }))
}
