//! Scripts: lines without a prompt, run until the first failure.

use std::collections::VecDeque;

use super::{
    dispatch::Dispatch,
    input_event::{Event, InputEvent, next_event},
    script_input::ScriptInput,
    session::{LineSource, Next, Session},
    split::{is_complete, missing},
};
use crate::{
    errors::{CliError, ExitCode},
    ui::Ui,
};

/// Runs a script; returns the code of its first failure, or 0.
///
/// # Errors
/// It cannot be read, or is not UTF-8.
pub(super) async fn run<D: Dispatch>(dispatch: &mut D, mut input: ScriptInput, ui: Ui) -> Result<u8, CliError> {
    let mut lines = VecDeque::new();
    let mut session = Session::new(dispatch, ui, LineSource::Script);
    let mode = session.mode();
    let mut number = 0;
    loop {
        // Reads lines until the unit is complete.
        let mut unit = String::new();
        let first = number + 1;
        loop {
            if lines.is_empty() {
                match next_event(session.dispatch, input.next()).await {
                    Event::Input(Some(InputEvent::Lines(portion))) => lines = portion,
                    Event::Input(Some(InputEvent::Failed(error))) => return Err(error),
                    Event::Input(_) => break,
                    Event::Signal(signal) => return Ok(ExitCode::of_signal(signal)),
                }
            }
            let Some(line) = lines.pop_front() else { break };
            number += 1;
            let text = std::str::from_utf8(&line)
                .map_err(|_| CliError::usage(format!("line {number} of the script is not UTF-8")))?;
            unit.push_str(text);
            if is_complete(&mode.get(), unit.strip_suffix('\n').unwrap_or(&unit)) {
                break;
            }
        }
        if unit.is_empty() {
            return Ok(0);
        }
        let unit = unit.strip_suffix('\n').unwrap_or(&unit);
        // A script written on Windows ends its lines with CR LF.
        let unit = unit.strip_suffix('\r').unwrap_or(unit);
        if let Some(mark) = missing(&mode.get(), unit) {
            return Err(CliError::usage(format!(
                "line {first} of the script opens a `{mark}` that is never closed; nothing of it was sent"
            )));
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

#[cfg(test)]
mod tests {
    use super::{
        super::session::tests::{Recorder, block_on, ui},
        ScriptInput,
    };

    fn script(text: &'static [u8]) -> (Result<u8, u8>, Vec<String>) {
        let mut recorder = Recorder::default();
        let input = ScriptInput::on_thread(move || text).expect("a thread");
        let code = block_on(super::run(&mut recorder, input, ui())).map_err(|error| error.exit_code());
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
