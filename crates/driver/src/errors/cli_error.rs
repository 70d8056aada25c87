//! The one error type of the command: what went wrong, why, what to do about it, and the exit code.

use std::{error::Error, fmt};

use mer_core::{ExitCode, Shortage};

/// What kind of failure it is. Each kind has one exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The model failed.
    ModelFailed,
    /// The command line was wrong.
    Usage,
    /// The model's protocol cannot carry the input.
    Input,
    /// No such model, server, version or run.
    NotFound,
    /// The host could not be reached.
    Unreachable,
    /// A bug in MER.
    Bug,
    /// The database, or input and output, failed.
    Io,
    /// A lock, a full queue, a wait that ran out.
    Busy,
    /// The model broke its protocol.
    Protocol,
    /// Authentication, host key, changes not allowed.
    Refused,
    /// Settings, registration, or a schema that is not at this version.
    Config,
    /// A bound ran out.
    Timeout,
    /// Ended by SIGHUP.
    Hangup,
    /// Ended by Ctrl-C.
    Interrupted,
    /// Ended by SIGTERM.
    Terminated,
    /// The reader of standard output has gone: nobody is told anything.
    ReaderGone,
    /// A code that is not MER's own (`run --passthrough`).
    Code(u8),
}

impl Kind {
    /// Whether a signal ended the command.
    pub(crate) const fn is_signal(self) -> bool {
        matches!(self, Self::Hangup | Self::Interrupted | Self::Terminated)
    }

    /// The kind whose exit code this is.
    pub(crate) fn of_code(code: u8) -> Self {
        const KINDS: [Kind; 17] = [
            Kind::ModelFailed,
            Kind::Usage,
            Kind::Input,
            Kind::NotFound,
            Kind::Unreachable,
            Kind::Bug,
            Kind::Io,
            Kind::Busy,
            Kind::Protocol,
            Kind::Refused,
            Kind::Config,
            Kind::Timeout,
            Kind::Hangup,
            Kind::Interrupted,
            Kind::Terminated,
            Kind::ReaderGone,
            Kind::Code(0),
        ];
        KINDS.into_iter().find(|kind| kind.code() == code).unwrap_or(Self::Code(code))
    }

    /// The exit code.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::ModelFailed => ExitCode::MODEL_FAILED,
            Self::Usage => ExitCode::USAGE,
            Self::Input => ExitCode::INPUT,
            Self::NotFound => ExitCode::NOT_FOUND,
            Self::Unreachable => ExitCode::UNREACHABLE,
            Self::Bug => ExitCode::BUG,
            Self::Io => ExitCode::IO,
            Self::Busy => ExitCode::BUSY,
            Self::Protocol => ExitCode::PROTOCOL,
            Self::Refused => ExitCode::REFUSED,
            Self::Config => ExitCode::CONFIG,
            Self::Timeout => ExitCode::TIMEOUT,
            Self::Hangup => ExitCode::SIGHUP,
            Self::Interrupted => ExitCode::SIGINT,
            Self::Terminated => ExitCode::SIGTERM,
            Self::ReaderGone => ExitCode::SIGPIPE,
            Self::Code(code) => code,
        }
    }
}

/// A failure as the user is told of it.
#[derive(Debug)]
pub(crate) struct CliError {
    kind: Kind,
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
    hints: Vec<String>,
}

impl CliError {
    /// A failure of this kind. `message` is one sentence without a full stop; the object's name stands in backticks.
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        let message = message.into();
        let shortage = Shortage::of_text(&message);
        Self { kind, message, source: None, hints: Vec::new() }.short_of(shortage)
    }

    /// An error of a layer below, as it stands.
    pub(crate) fn of(kind: Kind, error: impl Error + Send + Sync + 'static) -> Self {
        Self::new(kind, error.to_string()).caused_by(error)
    }

    /// The command line was wrong.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// Settings or registration are wrong.
    pub(crate) fn config(message: impl Into<String>) -> Self {
        Self::new(Kind::Config, message)
    }

    /// Input or output failed.
    pub(crate) fn io(message: impl Into<String>, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(Kind::Io, message).caused_by(source)
    }

    /// No `object` has this name. The hint is the nearest known names, or else the command that lists all of them.
    pub(crate) fn not_found<'a>(object: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        Self::new(Kind::NotFound, format!("there is no {object} `{name}`"))
            .hint(did_you_mean(name, known).unwrap_or_else(|| format!("`mer {object} list` shows all there are")))
    }

    /// Why it happened.
    #[must_use]
    pub(crate) fn caused_by(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let source = source.into();
        let shortage = Shortage::of(&*source);
        self.source = Some(source);
        self.short_of(shortage)
    }

    /// Whatever was to be done: that this machine was short of something is no fault of it.
    fn short_of(mut self, shortage: Option<Shortage>) -> Self {
        match (self.kind, shortage) {
            (Kind::Bug | Kind::Io | Kind::Busy | Kind::Config | Kind::Refused | Kind::Unreachable, Some(shortage)) => {
                self.kind = Kind::of_code(shortage.exit_code());
                self.hint(shortage.hint())
            }
            _ => self,
        }
    }

    /// What to do about it.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        let hint = hint.into();
        if !self.hints.contains(&hint) {
            self.hints.push(hint);
        }
        self
    }

    /// The same, with each hint in other words.
    #[must_use]
    pub(crate) fn with_hints(mut self, words: impl Fn(&str) -> String) -> Self {
        self.hints.iter_mut().for_each(|hint| *hint = words(hint));
        self
    }

    /// The same, with the name of what it is about, which the message lacks.
    #[must_use]
    pub(crate) fn about(mut self, object: &str) -> Self {
        self.message = format!("{object}: {}", self.message);
        self
    }

    /// What somebody else said about it.
    #[must_use]
    pub(crate) fn saying(self, text: &str) -> Self {
        self.caused_by(text.trim_end().to_owned())
    }

    /// Names those of the known names that are near the wrong one; says nothing where none is.
    #[must_use]
    pub(crate) fn did_you_mean<'a>(self, wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        match did_you_mean(wrong, known) {
            Some(hint) => self.hint(hint),
            None => self,
        }
    }

    pub(crate) const fn kind(&self) -> Kind {
        self.kind
    }

    /// The exit code of `mer`.
    pub(crate) const fn code(&self) -> u8 {
        self.kind.code()
    }

    pub(crate) fn hints(&self) -> &[String] {
        &self.hints
    }

    /// The causes, outermost first. One that only repeats what was said just before is left out: many libraries
    /// print their source in their own message too.
    pub(crate) fn causes(&self) -> Vec<String> {
        let mut causes: Vec<String> = Vec::new();
        let mut next: Option<&dyn Error> = self.source.as_deref().map(|source| source as &dyn Error);
        while let Some(cause) = next {
            let text = cause.to_string();
            let said = causes.last().unwrap_or(&self.message);
            if !text.is_empty() && !said.contains(&text) {
                causes.push(text);
            }
            next = cause.source();
        }
        causes
    }

    /// The message and the causes in one line.
    pub(crate) fn in_one_line(&self) -> String {
        self.causes().into_iter().fold(self.message.clone(), |told, cause| format!("{told}: {cause}"))
    }
}

/// `did you mean …?`, where a known name is near.
pub(crate) fn did_you_mean<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    similar_names(&mer_core::nearest(wrong, known))
}

/// `did you mean …?`, where there are similar names.
pub(crate) fn similar_names<S: fmt::Display>(near: &[S]) -> Option<String> {
    let (last, others) = near.split_last()?;
    let others: String = others.iter().map(|name| format!("`{name}` or ")).collect();
    Some(format!("did you mean {others}`{last}`?"))
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for CliError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer: {source}")]
    struct Repeats {
        source: std::io::Error,
    }

    #[test]
    fn each_cause_is_told_once() {
        let inner = std::io::Error::other("disk on fire");
        let error = CliError::io("cannot write `x`", Repeats { source: inner });
        assert_eq!(error.causes(), ["outer: disk on fire"]);
        assert_eq!(error.code(), 74);
    }

    #[test]
    fn what_the_machine_is_short_of_is_to_be_tried_again() {
        let files = || std::io::Error::from_raw_os_error(24);
        for error in [CliError::io("x", files()), CliError::config("x").caused_by(files())] {
            assert_eq!((error.code(), error.hints().len()), (75, 1), "{error:?}");
            assert!(error.hints()[0].contains("`ulimit -n`"), "{error:?}");
        }
        assert_eq!(CliError::usage("x").caused_by(files()).code(), 64);
        assert_eq!(CliError::io("x", std::io::Error::from_raw_os_error(27)).code(), 74);
    }

    #[test]
    fn near_names_become_a_hint_and_strangers_do_not() {
        let error = CliError::not_found("model", "irsi", ["iris", "echo"]);
        assert_eq!(error.hints(), ["did you mean `iris`?"]);
        assert_eq!(error.code(), 66);
        assert_eq!(CliError::not_found("model", "zzz", ["iris"]).hints(), ["`mer model list` shows all there are"]);
    }
}
