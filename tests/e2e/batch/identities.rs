//! What identifies an item: its content, or a field.

use serde_json::Value;

use super::support::BatchEnv;
use crate::support::Live;

#[test]
fn equal_ids_stop_a_file_before_it_begins_and_a_pipe_where_they_are_met() {
    let place = BatchEnv::new();
    let lines = "{\"id\":1}\n{\"id\":\"b\"}\n{\"id\":1,\"x\":2}\n";
    place.input(lines);
    let said = place.batch("work in --jsonl --id id -o out").failed(65);
    assert!(said.contains("line 3: the id `1` is that of item 1 already") && said.contains("--duplicates"), "{said}");
    assert!(place.asked().is_empty() && !place.env.path("work/out").exists());
    // A file on standard input is a file too.
    let file = std::fs::File::open(place.env.path("work/in")).expect("the input");
    let ran = Live::start(place.with("work --jsonl --id id -o out"), file).finish().ended(65);
    assert!(ran.stderr.contains("line 3: the id `1` is that of item 1 already"), "{}", ran.stderr);
    assert!(place.asked().is_empty() && !place.env.path("work/out").exists());
    let ran = place.env.piped(["batch", "work", "--jsonl", "--id", "id", "-o", "out"], lines).ended(65);
    assert!(ran.stderr.contains("line 3: the id `1`"), "{}", ran.stderr);
    assert!(place.read("out").len() <= "got {\"id\":1}\ngot {\"id\":\"b\"}\n".len());
}

#[test]
fn equal_items_share_a_result_or_are_run_each() {
    let place = BatchEnv::new();
    place.input("a\nb\na\n");
    for (how, times) in [("", 2), ("--duplicates run", 2), ("--duplicates share", 1)] {
        place.forget_asked();
        place.batch(&format!("work in -o out --force -q {how}")).ok();
        assert_eq!(place.read("out"), "got a\ngot b\ngot a\n", "{how}");
        assert_eq!(place.asked().iter().filter(|line| *line == "a").count(), times, "{how}");
    }
    let said = place.batch("work in --duplicates share").failed(64);
    assert!(said.contains("name a file with `-o`"), "{said}");
}

#[test]
fn an_item_without_an_id_is_refused() {
    let place = BatchEnv::new();
    for (input, flag, line) in [("{\"id\":1}\n{\"x\":2}\n", "--jsonl", 2), ("id,x\n,2\n", "--csv", 2)] {
        place.input(input);
        let said = place.batch(&format!("work in {flag} --id id")).failed(65);
        assert!(said.contains(&format!("line {line}: the item has no id: the field `id`")), "{said}");
    }
    assert!(place.asked().is_empty());
    let said = place.batch("work in --id id").failed(64);
    assert!(said.contains("`--jsonl` and `--csv` have fields"), "{said}");
}

#[test]
fn an_id_keeps_the_result_where_the_item_moves_and_its_content_renews_it() {
    let place = BatchEnv::new();
    place.input("{\"id\":1,\"v\":1}\n{\"id\":2,\"v\":1}\n");
    place.batch("work in --jsonl --id id --json -o out -q").ok();
    let uid = |of: u64| -> Value {
        let found = place.objects("out").into_iter().find(|result| result["id"] == *of.to_string());
        found.expect("a result")["requestUid"].clone()
    };
    let before = (uid(1), uid(2));
    place.input("{\"id\":2,\"v\":2}\n{\"id\":1,\"v\":1}\n");
    place.forget_asked();
    place.batch("work in --jsonl --id id --json -o out --resume -q").ok();
    assert_eq!(place.asked(), ["{\"id\":2,\"v\":2}"]);
    assert_eq!(uid(1), before.0);
    assert_ne!(uid(2), before.1);
    assert_eq!(place.objects("out")[0]["output"], "got {\"id\":2,\"v\":2}");
}
