//! The input of a request, and the destination of its output.

mod input;
mod output;
mod output_file;
mod stream;

pub(crate) use input::{Origin, source, whole_text, within};
pub(crate) use output::{Sink, file_for};
pub(crate) use output_file::OutputFile;
