//! Removes weights that have not been used for the longest time from the folder on this machine.

use std::{
    fs, io,
    path::Path,
    time::{Duration, SystemTime},
};

use super::verified::VerifiedRecord;

/// Files used within this time count as in use, because a model may open its weights late.
const IN_USE_FOR: Duration = Duration::from_secs(3600);

/// Removes the least recently used files until the rest has at most `max_bytes`, and partial files that killed processes
/// left. Files that were used within the last hour stay, and so do files whose names are not those of weights.
pub(super) fn evict(folder: &Path, max_bytes: u64, now: SystemTime) -> io::Result<()> {
    let mut files = Vec::new();
    let mut total = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let is_complete = name.strip_prefix('.').is_none();
        let hash = name.trim_start_matches('.').split('.').next().unwrap_or_default();
        if hash.len() != 64 || !hash.bytes().all(|c| c.is_ascii_hexdigit()) {
            continue;
        }
        let Ok(found) = entry.metadata() else { continue };
        let record = VerifiedRecord::of(folder, name);
        let used = record.last_used().map_or_else(|| found.modified(), Ok)?;
        total += found.len();
        if now.duration_since(used).is_ok_and(|idle| idle > IN_USE_FOR) {
            // Partial files sort first.
            files.push((is_complete, used, found.len(), name.to_owned()));
        }
    }
    files.sort();
    for (is_complete, _, bytes, name) in files {
        if is_complete && total <= max_bytes {
            break;
        }
        fs::remove_file(folder.join(&name))?;
        VerifiedRecord::of(folder, &name).remove();
        total -= bytes;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn what_was_used_longest_ago_goes_first_and_what_is_in_use_stays() {
        let folder = tempfile::tempdir().expect("folder");
        let now = SystemTime::now();
        let name = |letter: &str| letter.repeat(64);
        let files = [
            (format!("{}.npy", name("a")), 9),
            (format!("{}.npy", name("b")), 10),
            (format!("{}.npy", name("c")), 0),
            (format!("{}.npy", name("d")), 5),
            (format!(".{}.half", name("e")), 3),
            (format!(".{}.going", name("f")), 0),
            ("somebody's".to_owned(), 99),
        ];
        for (name, hours) in files {
            let file = File::create(folder.path().join(&name)).expect(&name);
            file.set_len(100).expect(&name);
            file.set_modified(now - Duration::from_secs(hours * 3600)).expect(&name);
        }
        let left = || {
            let names = fs::read_dir(folder.path()).expect("folder").map(|entry| entry.expect("entry").file_name());
            let names = names.map(|name| name.to_string_lossy().trim_start_matches('.')[..1].to_owned());
            let mut names: Vec<String> = names.collect();
            names.sort();
            names.concat()
        };
        evict(folder.path(), 1000, now).expect("evicted");
        assert_eq!(left(), "abcdfs");
        evict(folder.path(), 350, now).expect("evicted");
        assert_eq!(left(), "cdfs");
        evict(folder.path(), 0, now).expect("evicted");
        assert_eq!(left(), "cfs");
    }
}
