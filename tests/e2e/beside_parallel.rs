//! `mer batch` beside GNU parallel, with the same inputs and the same program. The differences are explained in
//! docs/reference/batch.md.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use mer_testkit::require;
use rustix::process::Signal;

use crate::support::{Live, Ran, TestEnv, alive, pid_in, run, wait_until};

/// Reads an item and answers it; `ran` has the items in the order in which they were begun. A `bad` item fails, a `gate` waits
/// until the item `c` was begun, and a `hang` for the file `go`.
const WORK: &str = r#"#!/bin/sh
read -r item
echo "$item" >>ran
case $item in
    bad*) exit 3 ;;
    gate) until grep -q c ran; do sleep 0.01; done ;;
    hang) echo $$ >hang.pid.new; mv hang.pid.new hang.pid; until [ -e go ]; do sleep 0.01; done ;;
esac
echo "did $item"
"#;
const MODEL: &str = "[models.work]\nshell = true\ngrace = '200ms'\ninferenceCommand = './work'\n";

/// Both programs, in one working directory.
struct Both {
    env: TestEnv,
    parallel: PathBuf,
}

impl Both {
    /// Returns none where GNU parallel is not installed.
    fn new() -> Option<Self> {
        let Some(parallel) = require::program("parallel", &[]).filter(|path| is_gnu(path)) else {
            require::missing("parallel", "batches are compared with GNU parallel");
            return None;
        };
        let env = TestEnv::new();
        let work = env.file("work/work", WORK);
        fs::set_permissions(work, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a mode");
        env.apply(MODEL);
        Some(Self { env, parallel })
    }

    /// Writes the items of both.
    fn input(&self, items: &[&str]) {
        self.env.file("work/input", items.join("\n") + "\n");
    }

    /// Returns GNU parallel with the program for each item.
    fn parallel(&self, args: &[&str]) -> Command {
        let mut command = self.env.program(&self.parallel);
        command.args(["--will-cite", "-a", "input"]).args(args).arg("echo {} | ./work");
        command
    }

    /// Returns `mer batch` with the program for each item, and the results in a file.
    fn batch(&self, args: &[&str]) -> Command {
        let mut command = self.env.with(["batch", "work", "input", "-o", "results"]);
        command.args(args);
        command
    }

    fn results(&self) -> String {
        self.env.read("work/results")
    }

    /// Runs a command. Returns also the items that it has begun.
    fn ran(&self, command: Command) -> (Ran, Vec<String>) {
        for name in ["ran", "go", "hang.pid"] {
            let _ = fs::remove_file(self.env.path("work").join(name));
        }
        let ended = run(command);
        let begun = fs::read_to_string(self.env.path("work/ran")).unwrap_or_default();
        (ended, begun.lines().map(str::to_owned).collect())
    }

    /// Runs GNU parallel. Returns its exit code, its output, and the items that it has begun.
    fn ran_parallel(&self, args: &[&str]) -> (i32, String, Vec<String>) {
        let (ended, begun) = self.ran(self.parallel(args));
        (ended.code.expect("an exit code"), ended.stdout, begun)
    }

    /// Runs `mer batch`. Returns its exit code, its results, and the items that it has begun.
    fn ran_batch(&self, args: &[&str]) -> (i32, String, Vec<String>) {
        let (ended, begun) = self.ran(self.batch(args));
        (ended.code.unwrap_or_else(|| panic!("{}", ended.stderr)), self.results(), begun)
    }

    /// Starts a command, and waits until the item `hang` is in process.
    fn until_it_hangs(&self, command: Command) -> (Live, u32) {
        for name in ["ran", "go", "hang.pid"] {
            let _ = fs::remove_file(self.env.path("work").join(name));
        }
        let live = Live::start(command, Stdio::null());
        (live, pid_in(&self.env.path("work/hang.pid")))
    }

    /// Lets the item `hang` go on.
    fn open(&self) {
        self.env.file("work/go", "");
    }
}

/// Whether it is GNU parallel, and not the program of the same name in moreutils.
fn is_gnu(path: &Path) -> bool {
    let output = Command::new(path).arg("--version").stdin(Stdio::null()).output();
    output.is_ok_and(|output| output.stdout.starts_with(b"GNU parallel"))
}

/// Returns a tuple to compare with.
fn ended(code: i32, output: &str, begun: &[&str]) -> (i32, String, Vec<String>) {
    (code, output.to_owned(), begun.iter().map(|item| (*item).to_owned()).collect())
}

#[test]
fn resuming_goes_by_the_item_and_not_by_its_place() {
    let Some(both) = Both::new() else { return };
    both.input(&["a", "b", "c", "d"]);
    let log = ["-j1", "--joblog", "log"];
    let (_, _, begun) = both.ran_parallel(&[&log[..], &["--halt", "soon,done=2"]].concat());
    assert_eq!(begun, ["a", "b"]);
    assert_eq!(both.ran_batch(&["-j1", "--halt", "soon,done=2"]), ended(0, "did a\ndid b\n", &["a", "b"]));

    both.input(&["new", "a", "b", "c", "d"]);
    // `b` is run again, and `new` never.
    let resumed = both.ran_parallel(&[&log[..], &["--resume"]].concat());
    assert_eq!(resumed, ended(0, "did b\ndid c\ndid d\n", &["b", "c", "d"]));
    let all = "did new\ndid a\ndid b\ndid c\ndid d\n";
    assert_eq!(both.ran_batch(&["-j1", "--resume"]), ended(0, all, &["new", "c", "d"]));
}

#[test]
fn failed_items_are_run_again_where_they_are_the_same() {
    let Some(both) = Both::new() else { return };
    both.input(&["a", "bad1", "c", "bad2"]);
    let log = ["-j1", "--joblog", "log"];
    assert_eq!(both.ran_parallel(&log).0, 2);
    assert_eq!(both.ran_batch(&["-j1"]).0, 1);

    both.input(&["a", "c", "bad2", "d"]);
    // The places 2 and 4 have failed, whatever stands there now.
    let resumed = both.ran_parallel(&[&log[..], &["--resume-failed"]].concat());
    assert_eq!(resumed, ended(0, "did c\ndid d\n", &["c", "d"]));
    let resumed = both.ran_batch(&["-j1", "--resume", "--retry-failed"]);
    assert_eq!(resumed, ended(1, "did a\ndid c\n\ndid d\n", &["bad2", "d"]));
}

#[test]
fn halting_by_a_number_has_one_exit_code() {
    let Some(both) = Both::new() else { return };
    both.input(&["a", "bad1", "c", "bad2", "e"]);
    let cases = [
        ("soon,fail=1", 3, 1, "did a\n\n", vec!["a", "bad1"]),
        ("soon,fail=2", 2, 1, "did a\n\ndid c\n\n", vec!["a", "bad1", "c", "bad2"]),
        ("now,fail=1", 3, 1, "did a\n\n", vec!["a", "bad1"]),
        ("now,success=2", 0, 1, "did a\n\ndid c\n", vec!["a", "bad1", "c"]),
    ];
    for (halt, code_of_parallel, code, results, begun) in cases {
        let parallel = both.ran_parallel(&["-j1", "--halt", halt]);
        assert_eq!((parallel.0, parallel.2), (code_of_parallel, ended(0, "", &begun).2), "{halt}");
        let batch = both.ran_batch(&["-j1", "--force", "--halt", halt]);
        assert_eq!(batch, ended(code, results, &begun), "{halt}");
    }
    both.input(&["a", "b", "c"]);
    assert_eq!(both.ran_parallel(&["-j1", "--halt", "now,success=2"]).0, 0);
    assert_eq!(both.ran_batch(&["-j1", "--force", "--halt", "now,success=2"]).0, 0);
}

#[test]
fn halting_by_a_share_counts_against_all_items() {
    let Some(both) = Both::new() else { return };
    both.input(&["bad1", "bad2", "a", "b", "c", "d", "e", "f", "g", "h"]);
    let halt = ["-j1", "--halt", "soon,fail=20%"];
    assert_eq!(both.ran_parallel(&halt), ended(20, "", &["bad1", "bad2"]));
    // Not before three items are over.
    assert_eq!(both.ran_batch(&halt), ended(1, "\n\ndid a\n", &["bad1", "bad2", "a"]));
    let halt = ["-j1", "--halt", "soon,fail=50%"];
    assert_eq!(both.ran_parallel(&halt).0, 20, "the share of failed jobs, in percent");
    let (code, _, begun) = both.ran_batch(&[&halt[..], &["--force"]].concat());
    assert_eq!((code, begun.len()), (1, 10));
}

#[test]
fn the_order_is_kept_unless_it_is_not_wanted() {
    let Some(both) = Both::new() else { return };
    both.input(&["gate", "b", "c"]);
    let in_order = "did gate\ndid b\ndid c\n";
    let as_they_come =
        |output: &str| assert!(output.starts_with("did b\n") && output.len() == in_order.len(), "{output}");
    as_they_come(&both.ran_parallel(&["-j2"]).1);
    assert_eq!(both.ran_parallel(&["-j2", "--keep-order"]).1, in_order);
    assert_eq!(both.ran_batch(&["-j2"]).1, in_order);
    as_they_come(&both.ran_batch(&["-j2", "--force", "--unordered"]).1);
}

#[test]
fn an_item_that_takes_too_long_has_an_empty_result() {
    let Some(both) = Both::new() else { return };
    both.input(&["a", "hang", "b"]);
    let begun = ["a", "hang", "b"];
    assert_eq!(both.ran_parallel(&["-j1", "--timeout", "2"]), ended(1, "did a\ndid b\n", &begun));
    let args = ["-j1", "--timeout", "2s", "--errors", "errors"];
    assert_eq!(both.ran_batch(&args), ended(1, "did a\n\ndid b\n", &begun));
    let error: serde_json::Value = serde_json::from_str(both.env.read("work/errors").trim()).expect("one line");
    assert_eq!((error["line"].as_u64(), error["status"].as_str()), (Some(2), Some("timeout")), "{error}");
}

#[test]
fn the_first_interrupt_finishes_what_runs_and_the_second_ends_it() {
    let Some(both) = Both::new() else { return };
    both.input(&["a", "hang", "c"]);
    let (live, pid) = both.until_it_hangs(both.parallel(&["-j1"]));
    live.signal(Signal::INT);
    let parallel = live.finish();
    assert_ne!(parallel.code, Some(0));
    assert_eq!(parallel.stdout, "did a\n", "what ran is lost");
    wait_until("the end of its job", || (!alive(pid)).then_some(()));

    let (live, _) = both.until_it_hangs(both.batch(&["-j1"]));
    live.signal(Signal::INT);
    live.wait_stderr("finishing ");
    both.open();
    let batch = live.finish().ended(130);
    assert!(batch.stderr.contains("--resume"), "{}", batch.stderr);
    assert_eq!(both.results(), "did a\ndid hang\n");

    let (live, pid) = both.until_it_hangs(both.batch(&["-j1", "--force"]));
    live.signal(Signal::INT);
    live.wait_stderr("finishing ");
    live.signal(Signal::INT);
    live.finish().ended(130);
    assert!(!alive(pid), "what ran was ended");
    assert_eq!(both.results(), "did a\n");
    both.open();
    let resumed = run(both.batch(&["-j1", "--resume"]));
    assert_eq!((resumed.code, both.results().as_str()), (Some(0), "did a\ndid hang\ndid c\n"), "{}", resumed.stderr);
}

#[test]
fn term_finishes_what_runs_and_says_so_in_the_exit_code() {
    let Some(both) = Both::new() else { return };
    both.input(&["a", "hang", "c"]);
    let (live, pid) = both.until_it_hangs(both.parallel(&["-j1"]));
    live.signal(Signal::TERM);
    let parallel = live.finish();
    assert_ne!(parallel.code, Some(0));
    assert_eq!(parallel.stdout, "did a\n", "what ran is lost");
    wait_until("the end of its job", || (!alive(pid)).then_some(()));

    let (live, _) = both.until_it_hangs(both.batch(&["-j1"]));
    live.signal(Signal::TERM);
    live.wait_stderr("finishing ");
    both.open();
    live.finish().ended(143);
    assert_eq!(both.results(), "did a\ndid hang\n");

    // HUP is how GNU parallel finishes what runs. Its exit code then says that all is well.
    let (live, _) = both.until_it_hangs(both.parallel(&["-j1"]));
    live.signal(Signal::HUP);
    live.wait_stderr("No new jobs");
    both.open();
    let parallel = live.finish().ended(0);
    assert_eq!(parallel.stdout, "did a\ndid hang\n");
}

#[test]
fn the_exit_code_says_that_items_failed_and_not_how_many() {
    let Some(both) = Both::new() else { return };
    both.input(&["bad1", "a", "bad2"]);
    assert_eq!(both.ran_parallel(&["-j2"]).0, 2);
    let batch = run(both.batch(&["-j2"])).ended(1);
    assert!(batch.stderr.contains("2 of 3 items failed"), "{}", batch.stderr);

    let many: Vec<String> = (0..103).map(|number| format!("bad{number}")).collect();
    both.input(&many.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(both.ran_parallel(&["-j8"]).0, 101, "more than a hundred");
    let batch = run(both.batch(&["-j8", "--force"])).ended(1);
    assert!(batch.stderr.contains("103 of 103 items failed"), "{}", batch.stderr);

    both.input(&["a", "b"]);
    assert_eq!((both.ran_parallel(&["-j2"]).0, both.ran_batch(&["-j2", "--force"]).0), (0, 0));
}
