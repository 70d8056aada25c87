//! The line that the remote wrapper reads and runs: see [`crate::ssh::session::wrapper`].

use mer_core::RunSpec;

use crate::{
    StartError,
    exit_marker::marker_start,
    shell_words::{Prepared, quote},
    ssh::session::GuardFolder,
};

/// The wrapper's answers before the program starts. All have the same length, so that no output of the program is
/// read with them.
pub(super) const STARTED: &[u8] = b"=ok\n";
pub(super) const NOT_FOUND: &[u8] = b"=nf\n";
pub(super) const NOT_EXECUTABLE: &[u8] = b"=nx\n";
pub(super) const NO_DIRECTORY: &[u8] = b"=cd\n";
/// The group could not be put into the folder of the watchdog, and nothing was started.
pub(super) const NOT_GUARDED: &[u8] = b"=ng\n";

/// The line that runs the program, and reports its exit status by a marker with this word.
///
/// With a folder of the watchdog and a name, the group is put into the folder first.
pub(in crate::ssh) fn exec(
    spec: &RunSpec,
    mark: &str,
    guard: Option<(&GuardFolder, &str)>,
) -> Result<String, StartError> {
    let mut prepared = Prepared::new(spec)?;
    if let Some((folder, name)) = guard {
        prepared.line.push_str(&format!("mer_w {} {} {name}; ", quote(&folder.path), folder.pid));
    }
    Ok(format!("{}mer_k={}; mer_r{}\n", prepared.line, marker_start(mark), prepared.words(spec)))
}

/// The line that prints the path of the program.
pub(in crate::ssh) fn path_query(spec: &RunSpec) -> Result<String, StartError> {
    let Prepared { program, line, .. } = Prepared::new(spec)?;
    Ok(format!("{line}echo =ok; command -v {program}\n"))
}
