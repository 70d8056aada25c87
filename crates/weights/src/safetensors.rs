//! The format safetensors: length of a JSON header, the header, and the data.

use std::{collections::HashMap, fmt};

use mer_core::{Dtype, WeightsFormat};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};

use crate::{
    WeightsError,
    layout::{Layout, Tensor, bytes_in_order},
};

/// Number of bytes of the header's length.
pub(crate) const LENGTH: usize = 8;

/// Maximum length of a header, in bytes, as the format defines it.
pub(crate) const MAX_HEADER_BYTES: u64 = 100_000_000;

/// Every type of the package safetensors 0.8: name, number of bits of an element, and dtype.
const TYPES: &[(&str, u64, Dtype)] = &[
    ("F64", 64, Dtype::F64),
    ("F32", 32, Dtype::F32),
    ("F16", 16, Dtype::F16),
    ("BF16", 16, Dtype::Bf16),
    ("I64", 64, Dtype::I64),
    ("I32", 32, Dtype::I32),
    ("I16", 16, Dtype::I16),
    ("I8", 8, Dtype::I8),
    ("U8", 8, Dtype::U8),
    ("U16", 16, Dtype::Opaque),
    ("U32", 32, Dtype::Opaque),
    ("U64", 64, Dtype::Opaque),
    ("BOOL", 8, Dtype::Opaque),
    ("C64", 64, Dtype::Opaque),
    ("F8_E4M3", 8, Dtype::Opaque),
    ("F8_E5M2", 8, Dtype::Opaque),
    ("F8_E8M0", 8, Dtype::Opaque),
    ("F8_E4M3FNUZ", 8, Dtype::Opaque),
    ("F8_E5M2FNUZ", 8, Dtype::Opaque),
    ("F6_E2M3", 6, Dtype::Opaque),
    ("F6_E3M2", 6, Dtype::Opaque),
    ("F4", 4, Dtype::Opaque),
];

/// An entry of the header.
#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

/// The header, with its entries in their order.
struct Header {
    tensors: Vec<(String, Entry)>,
    has_metadata: bool,
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Header;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                let mut header = Header { tensors: Vec::new(), has_metadata: false };
                let mut names = std::collections::HashSet::new();
                while let Some(name) = map.next_key::<String>()? {
                    if !names.insert(name.clone()) {
                        return Err(A::Error::custom(format!("`{name}` stands there twice")));
                    }
                    if name == "__metadata__" {
                        // Readers of the format accept only texts as values.
                        let metadata: Option<HashMap<String, String>> = map.next_value()?;
                        header.has_metadata = metadata.is_some_and(|metadata| !metadata.is_empty());
                    } else {
                        header.tensors.push((name, map.next_value()?));
                    }
                }
                Ok(header)
            }
        }
        from.deserialize_map(Entries)
    }
}

/// Parses a header, without the length before it. The data of its tensors must have no gaps and no overlaps.
pub(crate) fn parse(header: &[u8]) -> Result<Layout, WeightsError> {
    let wrong = |what: String| WeightsError::Header { format: WeightsFormat::Safetensors, what };
    let Header { tensors, has_metadata } =
        serde_json::from_slice(header).map_err(|error| wrong(format!("its header is none: {error}")))?;
    let mut placed = Vec::with_capacity(tensors.len());
    for (name, entry) in tensors {
        let known = TYPES.iter().find(|(known, ..)| *known == entry.dtype);
        let Some((type_name, bits, dtype)) = known.copied() else {
            return Err(wrong(format!("`{name}` has the type `{}`, which is none", entry.dtype)));
        };
        let bytes = bytes_in_order(&entry.shape, bits)?;
        let (begin, end) = entry.data_offsets;
        if end.checked_sub(begin) != Some(bytes) {
            return Err(wrong(format!("`{name}` needs {bytes} bytes, and is said to be at {begin} to {end}")));
        }
        let tensor = Tensor { name: Some(name), dtype, type_name: type_name.to_owned(), shape: entry.shape, bytes };
        placed.push((begin, end, tensor));
    }
    placed.sort_by_key(|(begin, end, _)| (*begin, *end));
    let mut at = 0;
    for (begin, end, tensor) in &placed {
        if *begin != at {
            let name = tensor.name.as_deref().unwrap_or_default();
            return Err(wrong(format!("`{name}` begins at {begin}, and what is before it ends at {at}")));
        }
        at = *end;
    }
    let tensors = placed.into_iter().map(|(_, _, tensor)| tensor).collect();
    Ok(Layout { tensors, big_endian: false, fortran: false, has_metadata })
}

/// Returns the length and the header of a file with one array of this name; none for an opaque one. The data begins at a multiple
/// of eight.
pub(crate) fn header(name: &str, dtype: Dtype, shape: &[u64], bytes: u64) -> Option<Vec<u8>> {
    let (type_name, ..) = TYPES.iter().find(|(_, _, known)| *known == dtype && dtype != Dtype::Opaque)?;
    let entry = serde_json::json!({ name: { "dtype": type_name, "shape": shape, "data_offsets": [0, bytes] } });
    let mut text = entry.to_string().into_bytes();
    text.resize(text.len().next_multiple_of(8), b' ');
    Some([(text.len() as u64).to_le_bytes().as_slice(), &text].concat())
}
