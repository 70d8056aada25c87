//! The output of commands, in the requested format.

use std::io::{self, IsTerminal};

use mer_core::escaped;
use serde::Serialize;

use super::{
    format::Format,
    json,
    list::List,
    progress::{ProgressLine, WaitNotice},
    prompt_yes_no, stderr, stdout,
    table::{Screen, Table},
    text,
    views::{Details, TableRow},
};
use crate::errors::{CliError, ExitCode};

/// The standard streams and the output format. Cheap to copy: a line of the REPL may have its own format.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ui {
    format: Format,
    out_is_terminal: bool,
    err_is_terminal: bool,
    colour: bool,
    wide: bool,
}

impl Ui {
    /// Uses the streams of this process. `no_color` says whether the variable `NO_COLOR` is set.
    pub(crate) fn new(format: Format, no_color: bool) -> Self {
        Self {
            format,
            out_is_terminal: io::stdout().is_terminal(),
            err_is_terminal: io::stderr().is_terminal(),
            colour: !no_color,
            wide: false,
        }
    }

    /// Returns the same streams with another format.
    #[must_use]
    pub(crate) const fn with_format(self, format: Format) -> Self {
        Self { format, ..self }
    }

    /// Returns the same streams, on which a table may be wider than the terminal if `wide` is set.
    #[must_use]
    pub(crate) const fn with_wide(self, wide: bool) -> Self {
        Self { wide, ..self }
    }

    /// Returns the columns of the terminal that tables must fit into, if they are shown to a person.
    pub(crate) fn screen_columns(&self) -> Option<usize> {
        if !self.out_is_terminal || self.wide || self.format != Format::Text {
            return None;
        }
        let size = rustix::termios::tcgetwinsize(rustix::stdio::stdout()).ok()?;
        Some(size.ws_col.into()).filter(|columns| *columns > 0)
    }

    fn screen(&self) -> Screen {
        Screen { columns: self.screen_columns(), colour: self.colour_out() }
    }

    pub(crate) const fn format(&self) -> Format {
        self.format
    }

    /// Whether standard output is a terminal.
    pub(crate) const fn out_is_terminal(&self) -> bool {
        self.out_is_terminal
    }

    /// Whether standard output may carry colour.
    pub(crate) const fn colour_out(&self) -> bool {
        self.colour && self.out_is_terminal && matches!(self.format, Format::Text)
    }

    /// Whether standard error may carry colour.
    pub(crate) const fn colour_err(&self) -> bool {
        self.colour && self.err_is_terminal
    }

    /// Writes a list.
    ///
    /// # Errors
    /// Standard output cannot be written; `ReaderGone` if its reader has left.
    pub(crate) fn list<T: TableRow>(&self, items: &[T]) -> Result<(), CliError> {
        self.begin_list().add(items)
    }

    /// Writes a table of these columns, whatever the format is. Those that are expendable are left out where a row does not fit.
    ///
    /// # Errors
    /// As [`Ui::list`].
    pub(crate) fn table(&self, columns: &[&str], expendable: &[&str], rows: &[Vec<String>]) -> Result<(), CliError> {
        let rows: Vec<(Vec<String>, bool)> = rows.iter().map(|cells| (cells.clone(), false)).collect();
        stdout::write_all(Table::new(self.screen()).add(columns, expendable, &rows).as_bytes())
    }

    /// Begins a list that comes piece by piece.
    pub(crate) fn begin_list(self) -> List {
        List::new(self.format, self.screen())
    }

    /// Writes one object.
    ///
    /// # Errors
    /// As [`Ui::list`].
    pub(crate) fn show<T: Details>(&self, item: &T) -> Result<(), CliError> {
        match self.format {
            Format::Text => stdout::write_all(text::fields(item, self.colour_out()).as_bytes()),
            Format::Json => self.json(item),
            Format::Quiet => Ok(()),
        }
    }

    /// Writes data as it is (an export, a completion script, help), the same in every format.
    ///
    /// # Errors
    /// As [`Ui::list`].
    pub(crate) fn data(&self, bytes: &[u8]) -> Result<(), CliError> {
        stdout::write_all(bytes)
    }

    /// Writes one object as a line of JSON in every format, for `run --json` and the like.
    ///
    /// # Errors
    /// As [`Ui::list`].
    pub(crate) fn json<T: Serialize>(&self, item: &T) -> Result<(), CliError> {
        json::lines(std::slice::from_ref(item), stdout::write_all)
    }

    /// Returns one object as a line of JSON, for callers that write it themselves.
    ///
    /// # Errors
    /// The object cannot be written as JSON (70).
    pub(crate) fn json_line<T: Serialize>(&self, item: &T) -> Result<Vec<u8>, CliError> {
        let mut line = Vec::new();
        json::line(item, &mut line).map(|()| line)
    }

    /// Writes a list as JSON in every format, one object a line.
    ///
    /// # Errors
    /// As [`Ui::list`].
    pub(crate) fn objects<T: Serialize>(&self, items: &[T]) -> Result<(), CliError> {
        json::lines(items, stdout::write_all)
    }

    /// Whether a person can be asked: standard error is a terminal that shows the question, standard input one that takes
    /// the answer.
    pub(crate) fn can_ask(&self) -> bool {
        matches!(self.format, Format::Text) && self.err_is_terminal && stdin_is_terminal()
    }

    /// Asks a yes-or-no question; returns whether the answer is yes. May be dropped while it waits.
    ///
    /// # Errors
    /// The terminal cannot be read (74).
    pub(crate) async fn confirm(&self, question: &str) -> Result<bool, CliError> {
        prompt_yes_no::confirm(&escaped(question)).await
    }

    /// Writes a note for people to stderr. Programs and cron do not get it.
    pub(crate) fn note(&self, message: &str) {
        if self.format == Format::Text {
            stderr::write(&format!("{}\n", escaped(message)));
        }
    }

    /// Returns a line for the progress of a transfer, if a person sees it.
    pub(crate) fn progress_line(&self) -> Option<ProgressLine> {
        self.shows_status().then(ProgressLine::new)
    }

    /// Shows what is waited for while the returned notice lives, if a person sees it. Must be called within the runtime.
    pub(crate) fn wait_notice(&self, line: impl FnOnce() -> String) -> Option<WaitNotice> {
        self.shows_status().then(|| WaitNotice::start(line()))
    }

    /// Whether a person sees notes as they come.
    pub(crate) fn shows_status(&self) -> bool {
        self.format == Format::Text && self.err_is_terminal
    }

    /// Writes the failure that ends the command. A reader of standard output that has gone is no failure to report.
    pub(crate) fn error(&self, error: &CliError) {
        match (error.exit_code(), self.format) {
            (ExitCode::SIGPIPE, _) => {}
            (_, Format::Json) => stderr::write(&json::exit_error(error)),
            (_, Format::Text | Format::Quiet) => stderr::write(&text::error(error, self.colour_err())),
        }
    }
}

/// Whether standard input is a terminal.
pub(crate) fn stdin_is_terminal() -> bool {
    rustix::termios::isatty(rustix::stdio::stdin())
}
