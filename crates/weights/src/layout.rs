//! Where in a file the elements are.

use mer_core::{Dtype, WeightsFormat};
use serde::Serialize;

use crate::WeightsError;

/// One array in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tensor {
    /// Its name, where the format has names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The type of its elements; opaque where MER does not look into them.
    pub dtype: Dtype,
    /// What the file itself calls the type.
    pub type_name: String,
    /// How many elements it has in each dimension.
    pub shape: Vec<u64>,
    /// How many bytes it has.
    pub bytes: u64,
}

impl Tensor {
    /// Whether it can be told of its elements if they are finite: they are looked into, or are integers and truth values,
    /// which are so always.
    #[must_use]
    pub fn can_be_judged(&self) -> bool {
        let of_numpy = self.type_name.trim_start_matches(['<', '>', '=', '|']);
        self.dtype != Dtype::Opaque
            || ["BOOL", "U16", "U32", "U64"].contains(&self.type_name.as_str())
            || of_numpy.starts_with(['u', 'i', 'b', '?'])
    }
}

/// What a file says of itself before its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    /// In the order of their data, without a gap.
    pub(crate) tensors: Vec<Tensor>,
    /// Whether elements have their most significant byte first.
    pub(crate) big_endian: bool,
    /// Whether the first index runs fastest.
    pub(crate) fortran: bool,
    /// Whether the file says more than its tensors do.
    pub(crate) has_metadata: bool,
}

impl Layout {
    pub(crate) fn one(tensor: Tensor) -> Self {
        Self { tensors: vec![tensor], big_endian: false, fortran: false, has_metadata: false }
    }

    /// How many bytes of data it tells of. The parsers have seen to it that this is a number.
    pub(crate) fn bytes(&self) -> u64 {
        self.tensors.iter().map(|tensor| tensor.bytes).sum()
    }

    /// The dtype that all tensors have; opaque where they differ.
    pub(crate) fn dtype(&self) -> Dtype {
        let mut dtypes = self.tensors.iter().map(|tensor| tensor.dtype);
        let first = dtypes.next().unwrap_or(Dtype::Opaque);
        if dtypes.all(|dtype| dtype == first) { first } else { Dtype::Opaque }
    }

    /// The shape, where there is one array.
    pub(crate) fn shape(&self) -> Option<Vec<u64>> {
        match self.tensors.as_slice() {
            [one] => Some(one.shape.clone()),
            _ => None,
        }
    }

    /// That so many bytes of data are those it tells of.
    pub(crate) fn check(&self, format: WeightsFormat, found: u64) -> Result<(), WeightsError> {
        let told = self.bytes();
        if told == found { Ok(()) } else { Err(WeightsError::Size { format, told, found }) }
    }
}

/// How many bytes so many elements of so many bits have. A zero anywhere makes it nothing, however large the rest is.
pub(crate) fn bytes_of(shape: &[u64], bits: u64) -> Result<u64, WeightsError> {
    if shape.contains(&0) {
        return Ok(0);
    }
    whole_bytes(shape, product(shape.iter(), 1), bits)
}

/// The same where numbers are multiplied from left to right, as the package safetensors does it: what overflows before a
/// zero comes is more than it can count.
pub(crate) fn bytes_in_order(shape: &[u64], bits: u64) -> Result<u64, WeightsError> {
    whole_bytes(shape, product(shape.iter(), 1), bits)
}

/// The product of those that are not zero; nothing where it is more than 64 bits hold.
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
