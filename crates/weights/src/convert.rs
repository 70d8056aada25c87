//! Converts weights to another format without loss.

use mer_core::{Dtype, WeightsFormat};

use crate::{
    WeightsError,
    header_reader::HeaderReader,
    json,
    layout::{Layout, bytes_in_order, bytes_of},
    npy, safetensors,
};

/// Name of an array that had none.
const NAME: &str = "weights";

/// Converts weights to another format as they arrive in pieces. Elements and dtype are preserved, and so is the shape if the other
/// format has shapes.
#[derive(Debug)]
pub struct Converter {
    from: WeightsFormat,
    to: WeightsFormat,
    dtype: Dtype,
    shape: Vec<u64>,
    size: usize,
    /// Number of bytes of the elements.
    data_bytes: u64,
    header: HeaderReader,
    layout: Option<Layout>,
    has_begun: bool,
    /// The beginning of an element whose end has not arrived.
    partial: Vec<u8>,
    /// The JSON text so far.
    text: Vec<u8>,
    /// Number of elements written as JSON.
    written: u64,
}

impl Converter {
    /// Returns a converter for weights of this dtype and shape. `bytes` is the size of the file to convert.
    ///
    /// # Errors
    /// [`WeightsError::Lossy`] if something would be lost; [`WeightsError::LongJson`]; [`WeightsError::TooLarge`].
    pub fn new(
        from: WeightsFormat,
        to: WeightsFormat,
        dtype: Dtype,
        shape: Option<&[u64]>,
        bytes: u64,
    ) -> Result<Self, WeightsError> {
        let lossy = |why: &str| WeightsError::Lossy { to, why: why.to_owned() };
        let size = dtype.size().ok_or_else(|| lossy("their elements are opaque, or of several types"))?;
        let shape = shape.ok_or_else(|| lossy("they are several arrays, with a name each"))?.to_vec();
        if to == WeightsFormat::Json && shape.len() != 1 {
            return Err(lossy("a JSON array has one dimension"));
        }
        if to == WeightsFormat::Json && bytes > json::MAX_BYTES as u64 {
            return Err(WeightsError::LongJson { most: json::MAX_BYTES });
        }
        if to == WeightsFormat::Npy && npy::header(dtype, &shape).is_none() {
            return Err(lossy("numpy has no bf16"));
        }
        let data_bytes = bytes_of(&shape, size as u64 * 8)?;
        // The dimensions of an empty array may be larger than numpy or safetensors accept.
        if to == WeightsFormat::Npy && npy::check_lengths(&shape, size as u64).is_err() {
            return Err(lossy("numpy cannot count so many elements in so many dimensions"));
        }
        if to == WeightsFormat::Safetensors && bytes_in_order(&shape, size as u64 * 8).is_err() {
            return Err(lossy("the readers of safetensors cannot count so many elements"));
        }
        Ok(Self {
            from,
            to,
            dtype,
            shape,
            size,
            data_bytes,
            header: HeaderReader::default(),
            layout: None,
            has_begun: false,
            partial: Vec::new(),
            text: Vec::new(),
            written: 0,
        })
    }

    /// Converts the next bytes, and appends the result to `out`.
    ///
    /// # Errors
    /// The header is invalid, or [`WeightsError::Lossy`] because of something that only the header tells.
    pub fn feed(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<(), WeightsError> {
        if self.from == WeightsFormat::Json {
            self.text.extend_from_slice(bytes);
            return Ok(());
        }
        if self.layout.is_none() && self.from != WeightsFormat::Raw {
            let Some(layout) = self.header.feed(self.from, &mut bytes)? else { return Ok(()) };
            self.check(&layout)?;
            self.layout = Some(layout);
        }
        self.data(bytes, out)
    }

    fn check(&self, layout: &Layout) -> Result<(), WeightsError> {
        let lossy = |why: &str| Err(WeightsError::Lossy { to: self.to, why: why.to_owned() });
        if layout.has_metadata {
            return lossy("they have metadata");
        }
        if layout.fortran && self.shape.iter().filter(|length| **length != 1).count() > 1 {
            return lossy("their first index runs fastest (`fortran_order`)");
        }
        Ok(())
    }

    fn data(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), WeightsError> {
        if !self.has_begun {
            self.has_begun = true;
            out.extend(self.new_header());
        }
        let swap = self.layout.as_ref().is_some_and(|layout| layout.big_endian);
        if !swap && self.to != WeightsFormat::Json {
            out.extend_from_slice(bytes);
            return Ok(());
        }
        self.partial.extend_from_slice(bytes);
        let whole = self.partial.len() - self.partial.len() % self.size;
        let rest = self.partial.split_off(whole);
        let mut elements = std::mem::replace(&mut self.partial, rest);
        for element in elements.chunks_exact_mut(self.size) {
            if swap {
                element.reverse();
            }
            if self.to != WeightsFormat::Json {
                out.extend_from_slice(element);
                continue;
            }
            out.push(if self.written == 0 { b'[' } else { b',' });
            self.written += 1;
            let why = || WeightsError::Lossy { to: self.to, why: "JSON has neither NaN nor infinities".to_owned() };
            json::write(self.dtype, element, out).ok_or_else(why)?;
        }
        Ok(())
    }

    /// Returns the header of the new file.
    fn new_header(&self) -> Vec<u8> {
        let header = match self.to {
            WeightsFormat::Npy => npy::header(self.dtype, &self.shape),
            WeightsFormat::Safetensors => safetensors::header(NAME, self.dtype, &self.shape, self.data_bytes),
            _ => None,
        };
        header.unwrap_or_default()
    }

    /// Appends the rest of the new file.
    ///
    /// # Errors
    /// As [`Converter::feed`].
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<(), WeightsError> {
        if self.from == WeightsFormat::Json {
            let data = json::parse(&std::mem::take(&mut self.text), self.dtype)?;
            self.data(&data, out)?;
        } else {
            // Writes the header of an empty array.
            self.data(&[], out)?;
        }
        if self.to == WeightsFormat::Json {
            out.extend_from_slice(if self.written == 0 { b"[]\n" } else { b"]\n" });
        }
        Ok(())
    }
}
