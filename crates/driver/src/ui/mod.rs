//! Output. Nothing else in this crate writes to a standard stream: tables for people, one JSON object a line for
//! programs (`--json`), nothing but data for cron (`--quiet`); diagnostics on stderr.

mod json;
mod progress;
mod prompt_secret;
mod prompt_yes_no;
mod quiet;
mod rows;
mod safe;
mod stalled;
mod stream;
mod text;

use std::io::{self, IsTerminal};

use mer_core::escaped;
use serde::Serialize;

pub(crate) use progress::{Passing, Telling};
pub(crate) use prompt_secret::{ask_secret, stop_asking};
pub(crate) use rows::Rows;
pub(crate) use safe::Safe;
pub(crate) use stream::{emergency, step_aside};

use crate::errors::{CliError, ExitCode};

/// For whom the output is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// People.
    #[default]
    Text,
    /// Programs.
    Json,
    /// Cron: nothing on success but data that was asked for byte by byte.
    Quiet,
}

/// Something of which lists are shown: its JSON is its `Serialize`.
pub(crate) trait Listed: Serialize {
    /// The heads of the table's columns.
    const COLUMNS: &'static [&'static str];

    /// One cell a column.
    fn cells(&self) -> Vec<String>;
}

/// Something that is shown alone: its JSON is its `Serialize`.
pub(crate) trait Shown: Serialize {
    /// Labels and values for people. A value of several lines is set below its label.
    fn fields(&self) -> Vec<(&'static str, String)>;
}

/// Where output goes and for whom it is. Cheap to copy: a line of the REPL may have a format of its own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ui {
    format: Format,
    out_is_terminal: bool,
    err_is_terminal: bool,
    colour: bool,
}

impl Ui {
    /// The process's own streams. `no_color` is whether the variable `NO_COLOR` is set.
    pub(crate) fn new(format: Format, no_color: bool) -> Self {
        Self {
            format,
            out_is_terminal: io::stdout().is_terminal(),
            err_is_terminal: io::stderr().is_terminal(),
            colour: !no_color,
        }
    }

    /// The same streams in another format.
    #[must_use]
    pub(crate) const fn with_format(self, format: Format) -> Self {
        Self { format, ..self }
    }

    pub(crate) const fn format(&self) -> Format {
        self.format
    }

    /// Whether standard output may carry colour.
    pub(crate) const fn colour_out(&self) -> bool {
        self.colour && self.out_is_terminal && matches!(self.format, Format::Text)
    }

    /// Whether standard error may carry colour.
    pub(crate) const fn colour_err(&self) -> bool {
        self.colour && self.err_is_terminal
    }

    /// A list.
    ///
    /// # Errors
    /// Standard output cannot be written; `ReaderGone` where its reader has left.
    pub(crate) fn list<T: Listed>(&self, items: &[T]) -> Result<(), CliError> {
        self.rows().add(items)
    }

    /// A list that comes piece by piece.
    pub(crate) const fn rows(self) -> Rows {
        Rows::new(self)
    }

    /// One object.
    ///
    /// # Errors
    /// As [`Ui::list`].
    pub(crate) fn show<T: Shown>(&self, item: &T) -> Result<(), CliError> {
        match self.format {
            Format::Text => put(text::fields(item, self.colour_out()).as_bytes()),
            Format::Json => json::lines(std::slice::from_ref(item), put),
            Format::Quiet => quiet::told(),
        }
    }

    /// Data that was asked for as it is (an export, a completion script, help): the same in every format.
    ///
    /// # Errors
    /// As [`Ui::list`].
    pub(crate) fn data(&self, bytes: &[u8]) -> Result<(), CliError> {
        put(bytes)
    }

    /// One object as a line of JSON, in whatever format: for `run --json` and its kind.
    ///
    /// # Errors
    /// As [`Ui::list`].
    pub(crate) fn json<T: Serialize>(&self, item: &T) -> Result<(), CliError> {
        json::lines(std::slice::from_ref(item), put)
    }

    /// One object as a line of JSON, to be written by the caller.
    ///
    /// # Errors
    /// It cannot be JSON.
    pub(crate) fn json_line<T: Serialize>(&self, item: &T) -> Result<Vec<u8>, CliError> {
        let mut line = Vec::new();
        json::line(item, &mut line).map(|()| line)
    }

    /// A list for programs, one object a line, in whatever format.
    ///
    /// # Errors
    /// As [`Ui::list`].
    pub(crate) fn objects<T: Serialize>(&self, items: &[T]) -> Result<(), CliError> {
        json::lines(items, put)
    }

    /// Whether there is a person who can be asked: at a terminal that shows the question and takes the answer.
    pub(crate) fn can_ask(&self) -> bool {
        matches!(self.format, Format::Text) && self.err_is_terminal && stdin_is_terminal()
    }

    /// Asks a person; whether the answer is yes. May be dropped while it waits.
    ///
    /// # Errors
    /// The terminal cannot be read (74).
    pub(crate) async fn confirm(&self, question: &str) -> Result<bool, CliError> {
        prompt_yes_no::confirm(&escaped(question)).await
    }

    /// A word to a person about what was done, on stderr. Programs and cron do not get it.
    pub(crate) fn note(&self, message: &str) {
        if self.format == Format::Text {
            stream::to_stderr(&format!("{}\n", escaped(message)));
        }
    }

    /// A line that says how far something is, where there is a person to see it.
    pub(crate) fn passing(&self) -> Option<Passing> {
        (self.format == Format::Text && self.err_is_terminal).then(Passing::new)
    }

    /// Tells of a wait while what it gives lives, where there is a person to see it. Must be called within the runtime.
    pub(crate) fn telling(&self, line: impl FnOnce() -> String) -> Option<Telling> {
        (self.format == Format::Text && self.err_is_terminal).then(|| Telling::begin(line()))
    }

    /// The failure that ends the command, told once.
    pub(crate) fn error(&self, error: &CliError) {
        match (error.exit_code(), self.format) {
            // There is no reader of a message either, as a rule.
            (ExitCode::SIGPIPE, _) => {}
            (_, Format::Json) => stream::to_stderr(&json::exit_error(error)),
            (_, Format::Text | Format::Quiet) => stream::to_stderr(&text::error(error, self.colour_err())),
        }
    }
}

/// Whether standard input is a terminal.
pub(crate) fn stdin_is_terminal() -> bool {
    rustix::termios::isatty(rustix::stdio::stdin())
}

/// A number and what it counts: `1 model`, `2 accesses`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    let ending = match (number, noun.ends_with('s')) {
        (1, _) => "",
        (_, true) => "es",
        (_, false) => "s",
    };
    format!("{number} {noun}{ending}")
}

/// Writes to standard output.
fn put(bytes: &[u8]) -> Result<(), CliError> {
    step_aside();
    stalled::write_all(bytes)
}
