//! PostgreSQL's password file: lines of `host:port:database:user:password`, in which `*` stands for anything.

use std::{io::Read as _, os::unix::fs::PermissionsExt as _, path::Path};

use super::connection_params::ConnectionParams;
use crate::Secret;

/// The first password for this target. As PostgreSQL's own programs do, a file that others may read is not used.
pub(super) fn find(path: &Path, target: &ConnectionParams) -> Option<Secret> {
    let read = || {
        let mut file = mer_files::external().read().open(path)?;
        let mode = file.metadata()?.permissions().mode();
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        Ok::<_, std::io::Error>((mode, text))
    };
    match read() {
        Ok((mode, _)) if mode & 0o077 != 0 => {
            tracing::warn!(path = %path.display(), "the password file is not used: others may read it (chmod 600)");
            None
        }
        Ok((_, text)) => text.lines().find_map(|line| password(line, target)),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "the password file cannot be read");
            None
        }
    }
}

fn password(line: &str, target: &ConnectionParams) -> Option<Secret> {
    if line.starts_with('#') {
        return None;
    }
    // A server on this machine's socket goes by the name of localhost.
    let host = if target.is_socket() { "localhost" } else { &target.host };
    let mut fields = fields(line).into_iter();
    for expected in [host, &target.port.to_string(), &target.database, &target.user] {
        let field = fields.next()?;
        if field != "*" && field != expected {
            return None;
        }
    }
    fields.next().map(Secret::from)
}

fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![];
    let mut field = String::new();
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => field.extend(letters.next()),
            ':' => fields.push(std::mem::take(&mut field)),
            _ => field.push(letter),
        }
    }
    fields.push(field);
    fields
}
