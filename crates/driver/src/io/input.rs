//! Where a model's input comes from.

use std::io;

use bytes::Bytes;
use mer_core::{Bound, FailureKind};
use mer_meal::Input;
use mer_service::{next_chunk, open_file, read_fd};
use tokio::time::timeout;

use crate::app::App;
use crate::{cli, errors::CliError, ui};

/// Where a command was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// On a command line of its own, which has a standard input.
    Shell,
    /// In the REPL or a script, whose standard input is the commands themselves.
    Line,
}

impl App {
    /// The input of a request. A file system that does not answer is waited for no longer than the request may take, and a
    /// signal ends the wait.
    ///
    /// # Errors
    /// As [`source`]; or the bound ran out (124), or a signal came.
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
        let _told = named.as_ref().map(|path| {
            self.telling(|| format!("waiting for the input file `{}` (Ctrl-C ends the wait)", path.display()))
        });
        self.signals
            .or_ended(within(bound, source(input, origin), || {
                let path = named.unwrap_or_default();
                format!("the input file `{}` could be opened", path.display())
            }))
            .await
    }
}

/// Does `work` within the bound of a request. `what` could not be done where that runs out.
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

/// The input that a command line asks for.
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

/// All of an input as text, for commands that read a file whole.
///
/// # Errors
/// It cannot be read to its end (74), is longer than `most` bytes, or is no UTF-8 (65).
pub(crate) async fn whole_text(mut input: Input, name: &str, most: usize) -> Result<String, CliError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = next_chunk(&mut input, name).await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > most {
            return Err(CliError::input(format!("`{name}` is longer than {} MiB", most >> 20)));
        }
    }
    String::from_utf8(bytes).map_err(|_| CliError::input(format!("`{name}` is not valid UTF-8")))
}
