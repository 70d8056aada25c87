//! The keys that the known_hosts files record for a host.

use std::{
    fs,
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine, engine::general_purpose::STANDARD};

use super::line::{Line, Marker, fingerprint, key_kind};
use crate::ssh::SshError;

/// The result of checking a key that a host shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ssh) enum Verdict {
    Known,
    Unknown,
    /// Another key of the host is recorded.
    Changed {
        expected: String,
        file: PathBuf,
        line: usize,
    },
    Revoked {
        file: PathBuf,
        line: usize,
    },
}

/// A key that a file records for the host.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    marker: Marker,
    kind: String,
    key: Vec<u8>,
    file: PathBuf,
    line: usize,
    /// The line names the host without its port.
    loose: bool,
}

/// Everything that the files record for one host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::ssh) struct KnownKeys {
    entries: Vec<Entry>,
    /// Lines that cannot be used.
    pub(in crate::ssh) warnings: Vec<String>,
}

impl KnownKeys {
    /// Reads the files; a file that does not exist is empty. `loose` is the name of the host without its port, if a
    /// key under that name counts too.
    pub(in crate::ssh) fn read(host: &str, loose: Option<&str>, files: &[PathBuf]) -> Result<Self, SshError> {
        let mut known = Self::default();
        for file in files {
            match text(file) {
                Ok(text) => known.add(host, loose, file, &text),
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
                // An unreadable file might revoke the key.
                Err(source) => return Err(SshError::KnownHosts { path: file.clone(), source: Arc::new(source) }),
            }
        }
        Ok(known)
    }

    /// Adds the lines of one file.
    pub(super) fn add(&mut self, host: &str, loose: Option<&str>, file: &Path, text: &str) {
        for (index, line) in text.lines().enumerate() {
            let Some(line) = Line::parse(line) else { continue };
            let exact = line.is_about(host);
            if !exact && !loose.is_some_and(|loose| line.is_about(loose)) {
                continue;
            }
            if line.marker == Marker::CertAuthority {
                self.warnings.push(format!(
                    "`{}` line {}: host certificates (@cert-authority) are not supported",
                    file.display(),
                    index + 1
                ));
                continue;
            }
            let (marker, kind) = (line.marker, line.kind.to_owned());
            let file = file.to_owned();
            self.entries.push(Entry { marker, kind, key: line.key, file, line: index + 1, loose: !exact });
        }
    }

    /// The keys that the host may show. As in OpenSSH, keys recorded without the port count only if none is recorded
    /// with it.
    fn usable(&self) -> impl Iterator<Item = &Entry> {
        let all = || self.entries.iter().filter(|entry| entry.marker == Marker::None);
        let exact = all().any(|entry| !entry.loose);
        all().filter(move |entry| !entry.loose || !exact)
    }

    /// The types of the recorded keys. The handshake should prefer them: otherwise the host may show a key of another
    /// type, which looks like a change.
    pub(in crate::ssh) fn kinds(&self) -> impl Iterator<Item = &str> {
        self.usable().map(|entry| entry.kind.as_str())
    }

    /// Checks a key.
    pub(in crate::ssh) fn verdict(&self, key: &[u8]) -> Verdict {
        let same = |entry: &&Entry| entry.key == key;
        if let Some(entry) = self.entries.iter().filter(same).find(|entry| entry.marker == Marker::Revoked) {
            return Verdict::Revoked { file: entry.file.clone(), line: entry.line };
        }
        if self.usable().any(|entry| entry.key == key) {
            return Verdict::Known;
        }
        // A server on another port of the host may have another key.
        let exact = || self.usable().filter(|entry| !entry.loose);
        // If all recorded keys have other types, a new key is a changed key.
        let kind = key_kind(key).unwrap_or_default();
        match exact().find(|entry| entry.kind == kind).or_else(|| exact().next()) {
            Some(entry) => Verdict::Changed {
                expected: format!("{} {}", entry.kind, fingerprint(&entry.key)),
                file: entry.file.clone(),
                line: entry.line,
            },
            None => Verdict::Unknown,
        }
    }

    /// Appends a key to a file: one line in one write, so that concurrent writers do not mix their lines.
    pub(in crate::ssh) fn accept(host: &str, key: &[u8], file: &Path) -> Result<(), SshError> {
        if is_device(file) {
            return Ok(());
        }
        let write = || {
            if let Some(folder) = file.parent() {
                mer_files::create_private_dir(folder)?;
            }
            let mut out = mer_files::external().read().append().create(0o600).open(file)?;
            let kind = key_kind(key).unwrap_or_default();
            let mut line = format!("{host} {kind} {}\n", STANDARD.encode(key));
            if !ends_line(&mut out) {
                line.insert(0, '\n');
            }
            out.write_all(line.as_bytes())
        };
        write().map_err(|source: io::Error| SshError::KnownHosts { path: file.to_owned(), source: Arc::new(source) })
    }
}

/// The text of a file. A device, such as `/dev/null`, has none.
fn text(file: &Path) -> io::Result<String> {
    if is_device(file) {
        return Ok(String::new());
    }
    mer_files::read_external_lossy(file)
}

/// Whether the file is a device: `UserKnownHostsFile /dev/null`.
fn is_device(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|found| found.file_type().is_char_device())
}

/// Whether the file is empty or ends with a newline. True for files that cannot seek.
fn ends_line(file: &mut fs::File) -> bool {
    let mut last = [b'\n'];
    file.seek(SeekFrom::End(-1)).is_err() || file.read_exact(&mut last).is_err() || last == [b'\n']
}

impl KnownKeys {
    /// The name of a host in known_hosts.
    pub(in crate::ssh) fn name(host: &str, port: u16) -> String {
        if port == 22 { host.to_ascii_lowercase() } else { format!("[{}]:{port}", host.to_ascii_lowercase()) }
    }
}
