//! A process over there, in the shape of a local one.

mod control;
mod greet;
mod script;
mod start;

pub(crate) use control::RemoteControl;
pub(super) use script::find;
pub(super) use start::{Shell, check, start};
