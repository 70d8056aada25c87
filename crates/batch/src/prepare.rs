//! Everything before the first item runs: opening, checking, and finding out what is done already.

use std::io::Read;

use crate::{
    error::BatchError,
    feed::Feed,
    halt::HaltAmount,
    input::{Entries, Entry, Source},
    ledger::{Key, Kind, Record, boot_id},
    options::{Duplicates, Input, InputFormat, Options, Output},
    path_checks::{check_paths, is_special},
    results::{Destination, ErrorLines, FileResults, FolderResults, KeptIndex, Writer},
};

/// A batch that is ready to run.
pub(crate) struct Prepared {
    /// Reads the rest of the input.
    pub(crate) feed: Feed,
    /// Writes the rest of the results.
    pub(crate) writer: Writer,
    /// Index of the first item that the feed reads.
    pub(crate) first_index: u64,
    /// Number of items of the input, where it is known.
    pub(crate) total: Option<u64>,
    /// Number of results that are in their place: successes and failures.
    pub(crate) in_place: (u64, u64),
}

/// Opens input and results, and compares them.
///
/// # Errors
/// Everything that [`BatchError`] has for a batch that cannot begin.
pub(crate) fn prepare(
    options: &Options,
    input: Input,
    output: Output,
    is_wanted: impl Fn() -> bool,
) -> Result<Prepared, BatchError> {
    let shares = options.duplicates == Duplicates::Share;
    let has_order = !options.unordered && !matches!(output, Output::Stream(_));
    if shares && !has_order {
        return Err(BatchError::ShareNeedsFile);
    }
    let source = Source::open(input, is_wanted)?;
    check_paths(options, &source, &output)?;
    let total = count(&source, options)?;
    let mut entries = Entries::new(source, options)?;
    // What is wrong with the beginning of a file is said before anything is changed. A stream may not have begun.
    let mut first = if entries.source().is_regular() { entries.next()? } else { None };
    let (mut spare, mut kept) = (None, None);
    let (mut first_index, mut in_place) = (0, (0, 0));
    let destination = match output {
        Output::Stream(stream) => Destination::Stream(stream),
        Output::File(path) if is_special(&path) && shares => return Err(BatchError::ShareNeedsFile),
        Output::File(path) if is_special(&path) => Destination::Special(path),
        Output::File(path) => {
            let mut results = FileResults::open(&path, options, boot_id(options))?;
            if options.unordered {
                results.take_back()?;
                kept = Some(KeptIndex::new(results.ledger(), None, u64::MAX)?);
            } else {
                let aligned = align(first, &mut entries, &mut results, options)?;
                first_index = aligned.matched;
                in_place = (aligned.matched - aligned.failed, aligned.failed);
                first = aligned.next;
                spare = results.set_aside(aligned.matched, |_| true)?;
            }
            Destination::File(results)
        }
        Output::Folder(path) => {
            let mut results = FolderResults::open(&path, options, boot_id(options))?;
            let folder = results.path().to_owned();
            kept = Some(KeptIndex::new(results.ledger(), Some(&folder), u64::MAX)?);
            Destination::Folder(results)
        }
    };
    let errors = options.errors.as_deref().map(|path| ErrorLines::open(path, options.resume)).transpose()?;
    let with_failed = !options.retry_failed;
    Ok(Prepared {
        feed: Feed { entries, first, spare, kept, with_failed, shares },
        writer: Writer { destination, format: options.output_format, errors },
        first_index,
        total,
        in_place,
    })
}

/// How far the results are those of the input.
struct Aligned {
    /// Number of results that are in their place.
    matched: u64,
    /// Number of failures among them.
    failed: u64,
    /// The item after them, if one was read.
    next: Option<Entry>,
}

/// Reads items for as long as the results are theirs.
fn align(
    mut first: Option<Entry>,
    entries: &mut Entries,
    results: &mut FileResults,
    options: &Options,
) -> Result<Aligned, BatchError> {
    let mut aligned = Aligned { matched: 0, failed: 0, next: None };
    for record in results.records()? {
        let record = record?;
        let Some(entry) = first.take().map_or_else(|| entries.next(), |first| Ok(Some(first)))? else { break };
        if !is_result_of(&record, &entry, options) {
            aligned.next = Some(entry);
            break;
        }
        aligned.matched += 1;
        aligned.failed += u64::from(record.kind != Kind::Done);
    }
    aligned.next = aligned.next.or(first);
    Ok(aligned)
}

fn is_result_of(record: &Record, entry: &Entry, options: &Options) -> bool {
    record.key == Key { identity: entry.item.identity, occurrence: entry.item.occurrence }
        && record.content == entry.content
        && (record.kind == Kind::Done || !options.retry_failed)
}

/// Reads a regular file once before anything is run. Ids are checked; the number of its items is returned where it is cheap to
/// know, or needed.
pub(crate) fn count(source: &Source, options: &Options) -> Result<Option<u64>, BatchError> {
    let Some(again) = source.again()? else { return Ok(None) };
    let is_share = options.halt.is_some_and(|halt| matches!(halt.amount, HaltAmount::Percent(_)));
    let delimiter = match options.input_format {
        InputFormat::Null => 0,
        _ => b'\n',
    };
    if options.id_field.is_some() || (options.input_format == InputFormat::Csv && is_share) {
        let mut entries = Entries::new(again, options)?;
        let mut count = 0;
        while entries.next()?.is_some() {
            count += 1;
        }
        return Ok(Some(count));
    }
    if options.input_format == InputFormat::Csv {
        return Ok(None);
    }
    pieces(again, delimiter).map(Some).map_err(|source| BatchError::ReadInput { line: 1, source })
}

/// Number of pieces between delimiters; the last need not have one.
fn pieces(mut input: impl Read, delimiter: u8) -> std::io::Result<u64> {
    let (mut count, mut last) = (0, delimiter);
    let mut buffer = vec![0; 256 << 10];
    loop {
        let read = input.read(&mut buffer)?;
        let Some(end) = buffer[..read].last() else { break };
        last = *end;
        count += buffer[..read].iter().filter(|byte| **byte == delimiter).count() as u64;
    }
    Ok(count + u64::from(last != delimiter))
}
