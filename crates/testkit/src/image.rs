//! Copies the files of a running program, as a crash would leave them.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Copies a folder in its present state: what a process that writes to it would leave if it were killed now.
///
/// # Panics
/// If it cannot be copied.
pub fn image(from: &Path, to: &Path) {
    // Files may be merged and removed meanwhile: then the copy is repeated.
    for _ in 0..100 {
        if copy(from, to).is_ok_and(|still| still) {
            return;
        }
        fs::remove_dir_all(to).unwrap_or_else(|error| panic!("`{}`: {error}", to.display()));
    }
    panic!("`{}` does not stay the same for as long as it takes to copy it", from.display());
}

/// Copies the folder. Returns whether it has not changed meanwhile.
fn copy(from: &Path, to: &Path) -> io::Result<bool> {
    fs::create_dir_all(to)?;
    let before = files(from)?;
    for (path, _) in &before {
        let copy = to.join(path.strip_prefix(from).unwrap_or(path));
        fs::create_dir_all(copy.parent().unwrap_or(to))?;
        fs::copy(path, copy)?;
    }
    Ok(before == files(from)?)
}

/// The paths and lengths of all files.
fn files(folder: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => found.extend(files(&entry.path())?),
            false => found.push((entry.path(), entry.metadata()?.len())),
        }
    }
    found.sort();
    Ok(found)
}
