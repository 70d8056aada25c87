//! The descriptors that the watcher holds, so that locks last until the processes that they are for are gone.

use std::{
    collections::BTreeMap,
    os::fd::{AsFd, OwnedFd},
    thread,
    time::{Duration, Instant},
};

use super::descriptors::receive;

/// The descriptors by the number of their process.
#[derive(Debug, Default)]
pub(super) struct Holds {
    local: BTreeMap<u64, Vec<OwnedFd>>,
    /// Those of processes on other machines, and how long they are held once `mer` is gone.
    remote: BTreeMap<u64, (Duration, Vec<OwnedFd>)>,
}

impl Holds {
    /// Receives what has come. Returns whether anything has.
    pub(super) fn receive(&mut self, socket: impl AsFd) -> bool {
        let mut any = false;
        while let Some(received) = receive(&socket) {
            any = true;
            match received.lasts {
                None => self.local.entry(received.number).or_default().extend(received.descriptors),
                Some(lasts) => {
                    let (longest, held) = self.remote.entry(received.number).or_default();
                    *longest = lasts.max(*longest);
                    held.extend(received.descriptors);
                }
            }
        }
        any
    }

    /// Closes the descriptors of a process.
    pub(super) fn free(&mut self, number: u64) {
        self.local.remove(&number);
        self.remote.remove(&number);
    }

    /// Closes the descriptors of local processes that are gone.
    pub(super) fn free_gone(&mut self, is_gone: impl Fn(u64) -> bool) {
        self.local.retain(|number, _| !is_gone(*number));
    }

    /// Whether descriptors of a local process are held for which this is true.
    pub(super) fn any_local(&self, is_so: impl Fn(u64) -> bool) -> bool {
        self.local.keys().any(|number| is_so(*number))
    }

    /// Holds the descriptors of processes on other machines as long as these may live after `mer`, which was gone at `end`.
    pub(super) fn outlast_remote(mut self, end: Instant) {
        self.local.clear();
        let mut held: Vec<_> = self.remote.into_values().collect();
        held.sort_by_key(|(lasts, _)| *lasts);
        for (lasts, descriptors) in held {
            thread::sleep(lasts.saturating_sub(end.elapsed()));
            drop(descriptors);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;

    use super::*;
    use crate::watcher::descriptors::{send, socket_pair};

    #[test]
    fn a_lock_lasts_until_its_process_must_be_gone() {
        let folder = tempfile::tempdir().expect("a folder");
        let open = |name: &str| {
            let path = folder.path().join(name);
            std::fs::File::options().read(true).write(true).create(true).truncate(false).open(path).expect("a file")
        };
        let (here, there) = socket_pair().expect("sockets");
        let mut holds = Holds::default();
        assert!(!holds.receive(&there));
        for (number, name, lasts) in
            [(1, "local", None), (2, "remote", Some(Duration::from_millis(300))), (3, "freed", None)]
        {
            let file = open(name);
            file.lock().expect("locked");
            send(&here, number, lasts, &[file.as_fd()]).expect("sent");
        }
        let is_locked = |name: &str| open(name).try_lock().is_err();
        assert!(["local", "remote", "freed"].into_iter().all(is_locked), "what is on its way is held");
        assert!(holds.receive(&there));
        holds.free(3);
        assert!(!is_locked("freed") && is_locked("local"));
        holds.free_gone(|number| number != 1);
        assert!(is_locked("local") && holds.any_local(|number| number == 1));
        holds.free_gone(|number| number == 1);
        assert!(!is_locked("local") && is_locked("remote"));
        let end = Instant::now();
        thread::scope(|scope| {
            scope.spawn(|| holds.outlast_remote(end));
            while is_locked("remote") {
                thread::sleep(Duration::from_millis(5));
            }
        });
        assert!(end.elapsed() >= Duration::from_millis(300));
    }
}
