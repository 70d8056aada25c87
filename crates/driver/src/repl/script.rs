//! Scripts: lines without a prompt, up to the first failure.

use std::{
    collections::VecDeque,
    io::{BufRead as _, BufReader, Read},
};

use tokio::sync::mpsc;

use super::{
    input_event::{Heard, Said, Saying, hear},
    session::{Dispatch, Lines, Next, Session, current},
    split::{is_complete, missing},
};
use mer_service::spawn_thread;

use crate::{
    errors::{CliError, ExitCode},
    ui::Ui,
};

/// Portions that are read ahead, so that no command waits for the next line to be read.
const AHEAD: usize = 2;
/// Lines of a portion. A line costs less than waking a thread for it.
const PORTION: usize = 64;

/// Runs a script; returns the code of its first failure, or 0.
///
/// # Errors
/// It cannot be read, or is no UTF-8.
pub(super) async fn run<R, F, D>(dispatch: &mut D, open: F, ui: Ui) -> Result<u8, CliError>
where
    D: Dispatch,
    R: Read,
    F: FnOnce() -> R + Send + 'static,
{
    let mut said = start(open)?;
    let mut lines = VecDeque::new();
    let mut session = Session::new(dispatch, ui, Lines::Script);
    let mode = session.mode();
    let mut number = 0;
    loop {
        // A unit goes on over as many lines as it takes.
        let mut unit = String::new();
        let first = number + 1;
        loop {
            if lines.is_empty() {
                match hear(session.dispatch, &mut said).await {
                    Heard::Said(Some(Said::Lines(portion))) => lines = portion,
                    Heard::Said(Some(Said::Failed(error))) => return Err(error),
                    Heard::Said(_) => break,
                    Heard::Signal(signal) => return Ok(ExitCode::of_signal(signal)),
                }
            }
            let Some(line) = lines.pop_front() else { break };
            number += 1;
            let text = std::str::from_utf8(&line)
                .map_err(|_| CliError::usage(format!("line {number} of the script is no UTF-8")))?;
            unit.push_str(text);
            if is_complete(&current(&mode), unit.strip_suffix('\n').unwrap_or(&unit)) {
                break;
            }
        }
        if unit.is_empty() {
            return Ok(0);
        }
        let unit = unit.strip_suffix('\n').unwrap_or(&unit);
        // A script written on Windows ends its lines with CR LF.
        let unit = unit.strip_suffix('\r').unwrap_or(unit);
        if let Some(mark) = missing(&current(&mode), unit) {
            let sentence =
                format!("line {first} of the script opens a `{mark}` that nothing closes; nothing of it was sent");
            return Err(CliError::usage(sentence));
        }
        match session.unit(unit).await {
            Next::Line(0) => {}
            Next::Leave => return Ok(0),
            Next::Line(code) => {
                if code != ExitCode::SIGPIPE {
                    ui.note(&format!("the script stopped at line {first}"));
                }
                return Ok(code);
            }
        }
    }
}

/// Reads on a thread of its own, so that signals are heard while standard input has nothing to say.
fn start<R, F>(open: F) -> Result<Saying, CliError>
where
    R: Read,
    F: FnOnce() -> R + Send + 'static,
{
    let (say, said) = mpsc::channel(AHEAD);
    spawn_thread("script", move || {
        let mut input = BufReader::new(open());
        loop {
            let mut lines = VecDeque::new();
            let outcome = loop {
                let mut line: Vec<u8> = Vec::new();
                match input.read_until(b'\n', &mut line) {
                    Ok(0) => break Ok(false),
                    Ok(_) => lines.push_back(line),
                    Err(source) => break Err(CliError::io("cannot read commands from standard input", source)),
                }
                // Only what is there already: a person or a program may wait for an answer to this very line.
                if lines.len() >= PORTION || !input.buffer().contains(&b'\n') {
                    break Ok(true);
                }
            };
            if !lines.is_empty() && say.blocking_send(Said::Lines(lines)).is_err() {
                return;
            }
            match outcome {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    let _ = say.blocking_send(Said::Failed(error));
                    return;
                }
            }
        }
    })
    .map_err(|source| CliError::io("cannot start a thread for the script", source))?;
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::super::session::tests::{Recorder, block_on, ui};

    fn script(text: &'static [u8]) -> (Result<u8, u8>, Vec<String>) {
        let mut recorder = Recorder::default();
        let code = block_on(super::run(&mut recorder, move || text, ui())).map_err(|error| error.exit_code());
        (code, recorder.0)
    }

    #[test]
    fn a_script_is_lines_comments_and_continuations() {
        let (code, done) =
            script(b"# first\n\nls\r\nmer ls # same\nrun m \\\n  'a\nb'\nuse upper\n\"\"\"x\ny\"\"\"\ndon't\n/ls");
        assert_eq!(code, Ok(0));
        let run = format!("run m {:?}", Ok::<_, ()>(crate::cli::Input::Text(b"a\nb".to_vec())));
        assert_eq!(done, ["model", "model", &run, "upper < \"x\\ny\"", "upper < \"don't\"", "model"]);
    }

    #[test]
    fn a_script_stops_at_its_first_failure_with_its_code() {
        assert_eq!(script(b"ls\nlog show\nls\n"), (Ok(66), vec!["model".to_owned(), "log".to_owned()]));
        assert_eq!(script(b"modle\nls\n"), (Ok(64), Vec::new()));
        assert_eq!(script(b"ls\nquit\nmodle\n"), (Ok(0), vec!["model".to_owned()]));
        assert_eq!(script(b"ls\nrun m 'open\n"), (Err(64), vec!["model".to_owned()]));
        assert_eq!(script(b"use upper\n\"\"\"open\nand more\n"), (Err(64), Vec::new()));
        assert_eq!(script(b"ls \xff\n"), (Err(64), Vec::new()));
        assert_eq!(script(b""), (Ok(0), Vec::new()));
    }
}
