//! Public keys and certificates.

use std::path::Path;

use base64::{Engine, engine::general_purpose::STANDARD};

use super::wire_format::{Reader, put_string};
use crate::ssh::known_hosts::key_kind;

/// The suffix of certificate types.
const CERTIFICATE: &str = "-cert-v01@openssh.com";
/// The usage of a certificate for users, not hosts.
const FOR_USER: u32 = 1;

/// A public key, or a certificate for one, in SSH's wire format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PublicKey {
    pub(super) blob: Vec<u8>,
}

impl PublicKey {
    /// Reads the first line of a `.pub` file.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'))?;
        let mut words = line.split_ascii_whitespace();
        let kind = words.next()?;
        let blob = STANDARD.decode(words.next()?).ok()?;
        (key_kind(&blob)? == kind).then_some(Self { blob })
    }

    pub(super) fn read(path: &Path) -> Option<Self> {
        Self::parse(&mer_files::read_external_lossy(path).ok()?)
    }

    /// The line of a `.pub` file, in which libssh2 takes keys.
    pub(super) fn line(&self) -> String {
        format!("{} {}", key_kind(&self.blob).unwrap_or_default(), STANDARD.encode(&self.blob))
    }

    pub(super) fn is_certificate(&self) -> bool {
        key_kind(&self.blob).is_some_and(|kind| kind.ends_with(CERTIFICATE))
    }

    /// Whether its private key is in a hardware device.
    pub(super) fn is_of_security_key(&self) -> bool {
        key_kind(&self.blob).is_some_and(|kind| kind.starts_with("sk-"))
    }

    /// The key that a certificate is for; for a key, itself.
    pub(super) fn key(&self) -> Vec<u8> {
        self.certified().map_or_else(|| self.blob.clone(), |(key, _)| key)
    }

    /// Whether it may log a user in. A certificate may be for hosts.
    pub(super) fn is_for_users(&self) -> bool {
        !self.is_certificate() || self.certified().is_some_and(|(_, usage)| usage == FOR_USER)
    }

    /// The key in a certificate, and the usage of the certificate.
    fn certified(&self) -> Option<(Vec<u8>, u32)> {
        let mut reader = Reader(&self.blob);
        let kind = std::str::from_utf8(reader.string()?).ok()?;
        let plain = kind.strip_suffix(CERTIFICATE)?;
        let _nonce = reader.string()?;
        // ECDSA: the name of the curve and a point. Security keys have one more field.
        let fields = match plain {
            "ssh-ed25519" => 1,
            "ssh-rsa" => 2,
            _ if plain.starts_with("ecdsa-sha2-") => 2,
            "sk-ssh-ed25519" => 2,
            "sk-ecdsa-sha2-nistp256" => 3,
            _ => return None,
        };
        let mut key = Vec::new();
        let name = if plain.starts_with("sk-") { format!("{plain}@openssh.com") } else { plain.to_owned() };
        put_string(&mut key, name.as_bytes());
        for _ in 0..fields {
            put_string(&mut key, reader.string()?);
        }
        let _serial = (reader.number()?, reader.number()?);
        Some((key, reader.number()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(kind: &str, fields: &[&[u8]], usage: u32) -> PublicKey {
        let mut blob = Vec::new();
        put_string(&mut blob, kind.as_bytes());
        put_string(&mut blob, b"nonce");
        fields.iter().for_each(|field| put_string(&mut blob, field));
        blob.extend_from_slice(&7_u64.to_be_bytes());
        blob.extend_from_slice(&usage.to_be_bytes());
        PublicKey { blob }
    }

    #[test]
    fn a_certificate_holds_the_key_that_it_is_for() {
        let folder = tempfile::tempdir().expect("a folder");
        for (kind, plain, fields) in [
            ("ssh-ed25519-cert-v01@openssh.com", "ssh-ed25519", &[&b"point"[..]][..]),
            ("ssh-rsa-cert-v01@openssh.com", "ssh-rsa", &[b"e", b"n"]),
            ("ecdsa-sha2-nistp256-cert-v01@openssh.com", "ecdsa-sha2-nistp256", &[b"nistp256", b"point"]),
            ("sk-ssh-ed25519-cert-v01@openssh.com", "sk-ssh-ed25519@openssh.com", &[b"point", b"ssh:"]),
        ] {
            let user = certificate(kind, fields, 1);
            let mut key = Vec::new();
            put_string(&mut key, plain.as_bytes());
            fields.iter().for_each(|field| put_string(&mut key, field));
            assert!(user.is_certificate() && user.is_for_users(), "{kind}");
            assert_eq!(user.key(), key, "{kind}");
            assert!(!certificate(kind, fields, 2).is_for_users(), "{kind}");
            let user_line = user.line();
            assert_eq!(PublicKey::parse(&format!("# why\n{user_line} me@here\n")), Some(user));
            let file = folder.path().join("key.pub");
            std::fs::write(&file, [user_line.as_bytes(), b" J\xf6rg@here\n"].concat()).expect("a file");
            assert!(PublicKey::read(&file).is_some(), "a comment in another encoding");
            let key = PublicKey { blob: key };
            assert!(!key.is_certificate() && key.is_for_users() && key.key() == key.blob);
        }
        assert_eq!(PublicKey::parse("ssh-ed25519 AAAA"), None);
        assert_eq!(PublicKey::parse(""), None);
    }
}
