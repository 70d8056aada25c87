//! The REPL loop at a terminal.

use tokio::signal::unix::{SignalKind, signal};

use super::{
    dispatch::Dispatch,
    edited_line::EditedLine,
    input_event::{Event, InputEvent, next_event},
    line_editor,
    mode::Mode,
    options::Options,
    session::{LineSource, Next, Session},
    split::units,
    terminal::{SavedTerminal, fresh_line},
};
use crate::{
    errors::{CliError, ExitCode},
    signal::Signal,
    ui::Ui,
};

/// Reads and runs entries until the person leaves; returns the exit code.
///
/// # Errors
/// The terminal cannot be read.
pub(super) async fn run(dispatch: &mut impl Dispatch, options: Options, ui: Ui) -> Result<u8, CliError> {
    let terminal = SavedTerminal::save();
    let mut session = Session::new(dispatch, ui, LineSource::Terminal);
    let continued = SignalKind::from_raw(rustix::process::Signal::CONT.as_raw());
    let mut continued = signal(continued).map_err(|source| CliError::io("cannot listen to signals", source))?;
    let mode = session.mode();
    let edited = EditedLine::default();
    let (prompts, mut input) = line_editor::start(options.history, options.names, session.mode(), edited.clone())?;
    if !options.banner.is_empty() {
        ui.note(&options.banner);
    }
    let mut is_first = true;
    loop {
        if !std::mem::replace(&mut is_first, false) {
            fresh_line(ui)?;
        }
        let prompt = match mode.get() {
            Mode::Commands => "mer> ".to_owned(),
            Mode::Model(model) => format!("{model}> "),
        };
        // If the line editor has ended, its last event says why.
        let _ = prompts.send(prompt);
        let event = loop {
            let event = tokio::select! {
                event = next_event(session.dispatch, input.recv()) => event,
                // After a stop (`kill -STOP`, a suspended shell) the terminal is in the shell's mode.
                _ = continued.recv() => {
                    terminal.as_ref().inspect(|terminal| terminal.resume_editing(&edited));
                    continue;
                }
            };
            match event {
                // At the prompt Ctrl-C is a key; this signal was meant for the last command.
                Event::Signal(Signal::Interrupt) => {}
                event => break event,
            }
        };
        let entry = match event {
            Event::Input(Some(InputEvent::Entry(entry))) => entry,
            Event::Input(Some(InputEvent::Cleared)) => continue,
            Event::Input(Some(InputEvent::End | InputEvent::Lines(_)) | None) => return Ok(0),
            Event::Input(Some(InputEvent::Hangup)) => return Ok(ExitCode::SIGHUP),
            Event::Input(Some(InputEvent::Failed(error))) => return Err(error),
            Event::Signal(signal) => {
                // The line editor still has the terminal in raw mode, and does not return before the process ends.
                terminal.inspect(SavedTerminal::restore);
                return Ok(ExitCode::of_signal(signal));
            }
        };
        if let Some(code) = run_entry(&mut session, &entry).await {
            return Ok(code);
        }
    }
}

/// Runs an entry; returns the exit code if the REPL ends with it. A pasted entry may hold several commands, and `use` changes
/// how the rest is read.
async fn run_entry<D: Dispatch>(session: &mut Session<'_, D>, entry: &str) -> Option<u8> {
    let mode = session.mode();
    let mut rest = Some(entry);
    while let Some(text) = rest {
        let (found, _) = units(&mode.get(), text);
        let unit = found.first().copied().unwrap_or_default();
        rest = text.get(unit.len() + 1..);
        match session.unit(unit).await {
            Next::Leave => return Some(0),
            Next::Line(code @ ExitCode::SIGPIPE) => return Some(code),
            Next::Line(0) => {}
            // Pasted lines after a failure are dropped: they were meant to follow a success.
            Next::Line(_) => rest = None,
        }
        if let Some(signal @ (Signal::Terminate | Signal::Hangup)) = session.dispatch.ended_by() {
            return Some(ExitCode::of_signal(signal));
        }
    }
    None
}
