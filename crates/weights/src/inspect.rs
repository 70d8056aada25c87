//! Validates weights as they arrive, and collects their dtype, shape and statistics.

use mer_core::{Dtype, WeightsFormat};

use crate::{
    Statistics, Tensor, WeightsError,
    header_reader::HeaderReader,
    json,
    layout::{Layout, bytes_of},
    statistics::StatisticsCollector,
};

/// Dtype and shape that the caller states. A file that contradicts them is refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Given {
    /// Type of the elements.
    pub dtype: Option<Dtype>,
    /// Number of elements in each dimension.
    pub shape: Option<Vec<u64>>,
}

/// Result of an inspection.
#[derive(Debug, Clone, PartialEq)]
pub struct Inspected {
    /// Type of all elements; opaque if there are several types, or MER does not interpret them.
    pub dtype: Dtype,
    /// Number of elements in each dimension; none unless it is a single array.
    pub shape: Option<Vec<u64>>,
    /// The arrays in the order of their data; empty if the format has no header.
    pub tensors: Vec<Tensor>,
    /// Statistics of all elements that MER interprets; none if there is no such array.
    pub statistics: Option<Statistics>,
}

/// Inspects weights that arrive in pieces.
#[derive(Debug)]
pub struct Inspector {
    format: WeightsFormat,
    given: Given,
    header: HeaderReader,
    layout: Option<Layout>,
    /// Index of the current array, and the number of its bytes that have arrived.
    position: (usize, u64),
    /// Number of bytes of data that have arrived.
    bytes: u64,
    /// The beginning of an element whose end has not arrived.
    partial: Vec<u8>,
    statistics: StatisticsCollector,
    /// Whether there was an array that MER interprets.
    has_statistics: bool,
    /// The JSON text so far.
    text: Vec<u8>,
}

impl Inspector {
    /// Returns an inspector for weights of this format.
    ///
    /// # Errors
    /// [`WeightsError::NoElements`] if a shape is given without a dtype; [`WeightsError::TooLarge`].
    pub fn new(format: WeightsFormat, given: Given) -> Result<Self, WeightsError> {
        let mut layout = None;
        if format == WeightsFormat::Raw {
            let dtype = given.dtype.unwrap_or(Dtype::Opaque);
            match (&given.shape, dtype.size()) {
                (Some(_), None) => return Err(WeightsError::NoElements),
                (Some(shape), Some(size)) => drop(bytes_of(shape, size as u64 * 8)?),
                (None, _) => {}
            }
            // Raw elements have no header. Their number is known at the end.
            let tensor =
                Tensor { name: None, dtype, type_name: dtype.name().to_owned(), shape: Vec::new(), bytes: u64::MAX };
            layout = Some(Layout::one(tensor));
        }
        Ok(Self {
            format,
            given,
            header: HeaderReader::default(),
            layout,
            position: (0, 0),
            bytes: 0,
            partial: Vec::with_capacity(8),
            statistics: StatisticsCollector::new(),
            has_statistics: false,
            text: Vec::new(),
        })
    }

    /// Inspects the next bytes.
    ///
    /// # Errors
    /// The header is invalid, or contradicts what was given.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Result<(), WeightsError> {
        if self.format == WeightsFormat::Json {
            if self.text.len() + bytes.len() > json::MAX_BYTES {
                return Err(WeightsError::LongJson { most: json::MAX_BYTES });
            }
            self.text.extend_from_slice(bytes);
            return Ok(());
        }
        if self.layout.is_none() {
            let Some(layout) = self.header.feed(self.format, &mut bytes)? else { return Ok(()) };
            self.compare(&layout)?;
            self.layout = Some(layout);
        }
        self.bytes += bytes.len() as u64;
        self.add(bytes);
        Ok(())
    }

    /// Checks that the header does not contradict what was given.
    fn compare(&self, layout: &Layout) -> Result<(), WeightsError> {
        if let Some(given) = self.given.dtype
            && given != layout.dtype()
        {
            return Err(WeightsError::OtherDtype { expected: given, found: layout.dtype() });
        }
        match &self.given.shape {
            Some(given) if layout.shape().as_ref() != Some(given) => {
                Err(WeightsError::OtherShape { expected: given.clone(), found: layout.shape() })
            }
            _ => Ok(()),
        }
    }

    /// Adds data to the statistics.
    fn add(&mut self, mut bytes: &[u8]) {
        let Some(layout) = &self.layout else { return };
        while let Some(tensor) = layout.tensors.get(self.position.0) {
            let left = tensor.bytes - self.position.1;
            if left == 0 {
                self.has_statistics |= tensor.dtype.size().is_some();
                self.position = (self.position.0 + 1, 0);
                continue;
            }
            if bytes.is_empty() {
                return;
            }
            let now = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
            let (mut data, later) = bytes.split_at(now);
            bytes = later;
            self.position.1 += now as u64;
            let Some(size) = tensor.dtype.size() else { continue };
            self.has_statistics = true;
            if !self.partial.is_empty() {
                let (first, others) = data.split_at(data.len().min(size - self.partial.len()));
                self.partial.extend_from_slice(first);
                data = others;
                if self.partial.len() < size {
                    continue;
                }
                add_elements(&mut self.statistics, layout, tensor.dtype, size, &mut self.partial);
                self.partial.clear();
            }
            let (elements, rest) = data.split_at(data.len() - data.len() % size);
            if layout.big_endian {
                add_elements(&mut self.statistics, layout, tensor.dtype, size, &mut elements.to_vec());
            } else {
                self.statistics.add(tensor.dtype, size, elements);
            }
            self.partial.extend_from_slice(rest);
        }
    }

    /// Returns the result, after all bytes have arrived.
    ///
    /// # Errors
    /// The data is not as declared by the header, or as given.
    pub fn finish(mut self) -> Result<Inspected, WeightsError> {
        match self.format {
            WeightsFormat::Json => self.finish_json(),
            WeightsFormat::Raw => self.finish_raw(),
            format => {
                // Passes the empty arrays at the end.
                self.add(&[]);
                let missing = || WeightsError::Header { format, what: "it ends within its header".to_owned() };
                let layout = self.layout.ok_or_else(missing)?;
                layout.check(format, self.bytes)?;
                Ok(Inspected {
                    dtype: layout.dtype(),
                    shape: layout.shape(),
                    statistics: self.has_statistics.then(|| self.statistics.finish()),
                    tensors: layout.tensors,
                })
            }
        }
    }

    fn finish_raw(self) -> Result<Inspected, WeightsError> {
        let (dtype, found) = (self.given.dtype.unwrap_or(Dtype::Opaque), self.bytes);
        let Some(size) = dtype.size().map(|size| size as u64) else {
            return Ok(Inspected { dtype, shape: None, tensors: Vec::new(), statistics: None });
        };
        let shape = match self.given.shape {
            Some(shape) => {
                let needed = bytes_of(&shape, size * 8)?;
                if needed != found {
                    return Err(WeightsError::Shape { shape, dtype, needed, found });
                }
                shape
            }
            None if found.is_multiple_of(size) => vec![found / size],
            None => return Err(WeightsError::Elements { dtype, found }),
        };
        let statistics = Some(self.statistics.finish());
        Ok(Inspected { dtype, shape: Some(shape), tensors: Vec::new(), statistics })
    }

    fn finish_json(mut self) -> Result<Inspected, WeightsError> {
        let dtype = self.given.dtype.unwrap_or(Dtype::F64);
        let size = dtype.size().ok_or(WeightsError::NoElements)?;
        let data = json::parse(&self.text, dtype)?;
        let shape = vec![(data.len() / size) as u64];
        if let Some(given) = self.given.shape
            && given != shape
        {
            return Err(WeightsError::OtherShape { expected: given, found: Some(shape) });
        }
        self.statistics.add(dtype, size, &data);
        let statistics = Some(self.statistics.finish());
        Ok(Inspected { dtype, shape: Some(shape), tensors: Vec::new(), statistics })
    }
}

/// Adds complete elements, in the byte order of the file, to the statistics.
fn add_elements(statistics: &mut StatisticsCollector, layout: &Layout, dtype: Dtype, size: usize, elements: &mut [u8]) {
    if layout.big_endian {
        elements.chunks_exact_mut(size).for_each(<[u8]>::reverse);
    }
    statistics.add(dtype, size, elements);
}
