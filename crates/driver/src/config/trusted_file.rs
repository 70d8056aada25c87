//! Reads files only if they can be trusted. Write access to a settings file means a choice of the database, and with it of the
//! programs that run; so a file is read only if no other user than this one and root can write it.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read as _},
    path::Path,
    time::Duration,
};

use mer_dal::{check_link, check_ownership};
use mer_files::{FileKind, NotRegular};
use rustix::fs::{StatVfsMountFlags, fstatvfs};

/// Maximum time to read a pipe that is named as the settings file (`--config <(…)`).
const PIPE_BOUND: Duration = Duration::from_secs(10);

/// The content of a file, if it can be trusted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TrustedContent {
    /// The file does not exist.
    Missing,
    /// The whole content.
    Content(Vec<u8>),
    /// The file is not trusted, for this reason.
    Ignored(String),
}

/// Reads a file that the user named, whatever its owner and mode; `None` if it does not exist.
///
/// # Errors
/// It cannot be read.
pub(super) fn read_named(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let read = mer_files::read_external(path).or_else(|error| match NotRegular::within(&error) {
        Some(FileKind::Pipe) => mer_files::read_pipe_within(path, PIPE_BOUND),
        _ => Err(error),
    });
    match read {
        Ok(content) => Ok(Some(content)),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads a file that MER looks for by itself.
///
/// # Errors
/// It cannot be read, or is not a regular file ([`NotRegular`]).
pub(super) fn read_trusted(path: &Path) -> io::Result<TrustedContent> {
    let link = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if is_missing(&error) => return Ok(TrustedContent::Missing),
        Err(error) => return Err(error),
    };
    let mut file = match mer_files::external().read().open(path) {
        Ok(file) => file,
        // A dangling link.
        Err(error) if is_missing(&error) => return Ok(TrustedContent::Missing),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    if let Some(why) = distrust(path, &file, &link, &metadata) {
        return Ok(TrustedContent::Ignored(why));
    }
    let mut content = Vec::new();
    file.read_to_end(&mut content)?;
    Ok(TrustedContent::Content(content))
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Returns why a file is not trusted.
fn distrust(path: &Path, file: &File, link: &Metadata, metadata: &Metadata) -> Option<String> {
    // A read-only file system can be trusted: containers get their settings this way.
    if fstatvfs(file).is_ok_and(|disk| disk.f_flag.contains(StatVfsMountFlags::RDONLY)) {
        return None;
    }
    if link.is_symlink()
        && let Err(why) = check_link(link)
    {
        return Some(format!("its link: {why}"));
    }
    if let Err(why) = check_ownership(metadata, false) {
        return Some(why.to_string());
    }
    let target = if link.is_symlink() { fs::canonicalize(path).ok() } else { None };
    [Some(path), target.as_deref()].into_iter().flatten().find_map(distrust_of_folder)
}

/// Returns why the folder of a file is not trusted: users that can write to it can replace the file.
fn distrust_of_folder(path: &Path) -> Option<String> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let why = check_ownership(&fs::metadata(folder).ok()?, true).err()?;
    Some(format!("its folder: {why}"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, chown, lchown, symlink};

    use super::*;

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
    }

    fn reason(path: &Path) -> String {
        match read_trusted(path).expect("a look") {
            TrustedContent::Ignored(why) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_others_can_write_is_ignored() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join(".env");
        assert_eq!(read_trusted(&file).expect("a look"), TrustedContent::Missing);
        fs::write(&file, "A=1").expect("a file");
        mode(&file, 0o644);
        let read = || assert_eq!(read_trusted(&file).expect("a look"), TrustedContent::Content(b"A=1".to_vec()));
        read();
        mode(&file, 0o646);
        assert!(reason(&file).contains("every user"));
        mode(&file, 0o644);
        mode(folder.path(), 0o777);
        assert!(reason(&file).starts_with("its folder: every user"));
        mode(folder.path(), 0o1777);
        read();
        assert_eq!(read_named(&file).expect("a look"), Some(b"A=1".to_vec()));
    }

    #[test]
    fn a_link_is_believed_where_the_folder_that_it_leads_into_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let open = folder.path().join("open");
        fs::create_dir(&open).expect("a folder");
        fs::write(open.join("real"), "A=1").expect("a file");
        mode(&open.join("real"), 0o644);
        let (link, through) = (folder.path().join(".env"), folder.path().join("mer.toml"));
        symlink(open.join("real"), &link).expect("a link");
        symlink(&link, &through).expect("a link");
        for path in [&link, &through] {
            mode(&open, 0o755);
            assert!(matches!(read_trusted(path).expect("a look"), TrustedContent::Content(_)));
            mode(&open, 0o777);
            assert!(reason(path).starts_with("its folder: every user"));
        }
    }

    #[test]
    fn what_belongs_to_another_is_reason() {
        // Only root can give files away.
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let (file, link) = (folder.path().join("real"), folder.path().join("link"));
        fs::write(&file, "A=1").expect("a file");
        symlink(&file, &link).expect("a link");
        assert!(matches!(read_trusted(&link).expect("a look"), TrustedContent::Content(_)));
        lchown(&link, Some(4321), None).expect("an owner");
        assert!(reason(&link).contains("its link") && reason(&link).contains("4321"));
        chown(&file, Some(4321), None).expect("an owner");
        assert!(reason(&file).contains("4321"));
        chown(&file, Some(0), None).expect("an owner");
        chown(folder.path(), Some(4321), None).expect("an owner");
        assert!(reason(&file).starts_with("its folder"));
    }

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let pipe = folder.path().join(".env");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::from_raw_mode(0o600)).expect("a pipe");
        let kind = |path: &Path| NotRegular::within(&read_trusted(path).expect_err("no file"));
        assert_eq!(kind(&pipe), Some(FileKind::Pipe));
        symlink("nowhere", folder.path().join("gone")).expect("a link");
        assert_eq!(read_trusted(&folder.path().join("gone")).expect("a look"), TrustedContent::Missing);
        fs::create_dir(folder.path().join("d")).expect("a folder");
        assert_eq!(kind(&folder.path().join("d")), Some(FileKind::Folder));
    }
}
