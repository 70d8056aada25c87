//! Runs one unit after the other: a command, or an input of the model in use.

use super::{
    dispatch::Dispatch,
    hints::hints_as_lines,
    mode::{Mode, SharedMode},
    split::{Action, interpret},
};
use crate::{
    cli::{Parsed, Verb, help_with, parse, split_line},
    errors::{CliError, finish},
    ui::Ui,
};

/// Continuation after a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// With the next line; this unit ended with an exit code.
    Line(u8),
    /// Not at all.
    Leave,
}

/// Origin of the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineSource {
    /// A person at a terminal.
    Terminal,
    /// A script.
    Script,
}

/// Commands that people type in any mode. Alone on a line for a model they are refused with a hint, instead of being sent.
const COMMANDS_OF_HABIT: [&str; 9] = ["help", "use", "quit", "exit", "bye", ":q", "\\q", "\\h", "\\?"];

/// A REPL or script from its first line to its last.
pub(super) struct Session<'a, D> {
    pub(super) dispatch: &'a mut D,
    ui: Ui,
    source: LineSource,
    mode: SharedMode,
}

/// The paragraph that `help` adds inside a REPL.
const HELP: &str = "\
Here: lines are commands; a leading `mer` is ignored, `#` begins a comment, and a quote may span lines. \
`use MODEL` makes plain lines inputs of that model: a line that begins with `/` is a command then, `\"\"\"` opens \
and closes a longer input, and `/use` goes back. A line that begins with a blank is not kept in the history. Ctrl-C \
cancels a model, Ctrl-R searches the history, Ctrl-D leaves.";

impl<'a, D: Dispatch> Session<'a, D> {
    pub(super) fn new(dispatch: &'a mut D, ui: Ui, source: LineSource) -> Self {
        Self { dispatch, ui, source, mode: SharedMode::default() }
    }

    /// Returns the mode, shared with the thread that reads lines.
    pub(super) fn mode(&self) -> SharedMode {
        self.mode.clone()
    }

    /// Runs a unit. Failures are reported.
    pub(super) async fn unit(&mut self, unit: &str) -> Next {
        match interpret(&self.mode.get(), unit) {
            Action::Nothing => Next::Line(0),
            Action::Input { model, text } => {
                if self.source == LineSource::Terminal && unit == text && is_habit(&text) {
                    return self.failed(not_sent(&model, text.trim()));
                }
                Next::Line(self.dispatch.input(&model, &text).await)
            }
            Action::Command(line) => match self.command(&line).await {
                Ok(next) => next,
                Err(error) => self.failed(error),
            },
        }
    }

    fn failed(&self, error: CliError) -> Next {
        let error = if self.source == LineSource::Terminal { hints_as_lines(error, false) } else { error };
        Next::Line(finish(Err(error), self.ui))
    }

    async fn command(&mut self, line: &str) -> Result<Next, CliError> {
        let words = split_line(line)?;
        if words.len() < 2 {
            return Ok(Next::Line(0));
        }
        let asks_for_help = words.len() == 2 && words[1] == "help";
        let cli = match parse(words)? {
            Parsed::Command(cli) => *cli,
            Parsed::Help { plain, styled } => {
                let (plain, styled) = if asks_for_help { help_with(HELP) } else { (plain, styled) };
                let text = if self.ui.colour_out() { styled } else { plain };
                return self.ui.data(text.as_bytes()).map(|()| Next::Line(0));
            }
        };
        match &cli.verb {
            Some(Verb::Quit) => Ok(Next::Leave),
            Some(Verb::Use(args)) => {
                let mode = match &args.model {
                    Some(model) => {
                        self.dispatch.check_model(model).await?;
                        Mode::Model(model.clone())
                    }
                    None => Mode::Commands,
                };
                self.mode.set(mode);
                Ok(Next::Line(0))
            }
            Some(Verb::Repl) => Err(CliError::usage("this is the REPL")),
            None => Err(CliError::usage("a line needs a command").hint("`help` lists them")),
            Some(_) => Ok(Next::Line(self.dispatch.run(cli).await)),
        }
    }
}

/// Whether a line for a model is probably meant for the REPL: a command of habit alone, or `use` with a name.
fn is_habit(text: &str) -> bool {
    let mut words = text.split_whitespace();
    let (first, second, third) = (words.next().unwrap_or_default(), words.next(), words.next());
    COMMANDS_OF_HABIT.contains(&first) && (second.is_none() || (first == "use" && third.is_none()))
}

/// Returns the error for a line that looks like a command and would have been an input.
fn not_sent(model: &str, text: &str) -> CliError {
    let command = match text {
        "\\q" | ":q" | "bye" => "quit",
        "\\h" | "\\?" => "help",
        other => other,
    };
    CliError::usage(format!("`{text}` was not sent to `{model}`: it looks like a command"))
        .hint(format!("`/{command}` is the command"))
        .hint(format!("`\"\"\"{text}\"\"\"` sends it to the model"))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::cli::Cli;
    use crate::{signal::Signal, ui::Format};

    /// Records what it was asked for; `log show` fails with 66.
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

        async fn check_model(&mut self, name: &str) -> Result<(), CliError> {
            if name == "upper" { Ok(()) } else { Err(CliError::not_found("model", name, ["upper"])) }
        }

        async fn signal(&mut self) -> Signal {
            std::future::pending().await
        }

        fn ended_by(&self) -> Option<Signal> {
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
        let mut session = Session::new(&mut recorder, ui(), LineSource::Terminal);
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
    fn commands_of_habit_are_not_sent_to_a_model() {
        let lines = ["use upper", "help", " quit ", "\\q", "use", "use iris", "help me", "\"\"\"quit\"\"\"", "/quit"];
        let (next, done) = units(&lines);
        assert_eq!(done, ["upper < \"help me\"", "upper < \"quit\""]);
        assert_eq!(next[1..6], [64; 5].map(Next::Line));
        assert_eq!(next.last(), Some(&Next::Leave));

        let error = not_sent("upper", "\\q");
        assert_eq!(error.hints(), ["`/quit` is the command", "`\"\"\"\\q\"\"\"` sends it to the model"]);
    }

    #[test]
    fn wrong_lines_have_their_code_and_are_not_run() {
        let (next, done) = units(&["modle", "repl", "--json", "run 'x", "# nothing", "", "mer"]);
        let codes: Vec<Next> = [64, 64, 64, 64, 0, 0, 0].map(Next::Line).into();
        assert_eq!(next, codes);
        assert!(done.is_empty(), "{done:?}");
    }
}
