//! The only place where files are opened.
//!
//! Opening a named pipe waits for its other end, and reading one, or a terminal, or a device, waits for its writer. So each
//! file is opened in one of three ways, by what it is to MER:
//!
//! - [`own`]: a file of MER's own (a lock, the journal, the snapshot). A regular file, and no link to one.
//! - [`given`]: a file that a person or another program keeps (settings, keys, certificates). A regular file, or a link to
//!   one: such files are often linked to where they are really kept. The null device counts as an empty file.
//! - [`open_input`] and [`open_output`]: what a person names as input or output. It may be anything but a folder, and using it
//!   may wait: that belongs on a thread of its own, or the wait has neither bound nor end.
//!
//! Everything else is refused at once, with an error that says what it is. No crate but this one may open files by other
//! means: a lint forbids it.

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod kind;
mod make;
mod named;
mod options;
mod whole;

pub use kind::{FileKind, NotRegular};
pub use make::{create_private_dir, is_at, replace};
pub use named::{Input, open_input, open_output, read_pipe_within};
pub use options::{Options, given, own};
pub use whole::{LARGEST_GIVEN, open_folder, read_given, read_given_to_string, read_own, read_own_to_string};

#[cfg(test)]
mod tests;
