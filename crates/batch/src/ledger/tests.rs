//! Records, headers, and which records count.

use proptest::prelude::*;

use super::{Key, Kind, Ledger, Manifest, Record, RecordIndex, set_synced};
use crate::{BatchError, Identity, Options, Subject};

const BOOT: [u8; 16] = [1; 16];
const NEXT_BOOT: [u8; 16] = [2; 16];

fn record(number: u8) -> Record {
    let key = Key { identity: Identity([number; 16]), occurrence: number.into() };
    Record { key, kind: Kind::Done, end: number.into(), result: [number; 16], content: [number; 8] }
}

fn manifest(text: &str) -> Manifest {
    let subject = Subject { model: text.to_owned(), framing: text.to_owned(), ..Subject::default() };
    Manifest::new(&Options::new(uuid::Uuid::nil(), subject), false)
}

#[test]
fn a_ledger_has_what_was_written_also_with_long_texts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.mer");
    assert!(Ledger::open(&path, BOOT).unwrap().is_none());
    let manifest = manifest(&"x".repeat(9999));
    let mut ledger = Ledger::create(&path, &manifest, BOOT).unwrap();
    (0..100).for_each(|number| ledger.push(&record(number)));
    assert_eq!(ledger.record(40).unwrap(), record(40));
    assert!(matches!(Ledger::open(&path, BOOT), Err(BatchError::Locked { pid: Some(_), .. })));
    ledger.cut(90).unwrap();
    drop(ledger);
    let mut opened = Ledger::open(&path, BOOT).unwrap().unwrap();
    assert_eq!((&opened.manifest, opened.ledger.records(), opened.damage.as_deref()), (&manifest, 90, None));
    let records: Vec<Record> = opened.ledger.read_from(80).unwrap().map(Result::unwrap).collect();
    assert_eq!(records, (80..90).map(record).collect::<Vec<_>>());
}

#[test]
fn after_another_boot_only_synced_records_count() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.mer");
    let mut ledger = Ledger::create(&path, &manifest("m"), BOOT).unwrap();
    (0..10).for_each(|number| ledger.push(&record(number)));
    ledger.sync().unwrap();
    (10..20).for_each(|number| ledger.push(&record(number)));
    ledger.flush().unwrap();
    drop(ledger);
    let count = |boot| Ledger::open(&path, boot).unwrap().unwrap().ledger.records();
    assert_eq!((count(BOOT), count(NEXT_BOOT)), (20, 10));
    // The newest slot was written, and its records were not.
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &[0xee; 60], 4096 + 5 * 60).unwrap();
    assert_eq!(count(NEXT_BOOT), 0);
    set_synced(&path, 10, BOOT);
    let opened = Ledger::open(&path, NEXT_BOOT).unwrap().unwrap();
    assert_eq!(opened.ledger.records(), 5);
    assert_eq!(opened.damage.as_deref(), Some("record 6 is not the one that was written"));
}

#[test]
fn a_cut_ledger_counts_no_old_records_after_another_boot() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.mer");
    let mut ledger = Ledger::create(&path, &manifest("m"), BOOT).unwrap();
    (0..10).for_each(|number| ledger.push(&record(number)));
    ledger.sync().unwrap();
    ledger.cut(3).unwrap();
    (20..25).for_each(|number| ledger.push(&record(number)));
    ledger.flush().unwrap();
    drop(ledger);
    assert_eq!(Ledger::open(&path, NEXT_BOOT).unwrap().unwrap().ledger.records(), 3);
    assert_eq!(Ledger::open(&path, BOOT).unwrap().unwrap().ledger.records(), 8);
}

#[test]
fn the_index_has_the_last_of_equal_keys_first() {
    let mut index = RecordIndex::default();
    for position in 0..1000_u64 {
        index.add(record(u8::try_from(position % 100).unwrap()).key, position);
    }
    index.sort();
    let found: Vec<u64> = index.candidates(record(7).key).collect();
    assert_eq!((found.first(), found.last(), found.len()), (Some(&907), Some(&7), 10));
    assert_eq!(index.candidates(record(200).key).count(), 0);
}

proptest! {
    #[test]
    fn a_record_is_read_back_and_a_changed_one_is_not(
        parts: ([u8; 16], u32, u64, [u8; 16], [u8; 8]),
        kind in prop::sample::select(vec![Kind::Done, Kind::Failed, Kind::Removed]),
        at in 0..60_usize,
        bit in 0..8_u32,
    ) {
        let (identity, occurrence, end, result, content) = parts;
        let record = Record { key: Key { identity: Identity(identity), occurrence }, kind, end, result, content };
        let mut bytes = record.encode();
        prop_assert_eq!(Record::decode(&bytes), Some(record));
        bytes[at] ^= 1 << bit;
        prop_assert_eq!(Record::decode(&bytes), None);
    }
}
