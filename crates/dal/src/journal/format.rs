//! Format of a line: eight hexadecimal digits of CRC-32, a space, JSON, a newline.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::Location;

/// Number of the format. It grows when an older MER can no longer read the lines; a segment of a newer format is left
/// alone.
pub(super) const FORMAT: u32 = 2;

/// The first line of a segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Header {
    pub(super) format: u32,
    pub(super) database_uid: Uuid,
    pub(super) host: String,
    pub(super) pid: u32,
    pub(super) mer_version: String,
    /// Location of the database. Older versions of MER did not write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) location: Option<Location>,
}

/// Why a first line is not a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// The header of a newer format.
    Newer(u32),
    /// Anything else.
    Corrupt(String),
}

/// Decodes the header in a line without its newline.
pub(super) fn header(line: &[u8]) -> Result<Header, Unreadable> {
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }
    match decode::<Format>(line) {
        Ok(Format { format }) if format > FORMAT => Err(Unreadable::Newer(format)),
        _ => decode(line).map_err(Unreadable::Corrupt),
    }
}

/// Encodes a value as a line, newline included.
pub(super) fn encode(value: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    const BLANK: &[u8] = b"00000000 ";
    let mut line = Vec::with_capacity(1024);
    line.extend_from_slice(BLANK);
    serde_json::to_writer(&mut line, value)?;
    let sum = format!("{:08x}", crc32fast::hash(&line[BLANK.len()..]));
    line[..8].copy_from_slice(sum.as_bytes());
    line.push(b'\n');
    Ok(line)
}

/// Decodes the value of a line without its newline. The error says why there is none.
pub(super) fn decode<T: DeserializeOwned>(line: &[u8]) -> Result<T, String> {
    let (sum, json) = match line {
        [sum @ .., _] if sum.len() < 8 => return Err(format!("{} bytes are too few for a record", line.len())),
        _ => line.split_at_checked(8).ok_or_else(|| "the line is empty".to_owned())?,
    };
    let json = json.strip_prefix(b" ").ok_or("the checksum is missing")?;
    let sum = std::str::from_utf8(sum).ok().and_then(|sum| u32::from_str_radix(sum, 16).ok());
    if sum != Some(crc32fast::hash(json)) {
        return Err("the checksum does not match".to_owned());
    }
    serde_json::from_slice(json).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_changed_byte_is_noticed() {
        let line = encode(&"wörd\n\0").unwrap();
        assert_eq!(line.iter().filter(|b| **b == b'\n').count(), 1);
        let line = &line[..line.len() - 1];
        assert_eq!(decode::<String>(line).unwrap(), "wörd\n\0");
        for at in 0..line.len() {
            let mut changed = line.to_vec();
            changed[at] ^= 1;
            assert!(decode::<String>(&changed).is_err(), "byte {at}");
            assert!(decode::<String>(&line[..at]).is_err(), "cut at {at}");
        }
    }
}
