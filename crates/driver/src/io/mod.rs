//! The input of a request, and the destination of its output.

mod input;
mod output;

pub(crate) use input::{Origin, next_bytes, opened, source, whole_text, within};
pub(crate) use output::{OutputFile, Sink, file_for};
