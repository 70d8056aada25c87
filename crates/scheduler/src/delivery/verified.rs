//! Records which files had the right hash when they were last hashed.
//!
//! Hashing large weights takes seconds, too long for every run. A record beside the folder therefore identifies the file that
//! had the right hash: by inode, length and times. Every write to a file changes its time of change (ctime), which no program
//! can set back. The modification time of a record is the time when its weights were last used.

use std::{
    fs::{self, File, Metadata, Permissions},
    io::{self, Read as _},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use mer_dal::check_ownership;
use sha2::{Digest as _, Sha256};

/// Name of the folder of records, beside the folder of weights.
const FOLDER: &str = "verified";

/// Extension of the records that the scripts make when this machine is reached over SSH ([`super::remote_scripts`]).
const SCRIPT_EXTENSION: &str = ".sh";

/// Minimum age of a file's ctime when its record is written. The clock of file times has steps of up to 10 ms, and a change
/// in the step in which the file was hashed would not show.
const MIN_AGE: Duration = Duration::from_millis(20);

/// Number of bytes that are hashed at once. Between two chunks the hashing can be cancelled.
const CHUNK: usize = 8 << 20;

/// The record of one file. Creating this value touches nothing on disk.
#[derive(Debug)]
pub(super) struct VerifiedRecord {
    path: PathBuf,
}

impl VerifiedRecord {
    /// Returns the record of the file of this name in this folder of weights.
    pub(super) fn of(weights: &Path, name: &str) -> Self {
        Self { path: folder(weights).join(name) }
    }

    /// Whether this file had the right hash and has not been changed since.
    pub(super) fn matches(&self, file: &Metadata) -> bool {
        // A record is one short line, written by this user.
        let is_record = |record: Metadata| record.is_file() && record.len() < 200 && is_own(&record);
        let is_file = fs::symlink_metadata(&self.path).is_ok_and(is_record);
        is_file && mer_files::read_internal_to_string(&self.path).is_ok_and(|text| text == identity(file))
    }

    /// Records that this open file has the right hash. `hashed` is its metadata from before it was hashed; if the file was
    /// changed since, nothing is recorded.
    pub(super) async fn write(&self, file: &File, hashed: &Metadata) -> io::Result<()> {
        let age = SystemTime::now().duration_since(changed(hashed)).unwrap_or(Duration::ZERO);
        tokio::time::sleep(MIN_AGE.saturating_sub(age)).await;
        let text = identity(hashed);
        if identity(&file.metadata()?) == text { self.replace(&text) } else { Ok(()) }
    }

    fn replace(&self, text: &str) -> io::Result<()> {
        let Some(folder) = self.path.parent() else { return Ok(()) };
        mer_files::create_private_dir(folder)?;
        mer_files::replace(&self.path, text.as_bytes())
    }

    /// Marks the weights as used now.
    pub(super) fn mark_used(&self) {
        // Without a record, the modification time of the file counts.
        let _ =
            mer_files::internal().append().open(&self.path).and_then(|record| record.set_modified(SystemTime::now()));
    }

    /// Returns when the weights were last used, if there is a record.
    pub(super) fn last_used(&self) -> Option<SystemTime> {
        self.both().into_iter().filter_map(|path| fs::metadata(path).ok()?.modified().ok()).max()
    }

    /// Removes the record, and that of the scripts.
    pub(super) fn remove(&self) {
        self.both().into_iter().for_each(|path| drop(fs::remove_file(path)));
    }

    fn both(&self) -> [PathBuf; 2] {
        let mut script_record = self.path.clone().into_os_string();
        script_record.push(SCRIPT_EXTENSION);
        [self.path.clone(), script_record.into()]
    }
}

fn folder(weights: &Path) -> PathBuf {
    weights.with_file_name(FOLDER)
}

/// Returns what identifies a file and its state. It changes whenever the file is written to.
fn identity(file: &Metadata) -> String {
    format!(
        "{} {} {}.{:09} {}.{:09}\n",
        file.ino(),
        file.len(),
        file.mtime(),
        file.mtime_nsec(),
        file.ctime(),
        file.ctime_nsec()
    )
}

/// Returns the ctime of a file.
fn changed(file: &Metadata) -> SystemTime {
    let since = Duration::new(file.ctime().try_into().unwrap_or(0), file.ctime_nsec().try_into().unwrap_or(0));
    SystemTime::UNIX_EPOCH.checked_add(since).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Whether only this user and root can write to a file.
pub(super) fn is_own(file: &Metadata) -> bool {
    check_ownership(file, false).is_ok()
}

/// Makes an open file read-only, and unreadable for other users.
pub(super) fn protect(file: &File) -> io::Result<()> {
    const READ_ONLY: u32 = 0o400;
    if file.metadata()?.permissions().mode() & 0o777 == READ_ONLY {
        return Ok(());
    }
    file.set_permissions(Permissions::from_mode(READ_ONLY))
}

/// Whether the content of an open file has this sha256. Stops after the current chunk if the future is dropped.
pub(super) async fn has_hash(file: &File, sha256: &str) -> io::Result<bool> {
    let mut state = (file.try_clone()?, Sha256::new(), vec![0; CHUNK]);
    loop {
        let (mut file, mut hash, mut chunk) = state;
        let step = tokio::task::spawn_blocking(move || {
            let count = file.read(&mut chunk)?;
            hash.update(&chunk[..count]);
            Ok::<_, io::Error>((count, (file, hash, chunk)))
        });
        let (count, next) = step.await.map_err(io::Error::other)??;
        state = next;
        if count == 0 {
            return Ok(format!("{:x}", state.1.finalize()) == sha256);
        }
    }
}
