//! The output of commands, in the requested format.

use std::io::{self, IsTerminal};

use jiff::tz::TimeZone;
use mer_core::escaped;
use serde::Serialize;

use super::{
    cell_format::CellFormat,
    format::Format,
    json,
    list::List,
    paged_output::{PagedOutput, TerminalSize},
    pager::has_pager,
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
    /// Whether times are in UTC, and not in the zone of the machine.
    utc: bool,
    /// Whether long output may go through a pager.
    paged: bool,
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
            utc: false,
            paged: true,
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

    /// Returns the same streams, with times in UTC if `utc` is set, and otherwise in the zone of the machine.
    #[must_use]
    pub(crate) const fn with_utc(self, utc: bool) -> Self {
        Self { utc, ..self }
    }

    /// Returns the same streams without a pager.
    #[must_use]
    pub(crate) const fn without_pager(self) -> Self {
        Self { paged: false, ..self }
    }

    /// Returns the size of the terminal, if text is shown to a person.
    fn terminal_size(&self) -> Option<TerminalSize> {
        if !self.out_is_terminal || self.format != Format::Text {
            return None;
        }
        let size = rustix::termios::tcgetwinsize(rustix::stdio::stdout()).ok()?;
        Some(TerminalSize { rows: size.ws_row.into(), columns: size.ws_col.into() })
    }

    /// Where tables are shown, and the terminal if they may be paged.
    fn screen(&self) -> (Screen, Option<TerminalSize>) {
        let size = self.terminal_size();
        let columns = size.map(|size| size.columns).filter(|columns| *columns > 0 && !self.wide);
        let zone = || if self.utc { TimeZone::UTC } else { TimeZone::system() };
        let is_for_person = self.out_is_terminal && self.format == Format::Text;
        let cells = if is_for_person { CellFormat::for_person(zone()) } else { CellFormat::default() };
        let paged = size.filter(|size| size.rows > 0 && self.paged && has_pager());
        (Screen { columns, colour: self.colour_out(), cells }, paged)
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
        let mut list = self.begin_list();
        list.add(items)?;
        list.finish()
    }

    /// Writes a table of these columns, whatever the format is. Those that are expendable are left out where a row does not fit.
    ///
    /// # Errors
    /// As [`Ui::list`].
    pub(crate) fn table(
        &self,
        columns: &[&'static str],
        expendable: &[&str],
        rows: impl FnOnce(&CellFormat) -> Vec<Vec<String>>,
    ) -> Result<(), CliError> {
        let (screen, paged) = self.screen();
        let rows: Vec<(Vec<String>, bool)> = rows(&screen.cells).into_iter().map(|cells| (cells, false)).collect();
        written(&Table::new(screen).add(columns, expendable, &rows), paged)
    }

    /// Begins a list that comes piece by piece.
    pub(crate) fn begin_list(self) -> List {
        let (screen, paged) = self.screen();
        List::new(self.format, screen, paged)
    }

    /// Writes one object.
    ///
    /// # Errors
    /// As [`Ui::list`].
    pub(crate) fn show<T: Details>(&self, item: &T) -> Result<(), CliError> {
        self.show_all(std::slice::from_ref(item))
    }

    /// Writes objects, one below the other.
    ///
    /// # Errors
    /// As [`Ui::list`].
    pub(crate) fn show_all<T: Details>(&self, items: &[T]) -> Result<(), CliError> {
        match self.format {
            Format::Text => {
                let text: String = items.iter().map(|item| text::fields(item, self.colour_out())).collect();
                written(&text, self.screen().1)
            }
            Format::Json => self.objects(items),
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

    /// Waits until the reader of standard output has gone, where it is a pipe: what writes seldom would notice that late.
    ///
    /// # Errors
    /// `ReaderGone`; it ends in no other way.
    pub(crate) async fn reader_gone(&self) -> Result<(), CliError> {
        stdout::reader_gone().await
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

/// Writes a text, through the pager if there is a terminal and the text is taller.
fn written(text: &str, paged: Option<TerminalSize>) -> Result<(), CliError> {
    let mut output = PagedOutput::begin(paged);
    output.write(text)?;
    output.finish()
}

/// Whether standard input is a terminal.
pub(crate) fn stdin_is_terminal() -> bool {
    rustix::termios::isatty(rustix::stdio::stdin())
}
