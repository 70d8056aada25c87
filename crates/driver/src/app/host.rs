//! The REPL and scripts, hosted: their lines are read on a thread of their own, their commands run here, where the
//! runtime goes on turning between them. So a warm model's diagnostics are drained, and a signal is heard, also while
//! a person thinks.

use std::{path::PathBuf, thread};

use tokio::sync::{mpsc, oneshot};

use super::{App, Origin, Signal, source};
use crate::{
    cli::{Cli, Input, RunArgs, Verb},
    commands,
    error::{CliError, Kind},
    repl::{self, Dispatch, Names, Options, SavedTerminal},
    start::finish,
    ui::Ui,
};

/// What the reading thread asks for, and where the answer goes.
enum Ask {
    Run { cli: Box<Cli>, code: oneshot::Sender<u8> },
    Input { model: String, text: String, code: oneshot::Sender<u8> },
    FindModel { name: String, found: oneshot::Sender<Result<(), CliError>> },
}

/// Reads lines until there are no more, and runs what they say. Gives the exit code.
///
/// # Errors
/// The terminal or standard input cannot be read; a signal came while nothing ran.
pub(crate) async fn host(app: &App, ui: Ui) -> Result<u8, CliError> {
    let terminal = SavedTerminal::save();
    let interactive = repl::is_interactive();
    let options = Options {
        history: history_file(app),
        banner: format!("mer {}: `help` for help, `quit` or Ctrl-D to leave", env!("CARGO_PKG_VERSION")),
        names: Box::new(Known(app.database.clone())),
    };
    let (asks, mut receiver) = mpsc::channel(1);
    let (tell, over) = oneshot::channel();
    let read = move || {
        // Nobody listens any more where a signal has ended it.
        let _ = tell.send(repl::run(&mut Remote(asks), options, ui));
    };
    let spawned = thread::Builder::new().name("mer-repl".to_owned()).spawn(read);
    spawned.map_err(|error| CliError::io("cannot start a thread", error))?;
    let ended = loop {
        tokio::select! {
            biased;
            ask = receiver.recv() => match ask {
                Some(ask) => {
                    serve(app, ask, ui).await;
                    // What ended a command may have meant all of it.
                    match app.signals.take_last() {
                        Some(signal) if signal != Signal::Interrupt => break Some(signal),
                        _ => {}
                    }
                }
                None => break None,
            },
            signal = app.signals.next() => match signal {
                // At the prompt Ctrl-C is a key; a signal of that name comes from elsewhere and means nothing.
                Signal::Interrupt if interactive => {}
                signal => break Some(signal),
            },
        }
    };
    match ended {
        None => over.await.unwrap_or_else(|_| Err(CliError::new(Kind::Bug, "the thread that reads lines is gone"))),
        Some(signal) => {
            if let Some(terminal) = terminal {
                terminal.restore();
            }
            Err(CliError::new(signal.kind(), format!("ended by {signal}")))
        }
    }
}

/// The history, where there is a place for it.
fn history_file(app: &App) -> Option<PathBuf> {
    Some(app.settings.state_dir.join("history"))
}

async fn serve(app: &App, ask: Ask, ui: Ui) {
    // A reading thread that is gone wants no answer.
    match ask {
        Ask::Run { cli, code } => {
            let ui = cli.global.format().map_or(ui, |format| ui.with_format(format));
            let _ = code.send(finish(run(app, &cli, ui).await, ui));
        }
        Ask::Input { model, text, code } => {
            let args = RunArgs::plain(&model);
            let result = match source(Input::Text(text.into_bytes()), Origin::Line) {
                Ok(source) => commands::run(app, &args, source, ui).await,
                Err(error) => Err(error),
            };
            let _ = code.send(finish(result, ui));
        }
        Ask::FindModel { name, found } => {
            let _ = found.send(app.view().await.and_then(|view| view.model(&name).map(|_| ())));
        }
    }
}

async fn run(app: &App, cli: &Cli, ui: Ui) -> Result<u8, CliError> {
    if let Some(flag) = cli.global.only_at_start().first() {
        return Err(CliError::usage(format!("`{flag}` comes too late here"))
            .hint(format!("start with it: `mer {flag} …`")));
    }
    match &cli.verb {
        Some(Verb::Config(_)) => commands::config_show(&app.loaded, ui).map(|()| 0),
        Some(verb) => commands::execute(app, verb, ui, Origin::Line).await,
        None => Ok(0),
    }
}

/// The hosting side as the reading thread sees it.
struct Remote(mpsc::Sender<Ask>);

impl Remote {
    /// The answer, or nothing where the host is gone: then the process is about to end.
    fn ask<T>(&self, ask: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Option<T> {
        let (tell, answer) = oneshot::channel();
        self.0.blocking_send(ask(tell)).ok()?;
        answer.blocking_recv().ok()
    }
}

impl Dispatch for Remote {
    fn run(&mut self, cli: Cli) -> u8 {
        let cli = Box::new(cli);
        self.ask(|code| Ask::Run { cli, code }).unwrap_or(Kind::Terminated.code())
    }

    fn input(&mut self, model: &str, text: &str) -> u8 {
        let (model, text) = (model.to_owned(), text.to_owned());
        self.ask(|code| Ask::Input { model, text, code }).unwrap_or(Kind::Terminated.code())
    }

    fn find_model(&mut self, name: &str) -> Result<(), CliError> {
        let name = name.to_owned();
        self.ask(|found| Ask::FindModel { name, found }).unwrap_or(Ok(()))
    }
}

/// Names for completion, from the snapshot: it is quick, and a wrong one would only be a missing offer.
struct Known(mer_dal::Database);

impl Names for Known {
    fn models(&self) -> Vec<String> {
        let models = self.0.snapshot().map(|snapshot| snapshot.models).unwrap_or_default();
        models.into_iter().map(|model| model.name).collect()
    }

    fn servers(&self) -> Vec<String> {
        let servers = self.0.snapshot().map(|snapshot| snapshot.servers).unwrap_or_default();
        servers.into_iter().map(|server| server.name).collect()
    }
}
