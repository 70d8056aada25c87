//! The example models that are built into the binary: `mer example-model NAME [ARGS…]`.
//!
//! They are models like any other: programs that read standard input and write standard output. Being built in, they
//! also run where there is no interpreter and no shell. They use the standard library only and touch neither settings
//! nor database, so that they start at once.

mod echo;
mod iris;
mod npy;

use std::{
    env,
    ffi::OsStr,
    io::{self, Write},
    path::PathBuf,
};

use crate::errors::ExitCode;

/// The names that [`run`] knows.
pub(crate) const NAMES: &[&str] = &["echo", "iris"];

/// Runs the built-in model `name` on the standard streams of this process, and returns its exit code: 0, or 1 with a
/// sentence on standard error, 64 for arguments that it does not take, 66 for a name that is none of [`NAMES`], 141
/// when the reader of standard output has gone.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "a model is a process of its own, and waits for its input")]
pub(crate) fn run<A: AsRef<OsStr>>(name: &str, args: &[A]) -> u8 {
    let verb = args.first().map(|argument| argument.as_ref().to_string_lossy());
    let ended = match (name, verb.as_deref(), args.len()) {
        ("echo", None, _) => echo::copy(io::stdin(), io::stdout()),
        ("iris", None, _) => iris::infer(io::stdin().lock(), io::stdout().lock(), path("MER_WEIGHTS").as_deref()),
        ("iris", Some("train"), 1) => {
            iris::train(io::stdin().lock(), io::stderr().lock(), path("MER_WEIGHTS_OUT").as_deref())
        }
        ("echo" | "iris", _, _) => {
            let takes = if name == "iris" { "nothing, or `train`" } else { "nothing" };
            say(&format!("mer example-model {name}: takes {takes} after its name; its input is standard input"));
            return ExitCode::USAGE;
        }
        _ => {
            let name = mer_core::escaped(name);
            say(&format!("mer example-model: there is no built-in model `{name}`; there are: {}", NAMES.join(", ")));
            return ExitCode::NOT_FOUND;
        }
    };
    match ended {
        Ok(()) => ExitCode::OK,
        Err(Failure::Io(source)) if source.kind() == io::ErrorKind::BrokenPipe => ExitCode::SIGPIPE,
        Err(Failure::Io(source)) => {
            say(&format!("{name}: {source}"));
            ExitCode::MODEL_FAILED
        }
        Err(Failure::Said(sentence)) => {
            say(&format!("{name}: {sentence}"));
            ExitCode::MODEL_FAILED
        }
    }
}

/// Why a built-in model gave up.
#[derive(Debug)]
enum Failure {
    /// The standard streams failed.
    Io(io::Error),
    /// Anything else, as a sentence for a person.
    Said(String),
}

impl From<io::Error> for Failure {
    fn from(source: io::Error) -> Self {
        Self::Io(source)
    }
}

/// A path that MER has put into the model's environment.
fn path(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// A line on standard error. Where even that is closed, the exit code has to do.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
