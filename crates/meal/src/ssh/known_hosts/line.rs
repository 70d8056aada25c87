//! One line of a known_hosts file.

use base64::{Engine, engine::general_purpose::STANDARD, engine::general_purpose::STANDARD_NO_PAD};
use hmac::{Hmac, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::ssh::config::matches_pattern;

/// The marker in front of the names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marker {
    None,
    Revoked,
    CertAuthority,
}

/// A line that names hosts and a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line<'a> {
    pub(super) marker: Marker,
    names: &'a str,
    pub(super) kind: &'a str,
    pub(super) key: Vec<u8>,
}

impl<'a> Line<'a> {
    /// Parses a line. `None` for comments, empty lines and invalid ones.
    pub(super) fn parse(line: &'a str) -> Option<Self> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let mut words = line.split_ascii_whitespace();
        let mut names = words.next()?;
        let marker = match names {
            "@revoked" => Marker::Revoked,
            "@cert-authority" => Marker::CertAuthority,
            _ if names.starts_with('@') => return None,
            _ => Marker::None,
        };
        if marker != Marker::None {
            names = words.next()?;
        }
        let kind = words.next()?;
        let key = STANDARD.decode(words.next()?).ok()?;
        // The type within the key must be the type in the line.
        (key_kind(&key)? == kind).then_some(Self { marker, names, kind, key })
    }

    /// Whether the line applies to a host, given as `name` or `[name]:port`.
    pub(super) fn is_about(&self, host: &str) -> bool {
        if let Some(hash) = self.names.strip_prefix("|1|") {
            return hash.split_once('|').is_some_and(|(salt, hash)| hashed(host, salt, hash).unwrap_or(false));
        }
        let host = host.to_ascii_lowercase();
        let mut found = false;
        for name in self.names.split(',') {
            let name = name.to_ascii_lowercase();
            match name.strip_prefix('!') {
                Some(not) if matches_pattern(not, &host) => return false,
                Some(_) => {}
                None => found |= matches_pattern(&name, &host),
            }
        }
        found
    }
}

fn hashed(host: &str, salt: &str, hash: &str) -> Option<bool> {
    let mut mac = Hmac::<Sha1>::new_from_slice(&STANDARD.decode(salt).ok()?).ok()?;
    mac.update(host.as_bytes());
    Some(mac.verify_slice(&STANDARD.decode(hash).ok()?).is_ok())
}

/// The key type in a public key in SSH wire format.
pub(in crate::ssh) fn key_kind(key: &[u8]) -> Option<&str> {
    let (length, rest) = key.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    std::str::from_utf8(rest.get(..length)?).ok()
}

/// The fingerprint as OpenSSH prints it: `SHA256:…`.
pub(in crate::ssh) fn fingerprint(key: &[u8]) -> String {
    format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(key)))
}
