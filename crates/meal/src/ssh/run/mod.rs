//! A remote process in the shape of a local one.

mod await_greeting;
mod control;
mod shell_line;
mod start;

pub(crate) use control::RemoteControl;
pub(super) use shell_line::path_query;
pub(super) use start::{Shell, check, start};
