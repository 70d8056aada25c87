//! The log's writer for standard error. It removes passwords and escapes what a terminal should not be sent.

use std::{
    fmt::Write as _,
    io::{self, Write},
};

use mer_core::{is_invisible, redacted};

/// Standard error for the log, which writes each event in a single call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogWriter {
    /// Whether an event is a JSON object.
    pub(crate) json: bool,
    /// Whether the log colours its lines itself.
    pub(crate) colour: bool,
}

impl LogWriter {
    fn sanitised(self, bytes: &[u8]) -> String {
        let text = redacted(&String::from_utf8_lossy(bytes));
        let mut safe = String::with_capacity(text.len());
        for c in text.chars() {
            // Writing to a string does not fail.
            let _ = match c {
                '\n' | '\t' => safe.write_char(c),
                '\x1b' if self.colour => safe.write_char(c),
                c if is_invisible(c) && self.json => {
                    c.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(safe, "\\u{unit:04x}"))
                }
                c if is_invisible(c) => write!(safe, "\\u{{{:x}}}", u32::from(c)),
                c => safe.write_char(c),
            };
        }
        safe
    }
}

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::stderr().lock().write_all(self.sanitised(bytes).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_no_password_and_nothing_invisible() {
        let line =
            |json, colour| LogWriter { json, colour }.sanitised("\x1b[1mws://u:hunter2@h\u{202e}x\x1b[0m\n".as_bytes());
        assert_eq!(line(false, false), "\\u{1b}[1mws://u:******@h\\u{202e}x\\u{1b}[0m\n");
        assert_eq!(line(false, true), "\x1b[1mws://u:******@h\\u{202e}x\x1b[0m\n");
        let json =
            LogWriter { json: true, colour: false }.sanitised("{\"m\":\"ws://u:hunter2@h \u{202e}\"}\n".as_bytes());
        assert_eq!(json, "{\"m\":\"ws://u:******@h \\u202e\"}\n");
    }
}
