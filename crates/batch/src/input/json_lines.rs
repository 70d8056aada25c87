//! Lines that are JSON values.

use serde::de::IgnoredAny;
use serde_json::error::Category;

use crate::{error::BatchError, input::raw_item::RawItem};

/// What some programs put at the beginning of a file in UTF-8. It belongs to no value.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Checks that an item is one JSON value, and takes its id from the field of this name. The first line of a value that goes on
/// in the next line is an error of the whole input.
///
/// # Errors
/// [`BatchError::JsonOverLines`], [`BatchError::MissingId`].
pub(crate) fn checked(mut item: RawItem, id_field: Option<&str>) -> Result<RawItem, BatchError> {
    if item.fault.is_some() {
        return Ok(item);
    }
    if item.input.last() == Some(&b'\r') {
        item = RawItem::new(item.line, item.input.slice(..item.input.len() - 1));
    }
    if item.line == 1 && item.input.starts_with(BYTE_ORDER_MARK) {
        item = RawItem::new(item.line, item.input.slice(BYTE_ORDER_MARK.len()..));
    }
    let line = item.line;
    let text = match std::str::from_utf8(&item.input) {
        Ok(text) => text,
        Err(error) => {
            let fault = format!("line {line}, byte {}: it is not valid UTF-8", error.valid_up_to() + 1);
            return Ok(RawItem::faulty(line, item.content, fault));
        }
    };
    if text.trim_ascii().is_empty() {
        return Ok(RawItem::faulty(line, item.content, format!("line {line}: it is empty, and no JSON value")));
    }
    match parse(text, id_field) {
        Ok(found) => {
            if let Some(field) = id_field {
                item.id = Some(found.ok_or_else(|| BatchError::MissingId { field: field.to_owned(), line })?);
            }
            Ok(item)
        }
        Err(error) if line == 1 && error.classify() == Category::Eof => Err(BatchError::JsonOverLines),
        Err(error) => {
            let reason = if error.classify() == Category::Eof {
                "the JSON value does not end on its line".to_owned()
            } else {
                let text = error.to_string();
                text.split(" at line ").next().unwrap_or_default().to_owned()
            };
            let fault = format!("line {line}, column {}: {reason}", error.column());
            Ok(RawItem::faulty(line, item.content, fault))
        }
    }
}

/// Checks a JSON text, and returns the id in the field of this name, if it has one: a text that is not empty, a number as it is
/// written, or a truth value.
fn parse(text: &str, field: Option<&str>) -> serde_json::Result<Option<String>> {
    serde_json::from_str::<IgnoredAny>(text)?;
    match field.and_then(|field| value_of(text, field)) {
        Some(value) if value.starts_with('"') => {
            Ok(Some(serde_json::from_str::<String>(value)?).filter(|text| !text.is_empty()))
        }
        Some(value) if !value.starts_with(['{', '[', 'n']) => Ok(Some(value.to_owned())),
        _ => Ok(None),
    }
}

/// Returns the text of the last value of a field of an object that was checked. Numbers are not read: two large ones may differ
/// in digits that a computer's number does not have.
fn value_of<'a>(text: &'a str, field: &str) -> Option<&'a str> {
    let mut rest = text.trim_ascii_start().strip_prefix('{')?;
    let mut found = None;
    while !rest.trim_ascii_start().starts_with('}') {
        rest = rest.trim_ascii_start();
        let (name, behind) = rest.split_at(length_of_first(rest)?);
        rest = behind.trim_ascii_start().strip_prefix(':')?.trim_ascii_start();
        let (value, behind) = rest.split_at(length_of_first(rest)?);
        if serde_json::from_str::<String>(name).is_ok_and(|name| name == field) {
            found = Some(value);
        }
        rest = behind.trim_ascii_start();
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
    found
}

/// Returns the length of the first JSON value of a text.
fn length_of_first(text: &str) -> Option<usize> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    Some(values.byte_offset())
}
