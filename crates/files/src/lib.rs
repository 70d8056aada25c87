//! Opening, writing and locking files: the only crate that may open them.
//!
//! Opening a named pipe blocks until its other end is open, and reading a pipe, a terminal or a device blocks until data
//! arrives. A file is therefore opened in one of three ways, depending on what it is to MER:
//!
//! - [`internal`]: a file that MER writes for itself (a lock, the journal, the snapshot). It must be a regular file, and no link.
//! - [`external`]: a file that a user or another program maintains (settings, keys, certificates). It must be a regular file
//!   or a link to one. The null device counts as an empty file.
//! - [`open_input`] and [`open_output`]: an input or output that the user names. It may be anything but a folder, and using
//!   it may block, so it belongs on a thread of its own.
//!
//! Everything else is refused at once, with an error that names the kind of file. A lint (`clippy.toml`) forbids other
//! crates to open files by other means.
//!
//! [`create_private_dir`], [`AtomicFile`] and [`lock_within`] are the one implementation of private folders, of files that
//! appear complete or not at all, and of file locks with a bounded wait.

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod atomic_file;
mod file_kind;
mod file_lock;
mod input_output;
mod open_options;
mod private_dir;
mod read_file;

pub use atomic_file::{AtomicFile, replace};
pub use file_kind::{FileKind, NotRegular};
pub use file_lock::{LockError, is_at, lock_within, open_lock_file, try_lock};
pub use input_output::{Input, open_input, open_output, read_pipe_within};
pub use open_options::{Options, external, internal};
pub use private_dir::{
    check_private_dir, create_new_private_dir, create_private_dir, is_not_private, open_folder, sync_folder,
};
pub use read_file::{
    MAX_EXTERNAL_BYTES, read_external, read_external_lossy, read_external_to_string, read_internal,
    read_internal_to_string,
};

#[cfg(test)]
mod tests;
