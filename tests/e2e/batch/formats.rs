//! Formats of inputs and of results.

use std::fs;

use super::support::{BatchEnv, numbers};

#[test]
fn results_as_json_have_all_fields() {
    let place = BatchEnv::new();
    place.input("a\ndie\n");
    let ran = place.batch("work in --json").ended(1);
    let results: Vec<serde_json::Value> =
        ran.stdout.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    assert_eq!(results.len(), 2);
    let (done, failed) = (&results[0], &results[1]);
    assert_eq!(
        (&done["status"], &done["output"], &done["server"]),
        (&"succeeded".into(), &"got a".into(), &"local".into())
    );
    assert_eq!(done["id"].as_str().expect("an id").len(), 32);
    assert!(done["attempt"].is_u64() && done["runMs"].is_u64() && done["requestUid"].is_string());
    assert_eq!((&failed["status"], &failed["output"]), (&"failed".into(), &serde_json::Value::Null));
    assert!(failed["message"].as_str().expect("a message").contains("exited with code 9"));
    let uid = done["requestUid"].as_str().expect("a uid");
    assert_eq!(place.env.mer(["log", "show", uid, "--json"]).object()["status"], "succeeded");
}

#[test]
fn an_answer_of_several_lines_needs_another_form() {
    let place = BatchEnv::new();
    place.env.apply("[models.poem]\nshell = true\ninferenceCommand = \"cat; echo second\"\n");
    place.input("a\nb\n");
    let ran = place.batch("poem in").ended(1);
    assert_eq!(ran.stdout, "\n\n");
    assert!(ran.stderr.contains("several lines") && ran.stderr.contains("`--outdir DIR`"), "{}", ran.stderr);
    assert_eq!(place.batch("poem in --lines --null -q").ended(0).bytes, b"a\nsecond\n\0b\nsecond\n\0");
    place.batch("poem in --outdir answers -q").ok();
    let mut answers: Vec<String> = fs::read_dir(place.env.path("work/answers"))
        .expect("a folder")
        .map(|file| fs::read_to_string(file.expect("a file").path()).expect("an answer"))
        .collect();
    answers.sort();
    assert_eq!(answers, ["a\nsecond\n", "b\nsecond\n"]);
}

#[test]
fn a_folder_has_a_file_for_each_id() {
    let place = BatchEnv::new();
    place.input("id,x\none,1\n../two,2\n");
    place.batch("work in --csv --id id --outdir answers -q").ok();
    assert_eq!(place.read("answers/one"), "got {\"id\":\"one\",\"x\":\"1\"}");
    assert_eq!(place.read("answers/%2E.%2Ftwo"), "got {\"id\":\"../two\",\"x\":\"2\"}");
    place.input("id,x\none,1\n");
    place.forget_asked();
    place.batch("work in --csv --id id --outdir answers --resume -q").ok();
    assert!(place.asked().is_empty() && !place.env.path("work/answers/%2E.%2Ftwo").exists());
}

#[test]
fn files_are_items_byte_for_byte() {
    let place = BatchEnv::new();
    place.env.file("work/one", b"\xff\n\xfe");
    place.env.file("work/two", "no newline");
    place.input("one\ntwo\nmissing\n");
    let ran = place.batch("cat in --files --null").ended(1);
    assert_eq!(ran.bytes, b"\xff\n\xfe\0no newline\0\0");
    assert!(ran.stderr.contains("line 3: `missing`: No such file"), "{}", ran.stderr);
}

#[test]
fn results_without_order_are_all_there() {
    let place = BatchEnv::new();
    place.input(numbers(200));
    let text = place.batch("once in --unordered -j 4 -q").ok();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_by_key(|line| line.trim_start_matches("got ").parse::<u32>().expect("a number"));
    assert_eq!(lines, (1..=200).map(|number| format!("got {number}")).collect::<Vec<_>>());
}
