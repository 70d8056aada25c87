//! The error type of the command: message, causes, hints and exit code.

use std::{error::Error, fmt};

use mer_core::{Classified, FailureKind, Shortage};
use uuid::Uuid;

use super::{
    exit_code::ExitCode,
    system_hints::{full_disk_hint, shortage_hint},
};
use crate::signal::Signal;

/// A failure of a command, with all that is printed about it.
#[derive(Debug)]
pub(crate) struct CliError {
    kind: FailureKind,
    /// The signal that ended the command, where one did.
    signal: Option<Signal>,
    /// The exit code of the model, which replaces that of the kind (`run --passthrough`).
    model_exit_code: Option<u8>,
    /// The request that failed, where it was made and how it ended is not known.
    request_uid: Option<Uuid>,
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
    hints: Vec<String>,
}

impl CliError {
    /// Makes a failure of this kind. `message` is one sentence without a full stop, with the object's name in backticks.
    pub(crate) fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        let message = message.into();
        let shortage = Shortage::of_text(&message);
        let error = Self {
            kind,
            signal: None,
            model_exit_code: None,
            request_uid: None,
            message,
            source: None,
            hints: Vec::new(),
        };
        error.short_of(shortage)
    }

    /// Makes a failure of an error of a layer below, with its message and causes as they are.
    pub(crate) fn of(kind: FailureKind, error: impl Error + Send + Sync + 'static) -> Self {
        Self::new(kind, error.to_string()).caused_by(error)
    }

    /// As [`CliError::of`], for an error that knows its kind.
    pub(crate) fn classified(error: impl Classified + Send + Sync + 'static) -> Self {
        Self::of(error.failure_kind(), error)
    }

    /// The command line is wrong.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Usage, message)
    }

    /// The input or the data is rejected.
    pub(crate) fn input(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Input, message)
    }

    /// What was asked for is not allowed, or was not confirmed.
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Refused, message)
    }

    /// MER itself is at fault.
    pub(crate) fn bug(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Bug, message)
    }

    /// Settings or registration are wrong.
    pub(crate) fn config(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Config, message)
    }

    /// Input or output failed.
    pub(crate) fn io(message: impl Into<String>, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(FailureKind::Io, message).caused_by(source)
    }

    /// A signal ended the command.
    pub(crate) fn ended_by(signal: Signal) -> Self {
        Self::by_signal(signal, format!("ended by {signal}"))
    }

    /// As [`CliError::ended_by`], with a message that says more.
    pub(crate) fn by_signal(signal: Signal, message: impl Into<String>) -> Self {
        Self { signal: Some(signal), ..Self::new(FailureKind::Cancelled, message) }
    }

    /// Notes the signal that cancelled the work, if the failure is a cancellation.
    #[must_use]
    pub(crate) fn cancelled_by(self, signal: Option<Signal>) -> Self {
        if self.kind == FailureKind::Cancelled { Self { signal, ..self } } else { self }
    }

    /// No `object` has this name. The hint is the nearest known names, or else the command that lists all of them.
    pub(crate) fn not_found<'a>(object: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        Self::new(FailureKind::NotFound, format!("there is no {object} `{name}`"))
            .hint(did_you_mean(name, known).unwrap_or_else(|| format!("`mer {object} list` shows all there are")))
    }

    /// Adds the cause.
    #[must_use]
    pub(crate) fn caused_by(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let source = source.into();
        let shortage = Shortage::of(&*source);
        self.source = Some(source);
        self.short_of(shortage)
    }

    /// Turns the failure into that of a shortage of this machine, where one caused it: a shortage is no fault of what was to
    /// be done. A command line, an input or a model that is at fault stays so.
    fn short_of(mut self, shortage: Option<Shortage>) -> Self {
        use FailureKind::{Bug, Busy, Config, Io, Refused, Unreachable};
        match (self.kind, shortage) {
            (Bug | Io | Busy | Config | Refused | Unreachable, Some(shortage)) => {
                self.kind = shortage.failure_kind();
                self.hint(shortage_hint(shortage))
            }
            _ => self,
        }
    }

    /// Replaces the exit code by that of the model.
    #[must_use]
    pub(crate) fn with_model_exit_code(mut self, code: u8) -> Self {
        self.model_exit_code = Some(code);
        self
    }

    /// Notes the request whose end is not known.
    #[must_use]
    pub(crate) fn of_request(mut self, request_uid: Uuid) -> Self {
        self.request_uid = Some(request_uid);
        self
    }

    /// Adds what can be done about it, unless the same hint is there.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        let hint = hint.into();
        if !self.hints.contains(&hint) {
            self.hints.push(hint);
        }
        self
    }

    /// Adds how to go on once the cause is gone, after what to do about a disk that cannot be written.
    #[must_use]
    pub(crate) fn go_on_hint(self, hint: impl Into<String>) -> Self {
        let disk = self.disk_hint();
        disk.into_iter().fold(self, Self::hint).hint(hint)
    }

    /// Replaces each hint.
    #[must_use]
    pub(crate) fn with_hints(mut self, replacement: impl Fn(&str) -> String) -> Self {
        self.hints.iter_mut().for_each(|hint| *hint = replacement(hint));
        self
    }

    /// Puts the name of an object before the message, which lacks it.
    #[must_use]
    pub(crate) fn about(mut self, object: &str) -> Self {
        self.message = format!("{object}: {}", self.message);
        self
    }

    /// Adds the text of another program as the cause.
    #[must_use]
    pub(crate) fn saying(self, text: &str) -> Self {
        self.caused_by(text.trim_end().to_owned())
    }

    /// Adds a hint with the known names that are near the wrong one, where there are any.
    #[must_use]
    pub(crate) fn did_you_mean<'a>(self, wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        match did_you_mean(wrong, known) {
            Some(hint) => self.hint(hint),
            None => self,
        }
    }

    pub(crate) const fn kind(&self) -> FailureKind {
        self.kind
    }

    /// Returns the request whose end is not known.
    pub(crate) const fn request_uid(&self) -> Option<Uuid> {
        self.request_uid
    }

    /// Returns the signal that ended the command, where one did.
    pub(crate) const fn signal(&self) -> Option<Signal> {
        self.signal
    }

    /// Returns the exit code of `mer`.
    pub(crate) const fn exit_code(&self) -> u8 {
        match (self.model_exit_code, self.signal) {
            (Some(code), _) => code,
            (None, Some(signal)) => ExitCode::of_signal(signal),
            (None, None) => ExitCode::of(self.kind),
        }
    }

    pub(crate) fn hints(&self) -> &[String] {
        &self.hints
    }

    /// Returns the hints to show: where nothing else is known, what to do about a disk that cannot be written.
    pub(crate) fn shown_hints(&self) -> Vec<String> {
        if self.hints.is_empty() { self.disk_hint().into_iter().collect() } else { self.hints.clone() }
    }

    fn disk_hint(&self) -> Option<String> {
        self.source.as_deref().and_then(|source| full_disk_hint(source))
    }

    /// Returns the causes, outermost first. A cause that the text before it contains is left out: many libraries print their
    /// source in their own message too.
    pub(crate) fn causes(&self) -> Vec<String> {
        let mut causes: Vec<String> = Vec::new();
        let mut next: Option<&dyn Error> = self.source.as_deref().map(|source| source as &dyn Error);
        while let Some(cause) = next {
            let text = cause.to_string();
            let before = causes.last().unwrap_or(&self.message);
            if !text.is_empty() && !before.contains(&text) {
                causes.push(text);
            }
            next = cause.source();
        }
        causes
    }

    /// Returns the message and the causes in one line.
    pub(crate) fn in_one_line(&self) -> String {
        self.causes().into_iter().fold(self.message.clone(), |line, cause| format!("{line}: {cause}"))
    }
}

/// Returns the hint `did you mean …?`, where a known name is near.
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
    fn each_cause_is_printed_once() {
        let inner = std::io::Error::other("disk on fire");
        let error = CliError::io("cannot write `x`", Repeats { source: inner });
        assert_eq!(error.causes(), ["outer: disk on fire"]);
        assert_eq!(error.exit_code(), 74);
    }

    #[test]
    fn a_shortage_is_to_be_tried_again() {
        let files = || std::io::Error::from_raw_os_error(24);
        for error in [CliError::io("x", files()), CliError::config("x").caused_by(files())] {
            assert_eq!((error.exit_code(), error.hints().len()), (75, 1), "{error:?}");
            assert!(error.hints()[0].contains("`ulimit -n`"), "{error:?}");
        }
        assert_eq!(CliError::usage("x").caused_by(files()).exit_code(), 64);
        assert_eq!(CliError::io("x", std::io::Error::from_raw_os_error(27)).exit_code(), 74);
    }

    #[test]
    fn a_full_disk_has_a_hint_where_there_is_no_other() {
        let full = |number| CliError::io("cannot write `x`", std::io::Error::from_raw_os_error(number));
        for (number, word) in [(28, "full"), (122, "full"), (30, "read-only")] {
            let hints = full(number).shown_hints();
            assert!(hints.len() == 1 && hints[0].contains(word) && !hints[0].contains("--data-dir"), "{hints:?}");
        }
        assert_eq!(full(28).hint("other").shown_hints(), ["other"]);
        let both = full(28).go_on_hint("go on").shown_hints();
        assert!(both.len() == 2 && both[0].contains("full") && both[1] == "go on", "{both:?}");
        assert_eq!(full(5).go_on_hint("go on").shown_hints(), ["go on"]);
        assert_eq!(full(5).shown_hints(), Vec::<String>::new());
    }

    #[test]
    fn only_near_names_become_a_hint() {
        let error = CliError::not_found("model", "irsi", ["iris", "echo"]);
        assert_eq!(error.hints(), ["did you mean `iris`?"]);
        assert_eq!(error.exit_code(), 66);
        assert_eq!(CliError::not_found("model", "zzz", ["iris"]).hints(), ["`mer model list` shows all there are"]);
    }

    #[test]
    fn a_signal_and_the_exit_code_of_a_model_replace_that_of_the_kind() {
        assert_eq!(CliError::ended_by(Signal::Interrupt).exit_code(), 130);
        assert_eq!(CliError::ended_by(Signal::Terminate).exit_code(), 143);
        assert_eq!(CliError::ended_by(Signal::Hangup).exit_code(), 129);
        assert_eq!(CliError::new(FailureKind::ModelFailed, "x").with_model_exit_code(0).exit_code(), 0);
    }
}
