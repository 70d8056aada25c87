//! Runs a built-in model by its name.

use std::{
    env,
    ffi::OsStr,
    io::{self, Write},
    path::PathBuf,
};

use super::{echo, failure::Failure, iris};
use crate::errors::ExitCode;

/// Names of the built-in models.
const NAMES: &[&str] = &["echo", "iris"];

/// Runs the built-in model `name` on the standard streams of this process and returns its exit code: 0, or 1 with a message on
/// standard error, 64 for arguments that it does not take, 66 for a name that is not in [`NAMES`], 141 when the reader of
/// standard output has gone.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "a model is a separate process, and waits for its input")]
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
            write_stderr(&format!(
                "mer example-model {name}: takes {takes} after its name; its input is standard input"
            ));
            return ExitCode::USAGE;
        }
        _ => {
            let name = mer_core::escaped(name);
            write_stderr(&format!(
                "mer example-model: there is no built-in model `{name}`; there are: {}",
                NAMES.join(", ")
            ));
            return ExitCode::NOT_FOUND;
        }
    };
    match ended {
        Ok(()) => ExitCode::OK,
        Err(Failure::Io(source)) if source.kind() == io::ErrorKind::BrokenPipe => ExitCode::SIGPIPE,
        Err(Failure::Io(source)) => {
            write_stderr(&format!("{name}: {source}"));
            ExitCode::MODEL_FAILED
        }
        Err(Failure::Message(message)) => {
            write_stderr(&format!("{name}: {message}"));
            ExitCode::MODEL_FAILED
        }
    }
}

/// Returns the path in a variable that MER sets for models.
fn path(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Writes a line to standard error. If that is closed, only the exit code tells of the failure.
fn write_stderr(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
