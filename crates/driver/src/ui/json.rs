//! Output for programs: one object a line.

use std::io;

use mer_core::{is_invisible, redacted};
use serde::Serialize;

use crate::errors::CliError;

/// Bytes of full lines that are written at once, so that a long list appears while it is made.
const CHUNK: usize = 64 * 1024;

/// `serde_json`'s compact form, with invisible and control characters escaped. It reads back as the same text.
struct EscapeInvisible;

impl serde_json::ser::Formatter for EscapeInvisible {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(is_invisible) {
            let (before, after) = rest.split_at(at);
            writer.write_all(before.as_bytes())?;
            let Some(c) = after.chars().next() else { break };
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = &after[c.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }
}

/// Writes a value as JSON that may be shown on a terminal.
///
/// # Errors
/// As `serde_json::to_writer`.
pub(crate) fn to_writer<T: Serialize>(writer: impl io::Write, value: &T) -> serde_json::Result<()> {
    value.serialize(&mut serde_json::Serializer::with_formatter(writer, EscapeInvisible))
}

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
    to_writer(&mut *buffer, item)
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
        hints: error.hints().iter().map(|hint| redacted(hint)).collect(),
    };
    let mut text = Vec::new();
    // Strings and a number can always be written as JSON.
    let _ = to_writer(&mut text, &line);
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
        to_writer(&mut out, &text).expect("JSON");
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
