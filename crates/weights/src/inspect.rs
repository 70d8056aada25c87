//! Weights on their way in: what they are, whether they are whole, and what they are like.

use mer_core::{Dtype, WeightsFormat};

use crate::{
    Statistics, Tensor, WeightsError,
    head::Head,
    json,
    layout::{Layout, bytes_of},
    statistics::Gathered,
};

/// What is said of weights besides their bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Given {
    /// The type of the elements.
    pub dtype: Option<Dtype>,
    /// How many there are in each dimension.
    pub shape: Option<Vec<u64>>,
}

/// What weights are.
#[derive(Debug, Clone, PartialEq)]
pub struct Inspected {
    /// The type of all elements; opaque where there are several, or none that MER looks into.
    pub dtype: Dtype,
    /// How many elements there are in each dimension; nothing where it is not one array.
    pub shape: Option<Vec<u64>>,
    /// The arrays in them, in the order of their data; none where the format has no header.
    pub tensors: Vec<Tensor>,
    /// Of all elements that MER looks into; nothing where there is no such array.
    pub statistics: Option<Statistics>,
}

/// Looks at weights as they come.
#[derive(Debug)]
pub struct Inspector {
    format: WeightsFormat,
    given: Given,
    head: Head,
    layout: Option<Layout>,
    /// Which array is next, and how many bytes of it have come.
    at: (usize, u64),
    /// Bytes of data so far.
    bytes: u64,
    /// An element of which a part has come.
    rest: Vec<u8>,
    gathered: Gathered,
    looked: bool,
    text: Vec<u8>,
}

impl Inspector {
    /// For weights of this format.
    ///
    /// # Errors
    /// [`WeightsError::NoElements`] where a shape is given of what has no elements; [`WeightsError::TooLarge`].
    pub fn new(format: WeightsFormat, given: Given) -> Result<Self, WeightsError> {
        let mut layout = None;
        if format == WeightsFormat::Raw {
            let dtype = given.dtype.unwrap_or(Dtype::Opaque);
            match (&given.shape, dtype.size()) {
                (Some(_), None) => return Err(WeightsError::NoElements),
                (Some(shape), Some(size)) => drop(bytes_of(shape, size as u64 * 8)?),
                (None, _) => {}
            }
            // Its end is not known yet.
            let tensor =
                Tensor { name: None, dtype, type_name: dtype.name().to_owned(), shape: Vec::new(), bytes: u64::MAX };
            layout = Some(Layout::one(tensor));
        }
        Ok(Self {
            format,
            given,
            head: Head::default(),
            layout,
            at: (0, 0),
            bytes: 0,
            rest: Vec::with_capacity(8),
            gathered: Gathered::new(),
            looked: false,
            text: Vec::new(),
        })
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// The header is none, or says something else than was given.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Result<(), WeightsError> {
        if self.format == WeightsFormat::Json {
            if self.text.len() + bytes.len() > json::MOST {
                return Err(WeightsError::LongJson { most: json::MOST });
            }
            self.text.extend_from_slice(bytes);
            return Ok(());
        }
        if self.layout.is_none() {
            let Some(layout) = self.head.feed(self.format, &mut bytes)? else { return Ok(()) };
            self.compare(&layout)?;
            self.layout = Some(layout);
        }
        self.bytes += bytes.len() as u64;
        self.look(bytes);
        Ok(())
    }

    /// That the file says what was given.
    fn compare(&self, layout: &Layout) -> Result<(), WeightsError> {
        if let Some(given) = self.given.dtype
            && given != layout.dtype()
        {
            return Err(WeightsError::OtherDtype { given, found: layout.dtype() });
        }
        match &self.given.shape {
            Some(given) if layout.shape().as_ref() != Some(given) => {
                Err(WeightsError::OtherShape { given: given.clone(), found: layout.shape() })
            }
            _ => Ok(()),
        }
    }

    /// Gathers statistics of data.
    fn look(&mut self, mut bytes: &[u8]) {
        let Some(layout) = &self.layout else { return };
        while let Some(tensor) = layout.tensors.get(self.at.0) {
            let left = tensor.bytes - self.at.1;
            if left == 0 {
                self.looked |= tensor.dtype.size().is_some();
                self.at = (self.at.0 + 1, 0);
                continue;
            }
            if bytes.is_empty() {
                return;
            }
            let now = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
            let (mut data, later) = bytes.split_at(now);
            bytes = later;
            self.at.1 += now as u64;
            let Some(size) = tensor.dtype.size() else { continue };
            self.looked = true;
            if !self.rest.is_empty() {
                let (first, others) = data.split_at(data.len().min(size - self.rest.len()));
                self.rest.extend_from_slice(first);
                data = others;
                if self.rest.len() < size {
                    continue;
                }
                whole(&mut self.gathered, layout, tensor.dtype, size, &mut self.rest);
                self.rest.clear();
            }
            let (elements, rest) = data.split_at(data.len() - data.len() % size);
            if layout.big_endian {
                whole(&mut self.gathered, layout, tensor.dtype, size, &mut elements.to_vec());
            } else {
                self.gathered.add(tensor.dtype, size, elements);
            }
            self.rest.extend_from_slice(rest);
        }
    }

    /// What they are, now that all of them have come.
    ///
    /// # Errors
    /// They are not what the header, or what was given, tells of.
    pub fn finish(mut self) -> Result<Inspected, WeightsError> {
        match self.format {
            WeightsFormat::Json => self.finish_json(),
            WeightsFormat::Raw => self.finish_raw(),
            format => {
                // Arrays of nothing at the end.
                self.look(&[]);
                let missing = || WeightsError::Header { format, what: "it ends within its header".to_owned() };
                let layout = self.layout.ok_or_else(missing)?;
                layout.check(format, self.bytes)?;
                Ok(Inspected {
                    dtype: layout.dtype(),
                    shape: layout.shape(),
                    statistics: self.looked.then(|| self.gathered.finish()),
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
                let told = bytes_of(&shape, size * 8)?;
                if told != found {
                    return Err(WeightsError::Shape { shape, dtype, told, found });
                }
                shape
            }
            None if found.is_multiple_of(size) => vec![found / size],
            None => return Err(WeightsError::Elements { dtype, found }),
        };
        let statistics = Some(self.gathered.finish());
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
            return Err(WeightsError::OtherShape { given, found: Some(shape) });
        }
        self.gathered.add(dtype, size, &data);
        let statistics = Some(self.gathered.finish());
        Ok(Inspected { dtype, shape: Some(shape), tensors: Vec::new(), statistics })
    }
}

/// Whole elements, in whichever order their bytes are.
fn whole(gathered: &mut Gathered, layout: &Layout, dtype: Dtype, size: usize, elements: &mut [u8]) {
    if layout.big_endian {
        elements.chunks_exact_mut(size).for_each(<[u8]>::reverse);
    }
    gathered.add(dtype, size, elements);
}
