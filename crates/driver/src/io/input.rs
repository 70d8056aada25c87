//! Reading a model's input: standard input, a file, or text of the command line.

use std::io;

use bytes::Bytes;
use mer_core::{Bound, FailureKind};
use mer_meal::Input;
use mer_service::{next_chunk, open_file, read_fd};
use tokio::time::timeout;

use crate::app::App;
use crate::{cli, errors::CliError, ui};

/// The origin of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A command line of a shell, with its own standard input.
    Shell,
    /// A line of the REPL or of a script, where standard input is the commands themselves.
    Line,
}

impl App {
    /// Opens the input of a request. The wait for a file system that does not answer is bounded by the request's timeout and
    /// ended by a signal.
    ///
    /// # Errors
    /// As [`source`]; or the timeout ran out (124), or a signal came.
    pub(crate) async fn input(
        &self,
        input: cli::Input,
        origin: Origin,
        bound: Option<Bound>,
    ) -> Result<Input, CliError> {
        if let (Some(ui), Origin::Shell, cli::Input::Absent) = (self.ui(), origin, &input)
            && ui.can_ask()
        {
            ui.note("no input was given, and an empty one is sent; `-` reads from the terminal");
        }
        let named = match &input {
            cli::Input::File(path) => Some(path.clone()),
            _ => None,
        };
        let _notice = named.as_ref().map(|path| {
            self.show_wait(|| format!("waiting for the input file `{}` (Ctrl-C ends the wait)", path.display()))
        });
        self.signals
            .unless_ended(within(bound, source(input, origin), || {
                let path = named.unwrap_or_default();
                format!("the input file `{}` could be opened", path.display())
            }))
            .await
    }
}

/// Runs `work` within the timeout of a request.
///
/// # Errors
/// As `work`; or the timeout ran out (124): the message says what did not happen in time, `what`.
pub(crate) async fn within<T>(
    bound: Option<Bound>,
    work: impl Future<Output = Result<T, CliError>>,
    what: impl FnOnce() -> String,
) -> Result<T, CliError> {
    let bound = bound.unwrap_or(mer_core::Bounds::default().timeout);
    let Some(duration) = bound.duration() else { return work.await };
    timeout(duration, work).await.unwrap_or_else(|_| {
        Err(CliError::new(FailureKind::Timeout, format!("`timeout` ran out after {bound}, before {}", what())))
    })
}

/// Opens the input that a command line asks for.
///
/// # Errors
/// The file cannot be opened (74), or there is no standard input to read (64).
pub(crate) async fn source(input: cli::Input, origin: Origin) -> Result<Input, CliError> {
    match (input, origin) {
        (cli::Input::Text(mut text), _) => {
            text.push(b'\n');
            Ok(Input::Bytes(text.into()))
        }
        (cli::Input::File(path), _) => {
            let name = path.display().to_string();
            let opened = open_file(path).await;
            opened.map_err(|error| CliError::io(format!("cannot read the input file `{name}`"), error))
        }
        (cli::Input::Stdin, Origin::Line) => {
            Err(CliError::usage("`-` is standard input, and here that is where commands come from")
                .hint("give the input on the line, or as `@FILE`"))
        }
        (cli::Input::Absent, Origin::Line) => Ok(Input::Bytes(Bytes::new())),
        (cli::Input::Absent, Origin::Shell) if ui::stdin_is_terminal() => Ok(Input::Bytes(Bytes::new())),
        (cli::Input::Absent | cli::Input::Stdin, Origin::Shell) => {
            let stdin = rustix::io::dup(rustix::stdio::stdin());
            let stdin = stdin.map_err(|errno| CliError::io("there is no standard input", io::Error::from(errno)))?;
            read_fd(stdin).map_err(|error| CliError::io("cannot start a thread", error))
        }
    }
}

/// Reads a whole input as text.
///
/// # Errors
/// It cannot be read to its end (74), is longer than `max_bytes`, or is not UTF-8 (65).
pub(crate) async fn whole_text(mut input: Input, name: &str, max_bytes: usize) -> Result<String, CliError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = next_chunk(&mut input, name).await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > max_bytes {
            return Err(CliError::input(format!("`{name}` is longer than {} MiB", max_bytes >> 20)));
        }
    }
    String::from_utf8(bytes).map_err(|_| CliError::input(format!("`{name}` is not valid UTF-8")))
}
