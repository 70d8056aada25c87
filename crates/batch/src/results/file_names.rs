//! Names of files for items: safe in every folder, and readable backwards.

use crate::{digest::short_hash, item::Identity, ledger::Key};

/// Maximum length of the part of a name that holds an id, in bytes.
const MOST_NAME: usize = 180;

/// Returns the name of an item's file: the id with all but letters, digits, `_`, `-` and `.` as `%` and two hex digits, or the
/// identity; after it `~` and the number of earlier items with the same identity, if that is not 0. A long id is cut, and the
/// identity follows after `~~`.
pub(crate) fn file_name(id: Option<&str>, key: Key) -> String {
    let mut name = match id {
        None => key.identity.to_string(),
        Some(id) => encoded(id),
    };
    if name.len() > MOST_NAME {
        name.truncate(MOST_NAME);
        name += &format!("~~{}", key.identity);
    }
    if key.occurrence > 0 {
        name += &format!("~{}", key.occurrence);
    }
    name
}

/// Returns the item that a file is of, if it has the name of one.
pub(crate) fn key_of(name: &str, has_ids: bool) -> Option<Key> {
    let (name, occurrence) = match name.rsplit_once('~') {
        Some((rest, number)) if number.len() < 32 && !rest.ends_with('~') => (rest, number.parse().ok()?),
        _ => (name, 0),
    };
    let identity = match name.split_once("~~") {
        Some((_, hex)) => from_hex(hex)?,
        None if has_ids => Identity(short_hash(decoded(name)?.as_bytes())),
        None => from_hex(name)?,
    };
    Some(Key { identity, occurrence })
}

fn encoded(id: &str) -> String {
    let mut name = String::with_capacity(id.len());
    for (at, byte) in id.bytes().enumerate() {
        let is_safe = byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-') || (byte == b'.' && at > 0);
        if is_safe {
            name.push(byte.into());
        } else {
            name += &format!("%{byte:02X}");
        }
    }
    name
}

fn decoded(name: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let [first, more @ ..] = rest {
        rest = more;
        if *first == b'%' {
            let hex = std::str::from_utf8(rest.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(hex, 16).ok()?);
            rest = &rest[2..];
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok()
}

fn from_hex(hex: &str) -> Option<Identity> {
    let number = (hex.len() == 32 && hex.is_ascii()).then(|| u128::from_str_radix(hex, 16).ok())??;
    Some(Identity(number.to_be_bytes()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_safe() {
        let key = |occurrence| Key { identity: Identity([0xab; 16]), occurrence };
        assert_eq!(file_name(None, key(0)), "ab".repeat(16));
        assert_eq!(file_name(Some("../a b"), key(2)), "%2E.%2Fa%20b~2");
        assert_eq!(file_name(Some("é~"), key(0)), "%C3%A9%7E");
        assert!(file_name(Some(&"/".repeat(9999)), key(u32::MAX)).len() < 255);
    }

    proptest! {
        #[test]
        fn a_name_leads_back_to_its_item(id in ".{1,300}", has_ids: bool, occurrence in 0..5_u32) {
            let key = Key { identity: Identity(short_hash(id.as_bytes())), occurrence };
            let name = file_name(has_ids.then_some(id.as_str()), key);
            prop_assert!(!name.contains('/') && !name.starts_with('.') && name.len() < 255);
            prop_assert_eq!(key_of(&name, has_ids), Some(key));
        }
    }
}
