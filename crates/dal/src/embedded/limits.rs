//! Resource limits that may keep the engine from starting its threads.

use rustix::process::{Resource, getrlimit};

/// A limit of processes and threads below this counts as near: an opening needs some thirty, and the user runs other
/// processes too.
const NEAR: u64 = 4096;
/// Number of processes that must be left in the control group.
const LEFT: u64 = 256;

/// Returns whether memory is limited at all, or the number of threads to few.
pub(super) fn are_near() -> bool {
    let is_limited = |resource| getrlimit(resource).current.is_some();
    let threads = getrlimit(Resource::Nproc).current.is_some_and(|most| most < NEAR);
    is_limited(Resource::As) || is_limited(Resource::Data) || threads || group_is_nearly_full()
}

/// Returns whether the control group of this process (version 2) has few processes left. False if there is no group to
/// read.
fn group_is_nearly_full() -> bool {
    let read = |path: String| mer_files::read_external_to_string(path).ok();
    let Some(groups) = read("/proc/self/cgroup".to_owned()) else { return false };
    let Some(group) = groups.lines().find_map(|line| line.strip_prefix("0::")) else { return false };
    // A process sees its own group as `/` where it has a namespace of its own, as in containers.
    let folder = format!("/sys/fs/cgroup{}", group.trim_end_matches('/'));
    let number = |file: &str| read(format!("{folder}/{file}")).and_then(|text| text.trim().parse::<u64>().ok());
    match (number("pids.max"), number("pids.current")) {
        (Some(most), Some(now)) => most.saturating_sub(now) < LEFT,
        // `max`: not limited.
        _ => false,
    }
}
