//! Locks of the kernel on units: a file each, locked as long as a process holds the unit. The kernel unlocks a file when the
//! last process that has it open is gone, so that no lock is ever stale.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use mer_files::{LockError, check_private_dir, create_private_dir, is_at, lock_within, open_lock_file, try_lock};
use tokio::sync::OnceCell;
use uuid::Uuid;

use super::{demand::Demand, last_owners::LastOwners, unit::Unit};

/// How often a lock file that was removed meanwhile is opened again.
const REOPENINGS: u32 = 10;
/// Maximum wait for a turn. Each request has a shorter bound of its own.
const TURN_WAIT: Duration = Duration::from_secs(365 * 86_400);

/// The lock files of one user and database on this machine.
#[derive(Debug)]
pub(super) struct UnitLocks {
    folder: PathBuf,
    made: OnceCell<()>,
}

/// Locks that were tried.
#[derive(Debug)]
pub(super) enum Tried {
    /// All of them.
    Locked(Vec<(Unit, File)>),
    /// Too few units of this resource are free.
    Missing { resource: String, count: usize },
}

impl UnitLocks {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, made: OnceCell::new() }
    }

    /// Makes the folder, if it does not exist, and checks that only this user can use it.
    pub(super) async fn prepare(&self) -> io::Result<()> {
        let make = || async {
            create_private_dir(&self.folder)?;
            let parent = self.folder.parent().unwrap_or(Path::new("/"));
            [parent, &self.folder].into_iter().try_for_each(check_private_dir)
        };
        self.made.get_or_try_init(make).await.map(drop)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Waits until no other process of this machine is before this one with a demand on the same resources. The turn lasts
    /// until the files are dropped. Processes are served in the order of their arrival.
    ///
    /// `wait` is called once if there is a wait.
    pub(super) async fn turn<E: From<LockError> + From<io::Error>>(
        &self,
        demand: &Demand,
        mut wait: impl FnMut() -> Result<(), E>,
    ) -> Result<Vec<File>, E> {
        let mut turn = Vec::new();
        for need in &demand.needs {
            let path = self.path(&[&demand.pool, &need.resource, "turn"]);
            let mut locked = try_locked(&path)?;
            while locked.is_none() {
                wait()?;
                let file = lock_within(open_lock_file(&path)?, TURN_WAIT).await?;
                locked = file.filter(|file| is_at(file, &path).unwrap_or(false));
            }
            turn.extend(locked);
        }
        Ok(turn)
    }

    /// Locks free units, all that are needed or none. Units in `taken` are left out.
    pub(super) fn try_take(&self, demand: &Demand, taken: &[Unit]) -> io::Result<Tried> {
        let mut locked = Vec::new();
        for need in &demand.needs {
            let before = locked.len();
            for name in &need.units {
                if locked.len() - before == need.count {
                    break;
                }
                let unit = Unit { pool: demand.pool.clone(), resource: need.resource.clone(), name: name.clone() };
                if !taken.contains(&unit)
                    && let Some(file) = try_locked(&self.unit(&unit))?
                {
                    locked.push((unit, file));
                }
            }
            let got = locked.len() - before;
            if got < need.count {
                return Ok(Tried::Missing { resource: need.resource.clone(), count: need.count - got });
            }
        }
        Ok(Tried::Locked(locked))
    }

    /// Says that units of a resource are wanted, until the file is dropped. Returns none if that is said already.
    pub(super) fn want(&self, pool: &str, resource: &str) -> io::Result<Option<File>> {
        try_locked(&self.path(&[pool, resource, "wanted"]))
    }

    /// Whether a process of this machine waits for units of a resource.
    pub(super) fn is_wanted(&self, pool: &str, resource: &str) -> bool {
        let path = self.path(&[pool, resource, "wanted"]);
        path.exists() && matches!(try_locked(&path), Ok(None))
    }

    /// Returns how many processes with this demand the free units seem to be enough for. Other processes that look at the same
    /// time may hide some. A unit that is claimed is not free, unless its lock file says that the claim can be taken over.
    pub(super) fn count_free(&self, demand: &Demand, claimed: &[(Unit, Uuid)]) -> usize {
        let free = |need: &super::demand::Need| {
            let unit =
                |name: &String| Unit { pool: demand.pool.clone(), resource: need.resource.clone(), name: name.clone() };
            let is_free = |name: &&String| {
                let unit = unit(name);
                let owner = claimed.iter().find(|(claimed, _)| *claimed == unit).map(|(_, owner)| *owner);
                let path = self.unit(&unit);
                let file = path.exists().then(|| open_lock_file(&path));
                match file {
                    None => owner.is_none(),
                    Some(file) => file.is_ok_and(|file| {
                        file.try_lock_shared().is_ok() && owner.is_none_or(|owner| LastOwners::of(&file).names(owner))
                    }),
                }
            };
            need.units.iter().filter(is_free).take(need.count).count() / need.count
        };
        demand.needs.iter().map(free).min().unwrap_or(0)
    }

    fn unit(&self, unit: &Unit) -> PathBuf {
        self.path(&[&unit.pool, &unit.resource, "unit", &unit.name])
    }

    /// Returns the path of a lock file. Names of resources and units have no comma.
    fn path(&self, parts: &[&str]) -> PathBuf {
        let mut name = String::new();
        for (index, part) in parts.iter().enumerate() {
            name.push_str(if index == 0 { "" } else { "," });
            for byte in part.bytes() {
                match byte {
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'@' | b':' | b'.' => {
                        name.push(char::from(byte));
                    }
                    _ => name.push_str(&format!("%{byte:02X}")),
                }
            }
        }
        self.folder.join(name)
    }
}

/// Locks a file, unless it is locked.
fn try_locked(path: &Path) -> io::Result<Option<File>> {
    for _ in 0..REOPENINGS {
        let file = open_lock_file(path)?;
        if !try_lock(&file)? {
            return Ok(None);
        }
        // A file that was removed excludes no other process.
        if is_at(&file, path)? {
            return Ok(Some(file));
        }
    }
    Ok(None)
}
