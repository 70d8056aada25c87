//! Going on with a batch after kills, edits and failures.

use rustix::process::Signal;

use super::support::{BatchEnv, answers, numbers};
use crate::support::wait_until;

#[test]
fn only_new_items_of_an_edited_file_are_run() {
    let place = BatchEnv::new();
    place.input("a\nb\nc\nd\n");
    place.batch("work in -o out -q").ok();
    place.forget_asked();
    // One removed, one moved, one added at the top, one twice.
    let edited = "new\nd\na\nc\nc\n";
    place.input(edited);
    let plan = place.batch("work in -o out --resume --dry-run").ok();
    for line in ["items            5", "to run           2", "kept results     3", "dropped results  1"] {
        assert!(plan.lines().any(|found| found.trim_end() == line), "{line}: {plan}");
    }
    assert!(place.asked().is_empty());
    let ran = place.batch("work in -o out --resume").ended(0);
    assert!(ran.stderr.starts_with("5 items: 5 succeeded, 0 failed, 3 of them before"), "{}", ran.stderr);
    assert_eq!(place.asked(), ["new", "c"]);
    assert_eq!(place.read("out"), answers(edited));
    assert!(!place.env.path("work/out.mer.kept").exists());
}

#[test]
fn a_killed_batch_goes_on_where_it_was() {
    let place = BatchEnv::new();
    place.input(format!("{}gate\n{}", numbers(2500), numbers(100)));
    let live = place.start("work in -o out");
    // Two parts are over and on record when the third one meets the gate: 4096 bytes and 60 for each result.
    wait_until("two parts", || {
        let ledger = std::fs::metadata(place.env.path("work/out.mer")).ok()?;
        (ledger.len() >= 4096 + 60 * 2000).then_some(())
    });
    live.signal(Signal::KILL);
    live.finish();
    place.forget_asked();
    place.env.file("work/go", "");
    place.batch("work in -o out --resume -q").ok();
    assert!(place.read("out") == answers(&format!("{}gate\n{}", numbers(2500), numbers(100))));
    assert!(place.asked().len() <= 601, "{}", place.asked().len());
}

#[test]
fn failed_items_are_run_again_only_if_asked_for() {
    let place = BatchEnv::new();
    place.input("a\nbad\nb\n");
    let ran = place.batch("once in -o out").ended(1);
    assert!(
        ran.stderr.contains("`mer batch --resume --retry-failed once in -o out` runs them again"),
        "{}",
        ran.stderr
    );
    let rows = place.env.rows().len();
    let ran = place.batch("once in -o out --resume").ended(1);
    assert!(ran.stderr.contains("1 of 3 items failed"), "{}", ran.stderr);
    assert_eq!(place.env.rows().len(), rows);
    place.batch("once in -o out --resume --retry-failed").ended(1);
    assert_eq!((place.env.rows().len(), place.read("out")), (rows + 1, "got a\n\ngot b\n".to_owned()));
}

#[test]
fn a_full_disk_stops_the_batch_which_goes_on_with_more_space() {
    let place = BatchEnv::new();
    let lines: String = (0..3000).map(|number| format!("{number:0>300}\n")).collect();
    place.input(&lines);
    // The bound on the size of a file is 512 KiB: writing beyond it fails as on a full disk.
    let mut command = place.env.program("sh".as_ref());
    command
        .args(["-c", "ulimit -f 1024; exec \"$MER\" batch plain in -o out"])
        .env("MER", crate::support::TestEnv::binary());
    let ran = crate::support::run(command).ended(74);
    assert!(ran.stderr.contains("the results cannot be written to `out`"), "{}", ran.stderr);
    assert!(ran.stderr.contains("`mer batch --resume plain in -o out` goes on with it"), "{}", ran.stderr);
    place.batch("plain in -o out --resume -q").ok();
    assert!(place.read("out") == answers(&lines));
}

#[test]
fn a_device_or_a_pipe_has_no_ledger() {
    let place = BatchEnv::new();
    place.input(numbers(100));
    place.batch("work in -o /dev/null -q").ok();
    let ran = place.batch("work in -o /dev/full").ended(74);
    assert!(ran.stderr.contains("No space left") && !ran.stderr.contains("--resume"), "{}", ran.stderr);
    for words in ["-o /dev/null --resume", "--resume", "--resume --dry-run"] {
        let said = place.batch(&format!("work in {words}")).failed(64);
        assert!(said.contains("cannot be resumed") && said.contains("`-o`"), "{words}: {said}");
    }
    // Standard output by its path, which may be a file of the shell.
    for path in ["/dev/stdout", "/proc/self/fd/1", "/dev/fd/1", "/dev/fd/3"] {
        let mut command = place.env.program("sh".as_ref());
        let line = format!("exec \"$MER\" batch plain in -q -o {path} > file 3>&1");
        command.args(["-c", &line]).env("MER", crate::support::TestEnv::binary());
        crate::support::run(command).ok();
        assert_eq!(place.read("file"), answers(&numbers(100)), "{path}");
    }
}
