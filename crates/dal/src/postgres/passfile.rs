//! PostgreSQL's password file: lines of `host:port:database:user:password`, in which `*` matches anything.

use std::{io::Read as _, os::unix::fs::PermissionsExt as _, path::Path};

use crate::Secret;

/// Returns the first password for this host, port, database and user. As in PostgreSQL's own programs, a file that other
/// users may read is not used.
pub(super) fn password_for(path: &Path, connection: [&str; 4]) -> Option<Secret> {
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
        Ok((_, text)) => text.lines().find_map(|line| password(line, connection)),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "the password file cannot be read");
            None
        }
    }
}

fn password(line: &str, connection: [&str; 4]) -> Option<Secret> {
    if line.starts_with('#') {
        return None;
    }
    let mut fields = fields(line).into_iter();
    for expected in connection {
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
