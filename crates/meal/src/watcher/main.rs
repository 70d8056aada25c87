//! The watcher process: reads the list of groups, then ends them.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    io,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, Signal, kill_process, kill_process_group},
};
use tokio::{
    runtime,
    signal::unix::{SignalKind, signal},
};

use super::{Mark, group_table::GroupTable, holds::Holds, proc_scan::scan};

/// Time between two scans of `/proc`.
const SCAN_PAUSE: Duration = Duration::from_millis(20);
/// Time between two reads of the pipe.
const PAUSE_NANOS: i64 = 250_000_000;
/// The same while descriptors come, because fewer of them fit into a socket.
const HOLD_PAUSE_NANOS: i64 = 20_000_000;
/// The capacity of a pipe, so that one read empties it.
const PIPE_BYTES: usize = 64 * 1024;
/// How long to search for a model that was being spawned when `mer` died.
const SETTLE: Duration = Duration::from_millis(300);
/// How long a process may take to die of KILL before the watcher exits. One that hangs in the kernel may take
/// forever.
const KILL_WAIT: Duration = Duration::from_secs(10);
/// Time between two scans for a process that hangs in the kernel.
const HANG_PAUSE: Duration = Duration::from_secs(1);

/// Runs the watcher, which `mer` starts by a hidden subcommand. Reads process groups from stdin to its end, then ends
/// them.
#[must_use]
pub fn watcher_main() -> ExitCode {
    let _handlers = outlive_signals();
    let (mut table, mut holds) = (GroupTable::default(), Holds::default());
    read(&mut table, &mut holds);
    let end = Instant::now();
    if !(table.bye && table.groups.is_empty()) {
        end_groups(&table, &mut holds);
    }
    holds.outlast_remote(end);
    ExitCode::SUCCESS
}

/// Reads stdin to its end, and receives the descriptors. An error counts as the end.
///
/// It reads in batches. A short run writes two lines, and waking for each would cost `mer` as much as starting the
/// model. After a read only the end of the pipe is waited for, up to [`PAUSE_NANOS`]; lines meanwhile stay in the
/// pipe, which has room for thousands and survives `mer`.
fn read(table: &mut GroupTable, holds: &mut Holds) {
    let (stdin, socket) = (rustix::stdio::stdin(), rustix::stdio::stdout());
    let (mut buffer, mut lines) = (vec![0; PIPE_BYTES], Vec::new());
    loop {
        let is_end = match rustix::io::retry_on_intr(|| rustix::io::read(stdin, &mut buffer[..])) {
            Ok(0) | Err(_) => true,
            Ok(count) => {
                lines.extend_from_slice(&buffer[..count]);
                table.read(&mut lines);
                false
            }
        };
        // Descriptors are sent before the lines about their process, so that those that a line frees have come.
        let has_received = holds.receive(socket);
        for number in std::mem::take(&mut table.freed) {
            holds.free(number);
        }
        if is_end {
            return;
        }
        let pause = if has_received { HOLD_PAUSE_NANOS } else { PAUSE_NANOS };
        let mut end_only = [PollFd::new(&stdin, PollFlags::empty())];
        let _ = poll(&mut end_only, Some(&Timespec { tv_sec: 0, tv_nsec: pause }));
    }
}

/// Installs handlers that do nothing, so that a TERM to the whole service does not end the watcher before `mer`. The
/// watcher cannot be left over, because it ends with its stdin. The runtime is never run: it is how tokio installs
/// handlers without unsafe code.
fn outlive_signals() -> io::Result<impl Sized> {
    let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
    let guard = runtime.enter();
    let kinds = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup(), SignalKind::quit()];
    let handlers = kinds.map(signal);
    drop(guard);
    Ok((runtime, handlers))
}

fn end_groups(table: &GroupTable, holds: &mut Holds) {
    let begin = Instant::now();
    let mark = table.nonce.clone().map(|nonce| Mark::Any { nonce, highest_number: table.highest_number });
    // When each target gets KILL: groups, and single processes that left their group and still carry the mark.
    let mut groups: BTreeMap<i32, Instant> =
        table.groups.iter().map(|(group, grace)| (*group, begin + *grace)).collect();
    let mut strays: BTreeMap<i32, Instant> = BTreeMap::new();
    for group in groups.keys() {
        signal_group(*group, Signal::TERM);
    }
    loop {
        let now = Instant::now();
        let Ok(found) = scan(mark.as_ref(), |group| groups.contains_key(&group)) else {
            return end_blindly(&groups);
        };
        for one in found.iter().filter(|one| one.is_marked) {
            if groups.contains_key(&one.group) {
                continue;
            }
            let kill_at = now + table.unlisted_grace();
            if one.group == one.pid {
                signal_group(one.group, Signal::TERM);
                groups.insert(one.group, kill_at);
                strays.remove(&one.pid);
            } else if let Entry::Vacant(new) = strays.entry(one.pid) {
                signal_process(one.pid, Signal::TERM);
                new.insert(kill_at);
            }
        }
        // Processes that are gone are forgotten at once, because their numbers may be reused.
        groups.retain(|group, _| found.iter().any(|one| one.group == *group));
        strays.retain(|pid, _| found.iter().any(|one| one.pid == *pid));
        groups.iter().filter(|(_, at)| **at <= now).for_each(|(group, _)| signal_group(*group, Signal::KILL));
        strays.iter().filter(|(_, at)| **at <= now).for_each(|(pid, _)| signal_process(*pid, Signal::KILL));
        let is_settled = begin.elapsed() >= SETTLE;
        let is_left = |number: u64| table.numbers.get(&number).is_some_and(|group| groups.contains_key(group));
        // A process that left its group may use what the group held.
        if is_settled && strays.is_empty() {
            holds.free_gone(|number| table.numbers.contains_key(&number) && !is_left(number));
        }
        let last = groups.values().chain(strays.values()).max().copied();
        if last.is_none_or(|last| now > last + KILL_WAIT) && is_settled {
            if !holds.any_local(is_left) {
                return;
            }
            // A process that hangs in the kernel still has what its locks are for.
            thread::sleep(HANG_PAUSE);
        }
        thread::sleep(SCAN_PAUSE);
    }
}

/// Without `/proc` nothing can be checked: each group gets TERM, its grace period, and KILL.
fn end_blindly(groups: &BTreeMap<i32, Instant>) {
    let mut by_time: Vec<_> = groups.iter().collect();
    by_time.sort_by_key(|(_, at)| **at);
    for (group, at) in by_time {
        while Instant::now() < *at && alive(*group) {
            thread::sleep(SCAN_PAUSE);
        }
        signal_group(*group, Signal::KILL);
    }
}

fn alive(group: i32) -> bool {
    Pid::from_raw(group).is_some_and(|group| rustix::process::test_kill_process_group(group).is_ok())
}

fn signal_group(group: i32, signal: Signal) {
    if let Some(group) = Pid::from_raw(group) {
        let _ = kill_process_group(group, signal);
    }
}

fn signal_process(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = kill_process(pid, signal);
    }
}
