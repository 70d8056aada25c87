//! Which owners of claims have used a unit on this machine, as its lock file says.
//!
//! A lock that is free proves that no process of this machine uses the unit: `mer` and its watcher have the file open until
//! the process group is gone. The owners that the file names have therefore no use any more for their claims of the unit,
//! and a process that has the lock may take these over before they are void.
//!
//! The file names only owners whose process ran on this machine. One on another machine may outlive both `mer` and its
//! watcher, so that its claim has to run out.

use std::{
    fs::File,
    io,
    os::unix::fs::{FileExt as _, MetadataExt as _},
};

use uuid::Uuid;

/// Maximum number of owners that a file names: the last one, and those that were killed while they took their claims.
const MAX_OWNERS: usize = 16;
/// Maximum length of a file in bytes.
const MAX_BYTES: usize = 1024;

/// The owners that the lock file of one unit names. The file is locked.
#[derive(Debug)]
pub(super) struct LastOwners<'a> {
    file: &'a File,
    owners: Vec<Uuid>,
}

impl<'a> LastOwners<'a> {
    /// Reads the file. One that cannot be read, or that is a copy of another one, names none.
    pub(super) fn of(file: &'a File) -> Self {
        let owners = read(file).unwrap_or_else(|error| {
            tracing::debug!(%error, "a lock file could not be read");
            Vec::new()
        });
        Self { file, owners }
    }

    pub(super) fn names(&self, owner: Uuid) -> bool {
        self.owners.contains(&owner)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Uuid> {
        self.owners.iter().copied()
    }

    /// Names an owner besides, or removes it if its process is on another machine.
    pub(super) fn add(&mut self, owner: Uuid, is_here: bool) {
        let mut owners = self.owners.clone();
        owners.retain(|known| *known != owner);
        owners.drain(..(owners.len() + 1).saturating_sub(MAX_OWNERS));
        owners.extend(is_here.then_some(owner));
        self.write(owners);
    }

    /// Names no other owner any more, because none of them has a claim.
    pub(super) fn keep_only(&mut self, owner: Uuid) {
        self.write(self.owners.iter().copied().filter(|known| *known == owner).collect());
    }

    fn write(&mut self, owners: Vec<Uuid>) {
        if owners == self.owners {
            return;
        }
        if let Err(error) = write(self.file, &owners) {
            tracing::debug!(%error, "a lock file could not be written");
        }
        self.owners = owners;
    }
}

/// Returns the first line of a file: a copy of the file, as in a copy of a whole machine, has another one.
fn identity(file: &File) -> io::Result<String> {
    let found = file.metadata()?;
    Ok(format!("{}:{}", found.dev(), found.ino()))
}

fn read(file: &File) -> io::Result<Vec<Uuid>> {
    let mut bytes = [0; MAX_BYTES];
    let length = file.read_at(&mut bytes, 0)?;
    if length == 0 {
        return Ok(Vec::new());
    }
    let text = std::str::from_utf8(&bytes[..length]).unwrap_or_default();
    // A line without its end was not written whole.
    let mut lines = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
    if lines.next() != Some(identity(file)?.as_str()) {
        return Ok(Vec::new());
    }
    Ok(lines.filter_map(|line| line.parse().ok()).collect())
}

fn write(file: &File, owners: &[Uuid]) -> io::Result<()> {
    file.set_len(0)?;
    if owners.is_empty() {
        return Ok(());
    }
    let mut text = identity(file)?;
    text.push('\n');
    for owner in owners {
        text.push_str(&format!("{owner}\n"));
    }
    file.write_all_at(text.as_bytes(), 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_names_the_owners_whose_processes_ran_here() {
        let file = tempfile::tempfile().expect("a file");
        let (one, two) = (Uuid::new_v4(), Uuid::new_v4());
        let named = || LastOwners::of(&file).iter().collect::<Vec<_>>();
        assert!(named().is_empty());
        LastOwners::of(&file).add(one, true);
        LastOwners::of(&file).add(two, true);
        assert_eq!(named(), [one, two]);
        LastOwners::of(&file).add(one, true);
        assert_eq!(named(), [two, one]);
        LastOwners::of(&file).keep_only(one);
        assert_eq!(named(), [one]);
        LastOwners::of(&file).add(one, false);
        assert!(named().is_empty());
        for _ in 0..MAX_OWNERS * 2 {
            LastOwners::of(&file).add(Uuid::new_v4(), true);
        }
        LastOwners::of(&file).add(two, true);
        assert_eq!((named().len(), named().last()), (MAX_OWNERS, Some(&two)));
    }

    #[test]
    fn a_copy_or_garbage_names_none() {
        let (file, copy) = (tempfile::tempfile().expect("a file"), tempfile::tempfile().expect("a file"));
        LastOwners::of(&file).add(Uuid::new_v4(), true);
        let mut bytes = [0; MAX_BYTES];
        let length = file.read_at(&mut bytes, 0).expect("read");
        copy.write_all_at(&bytes[..length], 0).expect("written");
        assert_eq!(LastOwners::of(&copy).iter().count(), 0);
        // The last line is torn.
        file.set_len(u64::try_from(length).expect("a length") - 1).expect("cut");
        assert_eq!(LastOwners::of(&file).iter().count(), 0);
        for garbage in [&b"\xff\xfe"[..], &[b'x'; 5000]] {
            file.write_all_at(garbage, 0).expect("written");
            assert_eq!(LastOwners::of(&file).iter().count(), 0);
        }
    }
}
