//! The format npy: magic bytes, version, length of the header, the header as a Python literal, and the data.

use mer_core::{Dtype, WeightsFormat};

use crate::{
    WeightsError,
    layout::{Layout, Tensor, bytes_of, product_without_zeros},
};

pub(crate) const MAGIC: &[u8] = b"\x93NUMPY";

/// Position of the version.
pub(crate) const VERSION: usize = MAGIC.len();

/// Number of bytes up to the end of the header's length: magic, two bytes of version, and at most four of length.
pub(crate) const PREAMBLE: usize = 12;

/// Maximum number of dimensions of a numpy array.
const MAX_DIMENSIONS: usize = 64;

/// The last version whose headers may have Python 2 integers, with an `L` after them.
const LAST_PYTHON_2: u8 = 2;

/// Maximum length of a header, in bytes. By default numpy refuses headers of more than 10 000 bytes.
pub(crate) const MAX_HEADER_BYTES: usize = 1 << 20;

fn wrong(what: impl Into<String>) -> WeightsError {
    WeightsError::Header { format: WeightsFormat::Npy, what: what.into() }
}

/// Returns where the header begins and ends. `start` has [`PREAMBLE`] bytes.
pub(crate) fn extent(start: &[u8]) -> Result<(usize, usize), WeightsError> {
    if !start.starts_with(MAGIC) {
        return Err(wrong("it does not begin like one"));
    }
    let (begin, length) = match start[VERSION] {
        1 => (10, usize::from(u16::from_le_bytes([start[8], start[9]]))),
        2 | 3 => {
            let length = u32::from_le_bytes([start[8], start[9], start[10], start[11]]);
            (12, usize::try_from(length).unwrap_or(usize::MAX))
        }
        _ => (0, 0),
    };
    if begin == 0 || start[VERSION + 1] != 0 {
        return Err(wrong(format!(
            "its version is {}.{}, and there are 1.0, 2.0 and 3.0",
            start[VERSION],
            start[VERSION + 1]
        )));
    }
    if length > MAX_HEADER_BYTES {
        Err(wrong(format!("its header has {length} bytes")))
    } else {
        Ok((begin, begin + length))
    }
}

/// Parses a header of this version, without the preamble.
pub(crate) fn parse(header: &[u8], version: u8) -> Result<Layout, WeightsError> {
    let text = std::str::from_utf8(header).map_err(|_| wrong("its header is no text"))?;
    let mut literal = Literal { rest: text, has_long_numbers: version <= LAST_PYTHON_2 };
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
    if !literal.rest.trim_start_matches(BLANK).is_empty() {
        return Err(wrong("there is something after its header"));
    }
    let missing = |key| move || wrong(format!("its header has no `{key}`"));
    let descr = descr.ok_or_else(missing("descr"))?;
    let fortran = fortran.ok_or_else(missing("fortran_order"))?;
    let shape: Vec<u64> = shape.ok_or_else(missing("shape"))?;
    let (dtype, size, big_endian) = element(descr)?;
    check_lengths(&shape, size)?;
    let bytes = bytes_of(&shape, size * 8)?;
    let tensor = Tensor { name: None, dtype, type_name: descr.to_owned(), shape, bytes };
    Ok(Layout { big_endian, fortran, ..Layout::one(tensor) })
}

/// Checks that numpy can count the bytes of an array: with a signed integer, and without the dimensions that are zero.
pub(crate) fn check_lengths(shape: &[u64], size: u64) -> Result<(), WeightsError> {
    if shape.len() > MAX_DIMENSIONS {
        return Err(wrong(format!("it has {} dimensions, and numpy has at most {MAX_DIMENSIONS}", shape.len())));
    }
    match product_without_zeros(shape, size.max(1)) {
        Some(bytes) if i64::try_from(bytes).is_ok() => Ok(()),
        _ => Err(WeightsError::TooLarge { shape: shape.to_vec() }),
    }
}

/// Returns dtype, size in bytes and whether it is big-endian for the name of a numpy type. Only names that numpy writes are
/// accepted, not the additional ones that it reads, such as `float32`.
fn element(descr: &str) -> Result<(Dtype, u64, bool), WeightsError> {
    let none = || wrong(format!("`{descr}` is no type of elements"));
    let (order, word) = match descr.as_bytes().first() {
        Some(b'<' | b'=' | b'|') => (false, &descr[1..]),
        Some(b'>') => (true, &descr[1..]),
        _ => (false, descr),
    };
    let kind = word.chars().next().ok_or_else(none)?;
    let after = &word[kind.len_utf8()..];
    let (digits, unit) = after.split_at(after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len()));
    if kind == 'O' {
        return Err(wrong("its elements are objects of Python, which could run any code when they are read"));
    }
    let size: u32 = match (kind, digits) {
        ('?', "") => 1,
        ('?', _) => return Err(none()),
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
    // A character has four bytes.
    let size = u64::from(size) * if kind == 'U' { 4 } else { 1 };
    let exists = match kind {
        'f' => matches!(size, 2 | 4 | 8 | 16),
        'i' | 'u' => matches!(size, 1 | 2 | 4 | 8),
        'b' | '?' => size == 1,
        'c' => matches!(size, 8 | 16 | 32),
        'M' | 'm' => size == 8,
        'S' | 'a' | 'V' | 'U' => i32::try_from(size).is_ok(),
        _ => false,
    };
    let has_unit = matches!(kind, 'M' | 'm') && is_unit(unit);
    if !exists || !(unit.is_empty() || has_unit) {
        return Err(none());
    }
    Ok((dtype, size, order && size > 1))
}

/// Whether a text is a unit of time in brackets, with an optional number, such as `[ns]` or `[10ms]`.
fn is_unit(text: &str) -> bool {
    const UNITS: [&str; 13] = ["Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as"];
    let Some(inner) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) else { return false };
    let name = inner.trim_start_matches(|c: char| c.is_ascii_digit());
    let count = &inner[..inner.len() - name.len()];
    UNITS.contains(&name) && (count.is_empty() || count.parse::<i32>().is_ok())
}

/// Returns preamble and header of an array; none if numpy has no such type. The data begins at a multiple of 64, as in numpy.
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

/// Characters that separate words in Python.
const BLANK: [char; 5] = [' ', '\t', '\n', '\r', '\x0c'];

/// The rest of a literal that is being parsed.
struct Literal<'a> {
    rest: &'a str,
    has_long_numbers: bool,
}

impl<'a> Literal<'a> {
    /// Whether the next character is `wanted`, after blanks.
    fn peeks(&mut self, wanted: char) -> bool {
        self.rest = self.rest.trim_start_matches(BLANK);
        self.rest.starts_with(wanted)
    }

    /// Consumes the next character if it is `wanted`. Returns whether it was.
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
        self.rest = self.rest.trim_start_matches(BLANK);
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
            shape.push(self.length()?);
            if !self.takes(',') {
                self.take(')')?;
                // In Python, a number in parentheses is not a tuple.
                if shape.len() == 1 {
                    return Err(wrong("its shape is a number, and not a tuple such as `(3,)`"));
                }
                break;
            }
        }
        Ok(shape)
    }

    fn length(&mut self) -> Result<u64, WeightsError> {
        self.rest = self.rest.trim_start_matches(BLANK);
        let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        let is_octal = digits.len() > 1 && digits.starts_with('0');
        let length = digits.parse().ok().filter(|_| !is_octal).ok_or_else(|| wrong("its shape is none"))?;
        self.rest = if self.has_long_numbers { rest.strip_prefix('L').unwrap_or(rest) } else { rest };
        Ok(length)
    }
}
