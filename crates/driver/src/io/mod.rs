//! What a request reads and where its answer goes.

mod input;
mod output;

pub(crate) use input::{Origin, source, whole_text, within};
pub(crate) use output::{OutputFile, Sink, file_for};
