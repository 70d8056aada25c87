//! Checks that files on disk can be trusted: they must belong to the user or to root, and no other user may be able to
//! write to them. A user that can write to a database chooses the programs that this user runs.

use std::{
    fs::{self, Metadata},
    io,
    os::unix::fs::MetadataExt as _,
    path::Path,
};

use mer_core::{Distrust, Ownership, is_private_group};

use crate::DalError;

/// Checks that only this user and root can have written to a file or folder. A folder that everyone may write to passes
/// if it is sticky and `sticky` is set: no user can replace files of other users there.
///
/// # Errors
/// Why it cannot be trusted.
pub fn check_ownership(metadata: &Metadata, sticky: bool) -> Result<(), Distrust> {
    let ownership =
        Ownership { user: metadata.uid(), group: metadata.gid(), mode: metadata.mode(), is_folder: metadata.is_dir() };
    let user = rustix::process::geteuid().as_raw();
    ownership.check(user, |group| is_private(group, user), sticky)
}

/// Checks that only this user and root can change where a link leads. The mode of a link has no meaning.
///
/// # Errors
/// The link belongs to another user.
pub fn check_link(link: &Metadata) -> Result<(), Distrust> {
    let link = Ownership { user: link.uid(), group: 0, mode: 0, is_folder: false };
    link.check(rustix::process::geteuid().as_raw(), |_| true, false)
}

/// Returns whether only this user is a member of a group. Called only if the group may write.
fn is_private(group: u32, user: u32) -> bool {
    let mut own = vec![rustix::process::getegid().as_raw()];
    own.extend(rustix::process::getgroups().unwrap_or_default().iter().map(|group| group.as_raw()));
    let read = |file: &str| mer_files::read_external_lossy(file).ok();
    is_private_group(group, user, &own, read("/etc/passwd").as_deref(), read("/etc/group").as_deref())
}

/// Checks a path, and the target if it is a link. A path that does not exist or cannot be read passes: using it reports
/// the error.
pub(crate) fn check(path: &Path, sticky: bool) -> Result<(), DalError> {
    let distrust = |why| DalError::Distrusted { path: path.to_path_buf(), why };
    let Ok(own) = fs::symlink_metadata(path) else { return Ok(()) };
    if own.is_symlink() {
        check_link(&own).map_err(distrust)?;
        let Ok(target) = fs::metadata(path) else { return Ok(()) };
        return check_ownership(&target, sticky).map_err(distrust);
    }
    check_ownership(&own, sticky).map_err(distrust)
}

/// Checks the folder in which a path is or would be created.
fn check_above(path: &Path) -> Result<(), DalError> {
    let above = path.ancestors().skip(1).find(|folder| fs::symlink_metadata(folder).is_ok());
    above.map_or(Ok(()), |folder| check(folder, true))
}

/// Checks a folder and its parent.
pub(crate) fn check_folder(folder: &Path) -> Result<(), DalError> {
    check_above(folder)?;
    check(folder, false)
}

/// Closes a folder to other users if it belongs to this user and is open to all, because it was created beforehand with
/// the mode of the umask. Access for a group may be intended and stays.
pub(crate) fn close_to_others(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    const OTHERS: u32 = 0o007;
    let metadata = fs::metadata(folder)?;
    if metadata.uid() == rustix::process::geteuid().as_raw() && metadata.mode() & OTHERS != 0 {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use mer_core::{Classified as _, FailureKind};

    use super::*;
    use crate::{Database, DbUrl, Settings, embedded::paths::EnginePaths};

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    async fn refused(database: &Database) -> DalError {
        let error = database.session().await.expect_err("refused");
        assert_eq!(error.failure_kind(), FailureKind::Refused, "{error}");
        error
    }

    #[tokio::test]
    async fn what_others_can_write_to_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let files = EnginePaths::beside(&data.join("db"));
        let database = Database::new(Settings::new(DbUrl::Embedded(data.join("db"))));
        database.session().await.unwrap().close().await.unwrap();
        for path in [&data, &files.engine, &files.lease, &files.journal, &files.snapshot] {
            if !path.exists() {
                fs::write(path, "").unwrap();
            }
            let before = fs::metadata(path).unwrap().permissions().mode();
            mode(path, 0o777);
            let error = refused(&database).await;
            assert!(matches!(&error, DalError::Distrusted { path: named, .. } if named == path), "{error}");
            assert!(database.snapshot().is_none());
            assert_eq!(
                fs::metadata(path).unwrap().permissions().mode() & 0o777,
                0o777,
                "nothing was mended behind a back"
            );
            mode(path, before);
        }
        fs::remove_file(&files.journal).unwrap();
        database.session().await.unwrap().close().await.unwrap();
    }

    #[tokio::test]
    async fn a_folder_that_was_made_beforehand_is_closed_to_others() {
        let folder = tempfile::tempdir().unwrap();
        let engine = folder.path().join("db");
        for (made, becomes) in [(0o755, 0o700), (0o750, 0o750), (0o700, 0o700)] {
            fs::create_dir(&engine).unwrap();
            mode(&engine, made);
            let database = Database::new(Settings::new(DbUrl::Embedded(engine.clone())));
            database.session().await.unwrap().close().await.unwrap();
            assert_eq!(fs::metadata(&engine).unwrap().permissions().mode() & 0o777, becomes);
            fs::remove_dir_all(&engine).unwrap();
        }
    }

    #[tokio::test]
    async fn a_sticky_folder_is_enough_above_and_not_for_the_database_itself() {
        let folder = tempfile::tempdir().unwrap();
        mode(folder.path(), 0o1777);
        let database = Database::new(Settings::new(DbUrl::Embedded(folder.path().join("db"))));
        database.session().await.unwrap().close().await.unwrap();
        mode(&folder.path().join("db"), 0o1777);
        refused(&database).await;
        mode(&folder.path().join("db"), 0o700);
        mode(folder.path(), 0o777);
        refused(&database).await;
    }

    #[test]
    fn what_belongs_to_another_is_not_to_be_believed() {
        // Only root can give files away.
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let files = EnginePaths::beside(&folder.path().join("db"));
        let link = folder.path().join("db");
        fs::create_dir(&files.engine).unwrap();
        assert!(files.check().is_ok());
        std::os::unix::fs::chown(&files.engine, Some(4321), None).unwrap();
        let error = files.check().unwrap_err();
        assert!(matches!(error, DalError::Distrusted { why: Distrust::Owner(4321), .. }), "{error}");
        // A link of another, to something of ours.
        fs::rename(&files.engine, folder.path().join("real")).unwrap();
        std::os::unix::fs::chown(folder.path().join("real"), Some(0), None).unwrap();
        std::os::unix::fs::symlink("real", &link).unwrap();
        assert!(files.check().is_ok());
        std::os::unix::fs::lchown(&link, Some(4321), None).unwrap();
        assert!(files.check().is_err());
        // And the folder that a new one would be made in.
        let theirs = folder.path().join("theirs");
        fs::create_dir(&theirs).unwrap();
        std::os::unix::fs::chown(&theirs, Some(4321), None).unwrap();
        assert!(EnginePaths::beside(&theirs.join("a/b")).check().is_err());
    }
}
