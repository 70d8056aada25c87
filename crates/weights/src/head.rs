//! Headers, as they come.

use mer_core::WeightsFormat;

use crate::{WeightsError, layout::Layout, npy, safetensors};

/// What has come of a header so far.
#[derive(Debug, Default)]
pub(crate) struct Head {
    bytes: Vec<u8>,
}

impl Head {
    /// Takes as much of the bytes as belongs to the header of this format, which has one. The layout once it is whole.
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
        // A header of npy may be shorter than what had to be read to know its length.
        if self.bytes.len() > end {
            return Err(WeightsError::Header { format, what: "its header is too short".to_owned() });
        }
        self.bytes = Vec::new();
        Ok(Some(layout))
    }

    fn extent(&self, format: WeightsFormat) -> Result<(usize, usize), WeightsError> {
        if format == WeightsFormat::Npy {
            return npy::extent(&self.bytes);
        }
        let mut length = [0; safetensors::LENGTH];
        length.copy_from_slice(&self.bytes[..safetensors::LENGTH]);
        let length = u64::from_le_bytes(length);
        match usize::try_from(length) {
            Ok(short) if length <= safetensors::LONGEST => Ok((safetensors::LENGTH, safetensors::LENGTH + short)),
            _ => Err(WeightsError::Header { format, what: format!("its header would have {length} bytes") }),
        }
    }

    /// Whether there are so many bytes now.
    fn fill(&mut self, length: usize, bytes: &mut &[u8]) -> bool {
        let missing = length.saturating_sub(self.bytes.len()).min(bytes.len());
        let (now, later) = bytes.split_at(missing);
        self.bytes.extend_from_slice(now);
        *bytes = later;
        self.bytes.len() >= length
    }
}
