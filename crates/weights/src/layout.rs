//! The arrays in a file, as its header describes them.

use mer_core::{Dtype, WeightsFormat};
use serde::Serialize;

use crate::WeightsError;

/// One array in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tensor {
    /// Name, if the format has names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Type of the elements; opaque if MER does not interpret them.
    pub dtype: Dtype,
    /// Name of the type in the file.
    pub type_name: String,
    /// Number of elements in each dimension.
    pub shape: Vec<u64>,
    /// Size in bytes.
    pub bytes: u64,
}

impl Tensor {
    /// Whether it is known that its elements are finite or not: MER interprets them, or they are integers or booleans, which
    /// always are.
    #[must_use]
    pub fn can_be_judged(&self) -> bool {
        let of_numpy = self.type_name.trim_start_matches(['<', '>', '=', '|']);
        self.dtype != Dtype::Opaque
            || ["BOOL", "U16", "U32", "U64"].contains(&self.type_name.as_str())
            || of_numpy.starts_with(['u', 'i', 'b', '?'])
    }
}

/// Content of the header of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    /// The arrays in the order of their data, without gaps.
    pub(crate) tensors: Vec<Tensor>,
    /// Whether elements are big-endian.
    pub(crate) big_endian: bool,
    /// Whether the first index varies fastest (Fortran order).
    pub(crate) fortran: bool,
    /// Whether the header has metadata besides its arrays.
    pub(crate) has_metadata: bool,
}

impl Layout {
    /// Returns the layout of a little-endian file with one array and no metadata.
    pub(crate) fn one(tensor: Tensor) -> Self {
        Self { tensors: vec![tensor], big_endian: false, fortran: false, has_metadata: false }
    }

    /// Returns the declared number of bytes of data. The parsers have checked that it does not overflow.
    pub(crate) fn bytes(&self) -> u64 {
        self.tensors.iter().map(|tensor| tensor.bytes).sum()
    }

    /// Returns the dtype of all arrays; opaque if they differ.
    pub(crate) fn dtype(&self) -> Dtype {
        let mut dtypes = self.tensors.iter().map(|tensor| tensor.dtype);
        let first = dtypes.next().unwrap_or(Dtype::Opaque);
        if dtypes.all(|dtype| dtype == first) { first } else { Dtype::Opaque }
    }

    /// Returns the shape if there is exactly one array.
    pub(crate) fn shape(&self) -> Option<Vec<u64>> {
        match self.tensors.as_slice() {
            [one] => Some(one.shape.clone()),
            _ => None,
        }
    }

    /// Checks that the data has the declared number of bytes.
    pub(crate) fn check(&self, format: WeightsFormat, found: u64) -> Result<(), WeightsError> {
        let declared = self.bytes();
        if declared == found { Ok(()) } else { Err(WeightsError::Size { format, declared, found }) }
    }
}

/// Returns the number of bytes of an array whose elements have `bits` bits. It is zero if a dimension is zero, even if the other
/// dimensions would overflow.
pub(crate) fn bytes_of(shape: &[u64], bits: u64) -> Result<u64, WeightsError> {
    if shape.contains(&0) {
        return Ok(0);
    }
    whole_bytes(shape, product(shape.iter(), 1), bits)
}

/// Returns the number of bytes like [`bytes_of`], but multiplies from left to right as the package safetensors does: an overflow
/// before a zero is an error.
pub(crate) fn bytes_in_order(shape: &[u64], bits: u64) -> Result<u64, WeightsError> {
    whole_bytes(shape, product(shape.iter(), 1), bits)
}

/// Returns the product of the dimensions that are not zero; none if it overflows 64 bits.
pub(crate) fn product_without_zeros(shape: &[u64], first: u64) -> Option<u64> {
    product(shape.iter().filter(|length| **length > 0), first)
}

fn product<'a>(mut lengths: impl Iterator<Item = &'a u64>, first: u64) -> Option<u64> {
    lengths.try_fold(first, |all, length| all.checked_mul(*length))
}

fn whole_bytes(shape: &[u64], elements: Option<u64>, bits: u64) -> Result<u64, WeightsError> {
    let too_large = || WeightsError::TooLarge { shape: shape.to_vec() };
    let all = elements.and_then(|elements| elements.checked_mul(bits)).ok_or_else(too_large)?;
    if all.is_multiple_of(8) { Ok(all / 8) } else { Err(WeightsError::Bits { shape: shape.to_vec(), bits }) }
}
