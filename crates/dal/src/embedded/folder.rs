//! Checks the engine's folder before the engine opens it.

use std::{fs, io, path::Path};

use mer_files::FileKind;

use crate::DalError;

/// Entries that the engine makes in its folder, apart from `manifest`.
const OWN: [&str; 5] = ["LOCK", "sstables", "vlog", "wal", "discard_stats"];

/// Folders whose files hold rows, and what messages call those files.
const ROWS: [(&str, &str); 3] = [("sstables", "tables"), ("wal", "logs"), ("vlog", "values")];

/// Folders whose files the engine opens. If one of them is a pipe, it waits without a bound.
const READ: [&str; 4] = ["manifest", "sstables", "wal", "vlog"];

/// Returns whether the folder has no database yet. The engine writes its manifest before anything else. If it finds no
/// manifest, it creates a new database and removes the files of the old one; so a folder with rows and without a
/// manifest is not opened.
///
/// # Errors
/// [`DalError::Foreign`] if the folder belongs to something else; [`DalError::Incomplete`] if it has rows and no
/// manifest, or anything but a regular file in place of one.
pub(super) fn check(engine: &Path) -> Result<bool, DalError> {
    let fail = |source| DalError::Folder { path: engine.to_path_buf(), source };
    for folder in READ {
        if let Some((name, kind)) = no_file(&engine.join(folder)).map_err(fail)? {
            let reason = format!("`{folder}/{name}` is {kind}, and must be a regular file");
            return Err(DalError::Incomplete { path: engine.to_path_buf(), reason });
        }
    }
    if has_manifest(&engine.join("manifest")).map_err(fail)? {
        return Ok(false);
    }
    for (folder, what) in ROWS {
        if has_bytes(&engine.join(folder)).map_err(fail)? {
            let reason = format!("it has {what} in `{folder}` and no file in `manifest` that says which of them count");
            return Err(DalError::Incomplete { path: engine.to_path_buf(), reason });
        }
    }
    for entry in fs::read_dir(engine).map_err(fail)? {
        let name = entry.map_err(fail)?.file_name();
        // An engine that was killed while it created the database may leave these.
        if name != "manifest" && !OWN.iter().any(|own| name == *own) {
            let reason = format!("it holds `{}` and no `manifest`", name.to_string_lossy());
            return Err(DalError::Foreign { path: engine.to_path_buf(), reason });
        }
    }
    Ok(true)
}

/// Returns whether there is a manifest. An empty one counts: the engine refuses it.
fn has_manifest(folder: &Path) -> io::Result<bool> {
    any(folder, |entry| Ok(entry.path().extension().is_some_and(|ending| ending == "manifest")))
}

/// Returns an entry that is not a regular file: its name and kind.
fn no_file(folder: &Path) -> io::Result<Option<(String, FileKind)>> {
    let mut found = None;
    any(folder, |entry| {
        let kind = FileKind::of(entry.file_type()?);
        found = (kind != FileKind::Regular).then(|| (entry.file_name().to_string_lossy().into_owned(), kind));
        Ok(found.is_some())
    })?;
    Ok(found)
}

fn has_bytes(folder: &Path) -> io::Result<bool> {
    any(folder, |entry| Ok(entry.metadata()?.len() > 0))
}

fn any(folder: &Path, mut is: impl FnMut(&fs::DirEntry) -> io::Result<bool>) -> io::Result<bool> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        entries => entries?,
    };
    for entry in entries {
        if is(&entry?)? {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use mer_core::{Classified as _, FailureKind};

    use super::*;

    #[test]
    fn rows_without_a_manifest_are_no_new_database() {
        let folder = tempfile::tempdir().expect("a folder");
        let engine = folder.path();
        let make = |path: &str, text: &str| {
            let path = engine.join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, text).expect("a file");
        };
        assert!(check(engine).expect("an empty one"));
        // As an engine that was killed in its first moments leaves it.
        make("LOCK", "4711\n");
        fs::create_dir_all(engine.join("manifest")).expect("a folder");
        make("wal/00000000000000000000.wal", "");
        assert!(check(engine).expect("a new one"));
        for (name, _) in ROWS {
            let rows = format!("{name}/00000000000000000001.x");
            make(&rows, "rows");
            let error = check(engine).expect_err("rows without a manifest");
            assert!(matches!(&error, DalError::Incomplete { reason, .. } if reason.contains(name)), "{error:?}");
            assert_eq!(error.failure_kind(), FailureKind::Io);
            make("manifest/00000000000000000000.manifest", "");
            assert!(!check(engine).expect("a whole one"));
            fs::remove_file(engine.join("manifest/00000000000000000000.manifest")).expect("removed");
            fs::remove_file(engine.join(rows)).expect("removed");
        }
        make("notes.txt", "mine");
        assert!(matches!(check(engine), Err(DalError::Foreign { .. })));
    }
}
