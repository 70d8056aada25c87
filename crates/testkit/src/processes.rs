//! Processes in tests: finds them by a nonce in their environment, waits for them with a bound, and proves that they
//! are gone.
//!
//! Linux only, because it reads `/proc`. No process is looked up by its name.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use rustix::process::{Pid, Signal, kill_process};

/// Time between two checks of a condition.
const STEP: Duration = Duration::from_millis(5);

/// Calls `look` until it returns a value, or until `bound` has passed; at least once.
pub fn poll<T>(bound: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + bound;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() >= end {
            return None;
        }
        thread::sleep(STEP);
    }
}

/// Waits until `condition` holds. Panics with `what` if it does not within `bound`.
#[track_caller]
pub fn until(what: &str, bound: Duration, mut condition: impl FnMut() -> bool) {
    assert!(poll(bound, || condition().then_some(())).is_some(), "not within {bound:?}: {what}");
}

/// Waits until a Unix socket accepts connections. Its file is there a little earlier.
#[track_caller]
pub fn until_listening(socket: &Path, bound: Duration) {
    until(&format!("`{}` accepts connections", socket.display()), bound, || UnixStream::connect(socket).is_ok());
}

/// A unique word for the environment of processes that a test starts.
pub fn nonce() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("mer{}x{:x}x{}", std::process::id(), now.as_nanos(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The processes with `nonce` in the environment that they were started with, in ascending order.
///
/// Not found: zombies (they have no environment), processes of other users unless the caller is root, and processes
/// that were started with an empty environment.
pub fn with_nonce(nonce: &str) -> Vec<u32> {
    assert!(!nonce.is_empty(), "an empty nonce is in every environment");
    all()
        .filter(|pid| fs::read(format!("/proc/{pid}/environ")).is_ok_and(|env| contains(&env, nonce.as_bytes())))
        .collect()
}

/// Waits until no process has `nonce` in its environment. Panics with their command lines if some are left.
#[track_caller]
pub fn assert_gone(nonce: &str, bound: Duration) {
    if poll(bound, || with_nonce(nonce).is_empty().then_some(())).is_none() {
        let left: Vec<String> = with_nonce(nonce).into_iter().map(describe).collect();
        panic!("still there after {bound:?}: {}", left.join("; "));
    }
}

/// Waits until processes have `nonce` in their environment, and returns them. Panics if there is none within `bound`.
#[track_caller]
pub fn assert_started(nonce: &str, bound: Duration) -> Vec<u32> {
    let found = poll(bound, || Some(with_nonce(nonce)).filter(|found| !found.is_empty()));
    found.unwrap_or_else(|| panic!("nothing with `{nonce}` in its environment within {bound:?}"))
}

/// Whether `pid` runs. A zombie does not.
pub fn alive(pid: u32) -> bool {
    state(pid).is_some_and(|(state, _)| !matches!(state, 'Z' | 'X'))
}

/// The processes below `pid`, parents before children. Orphans are not among them.
pub fn descendants(pid: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = all().filter_map(|pid| Some((pid, state(pid)?.1))).collect();
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(parents.iter().filter(|(_, theirs)| *theirs == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    found.split_off(1)
}

/// Sends SIGKILL to `pid`. A process that has ended already is no error.
pub fn kill(pid: u32) {
    signal(pid, Signal::KILL);
}

/// Sends `signal` to `pid`. A process that has ended already is no error.
pub fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// Pid, state and command line, for the message of a failed test.
pub fn describe(pid: u32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let line = String::from_utf8_lossy(&line).replace('\0', " ");
    format!("{pid} ({}) {}", state(pid).map_or('?', |(state, _)| state), line.trim_end())
}

fn all() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").expect("`/proc` cannot be listed");
    let mut pids: Vec<u32> = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    pids.into_iter()
}

/// State and parent, from `/proc/PID/stat`. The command between them may hold spaces and brackets.
fn state(pid: u32) -> Option<(char, u32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command, Stdio};

    const BOUND: Duration = Duration::from_secs(10);

    fn sleeper(nonce: &str) -> Child {
        // The shell waits for its child, so that there are two generations.
        Command::new("sh")
            .args(["-c", "sleep 600; true"])
            .env("MER_TEST", nonce)
            .stdin(Stdio::null())
            .spawn()
            .expect("`sh` did not start")
    }

    #[test]
    fn a_nonce_finds_children_and_grandchildren_and_says_when_they_are_gone() {
        let nonce = nonce();
        let mut child = sleeper(&nonce);
        until("a shell and its sleep", BOUND, || with_nonce(&nonce).len() == 2);
        let below = descendants(child.id());
        assert_eq!(below.len(), 1);
        assert!(below.iter().all(|pid| alive(*pid)));
        assert!(std::panic::catch_unwind(|| assert_gone(&nonce, Duration::from_millis(20))).is_err());
        for pid in with_nonce(&nonce) {
            kill(pid);
        }
        assert_gone(&nonce, BOUND);
        // A zombie has a pid, and does not count.
        until("the shell has ended", BOUND, || !alive(child.id()));
        child.wait().expect("no exit status");
    }

    #[test]
    fn nonces_differ_and_polling_is_bounded() {
        assert_ne!(nonce(), nonce());
        assert_eq!(poll(Duration::ZERO, || Some(7)), Some(7));
        assert_eq!(poll::<()>(Duration::from_millis(20), || None), None);
        assert!(std::panic::catch_unwind(|| until("never", Duration::ZERO, || false)).is_err());
    }
}
