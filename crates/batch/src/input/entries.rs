//! The items of an input, numbered.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::{
    error::BatchError,
    input::{
        csv_records::CsvReader,
        file_list,
        identities::{Identities, Occurrence},
        json_lines,
        line_reader::LineReader,
        raw_item::RawItem,
        source::Source,
    },
    item::{Identity, Item},
    options::{Duplicates, InputFormat, Options},
};

/// An item of the input with what the batch knows of it.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// The item.
    pub(crate) item: Item,
    /// Number of its first line, or of the item where items are no lines, from 1.
    pub(crate) line: u64,
    /// The value of its id field.
    pub(crate) id: Option<String>,
    /// Hash of its content.
    pub(crate) content: [u8; 8],
    /// Why it cannot be run, with its place.
    pub(crate) fault: Option<String>,
    /// Index of the first item with its identity, if another item is that.
    pub(crate) first: Option<u64>,
}

/// Maximum number of items that are cut ahead, and their size in bytes: finding out whether an identity came before waits for
/// memory, and the processor does that for several at once.
const AHEAD: (usize, usize) = (32, 64 << 10);

/// What cuts the input.
enum Cutter {
    Lines(LineReader<Source>),
    JsonLines(LineReader<Source>),
    Files(LineReader<Source>),
    Csv(Box<CsvReader<Source>>),
}

/// Reads the items of an input, one after the other.
pub(crate) struct Entries {
    cutter: Cutter,
    id_field: Option<String>,
    refuses_duplicates: bool,
    identities: Identities,
    next_index: u64,
    /// Items that were cut and numbered already.
    ready: VecDeque<Entry>,
    /// Why there is no item after them.
    failure: Option<BatchError>,
    /// The first line that ends with a carriage return, in a format where that belongs to the item.
    carriage_return: Option<u64>,
}

impl Entries {
    /// Reads from this source as the options say.
    ///
    /// # Errors
    /// [`BatchError::NoIdField`].
    pub(crate) fn new(source: Source, options: &Options) -> Result<Self, BatchError> {
        let format = options.input_format;
        if options.id_field.is_some() && !matches!(format, InputFormat::JsonLines | InputFormat::Csv) {
            return Err(BatchError::NoIdField);
        }
        let cutter = match format {
            InputFormat::Lines => Cutter::Lines(LineReader::new(source, b'\n')),
            InputFormat::Null => Cutter::Lines(LineReader::new(source, 0)),
            InputFormat::JsonLines => Cutter::JsonLines(LineReader::new(source, b'\n')),
            InputFormat::Files => Cutter::Files(LineReader::new(source, b'\n')),
            InputFormat::Csv => Cutter::Csv(Box::new(CsvReader::new(source))),
        };
        Ok(Self {
            cutter,
            id_field: options.id_field.clone(),
            refuses_duplicates: options.id_field.is_some() && options.duplicates == Duplicates::Default,
            identities: Identities::default(),
            next_index: 0,
            ready: VecDeque::new(),
            failure: None,
            carriage_return: None,
        })
    }

    /// Whether the next item may have to wait for the input.
    pub(crate) fn may_wait(&self) -> bool {
        self.ready.is_empty() && self.cutter_may_wait()
    }

    fn cutter_may_wait(&self) -> bool {
        match &self.cutter {
            Cutter::Lines(reader) | Cutter::JsonLines(reader) | Cutter::Files(reader) => reader.may_wait(),
            Cutter::Csv(reader) => reader.may_wait(),
        }
    }

    /// The first line that ends with a carriage return which belongs to its item.
    pub(crate) const fn carriage_return(&self) -> Option<u64> {
        self.carriage_return
    }

    /// The input.
    pub(crate) fn source(&self) -> &Source {
        match &self.cutter {
            Cutter::Lines(reader) | Cutter::JsonLines(reader) | Cutter::Files(reader) => reader.source(),
            Cutter::Csv(reader) => reader.source(),
        }
    }

    /// Returns the next item; nothing at the end.
    ///
    /// # Errors
    /// Everything that [`BatchError`] has about inputs and ids.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, BatchError> {
        if self.ready.is_empty() && self.failure.is_none() {
            self.cut_ahead();
        }
        match (self.ready.pop_front(), self.failure.take()) {
            (Some(entry), failure) => {
                self.failure = failure;
                Ok(Some(entry))
            }
            (None, Some(failure)) => Err(failure),
            (None, None) => self.source().check().map(|()| None),
        }
    }

    /// Cuts and numbers the next items, but does not wait for more than one.
    fn cut_ahead(&mut self) {
        let (mut cut, mut bytes) = (Vec::with_capacity(AHEAD.0), 0);
        while cut.is_empty() || (cut.len() < AHEAD.0 && bytes < AHEAD.1 && !self.cutter_may_wait()) {
            match self.raw(cut.len() as u64) {
                Ok(Some(raw)) => {
                    bytes += raw.input.len();
                    cut.push(raw);
                }
                Ok(None) => break,
                Err(error) => {
                    self.failure = Some(error);
                    break;
                }
            }
        }
        let identity = |raw: &RawItem| {
            Identity(raw.id.as_ref().map_or(raw.content, |id| crate::digest::short_hash(id.as_bytes())))
        };
        let identified: Vec<_> = cut.iter().map(identity).map(|id| (id, self.identities.add(id))).collect();
        for (raw, (identity, occurrence)) in cut.into_iter().zip(identified) {
            match self.numbered(raw, identity, occurrence) {
                Ok(entry) => self.ready.push_back(entry),
                Err(error) => {
                    self.failure = Some(error);
                    break;
                }
            }
        }
    }

    /// Returns the next item before it is numbered. `ahead` of them are not numbered yet.
    fn raw(&mut self, ahead: u64) -> Result<Option<RawItem>, BatchError> {
        let line = self.next_index + ahead + 1;
        let failed = |source| BatchError::ReadInput { line, source };
        let id_field = self.id_field.as_deref();
        match &mut self.cutter {
            Cutter::Lines(reader) => reader.next().map_err(failed),
            Cutter::JsonLines(reader) => match reader.next().map_err(failed)? {
                Some(line) => json_lines::checked(line, id_field).map(Some),
                None => Ok(None),
            },
            Cutter::Files(reader) => Ok(reader.next().map_err(failed)?.map(file_list::read)),
            Cutter::Csv(reader) => reader.next(id_field),
        }
    }

    fn numbered(
        &mut self,
        raw: RawItem,
        identity: Identity,
        occurrence: Option<Occurrence>,
    ) -> Result<Entry, BatchError> {
        let RawItem { line, input, content, id, fault } = raw;
        if self.carriage_return.is_none() && matches!(self.cutter, Cutter::Lines(_)) && ends_with_return(&input) {
            self.carriage_return = Some(line);
        }
        let index = self.next_index;
        let occurrence = occurrence.ok_or(BatchError::TooManyItems)?;
        if let (Some(id), true, true) = (&id, self.refuses_duplicates, occurrence.before > 0) {
            return Err(BatchError::DuplicateId { id: id.clone(), line, first: occurrence.first + 1 });
        }
        self.next_index += 1;
        let [a, b, c, d, e, f, g, h, ..] = content;
        Ok(Entry {
            item: Item { index, identity, occurrence: occurrence.before, input },
            line,
            id,
            content: [a, b, c, d, e, f, g, h],
            fault,
            first: (occurrence.before > 0).then_some(occurrence.first),
        })
    }
}

fn ends_with_return(input: &Bytes) -> bool {
    input.last() == Some(&b'\r')
}
