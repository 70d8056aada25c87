//! Lines that are JSON values.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Value, error::Category};

use crate::{error::BatchError, input::raw_item::RawItem};

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
                let id = found.as_ref().and_then(id_text);
                item.id = Some(id.ok_or_else(|| BatchError::MissingId { field: field.to_owned(), line })?);
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

/// Returns the text of an id: a text that is not empty, a number or a truth value.
fn id_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

/// Checks a JSON text, and returns the value of a field without building the rest.
fn parse(text: &str, field: Option<&str>) -> serde_json::Result<Option<Value>> {
    let mut parser = serde_json::Deserializer::from_str(text);
    let found = FieldOf { field }.deserialize(&mut parser)?;
    parser.end()?;
    Ok(found)
}

/// Takes the value of a field from an object.
#[derive(Clone, Copy)]
struct FieldOf<'a> {
    field: Option<&'a str>,
}

impl<'de> DeserializeSeed<'de> for FieldOf<'_> {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        if self.field.is_none() {
            return serde::Deserialize::deserialize(deserializer).map(|_: IgnoredAny| None);
        }
        deserializer.deserialize_any(self)
    }
}

/// Visits a value without a field.
macro_rules! without_field {
    ($($visit:ident: $type:ty),*) => {
        $(fn $visit<E>(self, _: $type) -> Result<Self::Value, E> { Ok(None) })*
    };
}

impl<'de> Visitor<'de> for FieldOf<'_> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    without_field!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = entries.next_key::<String>()? {
            if Some(key.as_str()) == self.field {
                found = Some(entries.next_value::<Value>()?);
            } else {
                entries.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}
