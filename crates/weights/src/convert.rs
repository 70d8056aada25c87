//! Weights in another format, where nothing is lost by it.

use mer_core::{Dtype, WeightsFormat};

use crate::{
    WeightsError,
    head::Head,
    json,
    layout::{Layout, bytes_in_order, bytes_of},
    npy, safetensors,
};

/// What an array is called where it had no name.
const NAME: &str = "weights";

/// Turns weights into another format as they come. What there is of the array survives: its elements, their type, and
/// their shape wherever the other format has shapes.
#[derive(Debug)]
pub struct Converter {
    from: WeightsFormat,
    to: WeightsFormat,
    dtype: Dtype,
    shape: Vec<u64>,
    size: usize,
    /// How many bytes the elements have.
    told: u64,
    head: Head,
    layout: Option<Layout>,
    begun: bool,
    rest: Vec<u8>,
    text: Vec<u8>,
    written: u64,
}

impl Converter {
    /// From one format to another, of weights of this dtype and shape. `bytes` is how many they have as they are.
    ///
    /// # Errors
    /// [`WeightsError::Lossy`]: something would be lost.
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
        if to == WeightsFormat::Json && bytes > json::MOST as u64 {
            return Err(WeightsError::LongJson { most: json::MOST });
        }
        if to == WeightsFormat::Npy && npy::header(dtype, &shape).is_none() {
            return Err(lossy("numpy has no bf16"));
        }
        let told = bytes_of(&shape, size as u64 * 8)?;
        // Of an array of nothing the other lengths may be anything, but not for every reader.
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
            told,
            head: Head::default(),
            layout: None,
            begun: false,
            rest: Vec::new(),
            text: Vec::new(),
            written: 0,
        })
    }

    /// Takes the next bytes, and appends to `out` what they become.
    ///
    /// # Errors
    /// [`WeightsError::Lossy`], once the header has told more than the database knows.
    pub fn feed(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<(), WeightsError> {
        if self.from == WeightsFormat::Json {
            self.text.extend_from_slice(bytes);
            return Ok(());
        }
        if self.layout.is_none() && self.from != WeightsFormat::Raw {
            let Some(layout) = self.head.feed(self.from, &mut bytes)? else { return Ok(()) };
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
        if !self.begun {
            self.begun = true;
            out.extend(self.header());
        }
        let swap = self.layout.as_ref().is_some_and(|layout| layout.big_endian);
        if !swap && self.to != WeightsFormat::Json {
            out.extend_from_slice(bytes);
            return Ok(());
        }
        self.rest.extend_from_slice(bytes);
        let whole = self.rest.len() - self.rest.len() % self.size;
        let rest = self.rest.split_off(whole);
        let mut elements = std::mem::replace(&mut self.rest, rest);
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

    fn header(&self) -> Vec<u8> {
        let header = match self.to {
            WeightsFormat::Npy => npy::header(self.dtype, &self.shape),
            WeightsFormat::Safetensors => safetensors::header(NAME, self.dtype, &self.shape, self.told),
            _ => None,
        };
        header.unwrap_or_default()
    }

    /// Appends what is left.
    ///
    /// # Errors
    /// As [`Converter::feed`].
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<(), WeightsError> {
        if self.from == WeightsFormat::Json {
            let data = json::parse(&std::mem::take(&mut self.text), self.dtype)?;
            self.data(&data, out)?;
        } else {
            // The header of an array of nothing.
            self.data(&[], out)?;
        }
        if self.to == WeightsFormat::Json {
            out.extend_from_slice(if self.written == 0 { b"[]\n" } else { b"]\n" });
        }
        Ok(())
    }
}
