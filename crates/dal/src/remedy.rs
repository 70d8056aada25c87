//! What helps against an error, and against what the system, a server or TLS says. Those hand on text, and often no more
//! than that.

use std::{error::Error, io};

use mer_core::Shortage;

use crate::{DalError, error::NOBODY, trust};

const CREDENTIALS: &str = "user and password come from the URL, or from DRIVER_DB_USERNAME and DRIVER_DB_PASSWORD; those \
                           of migrations from MIGRATIONS_DB_USERNAME and MIGRATIONS_DB_PASSWORD";

impl DalError {
    /// What a person may do about it, where there is something.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        if let Some(shortage) = Shortage::of(self) {
            return Some(shortage.hint().to_owned());
        }
        match self {
            Self::Distrusted { path, why } => Some(trust::remedy(path, *why)),
            Self::Incomplete { .. } => {
                Some("nothing was touched: put back the whole folder as it was, or from a copy".into())
            }
            Self::Opening { .. } => Some(
                "where `--db-wait` with a longer time does not help, its files are damaged: put back a copy".into(),
            ),
            Self::LockGone { .. } => Some(
                "look whether it is there, and do it again if not; files of a database are left alone while it is used"
                    .into(),
            ),
            Self::Open { source, .. } if disk_hint(self).is_none() && is_damage(source.as_ref()) => {
                Some("its files are damaged, and were left as they are: put back the folder from a copy".into())
            }
            Self::Foreign { .. } => Some("name an empty folder, or one that does not exist yet".into()),
            Self::Changed { .. } => Some("nothing was done: look at it, and try again".into()),
            Self::HasWeights { model } => Some(format!(
                "`mer weights list {model}` shows them, and `mer weights remove {model}:VERSION` removes one"
            )),
            Self::NoSchema { .. } => Some("`mer migrate` makes it".into()),
            Self::Encoding { .. } => {
                Some("an administrator makes one: CREATE DATABASE mer ENCODING 'UTF8' TEMPLATE template0".into())
            }
            Self::NoDatabase { name, .. } => Some(format!("an administrator makes it: CREATE DATABASE \"{name}\"")),
            // What must not run in a transaction, by the code of that.
            Self::Script { source, .. } if source.to_string().contains("(25001)") => {
                Some("a first line `-- mer: no-transaction` has it run outside of one".into())
            }
            Self::Rights { user, .. } if user == NOBODY => Some(format!("nobody signed in: {CREDENTIALS}")),
            Self::Refused { .. } => Some(CREDENTIALS.into()),
            Self::Rights { .. } => {
                Some("docs/reference/database-rights.md has the rights that each program needs".into())
            }
            Self::VersionInUse { .. } => {
                Some("`--force` removes it all the same, and takes the aliases away that mean it".into())
            }
            Self::OtherVersion { .. } => {
                Some("both databases have gone on by themselves; take over into one that has not".into())
            }
            Self::UploadGone { .. } => Some("put them again".into()),
            Self::NoVersion { model, .. } | Self::NoAlias { model, .. } => {
                Some(format!("`mer weights list {model}` shows what there is"))
            }
            Self::Busy { .. } | Self::Migrating { .. } | Self::Locked { .. } => {
                Some("wait for it, or allow a longer wait with `--db-wait`".into())
            }
            Self::NotReady { .. } => Some(
                "it starts, stops, or has as many connections as it allows: allow a longer wait with `--db-wait`"
                    .into(),
            ),
            Self::Late { .. } | Self::Short { .. } => Some("try again later".into()),
            Self::ScriptRow { .. } => {
                Some("does it make its transaction read-only, or take rights away from the user of migrations?".into())
            }
            Self::Unreachable { database, source } => Some(unreachable_hint(database, source.as_ref())),
            // What the system says of a socket is nothing that another folder would mend.
            Self::Lost { .. } => None,
            _ => disk_hint(self),
        }
    }
}

/// Whether the engine found bytes that it did not write. It hands on text only.
fn is_damage(error: &(dyn Error + 'static)) -> bool {
    let text = error.to_string().to_ascii_lowercase();
    ["checksum", "corrupt", "manifest", "sstable", "wal error", "fill whole buffer"]
        .iter()
        .any(|word| text.contains(word))
}

/// The texts of an error and its causes, one after the other, and the number of each reason of the system.
fn whole(error: &(dyn Error + 'static)) -> String {
    let mut cause = Some(error);
    let mut text = String::new();
    while let Some(error) = cause {
        if let Some(kind) = error.downcast_ref::<io::Error>().map(io::Error::kind) {
            match kind {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => text.push_str("(os error 28)"),
                io::ErrorKind::ReadOnlyFilesystem => text.push_str("(os error 30)"),
                io::ErrorKind::PermissionDenied => text.push_str("(os error 13)"),
                _ => {}
            }
        }
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// The system's reason, wherever in the chain of causes it stands. The engine hands on text only.
pub(crate) fn disk_hint(error: &(dyn Error + 'static)) -> Option<String> {
    if let Some(shortage) = Shortage::of(error) {
        return Some(shortage.hint().to_owned());
    }
    let text = whole(error);
    let hint = if text.contains("(os error 28)") || text.contains("(os error 122)") {
        "the disk is full: free some space, or name a folder on another disk with `--data-dir`"
    } else if text.contains("(os error 30)") {
        "the file system is read-only: name a folder that can be written with `--data-dir`"
    } else if text.contains("(os error 13)") || text.contains("(os error 1)") {
        "this user may not write there: change the folder's owner, or name another folder with `--data-dir`"
    } else {
        return None;
    };
    Some(hint.to_owned())
}

/// What to look at where no connection came about. `database` is its URL.
fn unreachable_hint(database: &str, source: &(dyn Error + 'static)) -> String {
    let text = whole(source);
    let says = |word| text.contains(word);
    let file = if database.starts_with("postgres") { "sslrootcert" } else { "tlsCa" };
    if says("CaUsedAsEndEntity") {
        "the server shows a certificate that is an authority's; one that it made for itself needs to be none: \
         `openssl req -x509 -addext basicConstraints=critical,CA:FALSE …`"
            .to_owned()
    } else if says("UnknownIssuer") {
        format!("no authority that is known here has signed the server's certificate: name the file with `{file}=FILE`")
    } else if says("NotValidForName") || says("not valid for name") {
        "the certificate is for another name: name the host as the certificate does".to_owned()
    } else if says("Expired") || says("certificate expired") {
        "the server's certificate is too old: it needs a new one".to_owned()
    } else if says("does not support TLS") {
        "the server does not encrypt: `sslmode=prefer` does where the server can, and goes on without".to_owned()
    } else if says("InvalidContentType") {
        "what answers there does not encrypt: it is reached with `ws://`, or needs a certificate of its own".to_owned()
    } else if says("invalid HTTP version") {
        "what answers there may want to encrypt: it is then reached with `wss://`".to_owned()
    } else if says("failed to lookup address") {
        "is the host's name right?".to_owned()
    } else {
        "does the server run, and can it be reached from here? `mer migrate wait` waits until it answers".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keeps_a_server_away_has_its_remedy() {
        let hint = |url: &str, text: &str| unreachable_hint(url, &io::Error::other(text.to_owned()));
        let unknown = "WebSocket error: IO error: invalid peer certificate: UnknownIssuer";
        assert!(hint("wss://h", unknown).contains("`tlsCa=FILE`"));
        assert!(hint("postgres://h/d", unknown).contains("`sslrootcert=FILE`"));
        let refused = hint("postgres://h/d", "Connection refused (os error 111)");
        assert!(refused.contains("`mer migrate wait`"), "{refused}");
        // Nothing of a socket is mended by another folder.
        assert!(!hint("postgres://h/d", "Permission denied (os error 13)").contains("--data-dir"));
    }
}
