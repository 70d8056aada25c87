//! Output and prompts. Nothing else in this crate writes to a standard stream, except the output of models (`io`): tables
//! for people, one JSON object a line for programs (`--json`), nothing but data for cron (`--quiet`); diagnostics go to
//! stderr.

mod blocking_write;
mod cell_format;
mod format;
mod json;
mod list;
mod log_writer;
mod output;
mod paged_output;
mod pager;
mod plural;
mod progress;
mod prompt_secret;
mod prompt_yes_no;
mod status_line;
mod stderr;
mod stdout;
mod table;
mod text;
mod views;

pub(crate) use cell_format::CellFormat;
pub(crate) use format::Format;
pub(crate) use log_writer::LogWriter;
pub(crate) use output::{Ui, stdin_is_terminal};
pub(crate) use pager::set_pager;
pub(crate) use plural::counted;
pub(crate) use progress::{ProgressLine, WaitNotice};
pub(crate) use prompt_secret::{ask_secret, stop_asking};
pub(crate) use status_line::{
    hide as hide_status_line, is_suspended as is_terminal_taken, take_was_suspended as was_terminal_taken,
};
pub(crate) use stderr::write as write_stderr;
pub(crate) use views::{Details, TableRow};
