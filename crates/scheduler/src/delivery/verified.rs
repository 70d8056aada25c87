//! What is known of files whose hash has been looked at: which file it was then.
//!
//! A hash of all bytes takes seconds for large weights, and is not for every run. So a record beside the folder says which file
//! had the right hash: by its inode, its length and its times. Every write to a file changes its time of change (ctime),
//! which no program can set back. A record also says when its weights were last used, by its own time.

use std::{
    fs::{self, File, Metadata, Permissions},
    io::{self, Read as _},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use sha2::{Digest as _, Sha256};

/// The folder of the records, beside that of the weights.
const FOLDER: &str = "verified";

/// What the other end of a connection to this same machine calls its records ([`super::remote_scripts`]).
const OF_SCRIPTS: &str = ".sh";

/// The clock that files get their times from moves in steps of up to 10 ms. A file that was changed within the same step as
/// it was looked at cannot be told from one that was not.
const STEP: Duration = Duration::from_millis(20);

/// How much is hashed between two looks whether it still has to be.
const CHUNK: usize = 8 << 20;

/// A record of one file. Cheap to make; touches nothing.
#[derive(Debug)]
pub(super) struct Verified {
    path: PathBuf,
}

impl Verified {
    /// The record of a file of this name in this folder of weights.
    pub(super) fn of(weights: &Path, name: &str) -> Self {
        Self { path: folder(weights).join(name) }
    }

    /// Whether this file is the one whose hash was right, unchanged since.
    pub(super) fn knows(&self, file: &Metadata) -> bool {
        // A record is a short line of this user's; anything else is none.
        let is_record = |record: Metadata| record.is_file() && record.len() < 200 && super::cache::is_own(&record);
        let is_file = fs::symlink_metadata(&self.path).is_ok_and(is_record);
        is_file && mer_files::read_internal_to_string(&self.path).is_ok_and(|text| text == identity(file))
    }

    /// Notes that the hash of this open file is right, which was looked at when it was as `then`. Nothing is noted where it
    /// has been changed since.
    pub(super) async fn note(&self, file: &File, then: &Metadata) -> io::Result<()> {
        let age = SystemTime::now().duration_since(changed(then)).unwrap_or(Duration::ZERO);
        tokio::time::sleep(STEP.saturating_sub(age)).await;
        let text = identity(then);
        if identity(&file.metadata()?) == text { self.write(&text) } else { Ok(()) }
    }

    fn write(&self, text: &str) -> io::Result<()> {
        let Some(folder) = self.path.parent() else { return Ok(()) };
        mer_files::create_private_dir(folder)?;
        mer_files::replace(&self.path, text.as_bytes())
    }

    /// Notes that the weights were used now.
    pub(super) fn used(&self) {
        // Where there is no record, the file's own time says when it came.
        let _ =
            mer_files::internal().append().open(&self.path).and_then(|record| record.set_modified(SystemTime::now()));
    }

    /// When the weights were last used, as far as any record says so.
    pub(super) fn last_used(&self) -> Option<SystemTime> {
        self.both().into_iter().filter_map(|path| fs::metadata(path).ok()?.modified().ok()).max()
    }

    /// Takes the record away, with that of the scripts.
    pub(super) fn forget(&self) {
        self.both().into_iter().for_each(|path| drop(fs::remove_file(path)));
    }

    fn both(&self) -> [PathBuf; 2] {
        let mut of_scripts = self.path.clone().into_os_string();
        of_scripts.push(OF_SCRIPTS);
        [self.path.clone(), of_scripts.into()]
    }
}

fn folder(weights: &Path) -> PathBuf {
    weights.with_file_name(FOLDER)
}

/// Which file it is, and in which state: what is changed with any byte of it.
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

fn changed(file: &Metadata) -> SystemTime {
    let since = Duration::new(file.ctime().try_into().unwrap_or(0), file.ctime_nsec().try_into().unwrap_or(0));
    SystemTime::UNIX_EPOCH.checked_add(since).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Makes an open file readable by its owner only, and writable by no user.
pub(super) fn protect(file: &File) -> io::Result<()> {
    const READ_ONLY: u32 = 0o400;
    if file.metadata()?.permissions().mode() & 0o777 == READ_ONLY {
        return Ok(());
    }
    file.set_permissions(Permissions::from_mode(READ_ONLY))
}

/// Whether the bytes of an open file have this sha256. Ends soon where it is not waited for any more.
pub(super) async fn has_hash(file: &File, sha256: &str) -> io::Result<bool> {
    let mut at_hand = (file.try_clone()?, Sha256::new(), vec![0; CHUNK]);
    loop {
        let (mut file, mut hash, mut chunk) = at_hand;
        let step = tokio::task::spawn_blocking(move || {
            let count = file.read(&mut chunk)?;
            hash.update(&chunk[..count]);
            Ok::<_, io::Error>((count, (file, hash, chunk)))
        });
        let (count, next) = step.await.map_err(io::Error::other)??;
        at_hand = next;
        if count == 0 {
            return Ok(format!("{:x}", at_hand.1.finalize()) == sha256);
        }
    }
}
