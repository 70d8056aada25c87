//! Models that print too much or too little, die, hang, or are changed in the middle.

use super::support::{BatchEnv, answers, numbers};
use crate::support::wait_until;

/// Fifty lines, with one among them.
fn with(line: &str) -> String {
    format!("{}{line}\n{}", numbers(25), numbers(25))
}

/// Their answers, with none for that one.
fn all_but_one() -> String {
    let half = answers(&numbers(25));
    format!("{half}\n{half}")
}

#[test]
fn a_banner_is_no_answer() {
    let place = BatchEnv::new();
    place.input("a\nb\n");
    let ran = place.batch("banner in").ended(1);
    assert_eq!(ran.stdout, "\n\n");
    assert!(ran.stderr.contains("set its readyToken") && ran.stderr.contains("2 of 2 items failed"), "{}", ran.stderr);
    place.env.mer(["--allow-changes", "-q", "model", "set", "banner", "--ready-token", "welcome"]).ok();
    assert_eq!(place.batch("banner in -q").ok(), "got a\ngot b\n");
}

#[test]
fn an_answer_before_the_question_is_none() {
    let place = BatchEnv::new();
    place.input("a\nb\nc\n");
    let ran = place.batch("eager in").ended(1);
    assert_eq!(ran.stdout, "\n\n\n");
    assert!(ran.stderr.contains("before it had read its item"), "{}", ran.stderr);
}

#[test]
fn a_line_too_many_or_too_few_shifts_no_answer() {
    let place = BatchEnv::new();
    place.input(with("two"));
    let ran = place.batch("work in").ended(1);
    assert_eq!(ran.stdout, all_but_one());
    assert!(ran.stderr.contains("line 26: ") && ran.stderr.contains("1 of 51 items failed"), "{}", ran.stderr);
    place.input(with("none"));
    let ran = place.batch("work in --timeout 700ms").ended(1);
    assert_eq!(ran.stdout, all_but_one());
    assert!(ran.stderr.contains("line 26: `timeout` ran out after 700ms"), "{}", ran.stderr);
}

#[test]
fn an_answer_of_100_mib_fails_its_item() {
    let place = BatchEnv::new();
    place.input("a\nbig\nb\n");
    let ran = place.batch("work in").ended(1);
    assert_eq!(ran.stdout, "got a\n\ngot b\n");
    assert!(ran.stderr.contains("longer than 64 MiB"), "{}", ran.stderr);
}

#[test]
fn an_item_at_which_the_model_dies_or_hangs_fails_alone() {
    let place = BatchEnv::new();
    place.input(with("die"));
    let ran = place.batch("work in --json -o out").ended(1);
    assert!(ran.stderr.contains("1 of 51 items failed"), "{}", ran.stderr);
    let results = place.objects("out");
    assert_eq!((results.len(), &results[25]["status"]), (51, &"failed".into()));
    // Twice: the first process may have died of something else.
    assert_eq!(place.asked().iter().filter(|line| *line == "die").count(), 2);
    place.input(with("hang"));
    let ran = place.batch("work in --timeout 700ms --errors errors").ended(1);
    assert_eq!(ran.stdout, all_but_one());
    let errors = place.objects("errors");
    assert_eq!((errors.len(), &errors[0]["line"], &errors[0]["status"]), (1, &26.into(), &"timeout".into()));
}

#[test]
fn a_oneshot_fails_item_by_item() {
    let place = BatchEnv::new();
    place.input("a\nbad\nslow\nb\n");
    let ran = place.batch("once in --timeout 700ms -j 2").ended(1);
    assert_eq!(ran.stdout, "got a\n\n\ngot b\n");
    assert!(ran.stderr.contains("line 2: the model exited with code 3"), "{}", ran.stderr);
    let rows = place.env.rows();
    assert_eq!(rows.len(), 4, "{rows:?}");
    assert!(rows.iter().all(|row| row["items"] == 1 && row["batchUid"].is_string()));
}

#[test]
fn a_batch_goes_on_with_the_model_as_it_began_and_is_not_resumed_with_another() {
    let place = BatchEnv::new();
    place.input(format!("gate\n{}", numbers(5)));
    let live = place.start("work in -o out -q");
    wait_until("the gate", || (!place.asked().is_empty()).then_some(()));
    place.env.mer(["--allow-changes", "-q", "model", "set", "work", "--", "exec tr a-z A-Z"]).ok();
    place.env.file("work/go", "");
    live.finish().ok();
    assert_eq!(place.read("out"), format!("got gate\n{}", answers(&numbers(5))));
    assert!(place.batch("work in -o out --resume").failed(65).contains("another command"));
}
