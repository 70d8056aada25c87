//! Ledgers that are of another batch, damaged, newer or locked, and results that were edited.

use std::{fs, os::unix::fs::FileExt as _, path::PathBuf};

use super::support::{BatchEnv, MODELS, answers, numbers};
use crate::support::wait_until;

/// A finished batch of ten lines, with the path of its ledger.
fn done() -> (BatchEnv, PathBuf) {
    let place = BatchEnv::new();
    place.input(numbers(10));
    place.batch("work in -o out -q").ok();
    place.forget_asked();
    let ledger = place.env.path("work/out.mer");
    (place, ledger)
}

#[test]
fn results_that_are_there_are_not_overwritten() {
    let (place, _) = done();
    let said = place.batch("work in -o out").failed(64);
    assert!(said.contains("`out` is there already") && said.contains("--resume") && said.contains("--force"), "{said}");
    place.env.file("work/other", "mine\n");
    assert!(place.batch("work in -o other").failed(64).contains("`--force` overwrites it"));
    assert_eq!(place.read("other"), "mine\n");
    assert!(place.asked().is_empty());
}

#[test]
fn another_model_command_protocol_or_format_is_refused() {
    let (place, _) = done();
    let refused = |words: &str, what: &str| {
        let said = place.batch(words).failed(65);
        assert!(said.contains(&format!("of a batch with another {what}: ")), "{said}");
    };
    refused("banner in -o out --resume", "model");
    refused("work in -o out --resume --null", "output format");
    refused("work in -o out --resume --jsonl", "input format");
    place.env.apply(MODELS.replacen("[models.work]\n", "[models.work]\nenv = { X = '1' }\n", 1));
    refused("work in -o out --resume", "command");
    let ran = place.batch("work in -o out --resume --force -q").ended(0);
    assert!(ran.stdout.is_empty() && place.asked().is_empty());
    place.batch("work in -o out --resume -q").ok();
    assert_eq!(place.read("out"), answers(&numbers(10)));
    // A bound is no part of what decides results.
    place.env.mer(["--allow-changes", "-q", "model", "set", "work", "--timeout", "7s"]).ok();
    place.batch("work in -o out --resume -q").ok();
    place.env.mer(["--allow-changes", "-q", "model", "set", "work", "--protocol", "token"]).ok();
    refused("work in -o out --resume", "protocol");
}

#[test]
fn other_weights_are_refused() {
    let place = BatchEnv::new();
    place.env.apply("[models.greet]\nshell = true\ninferenceCommand = \"cat $MER_WEIGHTS -\"\n");
    place.env.piped(["--allow-changes", "-q", "weights", "put", "greet", "-", "--alias", "current"], "Dear ").ok();
    place.input("Ada\n");
    place.batch("greet in -o out -q").ok();
    assert_eq!(place.read("out"), "Dear Ada\n");
    place.env.piped(["--allow-changes", "-q", "weights", "put", "greet", "-", "--alias", "current"], "Hey ").ok();
    let said = place.batch("greet in -o out --resume").failed(65);
    assert!(said.contains("another version of the weights") && said.contains("version 1"), "{said}");
    place.batch("greet:1 in -o out --resume -q").ok();
    place.batch("greet in -o other -q").ok();
    assert_eq!(place.read("other"), "Hey Ada\n");
}

#[test]
fn no_two_files_of_a_batch_are_one() {
    let (place, _) = done();
    fs::hard_link(place.env.path("work/in"), place.env.path("work/same")).expect("a link");
    let before = (place.read("in"), place.read("out"));
    for (words, what) in [
        ("-o in --force", "`in` cannot be the input and the results at once"),
        ("-o same --force", "`same` cannot be the input and the results at once"),
        ("--errors in", "`in` cannot be the input and the errors at once"),
        ("-o out --force --errors ./out", "`./out` cannot be the results and the errors at once"),
        ("-o new --errors ./new", "`./new` cannot be the results and the errors at once"),
        ("-o out --force --errors out.mer", "`out.mer` cannot be the ledger and the errors at once"),
        ("-o in --force --dry-run", "`in` cannot be the input and the results at once"),
    ] {
        let said = place.batch(&format!("work in {words}")).failed(64);
        assert!(said.contains(what), "{words}: {said}");
    }
    assert_eq!(before, (place.read("in"), place.read("out")));
    assert!(!place.env.path("work/new").exists() && !place.env.path("work/in.mer").exists());
}

#[test]
fn results_without_a_place_leave_no_ledger() {
    let place = BatchEnv::new();
    place.input("a\n");
    fs::create_dir(place.env.path("work/folder")).expect("a folder");
    std::os::unix::fs::symlink("/nowhere/at/all", place.env.path("work/dangling")).expect("a link");
    for (words, what) in [
        ("-o folder", "it is a folder"),
        ("-o folder --force", "it is a folder"),
        ("-o dangling", "No such file"),
        ("--outdir in --force", "it is no folder"),
        ("--outdir none/below", "No such file"),
    ] {
        let said = place.batch(&format!("work in {words}")).failed(74);
        assert!(said.contains(what) && !said.contains("--force"), "{words}: {said}");
    }
    // The ledger has no place, and the results are not begun.
    fs::create_dir(place.env.path("work/out.mer")).expect("a folder");
    place.batch("work in -o out").failed(74);
    place.batch("work in --outdir out").failed(74);
    assert!(!place.env.path("work/out").exists());
    let names = fs::read_dir(place.env.path("work")).expect("the folder").map(|entry| entry.expect("an entry"));
    let ledgers = names.filter(|entry| entry.file_name().to_string_lossy().ends_with(".mer")).count();
    assert_eq!(ledgers, 1, "only the folder");
    // A shell adds a slash to the name of a folder.
    place.batch("work in --outdir answers/ -q").ok();
    place.forget_asked();
    place.batch("work in --outdir answers --resume -q").ok();
    assert!(place.asked().is_empty() && place.env.path("work/answers.mer").is_file());
}

#[test]
fn a_torn_ledger_is_cut() {
    let (place, ledger) = done();
    let length = fs::metadata(&ledger).expect("a ledger").len();
    let file = fs::File::options().write(true).open(&ledger).expect("a ledger");
    file.set_len(length - 90).expect("cut");
    place.batch("work in -o out --resume -q").ok();
    assert_eq!(place.read("out"), answers(&numbers(10)));
    assert_eq!(place.asked(), ["9", "10"]);
}

#[test]
fn a_flipped_bit_is_refused_and_what_is_before_it_can_be_kept() {
    let (place, ledger) = done();
    let file = fs::File::options().read(true).write(true).open(&ledger).expect("a ledger");
    let at = 4096 + 60 * 4 + 30;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("read");
    file.write_all_at(&[byte[0] ^ 8], at).expect("written");
    let said = place.batch("work in -o out --resume").failed(65);
    assert!(said.contains("is damaged: record 5") && said.contains("--resume --force"), "{said}");
    assert!(place.asked().is_empty());
    place.batch("work in -o out --resume --force -q").ok();
    assert_eq!((place.read("out"), place.asked().len()), (answers(&numbers(10)), 6));
}

#[test]
fn a_ledger_of_a_newer_mer_is_left_alone() {
    let (place, ledger) = done();
    let file = fs::File::options().write(true).open(&ledger).expect("a ledger");
    file.write_all_at(&7_u32.to_le_bytes(), 8).expect("written");
    let before = fs::read(&ledger).expect("a ledger");
    let said = place.batch("work in -o out --resume").failed(65);
    assert!(said.contains("has format 7") && said.contains("newer version"), "{said}");
    assert!(fs::read(&ledger).expect("a ledger") == before);
}

#[test]
fn a_running_batch_locks_its_results() {
    let place = BatchEnv::new();
    place.input("gate\n");
    let live = place.start("work in -o out -q");
    wait_until("the gate", || (!place.asked().is_empty()).then_some(()));
    for flag in ["--resume", "--force"] {
        let said = place.batch(&format!("work in -o out {flag}")).failed(75);
        assert!(said.contains(&format!("in use by another batch (pid {})", live.pid())), "{said}");
    }
    place.env.file("work/go", "");
    live.finish().ok();
    assert_eq!(place.read("out"), "got gate\n");
}

#[test]
fn results_that_were_edited_are_refused() {
    let (place, _) = done();
    place.env.file("work/out", answers(&numbers(10)).replace("got 4", "got four"));
    let said = place.batch("work in -o out --resume").failed(65);
    assert!(said.contains("`out` was changed by another program than MER: result 4"), "{said}");
    assert!(said.contains("undo the change, or name another file; `--resume --force`"), "{said}");
    assert!(place.asked().is_empty() && place.read("out").contains("got four"));
    place.batch("work in -o out --resume --force -q").ok();
    assert_eq!((place.read("out"), place.asked().len()), (answers(&numbers(10)), 7));
}

#[test]
fn after_a_power_cut_only_what_was_synced_counts() {
    let (place, ledger) = done();
    let file = fs::File::options().read(true).write(true).open(&ledger).expect("a ledger");
    // Both slots: four records were synced, in another boot. What was not synced is gone or anything.
    for (at, number) in [(64, 1000_u64), (128, 1001)] {
        let mut slot = [7; 36];
        slot[..8].copy_from_slice(&number.to_le_bytes());
        slot[8..16].copy_from_slice(&4_u64.to_le_bytes());
        let crc = crc32fast::hash(&slot[..32]);
        slot[32..].copy_from_slice(&crc.to_le_bytes());
        file.write_all_at(&slot, at).expect("written");
    }
    file.write_all_at(&[0; 60], 4096 + 60 * 6).expect("written");
    let end = "got 1\n".len() as u64 * 4;
    let out = fs::File::options().write(true).open(place.env.path("work/out")).expect("results");
    out.set_len(end + 2).expect("cut");
    place.batch("work in -o out --resume -q").ok();
    assert_eq!((place.read("out"), place.asked().len()), (answers(&numbers(10)), 6));
}
