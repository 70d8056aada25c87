//! JSON in which every invisible character is escaped.

use std::io;

use serde::Serialize;

use crate::is_invisible;

/// As `serde_json` writes, with everything escaped that no terminal should be sent. It reads back as the same text.
struct Visible;

impl serde_json::ser::Formatter for Visible {
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
pub fn write_visible_json<T: Serialize>(writer: impl io::Write, value: &T) -> serde_json::Result<()> {
    value.serialize(&mut serde_json::Serializer::with_formatter(writer, Visible))
}
