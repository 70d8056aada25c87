//! A process over there, in the shape of a local one.

mod control;
mod script;
mod start;

pub(crate) use control::RemoteControl;
pub(super) use start::{Shell, check, start};
pub(super) use script::{find, go};
