//! Hints for what the operating system, a server or TLS reports. Those reports are often text only.

use std::{error::Error, path::Path};

use mer_core::{Distrust, Shortage};
use mer_dal::DiskFault;

/// What to do about a shortage, with the name of the limit.
pub(crate) const fn shortage_hint(shortage: Shortage) -> &'static str {
    match shortage {
        Shortage::OpenFiles => {
            "the limit of open files is reached (`ulimit -n`): raise it, or try again when less is open"
        }
        Shortage::SystemFiles => {
            "the machine's limit of open files is reached (`fs.file-max`): try again when other programs have ended"
        }
        Shortage::Processes => {
            "the limit of processes and threads is reached (`ulimit -u`, or `pids.max` of the control group): raise it, \
             or try again when less runs"
        }
        Shortage::Memory => {
            "the limit of memory is reached (`ulimit -v`, or what the machine has): raise it, or try again when less runs"
        }
        Shortage::FileSize => "the limit of the size of a file is reached (`ulimit -f`): raise it",
    }
}

/// What to do where the system refuses to write.
pub(super) fn disk_hint(error: &(dyn Error + 'static)) -> Option<String> {
    let hint = match DiskFault::of(error)? {
        DiskFault::Shortage(shortage) => shortage_hint(shortage),
        DiskFault::Full => "the disk is full: free some space, or name a folder on another disk with `--data-dir`",
        DiskFault::ReadOnly => "the file system is read-only: name a folder that can be written with `--data-dir`",
        DiskFault::Denied => {
            "this user may not write there: change the folder's owner, or name another folder with `--data-dir`"
        }
    };
    Some(hint.to_owned())
}

/// What to do where a file of the user cannot be written because of its disk.
pub(super) fn full_disk_hint(error: &(dyn Error + 'static)) -> Option<String> {
    let hint = match DiskFault::of(error)? {
        DiskFault::Full => "the disk, or the quota on it, is full: free some space, or write to another one",
        DiskFault::ReadOnly => "the file system is read-only: write to another one",
        DiskFault::Shortage(_) | DiskFault::Denied => return None,
    };
    Some(hint.to_owned())
}

/// What to do about a file or folder of the database that another user can have written to.
pub(super) fn distrust_hint(path: &Path, why: Distrust) -> String {
    match why {
        Distrust::Owner(user) if rustix::process::geteuid().is_root() => format!(
            "files of root would lock its owner out: run `mer` as that user, for example by `setpriv --reuid={user} \
             --clear-groups mer …`, or name another folder with `--data-dir`"
        ),
        Distrust::Owner(_) => "name a folder of your own: `--data-dir`, MER_DATA_DIR".to_owned(),
        Distrust::Group(_) => format!("`chmod g-w {}` takes that right away", quoted(path)),
        Distrust::Everyone => format!("`chmod go-w {}` takes that right away", quoted(path)),
    }
}

/// Quotes a path for a shell, where it needs that.
fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = text.chars().all(|c| c.is_alphanumeric() || "/._-+:@%,".contains(c));
    if plain { text.into_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// What to check where no connection to a database server came about. `database` is its URL.
pub(super) fn unreachable_hint(database: &str, source: &(dyn Error + 'static)) -> String {
    let text = texts(source);
    let says = |word| text.contains(word);
    let file = if database.starts_with("postgres") { "sslrootcert" } else { "tlsCa" };
    if says("CaUsedAsEndEntity") {
        "the server's certificate is that of an authority, which a self-signed one must not be: \
         `openssl req -x509 -addext basicConstraints=critical,CA:FALSE …`"
            .to_owned()
    } else if says("UnknownIssuer") {
        format!(
            "the server's certificate is signed by no known authority: name the authority's file with `{file}=FILE`"
        )
    } else if says("NotValidForName") || says("not valid for name") {
        "the server's certificate is for another name: name the host as the certificate does".to_owned()
    } else if says("Expired") || says("certificate expired") {
        "the server's certificate has expired: it needs a new one".to_owned()
    } else if says("does not support TLS") {
        "the server does not support TLS: `sslmode=prefer` encrypts only where the server can".to_owned()
    } else if says("InvalidContentType") {
        "the server does not use TLS: reach it with `ws://`, or give it a certificate".to_owned()
    } else if says("invalid HTTP version") {
        "the server may require TLS: it is then reached with `wss://`".to_owned()
    } else if says("failed to lookup address") {
        "is the host's name right?".to_owned()
    } else {
        "does the server run, and can it be reached from here? `mer migrate wait` waits until it answers".to_owned()
    }
}

/// Joins the texts of an error and its causes.
fn texts(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    let mut cause = Some(error);
    while let Some(error) = cause {
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn each_reason_for_an_unreachable_server_has_its_hint() {
        let hint = |url: &str, text: &str| unreachable_hint(url, &io::Error::other(text.to_owned()));
        let unknown = "WebSocket error: IO error: invalid peer certificate: UnknownIssuer";
        assert!(hint("wss://h", unknown).contains("`tlsCa=FILE`"));
        assert!(hint("postgres://h/d", unknown).contains("`sslrootcert=FILE`"));
        let refused = hint("postgres://h/d", "Connection refused (os error 111)");
        assert!(refused.contains("`mer migrate wait`"), "{refused}");
        // Another folder does not help with a socket.
        assert!(!hint("postgres://h/d", "Permission denied (os error 13)").contains("--data-dir"));
    }

    #[test]
    fn a_folder_of_another_user_is_left_to_that_user() {
        let hint = distrust_hint(Path::new("/d"), Distrust::Owner(4321));
        let expected = if rustix::process::geteuid().is_root() { "--reuid=4321" } else { "MER_DATA_DIR" };
        assert!(hint.contains(expected), "{hint}");
    }

    #[test]
    fn every_shortage_names_its_limit() {
        use Shortage::{FileSize, Memory, OpenFiles, Processes, SystemFiles};
        for (shortage, limit) in [
            (OpenFiles, "ulimit -n"),
            (SystemFiles, "fs.file-max"),
            (Processes, "ulimit -u"),
            (Memory, "ulimit -v"),
            (FileSize, "ulimit -f"),
        ] {
            assert!(shortage_hint(shortage).contains(limit));
        }
    }
}
