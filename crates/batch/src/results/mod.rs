//! Results of a batch: how they are written, and how they survive the end of the process.

mod disk;
mod error_lines;
mod file_names;
mod file_results;
mod finished;
mod folder_results;
mod found;
mod kept_index;
mod render;
mod spare;
mod writer;

pub(crate) use error_lines::ErrorLines;
pub(crate) use file_results::{FileResults, beside, spare_path};
pub(crate) use finished::{Body, Finished, Ran};
pub(crate) use folder_results::FolderResults;
pub(crate) use found::Found;
pub(crate) use kept_index::KeptIndex;
pub(crate) use render::fault_of_format;
pub(crate) use spare::Spare;
pub(crate) use writer::{Destination, Write, WriteQueue, Writer};
