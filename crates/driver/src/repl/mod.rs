//! The REPL, and scripts: the same lines, read from a person with a prompt or from standard input without one.
//!
//! Reading may block, so it happens on another thread, while [`run`] waits for input or a signal; a pipe is read without one.
//! While a command runs nothing is read and the terminal is in its usual mode: Ctrl-C is SIGINT then, and belongs to
//! [`Dispatch`]; at the prompt it is a key.

mod completion;
mod dispatch;
mod edited_line;
mod helper;
mod hints;
mod history;
mod input_event;
mod interactive;
mod line_editor;
mod mode;
mod options;
mod piped_lines;
mod run;
mod script;
mod script_input;
mod session;
mod split;
mod terminal;

pub(crate) use completion::Names;
pub(crate) use dispatch::Dispatch;
pub(crate) use hints::hints_as_lines;
pub(crate) use options::Options;
pub(crate) use run::{is_interactive, run};

#[cfg(test)]
mod tests;
