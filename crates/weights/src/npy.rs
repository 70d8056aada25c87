//! npy: magic, version, the length of a header, the header as a literal of Python, the data.

use mer_core::{Dtype, WeightsFormat};

use crate::{
    WeightsError,
    layout::{Layout, Tensor, bytes_of},
};

pub(crate) const MAGIC: &[u8] = b"\x93NUMPY";

/// Until where the length of the header is known: magic, two bytes of version, and at most four of length.
pub(crate) const PREAMBLE: usize = 12;

/// No header is longer; numpy itself reads none of more than 10 000 bytes without being told to.
pub(crate) const LONGEST: usize = 1 << 20;

fn wrong(what: impl Into<String>) -> WeightsError {
    WeightsError::Header { format: WeightsFormat::Npy, what: what.into() }
}

/// Where the header begins and ends. `start` has [`PREAMBLE`] bytes.
pub(crate) fn extent(start: &[u8]) -> Result<(usize, usize), WeightsError> {
    if !start.starts_with(MAGIC) {
        return Err(wrong("it does not begin as one"));
    }
    let (begin, length) = match start[6] {
        1 => (10, usize::from(u16::from_le_bytes([start[8], start[9]]))),
        2 | 3 => {
            let length = u32::from_le_bytes([start[8], start[9], start[10], start[11]]);
            (12, usize::try_from(length).unwrap_or(usize::MAX))
        }
        other => return Err(wrong(format!("its version is {other}, and there are 1, 2 and 3"))),
    };
    if length > LONGEST { Err(wrong(format!("its header has {length} bytes"))) } else { Ok((begin, begin + length)) }
}

/// Reads a header, without what stands before it.
pub(crate) fn parse(header: &[u8]) -> Result<Layout, WeightsError> {
    let text = std::str::from_utf8(header).map_err(|_| wrong("its header is no text"))?;
    let mut literal = Literal { rest: text };
    let (mut descr, mut fortran, mut shape) = (None, None, None);
    literal.take('{')?;
    while !literal.takes('}') {
        match (literal.string()?, literal.take(':')?) {
            ("descr", ()) if literal.peeks('[') => return Err(wrong("its elements are records of several fields")),
            ("descr", ()) => descr = Some(literal.string()?),
            ("fortran_order", ()) => fortran = Some(literal.truth()?),
            ("shape", ()) => shape = Some(literal.shape()?),
            (other, ()) => return Err(wrong(format!("its header has a key `{other}`"))),
        }
        if !literal.takes(',') {
            literal.take('}')?;
            break;
        }
    }
    if !literal.rest.trim().is_empty() {
        return Err(wrong("there is something after its header"));
    }
    let missing = |key| move || wrong(format!("its header has no `{key}`"));
    let descr = descr.ok_or_else(missing("descr"))?;
    let fortran = fortran.ok_or_else(missing("fortran_order"))?;
    let shape: Vec<u64> = shape.ok_or_else(missing("shape"))?;
    let (dtype, size, big_endian) = element(descr)?;
    let bits = size.checked_mul(8).ok_or_else(|| wrong(format!("`{descr}` is no type")))?;
    let bytes = bytes_of(&shape, bits)?;
    let tensor = Tensor { name: None, dtype, type_name: descr.to_owned(), shape, bytes };
    Ok(Layout { big_endian, fortran, ..Layout::one(tensor) })
}

/// The type that numpy's word means, how many bytes it has, and whether the first of them is the most significant.
fn element(descr: &str) -> Result<(Dtype, u64, bool), WeightsError> {
    let none = || wrong(format!("`{descr}` is no type of elements"));
    let (order, word) = match descr.as_bytes().first() {
        Some(b'<' | b'=' | b'|') => (false, &descr[1..]),
        Some(b'>') => (true, &descr[1..]),
        _ => (false, descr),
    };
    let kind = word.chars().next().ok_or_else(none)?;
    // What is counted in months and the like has its unit after the size.
    let digits: String = word.chars().skip(1).take_while(char::is_ascii_digit).collect();
    let size: u64 = match (kind, digits.as_str()) {
        ('O', _) => {
            return Err(wrong("its elements are objects of Python, which could run any code when they are read"));
        }
        ('?', "") => 1,
        (_, digits) => digits.parse().map_err(|_| none())?,
    };
    let dtype = match (kind, size) {
        ('f', 2) => Dtype::F16,
        ('f', 4) => Dtype::F32,
        ('f', 8) => Dtype::F64,
        ('i', 1) => Dtype::I8,
        ('i', 2) => Dtype::I16,
        ('i', 4) => Dtype::I32,
        ('i', 8) => Dtype::I64,
        ('u', 1) => Dtype::U8,
        _ => Dtype::Opaque,
    };
    match kind {
        // Characters have four bytes each.
        'U' => size.checked_mul(4).map(|size| (dtype, size, order)).ok_or_else(none),
        'f' | 'i' | 'u' | 'b' | 'c' | 'S' | 'a' | 'V' | 'M' | 'm' | '?' => Ok((dtype, size, order && size > 1)),
        _ => Err(none()),
    }
}

/// The header, with what stands before it, of one array. The data begins at a multiple of 64, as numpy has it.
pub(crate) fn header(dtype: Dtype, shape: &[u64]) -> Option<Vec<u8>> {
    let descr = match dtype {
        Dtype::F16 => "<f2",
        Dtype::F32 => "<f4",
        Dtype::F64 => "<f8",
        Dtype::I8 => "|i1",
        Dtype::I16 => "<i2",
        Dtype::I32 => "<i4",
        Dtype::I64 => "<i8",
        Dtype::U8 => "|u1",
        _ => return None,
    };
    let lengths: Vec<String> = shape.iter().map(u64::to_string).collect();
    let tuple = if let [one] = lengths.as_slice() { format!("({one},)") } else { format!("({})", lengths.join(", ")) };
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {tuple}, }}");
    let length = (10 + text.len() + 1).next_multiple_of(64) - 10;
    text.extend(std::iter::repeat_n(' ', length - 1 - text.len()));
    text.push('\n');
    let length = u16::try_from(length).ok()?;
    Some([MAGIC, &[1, 0], &length.to_le_bytes(), text.as_bytes()].concat())
}

/// What is left of a literal.
struct Literal<'a> {
    rest: &'a str,
}

impl<'a> Literal<'a> {
    fn peeks(&mut self, wanted: char) -> bool {
        self.rest = self.rest.trim_start();
        self.rest.starts_with(wanted)
    }

    fn takes(&mut self, wanted: char) -> bool {
        let there = self.peeks(wanted);
        if there {
            self.rest = &self.rest[wanted.len_utf8()..];
        }
        there
    }

    fn take(&mut self, wanted: char) -> Result<(), WeightsError> {
        if self.takes(wanted) { Ok(()) } else { Err(wrong(format!("its header lacks a `{wanted}`"))) }
    }

    fn string(&mut self) -> Result<&'a str, WeightsError> {
        let quote = if self.peeks('"') { '"' } else { '\'' };
        self.take(quote)?;
        let (text, rest) = self.rest.split_once(quote).ok_or_else(|| wrong("a quote in its header is not closed"))?;
        self.rest = rest;
        Ok(text)
    }

    fn truth(&mut self) -> Result<bool, WeightsError> {
        self.rest = self.rest.trim_start();
        for (word, is) in [("True", true), ("False", false)] {
            if let Some(rest) = self.rest.strip_prefix(word) {
                self.rest = rest;
                return Ok(is);
            }
        }
        Err(wrong("`fortran_order` is neither True nor False"))
    }

    fn shape(&mut self) -> Result<Vec<u64>, WeightsError> {
        let mut shape = Vec::new();
        self.take('(')?;
        while !self.takes(')') {
            self.rest = self.rest.trim_start();
            let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
            let length = self.rest[..end].parse().map_err(|_| wrong("its shape is none"))?;
            // Version 1 of Python wrote long numbers with an L.
            self.rest = self.rest[end..].trim_start_matches('L');
            shape.push(length);
            if !self.takes(',') {
                self.take(')')?;
                break;
            }
        }
        Ok(shape)
    }
}
