//! Inputs that are empty, large, damaged, or change while they are read.

use std::{fs, io::Write as _};

use super::support::{BatchEnv, answers, numbers};

#[test]
fn an_empty_file_has_an_empty_result() {
    let place = BatchEnv::new();
    place.input("");
    assert_eq!(place.batch("work in -o out -q").ok(), "");
    assert_eq!(place.read("out"), "");
    assert_eq!(place.batch("once in -q").ok(), "");
    assert!(place.asked().is_empty() && place.env.rows().is_empty());
}

#[test]
fn the_last_line_needs_no_newline() {
    let place = BatchEnv::new();
    place.input("a\n\nb");
    assert_eq!(place.batch("work in -q").ok(), "got a\ngot \ngot b\n");
    assert_eq!(place.batch("once in -q").ok(), "got a\ngot \ngot b\n");
}

#[test]
fn a_carriage_return_is_kept_and_told() {
    let place = BatchEnv::new();
    place.input("a\r\nb\r\n");
    let ran = place.batch("work in").ended(0);
    assert_eq!(ran.stdout, "got a\r\ngot b\r\n");
    assert_eq!(ran.stderr.matches("carriage return").count(), 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("line 1 ends with a carriage return"), "{}", ran.stderr);
}

#[test]
fn a_nul_byte_is_a_byte_of_a_line_and_ends_items_with_null() {
    let place = BatchEnv::new();
    place.input(b"a\0b\nc\n");
    assert_eq!(place.batch("cat in -q").ended(0).bytes, b"a\0b\nc\n");
    assert_eq!(place.batch("cat in -q --null").ended(0).bytes, b"a\0b\nc\n\0");
}

#[test]
fn an_item_above_64_mib_fails_and_the_others_do_not() {
    let place = BatchEnv::new();
    let mut file = fs::File::create(place.env.path("work/in")).expect("a file");
    let piece = vec![b'x'; 1 << 20];
    file.write_all(b"a\n").expect("written");
    for _ in 0..65 {
        file.write_all(&piece).expect("written");
    }
    file.write_all(b"\nb\n").expect("written");
    let ran = place.batch("work in").ended(1);
    assert_eq!(ran.stdout, "got a\n\ngot b\n");
    assert!(ran.stderr.contains("line 2: the item has 68157440 bytes; the maximum is 64 MiB"), "{}", ran.stderr);
}

#[test]
fn invalid_utf_8_in_json_fails_the_item_with_its_place() {
    let place = BatchEnv::new();
    place.input(b"{\"a\":1}\n{\"a\":\"\xff\"}\n[2]\n");
    let ran = place.batch("work in --jsonl --errors errors").ended(1);
    assert_eq!(ran.stdout, "got {\"a\":1}\n\ngot [2]\n");
    assert!(ran.stderr.contains("line 2, byte 7: it is not valid UTF-8"), "{}", ran.stderr);
    let errors = place.objects("errors");
    assert_eq!((errors.len(), &errors[0]["line"], &errors[0]["requestUid"]), (1, &2.into(), &serde_json::Value::Null));
}

#[test]
fn json_over_several_lines_is_refused_before_anything_starts() {
    let place = BatchEnv::new();
    place.input("{\n  \"a\": 1\n}\n");
    let said = place.batch("work in --jsonl -o out").failed(65);
    assert!(said.contains("JSON over several lines") && said.contains("jq -c"), "{said}");
    assert!(place.asked().is_empty() && !place.env.path("work/out").exists());
}

#[test]
fn csv_has_quotes_and_ragged_rows_fail_alone() {
    let place = BatchEnv::new();
    place.input("name,text\nx,\"one, \"\"two\"\"\nthree\"\nragged\ny,\n");
    let ran = place.batch("cat in --csv").ended(1);
    let expected = "{\"name\":\"x\",\"text\":\"one, \\\"two\\\"\\nthree\"}\n\n{\"name\":\"y\",\"text\":\"\"}\n";
    assert_eq!(ran.stdout, expected);
    assert!(ran.stderr.contains("line 4: the record has 1 field, and the header 2"), "{}", ran.stderr);
    place.input("name,text\nx,\"one\ny,two\nz,three\n");
    let ran = place.batch("cat in --csv").ended(1);
    assert!(
        ran.stdout == "\n" && ran.stderr.contains("line 2: a quote in this record is never closed"),
        "{}",
        ran.stderr
    );
    place.input("a,a\n1,2\n");
    assert!(place.batch("work in --csv").failed(65).contains("the column `a` is there twice"));
}

#[test]
fn a_file_that_changes_while_it_is_read_is_noticed_and_the_batch_goes_on_later() {
    let place = BatchEnv::new();
    // More items than are read ahead.
    let lines = format!("gate\n{}", numbers(20_000));
    place.input(&lines);
    let live = place.start("work in -o out");
    crate::support::wait_until("the gate", || (!place.asked().is_empty()).then_some(()));
    place.input(format!("{lines}last\n"));
    place.env.file("work/go", "");
    let ran = live.finish().ended(65);
    assert!(ran.stderr.contains("`in` was changed while it was read"), "{}", ran.stderr);
    assert!(ran.stderr.contains("--resume"), "{}", ran.stderr);
    place.batch("work in -o out --resume -q").ok();
    assert!(place.read("out") == answers(&format!("{lines}last\n")));
}
