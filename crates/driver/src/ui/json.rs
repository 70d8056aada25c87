//! Output for programs: one object a line.

use mer_core::redacted;
use mer_core::write_visible_json;
use serde::Serialize;

use crate::errors::CliError;

/// Bytes of full lines that are written at once, so that a long list appears while it is made.
const CHUNK: usize = 64 * 1024;

/// Writes one line for each item.
pub(super) fn lines<T: Serialize>(
    items: &[T],
    mut write: impl FnMut(&[u8]) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let mut buffer = Vec::new();
    for item in items {
        line(item, &mut buffer)?;
        if buffer.len() >= CHUNK {
            write(&buffer)?;
            buffer.clear();
        }
    }
    if buffer.is_empty() { Ok(()) } else { write(&buffer) }
}

/// Adds the line of one item.
pub(super) fn line<T: Serialize>(item: &T, buffer: &mut Vec<u8>) -> Result<(), CliError> {
    write_visible_json(&mut *buffer, item)
        .map_err(|source| CliError::bug("a result cannot be written as JSON").caused_by(source))?;
    buffer.push(b'\n');
    Ok(())
}

#[derive(Serialize)]
struct ExitError {
    message_type: &'static str,
    code: u8,
    message: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    causes: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hints: Vec<String>,
}

/// Returns the last line on stderr of a command that fails.
pub(super) fn exit_error(error: &CliError) -> String {
    let line = ExitError {
        message_type: "exit_error",
        code: error.exit_code(),
        message: redacted(&error.to_string()),
        causes: error.causes().iter().map(|cause| redacted(cause)).collect(),
        hints: error.shown_hints().iter().map(|hint| redacted(hint)).collect(),
    };
    let mut text = Vec::new();
    // Strings and a number can always be written as JSON.
    let _ = write_visible_json(&mut text, &line);
    String::from_utf8(text).unwrap_or_default() + "\n"
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
    fn nothing_invisible_is_written_and_the_text_is_the_same() {
        let text = "a\u{202e}b\u{9b}\u{7f}\u{feff}\u{e0041}ü\n\0";
        let mut out = Vec::new();
        write_visible_json(&mut out, &text).expect("JSON");
        let out = String::from_utf8(out).expect("text");
        assert_eq!(out, "\"a\\u202eb\\u009b\\u007f\\ufeff\\udb40\\udc41ü\\n\\u0000\"");
        assert_eq!(serde_json::from_str::<String>(&out).expect("a text"), text);
    }

    #[test]
    fn a_failure_shows_no_password() {
        let error =
            CliError::config("no `ws://u:hunter2@h`").caused_by("PASSWORD=hunter2").hint("--db=ws://u:hunter2@h");
        assert!(!exit_error(&error).contains("hunter2"), "{}", exit_error(&error));
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
