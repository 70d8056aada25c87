//! One unit after the other: what it means, and who does it.

use std::sync::{Arc, Mutex, PoisonError};

use super::split::{Meaning, Mode, meaning};
use crate::{
    cli::{Cli, Parsed, Verb, help_with, parse, split_line},
    errors::{CliError, finish},
    signal::Signal,
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

    /// Waits for the next signal while no command runs. May be dropped and called again.
    async fn signal(&mut self) -> Signal;

    /// The signal that came during the last command, if one did: SIGTERM and SIGHUP end the REPL too.
    fn ended_by(&self) -> Option<Signal>;
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

/// Where lines come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lines {
    /// A person types them.
    Typed,
    /// A script has them.
    Script,
}

/// What means a command to a person, whatever the mode. Alone on a line that a model would get, it is asked about.
const COMMANDS_OF_HABIT: [&str; 9] = ["help", "use", "quit", "exit", "bye", ":q", "\\q", "\\h", "\\?"];

/// The state that lines share.
pub(super) struct Session<'a, D> {
    pub(super) dispatch: &'a mut D,
    ui: Ui,
    lines: Lines,
    mode: Arc<Mutex<Mode>>,
}

/// What `help` adds inside a REPL.
const HELP: &str = "\
Here: lines are commands; a leading `mer` is ignored, `#` begins a comment, and a quote may span lines. \
`use MODEL` makes plain lines inputs of that model: a line that begins with `/` is a command then, `\"\"\"` opens \
and closes a longer input, and `/use` goes back. A line that begins with a blank is not kept in the history. Ctrl-C \
cancels a model, Ctrl-R searches the history, Ctrl-D leaves.";

impl<'a, D: Dispatch> Session<'a, D> {
    pub(super) fn new(dispatch: &'a mut D, ui: Ui, lines: Lines) -> Self {
        Self { dispatch, ui, lines, mode: Arc::default() }
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
            Meaning::Input { model, text } => {
                if self.lines == Lines::Typed && unit == text && is_habit(&text) {
                    return self.failed(not_sent(&model, text.trim()));
                }
                Next::Line(self.dispatch.input(&model, &text).await)
            }
            Meaning::Command(line) => match self.command(&line).await {
                Ok(next) => next,
                Err(error) => self.failed(error),
            },
        }
    }

    fn failed(&self, error: CliError) -> Next {
        let error = if self.lines == Lines::Typed { hints_as_lines(error, false) } else { error };
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
            Parsed::Tell { plain, styled } => {
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

/// Whether a line for a model is one that is probably meant for the REPL: a command that people know by heart, or `use` with a name.
fn is_habit(text: &str) -> bool {
    let mut words = text.split_whitespace();
    let (first, second, third) = (words.next().unwrap_or_default(), words.next(), words.next());
    COMMANDS_OF_HABIT.contains(&first) && (second.is_none() || (first == "use" && third.is_none()))
}

/// A line that looks like a command, and would be an input.
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

/// The failure with hints that can be typed into the REPL: there `mer` is left out, and what only counts when `mer` is started
/// says so. `allowed`: whether this REPL may change models and servers.
pub(crate) fn hints_as_lines(error: CliError, allowed: bool) -> CliError {
    const ALLOW: [&str; 2] = ["mer --allow-model-server-runtime-changes ", "mer --allow-changes "];
    error.with_hints(|hint| {
        if let Some(flag) = ALLOW.iter().find(|flag| hint.contains(**flag)) {
            if allowed {
                return hint.replace(flag, "");
            }
            let line = hint.replace(flag, "");
            let line = line.strip_prefix('`').and_then(|line| line.strip_suffix('`')).unwrap_or(&line);
            return format!("leave with `quit`, start `{}`, and say: {line}", flag.trim_end());
        }
        if hint.contains("`mer --help`") {
            return hint.replace("`mer --help`", "`help`");
        }
        let hint = hint.strip_prefix("mer ").filter(|rest| !rest.starts_with('-')).unwrap_or(hint);
        let mut text = String::with_capacity(hint.len());
        let mut rest = hint;
        while let Some((before, behind)) = rest.split_once("`mer ") {
            text.push_str(before);
            text.push_str(if behind.starts_with("--") { "`mer " } else { "`" });
            rest = behind;
        }
        text + rest
    })
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
        let mut session = Session::new(&mut recorder, ui(), Lines::Typed);
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
    fn hints_at_a_prompt_are_lines_for_it() {
        let hint = |hint: &str, allowed| {
            hints_as_lines(CliError::usage("x").hint(hint), allowed).hints().first().cloned().expect("a hint")
        };
        assert_eq!(hint("`mer model list` shows all there are", false), "`model list` shows all there are");
        assert_eq!(hint("mer model set m -- x", false), "model set m -- x");
        for flag in ["--db", "--allow-model-server-runtime-changes"] {
            let start = format!("start with it: `mer {flag}`");
            assert_eq!(hint(&start, false), start);
        }
        assert_eq!(hint("`mer --help` shows how it is written", false), "`help` shows how it is written");
        let allow = "mer --allow-model-server-runtime-changes model add m -- x";
        assert_eq!(hint(allow, true), "model add m -- x");
        assert_eq!(
            hint(allow, false),
            "leave with `quit`, start `mer --allow-model-server-runtime-changes`, and say: model add m -- x"
        );
    }

    #[test]
    fn wrong_lines_have_their_code_and_are_not_run() {
        let (next, done) = units(&["modle", "repl", "--json", "run 'x", "# nothing", "", "mer"]);
        let codes: Vec<Next> = [64, 64, 64, 64, 0, 0, 0].map(Next::Line).into();
        assert_eq!(next, codes);
        assert!(done.is_empty(), "{done:?}");
    }
}
