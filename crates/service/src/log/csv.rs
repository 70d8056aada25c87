//! Accesses as lines of CSV, with the fields of their JSON as columns.

use std::{borrow::Cow, fmt::Display};

use csv::Writer;
use jiff::Timestamp;
use mer_core::{Access, is_invisible};
use serde::Serialize;

/// The columns: the fields of the JSON of an access, in their order.
const COLUMNS: [&str; 33] = [
    "requestUid",
    "attempt",
    "model",
    "server",
    "kind",
    "protocol",
    "weightsVersion",
    "weightsSha256",
    "caller",
    "callerPid",
    "callerClaims",
    "startAccess",
    "stopAccess",
    "status",
    "exitCode",
    "signal",
    "queueMs",
    "connectMs",
    "startMs",
    "runMs",
    "stdinBytes",
    "stdoutBytes",
    "stderrBytes",
    "stdinSha256",
    "stdoutSha256",
    "stderrTail",
    "error",
    "batchUid",
    "items",
    "failedItems",
    "jobId",
    "via",
    "tags",
];

/// Makes lines of CSV: fields are quoted where needed, absent values are empty, lines end with a newline.
#[derive(Debug)]
pub struct CsvLines {
    writer: Writer<Vec<u8>>,
    field: Vec<u8>,
}

impl CsvLines {
    /// Begins with the line of the columns of accesses.
    #[must_use]
    pub fn of_accesses() -> Self {
        Self::with_columns(COLUMNS)
    }

    /// Begins with a line of columns.
    #[must_use]
    pub fn with_columns<'a>(columns: impl IntoIterator<Item = &'a str>) -> Self {
        let mut lines = Self { writer: Writer::from_writer(Vec::new()), field: Vec::new() };
        for column in columns {
            lines.put(column);
        }
        lines.end_line();
        lines
    }

    /// Adds an access.
    pub fn access(&mut self, access: &Access) {
        self.put(access.request_uid);
        self.put(access.attempt);
        self.text(Some(&access.model));
        self.text(Some(&access.server));
        self.put(access.kind);
        self.text(Some(&access.protocol));
        self.value(access.weights_version);
        self.text(access.weights_sha256.as_deref());
        self.text(Some(&access.caller));
        self.put(access.caller_pid);
        self.object(&access.caller_claims);
        self.time(Some(access.start_access));
        self.time(access.stop_access);
        self.put(access.status);
        self.value(access.exit_code);
        self.text(access.signal.as_deref());
        for ms in [access.queue_ms, access.connect_ms, access.start_ms, access.run_ms] {
            self.decimal(ms);
        }
        for bytes in [access.stdin_bytes, access.stdout_bytes, access.stderr_bytes] {
            self.put(bytes);
        }
        self.text(access.stdin_sha256.as_deref());
        self.text(access.stdout_sha256.as_deref());
        self.text(Some(&access.stderr_tail));
        self.text(access.error.as_deref());
        self.value(access.batch_uid);
        self.value(access.items);
        self.value(access.failed_items);
        self.text(access.job_id.as_deref());
        self.text(access.via.as_deref());
        self.object(&access.tags);
        self.end_line();
    }

    /// Adds a text to the line; invisible characters and formulas are made harmless.
    pub fn text(&mut self, text: Option<&str>) {
        let text = harmless(text.unwrap_or_default());
        self.write(text.as_bytes());
    }

    /// Adds a number, or an empty field.
    pub fn value(&mut self, value: Option<impl Display>) {
        match value {
            Some(value) => self.put(value),
            None => self.write(b""),
        }
    }

    /// Adds a duration or a rate, or an empty field. Whole numbers have a decimal point too, so that readers find the same type in
    /// every file.
    pub fn decimal(&mut self, number: Option<f64>) {
        self.value(number.map(|number| format!("{number:?}")));
    }

    /// Adds a time in UTC with microseconds, or an empty field.
    pub fn time(&mut self, time: Option<Timestamp>) {
        self.value(time.map(|time| format!("{time:.6}")));
    }

    /// Adds an object as JSON.
    fn object(&mut self, object: &impl Serialize) {
        // Maps from text to text can always be written.
        let json = serde_json::to_string(object).unwrap_or_default();
        self.text(Some(&json));
    }

    fn put(&mut self, value: impl Display) {
        use std::io::Write as _;
        let mut field = std::mem::take(&mut self.field);
        field.clear();
        // Writing to memory does not fail, here and below.
        let _ = write!(field, "{value}");
        self.write(&field);
        self.field = field;
    }

    fn write(&mut self, field: &[u8]) {
        let _ = self.writer.write_field(field);
    }

    /// Ends the line.
    pub fn end_line(&mut self) {
        let _ = self.writer.write_record(None::<&[u8]>);
    }

    /// Returns roughly how many bytes the lines so far have.
    #[must_use]
    pub fn size(&self) -> usize {
        self.writer.get_ref().len()
    }

    /// Returns the lines so far, and goes on without them.
    #[must_use]
    pub fn take(&mut self) -> Vec<u8> {
        let next = Writer::from_writer(Vec::with_capacity(self.size()));
        std::mem::replace(&mut self.writer, next).into_inner().unwrap_or_default()
    }
}

/// Returns a text without invisible characters other than line ends and tabs, which are written as in JSON; behind an
/// apostrophe if a spreadsheet would take it for a formula.
fn harmless(text: &str) -> Cow<'_, str> {
    let is_hidden = |c: char| is_invisible(c) && !matches!(c, '\n' | '\t');
    let text: Cow<'_, str> = if text.contains(is_hidden) {
        let mut shown = String::with_capacity(text.len() + 16);
        for c in text.chars() {
            match c {
                c if is_hidden(c) => {
                    shown.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
                }
                c => shown.push(c),
            }
        }
        shown.into()
    } else {
        text.into()
    };
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\n', '＝', '＋', '－', '＠']);
    if is_formula { format!("'{text}").into() } else { text }
}

#[cfg(test)]
mod tests {
    use mer_core::Status;
    use mer_testkit::{ended, started};
    use uuid::Uuid;

    use super::*;

    #[test]
    fn the_columns_are_the_fields_of_the_json() {
        let access = ended(&started(Uuid::nil(), 1, "m", Timestamp::UNIX_EPOCH), Status::Failed);
        let json = serde_json::to_string(&access).expect("JSON");
        let mut at = 0;
        for column in COLUMNS {
            let key = format!("\"{column}\":");
            at += json[at..].find(&key).unwrap_or_else(|| panic!("{column} is not behind the others in {json}"));
        }
        assert_eq!(json.matches("\":").count(), COLUMNS.len() + 4, "all fields, and those of two objects");
        let mut lines = CsvLines::of_accesses();
        lines.access(&access);
        lines.access(&access);
        let bytes = lines.take();
        let mut reader = csv::Reader::from_reader(bytes.as_slice());
        let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.expect("as many fields")).collect();
        assert_eq!(rows.len(), 2);
        assert_eq!(&rows[0][11], "1970-01-01T00:00:00.000000Z");
        assert_eq!((&rows[0][14], &rows[0][19]), ("-1", "1234.567"), "a number is no formula");
        assert_eq!((&rows[0][16], &rows[0][18]), ("0.0", "1.5"), "durations are no whole numbers");
        lines.access(&access);
        assert!(lines.take().starts_with(b"00000000"), "the head comes once");
    }

    #[test]
    fn no_text_is_a_formula_or_hides_anything() {
        for (text, shown) in [
            ("=cmd|'/c calc'!A1", "'=cmd|'/c calc'!A1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("＝1", "'＝1"),
            ("a=b", "a=b"),
            ("", ""),
            ("a\0b\u{1b}[2J\u{202e}c\r\n", "a\\u0000b\\u001b[2J\\u202ec\\u000d\n"),
            ("\u{e0041}", "\\udb40\\udc41"),
        ] {
            assert_eq!(harmless(text), shown);
        }
    }
}
