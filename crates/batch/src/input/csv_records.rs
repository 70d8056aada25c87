//! Records of CSV as JSON objects.

use std::io::{self, BufRead as _, BufReader, Read};

use csv_core::{ReadRecordResult, Reader};
use sha2::{Digest as _, Sha256};

use crate::{
    digest::shortened,
    error::BatchError,
    input::raw_item::{MOST_ITEM_BYTES, RawItem},
};

/// Maximum number of columns that an error names.
const MOST_NAMED: usize = 10;

/// A record: its fields, or its size where it is too large.
enum Record {
    Fields {
        line: u64,
        bytes: Vec<u8>,
        ends: Vec<usize>,
    },
    TooLarge {
        line: u64,
        content: [u8; 16],
        bytes: u64,
    },
    /// The input ended within a quoted field.
    OpenQuote {
        line: u64,
        content: [u8; 16],
    },
}

/// Reads CSV as RFC 4180 has it: commas, double quotes, lines that end with or without a carriage return.
pub(crate) struct CsvReader<R> {
    source: BufReader<R>,
    parser: Reader,
    header: Option<Vec<String>>,
    most: usize,
    /// Whether the parser was given a newline after the last byte.
    has_final_newline: bool,
    is_over: bool,
}

impl<R: Read> CsvReader<R> {
    /// Reads from a stream, whose first record is the header.
    pub(crate) fn new(source: R) -> Self {
        let source = BufReader::with_capacity(256 << 10, source);
        Self {
            source,
            parser: Reader::new(),
            header: None,
            most: MOST_ITEM_BYTES,
            has_final_newline: false,
            is_over: false,
        }
    }

    /// Sets another maximum size of a record, in bytes.
    #[cfg(test)]
    pub(crate) const fn with_most(mut self, most: usize) -> Self {
        self.most = most;
        self
    }

    /// The stream.
    pub(crate) fn source(&self) -> &R {
        self.source.get_ref()
    }

    /// Whether the next record may have to wait for the stream.
    pub(crate) fn may_wait(&self) -> bool {
        self.source.buffer().is_empty()
    }

    /// Returns the next record as a JSON object; nothing at the end. A record with another number of fields than the header,
    /// or that is not valid UTF-8, is a faulty item.
    pub(crate) fn next(&mut self, id_field: Option<&str>) -> Result<Option<RawItem>, BatchError> {
        let at_line = self.parser.line();
        let failed = |source| BatchError::ReadInput { line: at_line, source };
        if self.header.is_none() {
            let Some(first) = self.record().map_err(failed)? else { return Ok(None) };
            self.header = Some(header(first, id_field)?);
        }
        let Some(record) = self.record().map_err(failed)? else { return Ok(None) };
        item(record, self.header.as_deref().unwrap_or_default(), id_field).map(Some)
    }

    /// Reads one record; nothing at the end.
    fn record(&mut self) -> io::Result<Option<Record>> {
        let (mut bytes, mut filled) = (vec![0; 1024], 0);
        let (mut ends, mut ended) = (vec![0; 16], 0);
        // Set once the record is too large: what was dropped so far.
        let mut dropped: Option<(Sha256, u64)> = None;
        let (mut line, mut is_in_quotes) = (None, false);
        while !self.is_over {
            let input = self.source.fill_buf()?;
            let is_end = input.is_empty();
            // A newline after the last byte ends the record, unless it belongs to a quoted field.
            let is_final_newline = is_end && !self.has_final_newline;
            let input: &[u8] = if is_final_newline { b"\n" } else { input };
            // The byte that begins the record: the parser passes empty lines.
            line = line.or_else(|| {
                let empty = input.iter().take_while(|byte| matches!(byte, b'\n' | b'\r'));
                Some(self.parser.line() + empty.filter(|byte| **byte == b'\n').count() as u64)
            });
            let (result, read, written, ends_written) =
                self.parser.read_record(input, &mut bytes[filled..], &mut ends[ended..]);
            if is_final_newline {
                self.has_final_newline = read > 0;
                is_in_quotes = read > 0 && written > 0;
            } else {
                self.source.consume(read);
            }
            filled += written;
            ended += ends_written;
            match result {
                ReadRecordResult::InputEmpty if !is_end || is_final_newline => {}
                ReadRecordResult::InputEmpty => self.is_over = true,
                ReadRecordResult::OutputFull if filled >= self.most => {
                    let (hasher, count) = dropped.get_or_insert_with(|| (Sha256::new(), 0));
                    hasher.update(&bytes[..filled]);
                    *count += filled as u64;
                    filled = 0;
                }
                ReadRecordResult::OutputFull => bytes.resize((bytes.len() * 2).min(self.most.max(1024)), 0),
                ReadRecordResult::OutputEndsFull if dropped.is_some() => ended = 0,
                ReadRecordResult::OutputEndsFull => ends.resize(ends.len() * 2, 0),
                ReadRecordResult::Record => {
                    let line = line.unwrap_or(1);
                    if is_in_quotes {
                        let (mut hasher, _) = dropped.unwrap_or_else(|| (Sha256::new(), 0));
                        hasher.update(&bytes[..filled]);
                        return Ok(Some(Record::OpenQuote { line, content: shortened(hasher) }));
                    }
                    if let Some((mut hasher, count)) = dropped {
                        hasher.update(&bytes[..filled]);
                        let (content, bytes) = (shortened(hasher), count + filled as u64);
                        return Ok(Some(Record::TooLarge { line, content, bytes }));
                    }
                    bytes.truncate(filled);
                    ends.truncate(ended);
                    return Ok(Some(Record::Fields { line, bytes, ends }));
                }
                ReadRecordResult::End => self.is_over = true,
            }
        }
        Ok(None)
    }
}

/// Returns the fields of a record.
fn fields<'a>(bytes: &'a [u8], ends: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let begins = std::iter::once(0).chain(ends.iter().copied());
    begins.zip(ends).map(|(begin, end)| bytes.get(begin..*end).unwrap_or_default())
}

/// Returns the names of the columns.
fn header(record: Record, id_field: Option<&str>) -> Result<Vec<String>, BatchError> {
    let bad = |what: String| BatchError::CsvHeader { what };
    let (bytes, ends) = match record {
        Record::Fields { bytes, ends, .. } => (bytes, ends),
        Record::TooLarge { .. } => return Err(bad("it is too large".to_owned())),
        Record::OpenQuote { .. } => return Err(bad("a quote in it is never closed".to_owned())),
    };
    let names: Result<Vec<String>, _> = fields(&bytes, &ends).map(|name| String::from_utf8(name.to_vec())).collect();
    let mut names = names.map_err(|_| bad("it is not valid UTF-8".to_owned()))?;
    if let Some(first) = names.first_mut().filter(|first| first.starts_with('\u{feff}')) {
        first.remove(0);
    }
    let twice = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name));
    if let Some((_, name)) = twice {
        return Err(bad(format!("the column `{name}` is there twice")));
    }
    match id_field.filter(|field| !names.iter().any(|name| name == field)) {
        Some(field) => {
            let known: Vec<String> = names.iter().take(MOST_NAMED).map(|name| format!("`{name}`")).collect();
            let more = if names.len() > MOST_NAMED { ", …" } else { "" };
            Err(bad(format!("there is no column `{field}`, but {}{more}", known.join(", "))))
        }
        None => Ok(names),
    }
}

/// Makes a JSON object of a record.
fn item(record: Record, header: &[String], id_field: Option<&str>) -> Result<RawItem, BatchError> {
    let (line, bytes, ends) = match record {
        Record::Fields { line, bytes, ends } => (line, bytes, ends),
        Record::TooLarge { line, content, bytes } => return Ok(RawItem::too_large(line, content, bytes)),
        Record::OpenQuote { line, content } => {
            let fault = format!("line {line}: a quote in this record is never closed");
            return Ok(RawItem::faulty(line, content, fault));
        }
    };
    let faulty = |fault: String| {
        let mut hasher = Sha256::new_with_prefix(&bytes);
        ends.iter().for_each(|end| hasher.update(end.to_le_bytes()));
        RawItem::faulty(line, shortened(hasher), format!("line {line}: {fault}"))
    };
    if ends.len() != header.len() {
        let fields = if ends.len() == 1 { "1 field".to_owned() } else { format!("{} fields", ends.len()) };
        return Ok(faulty(format!("the record has {fields}, and the header {}", header.len())));
    }
    let mut object = String::with_capacity(bytes.len() * 2 + 2);
    let mut id = None;
    for (at, (name, value)) in header.iter().zip(fields(&bytes, &ends)).enumerate() {
        let Ok(value) = std::str::from_utf8(value) else {
            return Ok(faulty(format!("the column `{name}` is not valid UTF-8")));
        };
        if id_field == Some(name.as_str()) {
            id = Some(value.to_owned());
        }
        object.push(if at == 0 { '{' } else { ',' });
        object.push_str(&serde_json::Value::from(name.as_str()).to_string());
        object.push(':');
        object.push_str(&serde_json::Value::from(value).to_string());
    }
    object.push('}');
    if let (Some(field), true) = (id_field, id.as_ref().is_none_or(String::is_empty)) {
        return Err(BatchError::MissingId { field: field.to_owned(), line });
    }
    Ok(RawItem { id, ..RawItem::new(line, object.into()) })
}
