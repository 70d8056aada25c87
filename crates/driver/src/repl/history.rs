//! The history file. Each entry is appended in a single write and the file is never rewritten, so that several REPLs at once
//! lose nothing. One entry is one line: newlines and backslashes are escaped.

use std::{
    fs::File,
    io::{self, Write},
    path::Path,
};

use mer_core::may_hold_secret;

/// Maximum number of entries in memory; older ones stay in the file.
pub(super) const MAX_ENTRIES: usize = 10_000;

/// An open history file.
#[derive(Debug)]
pub(super) struct History(File);

impl History {
    /// Opens the file and returns its newest entries, oldest first. File and folder are created if they are missing, readable
    /// by this user only.
    pub(super) fn open(path: &Path) -> io::Result<(Self, Vec<String>)> {
        if let Some(folder) = path.parent() {
            mer_files::create_private_dir(folder)?;
        }
        let file = mer_files::internal().append().create(0o600).open(path)?;
        let bytes = mer_files::read_internal(path)?;
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
        let newest = &lines[lines.len().saturating_sub(MAX_ENTRIES)..];
        // Older versions stored entries with passwords too.
        let entries = newest.iter().map(|line| unescaped(line)).filter(|entry| Self::may_store(entry));
        Ok((Self(file), entries.collect()))
    }

    /// Whether an entry may be stored: not if it has a password in it, or a flag such as `--password-…` whose value may be
    /// one.
    pub(super) fn may_store(entry: &str) -> bool {
        !may_hold_secret(entry)
    }

    /// Appends an entry.
    pub(super) fn append(&mut self, entry: &str) -> io::Result<()> {
        self.0.write_all(format!("{}\n", escaped(entry)).as_bytes())
    }
}

fn escaped(entry: &str) -> String {
    entry.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r")
}

fn unescaped(line: &str) -> String {
    let mut entry = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (c, if c == '\\' { chars.next() } else { None }) {
            ('\\', Some('n')) => entry.push('\n'),
            ('\\', Some('r')) => entry.push('\r'),
            ('\\', Some(c)) => entry.push(c),
            (c, _) => entry.push(c),
        }
    }
    entry
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn an_entry_of_several_lines_is_one_item() {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("state/mer/history");
        let entries = ["a", "run m 'x\ny'", "back\\slash \\n", "ü\r"];
        let (mut history, before) = History::open(&path).expect("history");
        assert!(before.is_empty());
        for entry in entries {
            history.append(entry).expect("append");
        }
        let (_, after) = History::open(&path).expect("history");
        assert_eq!(after, entries);
        let mode = |path: &Path| std::fs::metadata(path).expect("metadata").permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().expect("folder")), 0o700);
    }

    #[test]
    fn a_line_with_a_secret_is_not_stored() {
        for line in [
            "log list --db postgres://u:hunter2@h/d",
            "--db=\"postgres://u:hunter 2@h/d\" log list",
            "config show --db 'ws://u:hunter2@h",
            "/server add gpu ada@h --password-command 'echo hunter2'",
            "server add gpu h --password hunter2",
            "server add gpu h --password=hunter2",
            "model set m --env API_TOKEN=hunter2",
            "model set m --env 'DB_PASSWORD=hunter 2'",
            "model set m --env API_TOKEN=\"hunter2\"",
            "model set m --env API_TOKEN='hunter2'",
            "run m postgres://u:hun/t?er2@h",
        ] {
            assert!(!History::may_store(line), "{line}");
        }
        for line in [
            "run iris 5.1,3.5,1.4,0.2",
            "server add gpu ada@h:22 --identity ~/.ssh/id",
            "config show --db postgres://u@h/d",
            "model set m --env OMP_NUM_THREADS=2 --ready-token READY",
            "run m http://example.org/a?b=c",
            "the secret of the token is a password",
        ] {
            assert!(History::may_store(line), "{line}");
        }
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("history");
        std::fs::write(&path, "ls\nlog list --db ws://u:hunter2@h\n").expect("an older history");
        assert_eq!(History::open(&path).expect("history").1, ["ls"]);
    }

    #[test]
    fn a_history_that_is_no_file_is_refused_and_never_waited_for() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("history");
        mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("a pipe");
        let error = History::open(&path).expect_err("refused");
        assert!(error.to_string().contains("it is a named pipe"), "{error}");
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(dir.path().join("elsewhere"), &link).expect("a link");
        assert!(History::open(&link).is_err(), "what is typed does not go where a link leads");
        assert!(!dir.path().join("elsewhere").exists());
    }

    #[test]
    fn repls_side_by_side_lose_no_line() {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("history");
        std::thread::scope(|scope| {
            for repl in 0..8 {
                let path = &path;
                scope.spawn(move || {
                    let (mut history, _) = History::open(path).expect("history");
                    for line in 0..100 {
                        history.append(&format!("{repl} {line}")).expect("append");
                    }
                });
            }
        });
        let (_, all) = History::open(&path).expect("history");
        assert_eq!(all.len(), 800);
        for repl in 0..8 {
            let own: Vec<&String> = all.iter().filter(|entry| entry.starts_with(&format!("{repl} "))).collect();
            assert_eq!(
                own,
                (0..100).map(|line| format!("{repl} {line}")).collect::<Vec<_>>().iter().collect::<Vec<_>>()
            );
        }
    }
}
