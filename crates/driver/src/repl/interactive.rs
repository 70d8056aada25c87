//! The REPL at a terminal.

use tokio::signal::unix::{SignalKind, signal};

use super::{
    Options, SavedTerminal,
    edited_line::EditedLine,
    input_event::{Heard, Said, hear},
    line_editor,
    session::{Dispatch, Lines, Next, Session, current},
    split::{Mode, units},
    terminal::fresh_line,
};
use crate::{
    errors::{CliError, ExitCode},
    signal::Signal,
    ui::Ui,
};

/// Talks to a person until they leave.
///
/// # Errors
/// The terminal cannot be read.
pub(super) async fn run(dispatch: &mut impl Dispatch, options: Options, ui: Ui) -> Result<u8, CliError> {
    let terminal = SavedTerminal::save();
    let mut session = Session::new(dispatch, ui, Lines::Typed);
    let continued = SignalKind::from_raw(rustix::process::Signal::CONT.as_raw());
    let mut continued = signal(continued).map_err(|source| CliError::io("cannot listen to signals", source))?;
    let mode = session.mode();
    let edited = EditedLine::default();
    let (ask, mut said) = line_editor::start(options.history, options.names, session.mode(), edited.clone())?;
    if !options.banner.is_empty() {
        ui.note(&options.banner);
    }
    let mut is_first = true;
    loop {
        if !std::mem::replace(&mut is_first, false) {
            fresh_line(ui)?;
        }
        let prompt = match current(&mode) {
            Mode::Commands => "mer> ".to_owned(),
            Mode::Model(model) => format!("{model}> "),
        };
        // Where the reader has ended, it has said why before.
        let _ = ask.send(prompt);
        let heard = loop {
            let heard = tokio::select! {
                heard = hear(session.dispatch, &mut said) => heard,
                // After a stop (`kill -STOP`, a suspended shell) the terminal has the shell's mode.
                _ = continued.recv() => {
                    terminal.as_ref().inspect(|terminal| terminal.resume_editing(&edited));
                    continue;
                }
            };
            match heard {
                // At the prompt Ctrl-C is a key; this one was meant for the command before.
                Heard::Signal(Signal::Interrupt) => {}
                heard => break heard,
            }
        };
        let entry = match heard {
            Heard::Said(Some(Said::Entry(entry))) => entry,
            Heard::Said(Some(Said::Cleared)) => continue,
            Heard::Said(Some(Said::End | Said::Lines(_)) | None) => return Ok(0),
            Heard::Said(Some(Said::Hangup)) => return Ok(ExitCode::SIGHUP),
            Heard::Said(Some(Said::Failed(error))) => return Err(error),
            Heard::Signal(signal) => {
                // The reader still holds the terminal, and will not come to give it back.
                terminal.inspect(SavedTerminal::restore);
                return Ok(ExitCode::of_signal(signal));
            }
        };
        if let Some(code) = one_entry(&mut session, &entry).await {
            return Ok(code);
        }
    }
}

/// Does what an entry asks for; gives the exit code where it was the last. What was pasted may be several commands, and the
/// first may change what the rest means.
async fn one_entry<D: Dispatch>(session: &mut Session<'_, D>, entry: &str) -> Option<u8> {
    let mode = session.mode();
    let mut rest = Some(entry);
    while let Some(text) = rest {
        let (found, _) = units(&current(&mode), text);
        let unit = found.first().copied().unwrap_or_default();
        rest = text.get(unit.len() + 1..);
        match session.unit(unit).await {
            Next::Leave => return Some(0),
            Next::Line(code @ ExitCode::SIGPIPE) => return Some(code),
            Next::Line(0) => {}
            // Of several pasted lines those after a failure were meant to follow a success.
            Next::Line(_) => rest = None,
        }
        if let Some(signal @ (Signal::Terminate | Signal::Hangup)) = session.dispatch.ended_by() {
            return Some(ExitCode::of_signal(signal));
        }
    }
    None
}
