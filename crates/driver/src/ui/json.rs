//! Output for programs: one object a line.

use serde::Serialize;

use crate::error::{CliError, Kind};

/// Full lines are handed on when this many bytes have come together, so that a long list is no long wait.
const CHUNK: usize = 64 * 1024;

/// Writes one line an item.
pub(super) fn lines<T: Serialize>(
    items: &[T],
    mut put: impl FnMut(&[u8]) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let mut buffer = Vec::new();
    for item in items {
        line(item, &mut buffer)?;
        if buffer.len() >= CHUNK {
            put(&buffer)?;
            buffer.clear();
        }
    }
    if buffer.is_empty() { Ok(()) } else { put(&buffer) }
}

/// Adds one line.
pub(super) fn line<T: Serialize>(item: &T, buffer: &mut Vec<u8>) -> Result<(), CliError> {
    serde_json::to_writer(&mut *buffer, item)
        .map_err(|source| CliError::new(Kind::Bug, "a result cannot be written as JSON").caused_by(source))?;
    buffer.push(b'\n');
    Ok(())
}

#[derive(Serialize)]
struct ExitError<'a> {
    message_type: &'static str,
    code: u8,
    message: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    causes: Vec<String>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    hints: &'a [String],
}

/// The line that ends stderr when a command fails.
pub(super) fn exit_error(error: &CliError) -> String {
    let line = ExitError {
        message_type: "exit_error",
        code: error.code(),
        message: error.to_string(),
        causes: error.causes(),
        hints: error.hints(),
    };
    serde_json::to_string(&line).unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_ends_with_its_code_and_message() {
        let error = CliError::config("no").hint("try");
        assert_eq!(
            exit_error(&error),
            "{\"message_type\":\"exit_error\",\"code\":78,\"message\":\"no\",\"hints\":[\"try\"]}\n"
        );
    }

    #[test]
    fn a_list_is_one_object_a_line() {
        let mut out = Vec::new();
        lines(&["a", "b\nc"], |bytes| {
            out.extend_from_slice(bytes);
            Ok(())
        })
        .expect("lines");
        assert_eq!(out, b"\"a\"\n\"b\\nc\"\n");
    }
}
