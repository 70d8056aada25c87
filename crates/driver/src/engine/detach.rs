//! How what outlives a command leaves the caller of that command.

use std::ffi::OsString;

use rustix::process::{chdir, setsid};

/// The flag of `mer serve` that asks for it.
pub(crate) const DETACHED_FLAG: &str = "--detached";

/// Number of descriptors that are closed if they cannot be listed.
const DESCRIPTORS: i32 = 4096;

/// Leaves the session, the folder and the descriptors of the command that started this process: otherwise the end of a
/// terminal would end it, its folder could not be unmounted, and a shell that reads a pipe of that command would wait for
/// this process. Must be called before anything is opened.
pub(crate) fn leave_starter(words: &[OsString]) {
    let is_asked = words.get(1).is_some_and(|verb| verb == "serve") && words.iter().any(|word| word == DETACHED_FLAG);
    if !is_asked {
        return;
    }
    // Fails if it is the leader of its group already, as under a shell.
    let _ = setsid();
    let _ = chdir("/");
    close_descriptors(|_| false);
}

/// Closes what the caller of a command with `--detach` has open, such as a locked file or a pipe that a shell reads: the run
/// would hold it until it ends. Must be called before anything is opened. A descriptor that an argument names, such as
/// `/dev/fd/63` of `<(command)`, is kept.
pub(crate) fn close_descriptors_of_caller(words: &[OsString]) {
    let options = || words.iter().take_while(|word| *word != "--");
    if !options().any(|word| word == "--detach") {
        return;
    }
    let names: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    let is_named = |descriptor| {
        let ends = [format!("/dev/fd/{descriptor}"), format!("/proc/self/fd/{descriptor}")];
        names.iter().any(|name| ends.iter().any(|end| name.ends_with(end.as_str())))
    };
    close_descriptors(is_named);
}

/// Closes all descriptors above 2 that are not kept.
fn close_descriptors(is_kept: impl Fn(i32) -> bool) {
    for descriptor in open_descriptors().into_iter().filter(|descriptor| *descriptor > 2 && !is_kept(*descriptor)) {
        // The one that listed them is closed already.
        let _ = nix::unistd::close(descriptor);
    }
}

fn open_descriptors() -> Vec<i32> {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else { return (3..DESCRIPTORS).collect() };
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}
