//! Results as bytes.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use mer_core::write_visible_json;
use serde_json::Value;

use super::finished::{Finished, Ran};
use crate::options::OutputFormat;

/// Returns why an answer cannot be written in this format, if it cannot.
pub(crate) fn fault_of_format(format: OutputFormat, output: &[u8]) -> Option<&'static str> {
    match format {
        OutputFormat::Text if output.strip_suffix(b"\n").unwrap_or(output).contains(&b'\n') => {
            Some("the answer has several lines, which results of a line an item cannot carry")
        }
        OutputFormat::Null if output.contains(&0) => {
            Some("the answer has a NUL byte, which results that end with NUL cannot carry")
        }
        _ => None,
    }
}

/// Adds a result to a buffer.
pub(crate) fn render(format: OutputFormat, finished: &Finished, ran: &Ran, into: &mut Vec<u8>) {
    match format {
        OutputFormat::Text => {
            // An answer may have its final newline already.
            into.extend_from_slice(ran.output.strip_suffix(b"\n").unwrap_or(&ran.output));
            into.push(b'\n');
        }
        OutputFormat::Null => {
            into.extend_from_slice(&ran.output);
            into.push(0);
        }
        OutputFormat::Json => {
            into.extend_from_slice(&object(finished, ran));
            into.push(b'\n');
        }
    }
}

/// A result as a JSON object. An answer that is not valid UTF-8 is `outputBase64`.
fn object(finished: &Finished, ran: &Ran) -> Vec<u8> {
    let (id, status) = (finished.id_text().into(), ran.status.name().into());
    let mut fields: Vec<(&str, Value)> = vec![("id", id), ("status", status)];
    if !ran.is_success() {
        fields.extend([("output", Value::Null), ("message", ran.message.as_str().into())]);
    } else if let Ok(text) = std::str::from_utf8(&ran.output) {
        fields.push(("output", text.into()));
    } else {
        fields.push(("outputBase64", BASE64_STANDARD.encode(&ran.output).into()));
    }
    fields.extend(of_run(ran));
    fields.push(("runMs", ran.run_ms.map_or(Value::Null, Value::from)));
    written(&fields)
}

/// A failed item as a JSON line for the file of errors.
pub(super) fn error_line(finished: &Finished, ran: &Ran) -> Vec<u8> {
    let mut fields: Vec<(&str, Value)> = vec![
        ("id", finished.id_text().into()),
        ("occurrence", finished.key.occurrence.into()),
        ("line", finished.line.into()),
        ("status", ran.status.name().into()),
        ("message", ran.message.as_str().into()),
    ];
    fields.extend(of_run(ran));
    let mut line = written(&fields);
    line.push(b'\n');
    line
}

fn of_run(ran: &Ran) -> [(&'static str, Value); 3] {
    [
        ("requestUid", ran.request_uid.map_or(Value::Null, |uid| uid.to_string().into())),
        ("attempt", ran.attempt.into()),
        ("server", ran.server.as_deref().map_or(Value::Null, Value::from)),
    ]
}

/// A JSON object with its fields in this order, whatever the parser is built with.
fn written(fields: &[(&str, Value)]) -> Vec<u8> {
    let mut json = Vec::from(b"{");
    for (at, (name, value)) in fields.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        json.extend_from_slice(format!("{comma}\"{name}\":").as_bytes());
        // Fails only where the memory does.
        let _ = write_visible_json(&mut json, value);
    }
    json.push(b'}');
    json
}

#[cfg(test)]
mod tests {
    use mer_core::is_invisible;

    use super::*;

    #[test]
    fn json_shows_what_is_invisible_and_reads_back_as_it_was() {
        let text = "a\u{202e}b\u{9b}\u{e0041}\u{feff}ü\n\0\u{1b}";
        let json = String::from_utf8(written(&[("output", text.into())])).unwrap();
        assert!(!json.contains(is_invisible) && json.contains("\\u202e") && json.contains('ü'), "{json}");
        let read: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(read["output"], text);
    }
}
