//! Inputs of every format, whole and broken.

use std::{
    fs,
    io::{Cursor, Read, Write as _},
};

use proptest::prelude::*;

use super::{
    csv_records::CsvReader,
    entries::{Entries, Entry},
    line_reader::LineReader,
    source::Source,
};
use crate::{
    BatchError, Duplicates, Identity, Input, InputFormat, Options, Subject, digest::short_hash, prepare::count,
};

fn options(input_format: InputFormat) -> Options {
    Options { input_format, ..Options::new(uuid::Uuid::nil(), Subject::default()) }
}

fn read(bytes: &[u8], options: &Options) -> Result<Vec<Entry>, BatchError> {
    let source = Source::Stream(Box::new(Cursor::new(bytes.to_vec())));
    let mut entries = Entries::new(source, options)?;
    let mut all = Vec::new();
    while let Some(entry) = entries.next()? {
        all.push(entry);
    }
    Ok(all)
}

fn inputs(bytes: &[u8], format: InputFormat) -> Vec<String> {
    let entries = read(bytes, &options(format)).unwrap();
    let text =
        |entry: &Entry| entry.fault.clone().unwrap_or_else(|| String::from_utf8_lossy(&entry.item.input).into_owned());
    entries.iter().map(text).collect()
}

/// Gives a byte at a time.
struct Slow<R>(R);

impl<R: Read> Read for Slow<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = buffer.len().min(1);
        self.0.read(&mut buffer[..length])
    }
}

#[test]
fn lines_and_pieces_end_at_their_delimiter_only() {
    assert_eq!(inputs(b"", InputFormat::Lines), [""; 0]);
    assert_eq!(inputs(b"\n", InputFormat::Lines), [""]);
    assert_eq!(inputs(b"a\n\nb\r\nc", InputFormat::Lines), ["a", "", "b\r", "c"]);
    assert_eq!(inputs(b"a\0b\nc\0\0", InputFormat::Null), ["a", "b\nc", ""]);
    assert_eq!(inputs(b"a\0b\n", InputFormat::Lines), ["a\0b"]);
}

#[test]
fn an_item_is_identified_by_its_content_and_how_often_it_came() {
    let entries = read(b"a\nb\na\na", &options(InputFormat::Lines)).unwrap();
    let of = |entry: &Entry| (entry.item.index, entry.item.occurrence, entry.first);
    assert_eq!(
        entries.iter().map(of).collect::<Vec<_>>(),
        [(0, 0, None), (1, 0, None), (2, 1, Some(0)), (3, 2, Some(0))]
    );
    assert_eq!(entries[0].item.identity, entries[3].item.identity);
    assert_eq!(entries[1].item.identity, Identity(short_hash(b"b")));
    assert_eq!(Identity([0x0f; 16]).to_string(), "0f".repeat(16));
}

#[test]
fn an_item_that_is_too_large_is_passed_over() {
    for delimiter in [b'\n', 0] {
        let text = [b"ab".as_slice(), &[delimiter], &[b'x'; 5000], &[delimiter], &[b'y'; 9], &[delimiter], &[b'z'; 10]]
            .concat();
        let mut reader = LineReader::new(Cursor::new(text.clone()), delimiter).with_most(9);
        let mut all = Vec::new();
        while let Some(item) = reader.next().unwrap() {
            all.push(item);
        }
        assert_eq!(all.len(), 4);
        assert!(all[0].fault.is_none() && all[2].fault.is_none() && all[2].input.len() == 9);
        let fault = all[1].fault.as_deref().unwrap();
        assert!(fault.starts_with("line 2: the item has 5000 bytes"), "{fault}");
        assert_eq!(all[1].content, short_hash(&[b'x'; 5000]));
        assert!(all[3].fault.is_some() && all[3].line == 4);
    }
    let text = format!("a,b\n1,2\n{},3\n4,5\n", "\"x\"\"\"".repeat(3000));
    let mut reader = CsvReader::new(Slow(Cursor::new(text.into_bytes()))).with_most(2048);
    let mut all = Vec::new();
    while let Some(item) = reader.next(None).unwrap() {
        all.push(item);
    }
    assert_eq!(all.len(), 3);
    let fault = all[1].fault.as_deref().unwrap();
    assert!(fault.starts_with("line 3: the item has 6") || fault.starts_with("line 3: the item has 9"), "{fault}");
    assert_eq!(all[2].input, r#"{"a":"4","b":"5"}"#);
}

#[test]
fn json_lines_are_whole_values() {
    let found = inputs(b"{\"a\": 1}\r\n[1,\n\xff\ntrue\n\n nul\n1 2\n\"\xc3\xa9\"", InputFormat::JsonLines);
    assert_eq!(found[0], "{\"a\": 1}");
    assert!(found[1].starts_with("line 2, column 3: the JSON value does not end on its line"), "{}", found[1]);
    assert_eq!(found[2], "line 3, byte 1: it is not valid UTF-8");
    assert_eq!((found[3].as_str(), found[4].as_str()), ("true", "line 5: it is empty, and no JSON value"));
    assert!(found[5].starts_with("line 6, column 4: "), "{}", found[5]);
    assert!(found[6].starts_with("line 7, column 3: trailing characters"), "{}", found[6]);
    assert_eq!(found[7], "\"é\"");
    for text in ["{\n\"a\": 1\n}\n", "[\n1]\n"] {
        let error = read(text.as_bytes(), &options(InputFormat::JsonLines)).unwrap_err();
        assert!(matches!(error, BatchError::JsonOverLines), "{error}");
    }
}

#[test]
fn a_field_identifies_items_whatever_else_they_have() {
    let json = |text: &str, duplicates| {
        let id_field = Some("id".to_owned());
        read(text.as_bytes(), &Options { id_field, duplicates, ..options(InputFormat::JsonLines) })
    };
    let rows = "{\"x\":[1,{\"id\":9}],\"id\":\"a\"}\n{\"id\":1}\n{\"id\":1.5}\n{\"id\":true}\n{oops\n";
    let entries = json(rows, Duplicates::Default).unwrap();
    let ids: Vec<_> = entries.iter().map(|entry| entry.id.as_deref()).collect();
    assert_eq!(ids, [Some("a"), Some("1"), Some("1.5"), Some("true"), None]);
    assert_eq!(entries[0].item.identity, Identity(short_hash(b"a")));
    for bad in ["{}", "[1]", "7", "\"id\"", "null", "{\"id\":null}", "{\"id\":\"\"}", "{\"id\":[1]}"] {
        let error = json(bad, Duplicates::Default).unwrap_err();
        assert!(matches!(error, BatchError::MissingId { line: 1, .. }), "{bad}: {error}");
    }
    let twice = "{\"id\":1,\"a\":1}\n{\"id\":2}\n{\"id\":1}\n";
    let error = json(twice, Duplicates::Default).unwrap_err();
    assert!(matches!(error, BatchError::DuplicateId { line: 3, first: 1, .. }), "{error}");
    assert_eq!(json(twice, Duplicates::Run).unwrap()[2].item.occurrence, 1);
    let lines = Options { id_field: Some("id".to_owned()), ..options(InputFormat::Lines) };
    assert!(matches!(read(b"a", &lines), Err(BatchError::NoIdField)));
}

#[test]
fn csv_records_are_objects() {
    let text = "\u{feff}name,note\r\na,\"x, \"\"y\"\"\nz\"\r\n\nb\nc,d,e\nf,";
    let found = inputs(text.as_bytes(), InputFormat::Csv);
    assert_eq!(found[0], r#"{"name":"a","note":"x, \"y\"\nz"}"#);
    assert_eq!(found[1], "line 5: the record has 1 field, and the header 2");
    assert_eq!(found[2], "line 6: the record has 3 fields, and the header 2");
    assert_eq!(found[3..], [r#"{"name":"f","note":""}"#]);
    assert_eq!(inputs(b"a\n\xff\n", InputFormat::Csv), ["line 2: the column `a` is not valid UTF-8"]);
    assert_eq!(inputs(b"", InputFormat::Csv), [""; 0]);
    assert_eq!(inputs(b"a,b\n", InputFormat::Csv), [""; 0]);
    let with_id = |text: &[u8]| read(text, &Options { id_field: Some("a".to_owned()), ..options(InputFormat::Csv) });
    assert_eq!(with_id(b"b,a\n1,2\n").unwrap()[0].id.as_deref(), Some("2"));
    for (text, what) in [
        (b"b\n1\n".as_slice(), "there is no column `a`, but `b`"),
        (b"A;b\n1;2\n", "there is no column `a`, but `A;b`"),
        (b"a,\"b\n1,2\n", "a quote in it is never closed"),
        (b"a,b,a\n", "the column `a` is there twice"),
        (b"\xff\n", "it is not valid UTF-8"),
        (b"a,b\n,2\n", "line 2: the item has no id"),
    ] {
        let error = with_id(text).unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
    }
}

#[test]
fn a_quote_that_is_never_closed_makes_no_item_of_the_records_behind_it() {
    let fault = |line: u32| format!("line {line}: a quote in this record is never closed");
    for (text, found) in [
        ("a,b\n1,\"x\n2,y\n3,z\n", vec![fault(2)]),
        ("a,b\n1,x\n\n2,\"y", vec![r#"{"a":"1","b":"x"}"#.to_owned(), fault(4)]),
        ("a,b\n1,\"y\"\"", vec![fault(2)]),
        ("a,b\n1,\"y\"", vec![r#"{"a":"1","b":"y"}"#.to_owned()]),
        ("a,b\n1,\"y\n\"", vec![r#"{"a":"1","b":"y\n"}"#.to_owned()]),
        ("a\n\"", vec![fault(2)]),
    ] {
        assert_eq!(inputs(text.as_bytes(), InputFormat::Csv), found, "{text:?}");
        let mut slow = CsvReader::new(Slow(Cursor::new(text.to_owned().into_bytes())));
        assert_eq!(std::iter::from_fn(|| slow.next(None).unwrap()).count(), found.len(), "{text:?}");
    }
    let text = format!("a\n1\n\"{}", "x\n".repeat(3000));
    let mut reader = CsvReader::new(Slow(Cursor::new(text.into_bytes()))).with_most(2048);
    let faults: Vec<_> = std::iter::from_fn(|| reader.next(None).unwrap()).filter_map(|item| item.fault).collect();
    assert_eq!(faults, [fault(3)]);
}

#[test]
fn a_byte_order_mark_belongs_to_no_json_value() {
    assert_eq!(inputs(b"\xef\xbb\xbf{\"a\":1}\n2\n", InputFormat::JsonLines), ["{\"a\":1}", "2"]);
    let marked = read(b"\xef\xbb\xbf1\n1\n", &options(InputFormat::JsonLines)).unwrap();
    assert_eq!(marked[0].item.identity, marked[1].item.identity);
    assert!(inputs(b"1\n\xef\xbb\xbf2\n", InputFormat::JsonLines)[1].starts_with("line 2, column 1"));
}

#[test]
fn an_id_that_is_a_number_is_what_is_written() {
    let ids = |text: &str| {
        let id_field = Some("id".to_owned());
        let found = read(text.as_bytes(), &Options { id_field, ..options(InputFormat::JsonLines) });
        found.map(|entries| entries.into_iter().map(|entry| entry.id.unwrap_or_default()).collect::<Vec<_>>())
    };
    for number in ["9007199254740993", "123456789012345678901234567890", "-0.50", "1e400", "1E2"] {
        assert_eq!(ids(&format!(" {{ \"x\":{{\"id\":3}} , \"id\" : {number} }} ")).unwrap(), [number]);
    }
    let large = "{\"id\":123456789012345678901234567890}\n{\"id\":123456789012345678901234567891}\n";
    assert_eq!(ids(large).unwrap().len(), 2);
    assert_eq!(ids("{\"\\u0069d\":\"a\\nb\",\"y\":[{}]}").unwrap(), ["a\nb"]);
    assert_eq!(ids("{\"id\":1,\"id\":\"the last\"}").unwrap(), ["the last"]);
    // Half a character is no text; elsewhere in the item it does no harm.
    assert_eq!(ids("{\"id\":\"\\ud800\"}\n{\"\\ud800\":1,\"id\":2}").unwrap(), ["", "2"]);
}

#[test]
fn files_are_their_path_and_content() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("a"), "one").unwrap();
    fs::write(path("b"), "one").unwrap();
    let large = fs::File::create(path("large")).unwrap();
    large.set_len((64 << 20) + 1).unwrap();
    let list = [path("a"), path("b"), path("none"), path("large"), folder.path().display().to_string()].join("\n");
    let entries = read(list.as_bytes(), &options(InputFormat::Files)).unwrap();
    assert_eq!((&entries[0].item.input[..], &entries[1].item.input[..]), (b"one".as_slice(), b"one".as_slice()));
    assert_ne!(entries[0].item.identity, entries[1].item.identity);
    for (at, what) in [(2, "No such file"), (3, "the file is larger than 64 MiB"), (4, "it is a folder")] {
        let fault = entries[at].fault.as_deref().unwrap();
        assert!(fault.starts_with(&format!("line {}: `", at + 1)) && fault.contains(what), "{fault}");
    }
    fs::write(path("a"), "two").unwrap();
    let again = read(list.as_bytes(), &options(InputFormat::Files)).unwrap();
    assert_ne!(entries[0].item.identity, again[0].item.identity);
    assert_eq!(entries[1].item.identity, again[1].item.identity);
}

#[test]
fn a_file_that_changes_is_noticed_at_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in");
    fs::write(&path, "a\nb\n").unwrap();
    let source = Source::open(Input::File(path.clone()), || true).unwrap();
    let again = source.again().unwrap().unwrap();
    let mut entries = Entries::new(source, &options(InputFormat::Lines)).unwrap();
    entries.next().unwrap().unwrap();
    fs::write(&path, "a\nb\nc\n").unwrap();
    let outcome = (0..3).map(|_| entries.next()).find(Result::is_err);
    assert!(matches!(outcome, Some(Err(BatchError::InputChanged { .. }))));
    assert!(again.again().is_err());
    let error = Source::open(Input::File(folder.path().to_owned()), || true).err().unwrap();
    assert!(matches!(error, BatchError::OpenInput { .. }), "{error}");
}

#[test]
fn an_open_file_is_read_from_its_place_and_counted_without_moving_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in");
    fs::write(&path, "read before\na\nb\n").unwrap();
    let mut file = fs::File::open(&path).unwrap();
    file.read_exact(&mut [0; 12]).unwrap();
    let source = Source::open(Input::Open(file.try_clone().unwrap()), || true).unwrap();
    assert!(source.is_regular());
    assert_eq!(count(&source, &options(InputFormat::Lines)).unwrap(), Some(2));
    let mut entries = Entries::new(source, &options(InputFormat::Lines)).unwrap();
    assert_eq!(&entries.next().unwrap().unwrap().item.input[..], b"a");
    assert_eq!(&entries.next().unwrap().unwrap().item.input[..], b"b");
    assert!(entries.next().unwrap().is_none());
    // What reads after the batch finds nothing more.
    assert_eq!(file.read(&mut [0; 9]).unwrap(), 0);
    fs::write(&path, "changed").unwrap();
    assert_eq!(entries.next().unwrap_err().to_string(), "the input was changed while it was read");
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(b"a\n").unwrap();
    let source = Source::open(Input::Open(std::os::fd::OwnedFd::from(reader).into()), || true).unwrap();
    assert!(!source.is_regular() && count(&source, &options(InputFormat::Lines)).unwrap().is_none());
}

proptest! {
    #[test]
    fn lines_are_what_split_says_however_they_arrive(
        pieces in prop::collection::vec("[^\n]{0,20}", 0..30),
        ends: bool,
    ) {
        let mut text = pieces.join("\n");
        if ends {
            text.push('\n');
        }
        let expected: Vec<&str> = text.split('\n').collect();
        let is_ended = text.is_empty() || text.ends_with('\n');
        let expected = &expected[..expected.len() - usize::from(is_ended)];
        let mut reader = LineReader::new(Slow(Cursor::new(text.clone())), b'\n');
        let mut found = Vec::new();
        while let Some(item) = reader.next().unwrap() {
            found.push(String::from_utf8(item.input.to_vec()).unwrap());
        }
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn csv_is_read_back_however_it_arrives(rows in prop::collection::vec(prop::collection::vec("[ -~\n\u{e9}]{0,9}", 3), 0..9)) {
        let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        let mut text = "a,b,c\n".to_owned();
        for row in &rows {
            text += &(row.iter().map(|field| quoted(field)).collect::<Vec<_>>().join(",") + "\r\n");
        }
        let mut reader = CsvReader::new(Slow(Cursor::new(text.into_bytes())));
        let mut found = Vec::new();
        while let Some(item) = reader.next(None).unwrap() {
            let object: serde_json::Value = serde_json::from_slice(&item.input).unwrap();
            found.push(["a", "b", "c"].map(|name| object[name].as_str().unwrap().to_owned()).to_vec());
        }
        prop_assert_eq!(found, rows);
    }
}
