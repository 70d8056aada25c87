//! Scripts: lines without a prompt, up to the first failure.

use std::{io::BufRead, thread};

use tokio::sync::mpsc;

use super::{
    entry::is_complete,
    said::{Heard, Said, Saying, hear},
    session::{Dispatch, Next, Session, current},
};
use crate::{
    error::{CliError, Kind},
    ui::Ui,
};

/// Lines that are read ahead, so that no command waits for the next line to be read.
const AHEAD: usize = 64;

/// Runs a script; returns the code of its first failure, or 0.
///
/// # Errors
/// It cannot be read, or is no UTF-8.
pub(super) async fn run<R, F, D>(dispatch: &mut D, open: F, ui: Ui) -> Result<u8, CliError>
where
    D: Dispatch,
    R: BufRead,
    F: FnOnce() -> R + Send + 'static,
{
    let mut said = start(open)?;
    let mut session = Session::new(dispatch, ui);
    let mode = session.mode();
    let mut number = 0;
    loop {
        // A unit goes on over as many lines as it takes.
        let mut unit = String::new();
        let first = number + 1;
        loop {
            let line = match hear(session.dispatch, &mut said).await {
                Heard::Said(Some(Said::Line(line))) => line,
                Heard::Said(Some(Said::Failed(error))) => return Err(error),
                Heard::Said(_) => break,
                Heard::Signal(kind) => return Ok(kind.code()),
            };
            number += 1;
            let text = std::str::from_utf8(&line)
                .map_err(|_| CliError::new(Kind::Usage, format!("line {number} of the script is no UTF-8")))?;
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
        match session.unit(unit).await {
            Next::Line(0) => {}
            Next::Leave => return Ok(0),
            Next::Line(code) => {
                if code != Kind::ReaderGone.code() {
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
    R: BufRead,
    F: FnOnce() -> R + Send + 'static,
{
    let (say, said) = mpsc::channel(AHEAD);
    thread::Builder::new()
        .name("script".to_owned())
        .spawn(move || {
            let mut input = open();
            loop {
                let mut line = Vec::new();
                let (next, over) = match input.read_until(b'\n', &mut line) {
                    Ok(0) => return,
                    Ok(_) => (Said::Line(line), false),
                    Err(source) => {
                        (Said::Failed(CliError::io("cannot read commands from standard input", source)), true)
                    }
                };
                if say.blocking_send(next).is_err() || over {
                    return;
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
        let code = block_on(super::run(&mut recorder, move || text, ui())).map_err(|error| error.code());
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
        assert_eq!(script(b"ls\nrun m 'open\n"), (Ok(64), vec!["model".to_owned()]));
        assert_eq!(script(b"ls \xff\n"), (Err(64), Vec::new()));
        assert_eq!(script(b""), (Ok(0), Vec::new()));
    }
}
