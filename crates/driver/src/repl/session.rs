//! One unit after the other: what it means, and who does it.

use std::sync::{Arc, Mutex, PoisonError};

use super::entry::{Meaning, Mode, meaning};
use crate::{
    cli::{Cli, Parsed, Verb, parse, split_line},
    error::{CliError, Kind},
    start::finish,
    ui::Ui,
};

/// What runs the commands of a REPL or script. A command that fails tells of it itself; what comes back is its exit code.
/// SIGINT during a command cancels it, a second one at once.
pub(crate) trait Dispatch {
    /// Runs a command: every verb but `use`, `quit` and `repl`.
    async fn run(&mut self, cli: Cli) -> u8;

    /// Gives a model one input, which is sent with one newline after it, and streams its answer.
    async fn input(&mut self, model: &str, text: &str) -> u8;

    /// Whether there is such a model, for `use`.
    ///
    /// # Errors
    /// There is none, or nobody can tell.
    async fn find_model(&mut self, name: &str) -> Result<(), CliError>;

    /// The next signal while no command runs: `Interrupted`, `Terminated` or `Hangup`. May be dropped and asked again.
    async fn signal(&mut self) -> Kind;

    /// The signal that came during the last command, if one did: SIGTERM and SIGHUP end the REPL too.
    fn ended_by(&self) -> Option<Kind>;
}

/// What plain lines mean now.
pub(super) fn current(mode: &Mutex<Mode>) -> Mode {
    mode.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// How it goes on after a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// With the next; this one ended with a code.
    Line(u8),
    /// Not at all.
    Leave,
}

/// The state that lines share.
pub(super) struct Session<'a, D> {
    pub(super) dispatch: &'a mut D,
    ui: Ui,
    mode: Arc<Mutex<Mode>>,
}

/// What `help` adds inside a REPL.
const HELP: &str = "
Lines are commands; a leading `mer` is ignored, `#` begins a comment, and a quote may span lines.
`use MODEL` makes plain lines inputs of that model: a line that begins with `/` is a command then, `\"\"\"` opens
and closes a longer input, and `/use` goes back. Ctrl-C cancels a model, Ctrl-R searches the history, Ctrl-D leaves.
";

impl<'a, D: Dispatch> Session<'a, D> {
    pub(super) fn new(dispatch: &'a mut D, ui: Ui) -> Self {
        Self { dispatch, ui, mode: Arc::default() }
    }

    /// What plain lines mean, shared with whoever reads them.
    pub(super) fn mode(&self) -> Arc<Mutex<Mode>> {
        Arc::clone(&self.mode)
    }

    /// Does what a unit asks for. Failures are told.
    pub(super) async fn unit(&mut self, unit: &str) -> Next {
        let meaning = meaning(&current(&self.mode), unit);
        match meaning {
            Meaning::Nothing => Next::Line(0),
            Meaning::Input { model, text } => Next::Line(self.dispatch.input(&model, &text).await),
            Meaning::Command(line) => match self.command(&line).await {
                Ok(next) => next,
                Err(error) => Next::Line(finish(Err(error), self.ui)),
            },
        }
    }

    async fn command(&mut self, line: &str) -> Result<Next, CliError> {
        let words = split_line(line)?;
        if words.len() < 2 {
            return Ok(Next::Line(0));
        }
        let asks_for_help = words.len() == 2 && words[1] == "help";
        let cli = match parse(words)? {
            Parsed::Command(cli) => *cli,
            Parsed::Tell { plain, styled } => {
                let mut text = if self.ui.colour_out() { styled } else { plain };
                if asks_for_help {
                    text.push_str(HELP);
                }
                return self.ui.data(text.as_bytes()).map(|()| Next::Line(0));
            }
        };
        match &cli.verb {
            Some(Verb::Quit) => Ok(Next::Leave),
            Some(Verb::Use(args)) => {
                let mode = match &args.model {
                    Some(model) => {
                        self.dispatch.find_model(model).await?;
                        Mode::Model(model.clone())
                    }
                    None => Mode::Commands,
                };
                *self.mode.lock().unwrap_or_else(PoisonError::into_inner) = mode;
                Ok(Next::Line(0))
            }
            Some(Verb::Repl) => Err(CliError::usage("this is the REPL")),
            None => Err(CliError::usage("a line needs a command").hint("`help` lists them")),
            Some(_) => Ok(Next::Line(self.dispatch.run(cli).await)),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::ui::Format;

    /// Remembers what it was asked for; `log show` fails with 66.
    #[derive(Default)]
    pub(crate) struct Recorder(pub(crate) Vec<String>);

    impl Dispatch for Recorder {
        async fn run(&mut self, cli: Cli) -> u8 {
            let (text, code) = match cli.verb {
                Some(Verb::Run(args)) => (format!("run {} {:?}", args.request.model, args.request.input()), 0),
                Some(Verb::Model(_)) => ("model".to_owned(), 0),
                Some(Verb::Log(_)) => ("log".to_owned(), 66),
                other => (format!("{other:?}"), 0),
            };
            self.0.push(text);
            code
        }

        async fn input(&mut self, model: &str, text: &str) -> u8 {
            self.0.push(format!("{model} < {text:?}"));
            0
        }

        async fn find_model(&mut self, name: &str) -> Result<(), CliError> {
            if name == "upper" { Ok(()) } else { Err(CliError::not_found("model", name, ["upper"])) }
        }

        async fn signal(&mut self) -> Kind {
            std::future::pending().await
        }

        fn ended_by(&self) -> Option<Kind> {
            None
        }
    }

    pub(crate) fn ui() -> Ui {
        Ui::new(Format::Text, true)
    }

    pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().expect("runtime").block_on(work)
    }

    fn units(lines: &[&str]) -> (Vec<Next>, Vec<String>) {
        let mut recorder = Recorder::default();
        let mut session = Session::new(&mut recorder, ui());
        let next = lines.iter().map(|line| block_on(session.unit(line))).collect();
        (next, recorder.0)
    }

    #[test]
    fn lines_are_commands_until_a_model_is_used() {
        let (next, done) =
            units(&["ls", "use uper", "use upper", "ls", "/mer ls", "\"\"\"a\nb\"\"\"", "/use", "ls", "quit"]);
        assert_eq!(done, ["model", "upper < \"ls\"", "model", "upper < \"a\\nb\"", "model"]);
        assert_eq!(next[1], Next::Line(66));
        assert_eq!(next.last(), Some(&Next::Leave));
    }

    #[test]
    fn wrong_lines_have_their_code_and_are_not_run() {
        let (next, done) = units(&["modle", "repl", "--json", "run 'x", "# nothing", "", "mer"]);
        let codes: Vec<Next> = [64, 64, 64, 64, 0, 0, 0].map(Next::Line).into();
        assert_eq!(next, codes);
        assert!(done.is_empty(), "{done:?}");
    }
}
