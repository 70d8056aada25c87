//! Serializes times in one format, whatever precision the database has.

use jiff::Timestamp;
use serde::Serializer;

/// Serializes a time as RFC 3339 with six decimals, the precision of every database. Such texts sort like their times. For
/// serde's `serialize_with`.
///
/// # Errors
/// Errors of the serializer.
pub fn micros<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{time:.6}"))
}

/// Serializes an optional time like [`micros`].
///
/// # Errors
/// Errors of the serializer.
pub fn micros_where_known<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => micros(time, serializer),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;

    #[test]
    fn times_have_six_decimals_always() {
        #[derive(Serialize)]
        struct Row {
            #[serde(serialize_with = "micros")]
            at: Timestamp,
            #[serde(serialize_with = "micros_where_known")]
            end: Option<Timestamp>,
        }
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let row = Row { at: at("2026-01-01T00:00:00.5Z"), end: Some(at("2026-01-01T00:00:01.1234567Z")) };
        let told = serde_json::to_string(&row).expect("json");
        assert_eq!(told, r#"{"at":"2026-01-01T00:00:00.500000Z","end":"2026-01-01T00:00:01.123456Z"}"#);
        let open = Row { end: None, ..row };
        assert!(serde_json::to_string(&open).expect("json").ends_with(r#""end":null}"#));
    }
}
