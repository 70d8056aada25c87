//! Batches that are ended at every point, with inputs that are edited in between.

use std::fs;

use proptest::{prelude::*, sample::Index};
use tokio::runtime::Runtime;

use super::{
    fake_runner::FakeRunner,
    harness::{Folder, answers, options, resuming},
};
use crate::{Options, ledger};

/// Size of the header and of a record, in bytes.
const SIZES: (usize, usize) = (4096, ledger::RECORD_BYTES);

#[derive(Debug, Clone)]
enum Edit {
    Insert(usize, u8),
    Remove(usize),
    Swap(usize, usize),
    None,
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let edit = prop_oneof![
        (any::<usize>(), any::<u8>()).prop_map(|(at, what)| Edit::Insert(at, what)),
        any::<usize>().prop_map(Edit::Remove),
        (any::<usize>(), any::<usize>()).prop_map(|(one, two)| Edit::Swap(one, two)),
        Just(Edit::None),
    ];
    prop::collection::vec(edit, 0..4)
}

/// A line by a number; few, so that some are equal, and some are not what a runner likes.
fn line(what: u8) -> String {
    match what % 23 {
        0 => "dies1-x".to_owned(),
        1 => format!("dies1-{what}"),
        2 => "chatty1-x".to_owned(),
        3 => String::new(),
        _ => format!("item {}", what % 40),
    }
}

fn edit(lines: &mut Vec<String>, edits: &[Edit]) {
    for edit in edits {
        let count = lines.len();
        match *edit {
            Edit::Insert(at, what) => lines.insert(at % (count + 1), line(what)),
            Edit::Remove(at) if count > 0 => drop(lines.remove(at % count)),
            Edit::Swap(one, two) if count > 0 => lines.swap(one % count, two % count),
            _ => {}
        }
    }
}

/// Cuts results and ledger as the end of a process does: the ledger anywhere, the results after its last record.
fn kill(folder: &Folder, at: Index, more: Index) {
    let (out, ledger) = (fs::read(folder.path("out")).unwrap(), fs::read(folder.path("out.mer")).unwrap());
    let cut = SIZES.0 + at.index(ledger.len() - SIZES.0 + 1);
    let records = (cut - SIZES.0) / SIZES.1;
    let end = match records.checked_sub(1) {
        None => 0,
        Some(last) => {
            let place = SIZES.0 + last * SIZES.1 + 24;
            usize::try_from(u64::from_le_bytes(ledger[place..place + 8].try_into().unwrap())).unwrap()
        }
    };
    let out_cut = end + more.index(out.len() - end + 1);
    fs::write(folder.path("out.mer"), &ledger[..cut]).unwrap();
    fs::write(folder.path("out"), &out[..out_cut]).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_results_are_those_of_an_undisturbed_run(
        first in prop::collection::vec(any::<u8>().prop_map(line), 0..60),
        rounds in prop::collection::vec((edits(), any::<Index>(), any::<Index>(), any::<bool>()), 1..5),
        places in 1..4_usize,
    ) {
        let runtime = Runtime::new().unwrap();
        let folder = Folder::new();
        let mut lines = first;
        folder.input(&lines);
        runtime.block_on(folder.run(options(), &FakeRunner::new(places))).unwrap();
        prop_assert_eq!(folder.output(), answers(&lines));
        for (edits, at, more, halts) in rounds {
            kill(&folder, at, more);
            edit(&mut lines, &edits);
            folder.input(&lines);
            if halts {
                // Ended once more on the way, with some of the work done.
                let halting = Options { halt: Some("now,done=5".parse().unwrap()), ..resuming() };
                runtime.block_on(folder.run(halting, &FakeRunner::new(places))).unwrap();
                let done = folder.output();
                prop_assert!(answers(&lines).starts_with(&done), "{done:?} is no beginning of the results");
            }
            let summary = runtime.block_on(folder.run(resuming(), &FakeRunner::new(places))).unwrap();
            prop_assert_eq!(folder.output(), answers(&lines));
            prop_assert_eq!(summary.progress.succeeded, lines.len() as u64);
        }
    }

    #[test]
    fn without_order_the_results_are_those_of_an_undisturbed_run_in_any_order(
        first in prop::collection::vec(any::<u8>().prop_map(line), 0..40),
        rounds in prop::collection::vec((edits(), any::<Index>(), any::<Index>()), 1..4),
    ) {
        let runtime = Runtime::new().unwrap();
        let folder = Folder::new();
        let sorted = |text: String| {
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        let mut lines = first;
        folder.input(&lines);
        let unordered = |options| Options { unordered: true, ..options };
        runtime.block_on(folder.run(unordered(options()), &FakeRunner::new(2))).unwrap();
        for (edits, at, more) in rounds {
            kill(&folder, at, more);
            edit(&mut lines, &edits);
            folder.input(&lines);
            runtime.block_on(folder.run(unordered(resuming()), &FakeRunner::new(2))).unwrap();
            prop_assert_eq!(sorted(folder.output()), sorted(answers(&lines)));
        }
    }
}
