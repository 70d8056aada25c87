//! Exports of an older version, and keys of a newer one.

use serde_json::{Value, json};

use crate::support::{TestEnv, run, shared_databases};

/// An export of version 2.
const VERSION_2: &str = include_str!("export-version-2.jsonl");

/// What an access of version 3 has besides.
const NO_BATCH: &str = r#","batchUid":null,"items":null,"failedItems":null,"jobId":null,"via":null,"tags":{}}}"#;

/// The arguments of each database: those of the installed servers, and the embedded one.
fn databases(env: &TestEnv) -> Vec<String> {
    let mut all = shared_databases();
    all.push(format!("surrealkv://{}", env.path("data/other").display()));
    for db in &all {
        run(env.with_args(&["--db", db, "migrate", "--quiet"])).ok();
    }
    all
}

#[test]
fn an_export_of_an_older_version_is_imported_and_exported_as_the_newest() {
    assert!(VERSION_2.starts_with(r#"{"kind":"header","value":{"format":"mer-export","version":2}}"#));
    let env = TestEnv::new();
    env.file("work/old.jsonl", VERSION_2);
    let accesses = |text: &str| {
        text.lines().filter(|line| line.starts_with(r#"{"kind":"access""#)).map(str::to_owned).collect::<Vec<_>>()
    };
    let wanted: Vec<String> = accesses(VERSION_2)
        .iter()
        .map(|line| format!("{}{NO_BATCH}", line.strip_suffix("}}").expect("an object")))
        .collect();
    for db in databases(&env) {
        let on = |args: &[&str]| run(env.with_args(&[&["--db", &db, "--allow-changes"], args].concat()));
        on(&["import", "old.jsonl", "--quiet"]).ok();
        let exported = on(&["export", "--all"]).ok();
        assert!(exported.starts_with(r#"{"kind":"header","value":{"format":"mer-export","version":3}}"#), "{db}");
        assert!(!wanted.is_empty() && accesses(&exported) == wanted, "{db}: {exported}");
        let row = &on(&["log", "list", "--kind", "all", "--json"]).objects()[0];
        assert_eq!((&row["batchUid"], &row["tags"]), (&Value::Null, &json!({})), "{db}");
    }
}

#[test]
fn keys_of_a_newer_version_are_kept_shown_and_removed() {
    let env = TestEnv::ready();
    let later = r#""later":{"b":[1,null,2.5],"a":"ü"},"lateNull":null,"#;
    let whole = env.mer(["export", "--all"]).ok().replace(r#""name":"cat","#, &format!(r#""name":"cat",{later}"#));
    env.file("work/new.jsonl", &whole);
    let value = json!({"b": [1, null, 2.5], "a": "ü"});
    for db in databases(&env) {
        let on = |args: &[&str]| run(env.with_args(&[&["--db", &db, "--allow-changes"], args].concat()));
        on(&["import", "new.jsonl", "--quiet"]).ok();
        on(&["model", "set", "cat", "--timeout", "5s", "--quiet"]).ok();
        let shown = on(&["model", "show", "cat", "--json"]).object();
        assert_eq!((&shown["later"], &shown["timeout"]), (&value, &json!("5s")), "{db}");
        assert!(shown.as_object().expect("an object").contains_key("lateNull"), "{db}");
        assert!(on(&["export", "--all"]).ok().contains(r#""later":{"a":"ü","b":[1,null,2.5]}"#), "{db}");
        assert_eq!(on(&["run", "cat", "x"]).ok(), "x\n", "{db}");

        on(&["model", "set", "cat", "--unset", "later", "--quiet"]).ok();
        assert_eq!(on(&["model", "show", "cat", "--json"]).object().get("later"), None, "{db}");
        let refused = on(&["model", "set", "cat", "--unset", "later"]).failed(64);
        assert!(refused.contains("`--unset later`: there is no such key"), "{db}: {refused}");
    }
    env.file("work/new.toml", "[models.cat]\ninferenceCommand = ['cat']\nkeepaliv = '5m'\n");
    let refused = env.mer(["apply", "new.toml", "--allow-changes"]).failed(78);
    assert!(refused.contains("unknown key `keepaliv` of model `cat`") && refused.contains("keepalive"), "{refused}");
}

#[test]
fn a_need_that_no_server_can_meet_is_said_when_it_is_registered() {
    let env = TestEnv::ready();
    env.mer(["server", "add", "gpu1", "h.example.org", "--resource", "gpu=0,1", "--allow-changes", "--quiet"]).ok();
    let add = |needs: &str, name: &str| {
        env.mer(["model", "add", name, "--server", "gpu1", "--needs", needs, "--allow-changes", "--", "cat"])
            .ended(0)
            .stderr
    };
    let told = add("gpu=3", "greedy");
    assert!(told.contains("no server of the model `greedy` has 3 of `gpu`"), "{told}");
    assert!(!add("gpu=2", "modest").contains("no server of"), "both units are enough");
    env.file("work/m.toml", "[models.m]\nservers = ['gpu1']\ninferenceCommand = ['cat']\nneeds = { tpu = 1 }\n");
    let told = env.mer(["apply", "m.toml", "--allow-changes"]).ended(0).stderr;
    assert!(told.contains("no server of the model `m` has 1 of `tpu`"), "{told}");
}
