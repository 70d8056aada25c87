//! Scripts: lines without a prompt, up to the first failure.

use std::io::BufRead;

use super::{
    entry::is_complete,
    session::{Dispatch, Next, Session},
};
use crate::{
    error::{CliError, Kind},
    ui::Ui,
};

/// Runs a script; returns the code of its first failure, or 0.
///
/// # Errors
/// It cannot be read, or is no UTF-8.
pub(super) fn run(dispatch: &mut dyn Dispatch, mut input: impl BufRead, ui: Ui) -> Result<u8, CliError> {
    let mut session = Session::new(dispatch, ui);
    let mode = session.mode();
    let mut number = 0;
    let mut line = Vec::new();
    loop {
        // A unit goes on over as many lines as it takes.
        let mut unit = String::new();
        let first = number + 1;
        loop {
            line.clear();
            let read = input.read_until(b'\n', &mut line);
            let read = read.map_err(|source| CliError::io("cannot read commands from standard input", source))?;
            if read == 0 {
                break;
            }
            number += 1;
            let text = std::str::from_utf8(&line)
                .map_err(|_| CliError::new(Kind::Usage, format!("line {number} of the script is no UTF-8")))?;
            unit.push_str(text);
            if is_complete(&mode.borrow(), unit.strip_suffix('\n').unwrap_or(&unit)) {
                break;
            }
        }
        if unit.is_empty() {
            return Ok(0);
        }
        let unit = unit.strip_suffix('\n').unwrap_or(&unit);
        // A script written on Windows ends its lines with CR LF.
        let unit = unit.strip_suffix('\r').unwrap_or(unit);
        match session.unit(unit) {
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

#[cfg(test)]
mod tests {
    use super::super::session::tests::{Recorder, ui};

    fn script(text: &[u8]) -> (Result<u8, u8>, Vec<String>) {
        let mut recorder = Recorder::default();
        let code = super::run(&mut recorder, text, ui()).map_err(|error| error.code());
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
