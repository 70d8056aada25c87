//! Collects the header of a file that arrives in pieces.

use mer_core::WeightsFormat;

use crate::{WeightsError, layout::Layout, npy, safetensors};

/// The part of a header that has arrived.
#[derive(Debug, Default)]
pub(crate) struct HeaderReader {
    bytes: Vec<u8>,
}

impl HeaderReader {
    /// Consumes the bytes that belong to the header of this format, npy or safetensors. Returns its layout once it is complete.
    pub(crate) fn feed(&mut self, format: WeightsFormat, bytes: &mut &[u8]) -> Result<Option<Layout>, WeightsError> {
        let start = if format == WeightsFormat::Npy { npy::PREAMBLE } else { safetensors::LENGTH };
        if !self.fill(start, bytes) {
            return Ok(None);
        }
        let (begin, end) = self.extent(format)?;
        if !self.fill(end, bytes) {
            return Ok(None);
        }
        let header = self.bytes.get(begin..end).unwrap_or_default();
        let layout = match format {
            WeightsFormat::Npy => npy::parse(header, self.bytes[npy::VERSION])?,
            _ => safetensors::parse(header)?,
        };
        // The header of an npy file may be shorter than the preamble that was read to get its length.
        if self.bytes.len() > end {
            return Err(WeightsError::Header { format, what: "its header is too short".to_owned() });
        }
        self.bytes = Vec::new();
        Ok(Some(layout))
    }

    /// Returns where the header begins and ends. The start of the file has arrived.
    fn extent(&self, format: WeightsFormat) -> Result<(usize, usize), WeightsError> {
        if format == WeightsFormat::Npy {
            return npy::extent(&self.bytes);
        }
        let mut length = [0; safetensors::LENGTH];
        length.copy_from_slice(&self.bytes[..safetensors::LENGTH]);
        let length = u64::from_le_bytes(length);
        match usize::try_from(length) {
            Ok(short) if length <= safetensors::MAX_HEADER_BYTES => {
                Ok((safetensors::LENGTH, safetensors::LENGTH + short))
            }
            _ => Err(WeightsError::Header { format, what: format!("its header would have {length} bytes") }),
        }
    }

    /// Consumes bytes until there are `length` in all. Returns whether that is so.
    fn fill(&mut self, length: usize, bytes: &mut &[u8]) -> bool {
        let missing = length.saturating_sub(self.bytes.len()).min(bytes.len());
        let (now, later) = bytes.split_at(missing);
        self.bytes.extend_from_slice(now);
        *bytes = later;
        self.bytes.len() >= length
    }
}
