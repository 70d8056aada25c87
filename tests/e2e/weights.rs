//! Weights: putting, getting, showing, naming and removing versions.

use std::fs;

use serde_json::json;

use crate::support::{OnServer, TestEnv, noise, repository, run, sha256, shared_databases};

/// Returns a file that numpy or the package safetensors wrote.
fn golden(name: &str) -> Vec<u8> {
    fs::read(repository().join("crates/weights/tests/golden").join(name)).expect(name)
}

fn with_golden<const N: usize>(names: [&str; N]) -> TestEnv {
    let env = TestEnv::ready();
    for name in names {
        env.file(&format!("work/{name}"), golden(name));
    }
    env
}

/// Returns an array of numpy with this header of less than 256 bytes.
fn npy(header: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{{header}, }}\n");
    let length = u8::try_from(header.len()).expect("short");
    [b"\x93NUMPY\x01\x00".as_slice(), &[length, 0], header.as_bytes(), data].concat()
}

#[test]
fn an_empty_file_makes_no_version_and_an_unknown_alias_is_66() {
    let env = TestEnv::ready();
    let told = env.piped(["weights", "put", "cat", "-"], "").failed(65);
    assert!(told.contains("the file is empty; nothing was stored") && told.contains("`--format raw`"), "{told}");
    assert!(env.mer(["weights", "list", "cat", "--json"]).objects().is_empty());
    env.piped(["weights", "put", "cat", "-", "--format", "raw", "--quiet"], "").ok();
    env.mer(["weights", "alias", "cat:1", "stable", "--allow-changes", "--quiet"]).ok();
    assert!(env.mer(["weights", "alias", "cat", "stabel"]).failed(66).contains("did you mean `stable`?"));
    env.mer(["weights", "alias", "cat", "stable", "--remove", "--allow-changes", "--quiet"]).ok();
    assert_eq!(env.mer(["weights", "alias", "cat", "stable", "--json"]).objects().len(), 2, "its history stays");
}

#[test]
fn a_dash_is_standard_output() {
    let env = with_golden(["f32.npy"]);
    env.mer(["weights", "put", "cat", "f32.npy", "--quiet"]).ok();
    let mut command = env.with(["weights", "get", "cat:1", "-o", "-"]);
    assert!(command.output().expect("mer").stdout == golden("f32.npy"));
    assert_eq!(env.mer(["run", "cat", "x", "-o", "-"]).ok(), "x\n");
    assert!(env.mer(["export", "-o", "-"]).ok().contains("[models.cat]"));
    assert!(!env.path("work/-").exists());
}

#[test]
fn put_weights_are_shown_and_can_be_got() {
    let env = with_golden(["f32.npy", "mixed.safetensors"]);
    let put = env.mer(["weights", "put", "cat", "f32.npy", "--note", "first try"]).ended(0);
    let hash = sha256(&golden("f32.npy"));
    let next = "`mer weights alias cat:1 current` makes it the current one";
    assert_eq!(put.stderr, format!("put `cat:1`: 188 bytes of npy, f32 3x5, sha256 {hash}\n{next}\n"));
    let put = env.mer(["weights", "put", "cat", "mixed.safetensors", "--parent", "1", "--json"]).object();
    assert_eq!((&put["version"], &put["format"], &put["dtype"]), (&json!(2), &json!("safetensors"), &json!("opaque")));
    assert_eq!(put["tensors"].as_array().expect("tensors").len(), 3);
    let shown = env.mer(["weights", "show", "cat:1", "--json"]).object();
    assert_eq!((&shown["shape"], &shown["bytes"], &shown["sha256"]), (&json!([3, 5]), &json!(188), &json!(hash)));
    assert_eq!((&shown["note"], &shown["parentVersion"]), (&json!("first try"), &json!(null)));
    let told: serde_json::Value = serde_json::from_slice(&golden("golden.json")).expect("json");
    for key in ["minimum", "maximum", "mean", "norm"] {
        let (found, wanted) = (&shown["statistics"][key], &told["f32.npy"]["statistics"][key]);
        let error = found.as_f64().expect(key) - wanted.as_f64().expect(key);
        assert!(error.abs() < 1e-12, "{key}: {found}, {wanted}");
    }
    let shown = env.mer(["weights", "show", "cat:2"]).ok();
    for part in ["parent    1\n", "    w: F64 4\n", "    n: BOOL 1\n", "elements  5\n"] {
        assert!(shown.contains(part), "{shown}");
    }
    assert!(!env.mer(["weights", "show", "cat:2", "--no-statistics"]).ok().contains("minimum"));
    for (version, name) in [("cat:1", "f32.npy"), ("cat:2", "mixed.safetensors")] {
        assert!(env.mer(["weights", "get", version]).ended(0).bytes == golden(name), "{name}");
    }
    assert_eq!(env.mer(["weights", "get", "cat:1", "-o", "out.npy"]).ok(), "");
    assert!(fs::read(env.path("work/out.npy")).expect("file") == golden("f32.npy"));
    let listed = env.mer(["weights", "list", "cat", "--json"]).objects();
    assert_eq!(listed.iter().map(|row| &row["version"]).collect::<Vec<_>>(), [&json!(2), &json!(1)]);
    assert!(env.mer(["weights"]).ok().contains("cat    2 "));
    assert!(env.mer(["weights", "list", "fail"]).ok().lines().count() == 1);
    let told = env.mer(["model", "remove", "cat", "--allow-changes"]).failed(77);
    assert!(told.contains("the model `cat` has weights") && told.contains("`mer weights list cat`"), "{told}");
}

#[test]
fn standard_input_is_read_in_whatever_pieces_it_comes() {
    let env = TestEnv::ready();
    let bytes = noise(1, 3 * (1 << 20) + 6);
    let put = env.piped(["weights", "put", "cat", "-", "--dtype", "i16", "--json"], &bytes).object();
    assert_eq!((&put["format"], &put["shape"]), (&json!("raw"), &json!([bytes.len() / 2])));
    assert_eq!(put["sha256"], json!(sha256(&bytes)));
    assert!(env.mer(["weights", "get", "cat:1"]).ended(0).bytes == bytes);
    let json = env.piped(["weights", "put", "cat", "-", "--dtype", "f32", "--json"], " [1, 2.5,\n-3]\n").object();
    assert_eq!((&json["format"], &json["dtype"], &json["shape"]), (&json!("json"), &json!("f32"), &json!([3])));
    assert_eq!(json["statistics"]["mean"], json!(0.5 / 3.0));
    let raw = env.mer(["weights", "get", "cat:2", "--format", "raw"]).ended(0).bytes;
    assert_eq!(raw, [1.0_f32, 2.5, -3.0].map(f32::to_le_bytes).concat());
    let npy = env.mer(["weights", "get", "cat:2", "--format", "npy"]).ended(0).bytes;
    assert!(npy.starts_with(b"\x93NUMPY") && npy.ends_with(&raw) && npy.len() == 128 + 12);
    let nothing = env.piped(["weights", "put", "cat", "-", "--format", "raw", "--json"], "").object();
    assert_eq!((&nothing["bytes"], &nothing["dtype"]), (&json!(0), &json!("opaque")));
    assert_eq!(env.mer(["weights", "get", "cat:3"]).ok(), "");
    // In a script, standard input is taken by the commands.
    assert!(env.script(&["weights put cat -"]).failed(64).contains("where commands come from"));
}

#[test]
fn weights_of_another_format_than_named_are_refused() {
    let env = with_golden(["f32.npy", "f16.npy", "several.safetensors"]);
    env.file("work/cut.npy", &golden("f32.npy")[..150]);
    env.file("work/long.safetensors", [golden("several.safetensors"), vec![0; 9]].concat());
    env.file("work/other.npy", b"no array at all");
    env.file("work/eight", [0; 8]);
    env.file("work/c8.npy", npy("'descr': '<c8', 'fortran_order': False, 'shape': (1,)", &[0; 8]));
    let entries = r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[4,8]}}"#;
    env.file("work/f8.safetensors", [&(entries.len() as u64).to_le_bytes(), entries.as_bytes(), &[0; 8]].concat());
    for (line, code, told) in [
        ("cat cut.npy", 65, "declares 60 bytes of data, but there are 22"),
        ("cat long.safetensors", 65, "the header of this safetensors file declares 20 bytes of data, but there are 29"),
        ("cat other.npy", 65, "this is not a valid npy file"),
        ("cat f16.npy --finite", 65, "1 of 7 elements are not a number, 2 infinite"),
        ("cat c8.npy --finite", 65, "whether the elements, of type `<c8`, are finite cannot be told"),
        ("cat eight --finite", 65, "whether opaque weights are finite cannot be told"),
        (
            "cat f8.safetensors --finite",
            65,
            "whether the elements of `b`, of type `F8_E4M3`, are finite cannot be told",
        ),
        ("cat f32.npy --shape 5x3", 65, "`f32.npy`: the file says that its shape is `3x5`, not `5x3`"),
        ("cat f32.npy --dtype f64", 65, "its elements are f32, not f64"),
        ("cat eight --dtype f32 --shape 3", 65, "`3` of f32 has 12 bytes, but there are 8"),
        ("cat eight --shape 8", 65, "a shape needs a dtype"),
        ("cat eight --dtype i64 --format json", 65, "not a JSON array"),
        ("cat eight --dtype f31", 64, "`f31` is not a dtype"),
        ("cat eight --shape a", 64, "a shape such as `3x4`"),
        ("cat eight --parent 3", 66, "no version 3"),
        ("caat eight", 66, "did you mean `cat`?"),
        ("cat no-such-file", 74, "no-such-file"),
        ("cat eight --alias current", 77, "--allow-model-server-runtime-changes weights put cat eight --alias current"),
    ] {
        let said = env.script(&[&format!("weights put {line}")]).failed(code);
        assert!(said.contains(told), "{line}: {said}");
    }
    let said = env.script(&["weights put cat long.safetensors"]).failed(65);
    assert!(
        said.contains("hint: check that it was copied completely; `--format raw` stores bytes of any kind"),
        "{said}"
    );
    let said = env.piped(["weights", "put", "cat", "-", "--dtype", "f32"], "[9007199254740993]").failed(65);
    assert!(
        said.contains("standard input: element 0 is 9007199254740993")
            && said.contains("`--dtype i64` can represent it"),
        "{said}"
    );
    let said = env.script(&["weights put cat eight --dtype f32 --shape 3"]).failed(65);
    assert!(said.contains("as f32 they are 2 elements"), "{said}");
    assert!(env.mer(["weights", "list", "--json"]).objects().is_empty(), "nothing half is visible");
    env.mer(["weights", "gc", "--silent", "0s", "--quiet"]).ok();
    let gone = env.mer(["weights", "gc", "--silent", "0s", "--json"]).object();
    assert_eq!(gone, json!({"uploads": 0, "payloads": 0, "chunks": 0, "bytes": 0}));
}

#[test]
fn a_missing_version_is_66_with_the_nearest() {
    let env = with_golden(["u8.npy", "several.safetensors"]);
    let told = env.mer(["weights", "show", "cat"]).failed(66);
    assert!(told.contains("`cat` has no current weights") && told.contains("mer weights put cat FILE"), "{told}");
    let told = env.mer(["weights", "get", "cat:3"]).failed(66);
    assert!(told.contains("it has no weights at all"), "{told}");
    for file in ["u8.npy", "u8.npy", "several.safetensors"] {
        env.mer(["weights", "put", "cat", file, "--quiet"]).ok();
    }
    let told = env.mer(["weights", "get", "cat:9"]).failed(66);
    assert!(told.contains("there is no version 9") && told.contains("the nearest is `cat:3`"), "{told}");
    env.mer(["weights", "alias", "cat:2", "stable", "--allow-changes", "--quiet"]).ok();
    let told = env.mer(["weights", "show", "cat@stabel"]).failed(66);
    assert!(told.contains("no alias `stabel`") && told.contains("did you mean `stable`?"), "{told}");
    let told = env.mer(["weights", "show", "cat"]).failed(66);
    assert!(told.contains("mer weights alias cat:3 current"), "{told}");
    for wrong in ["cat:", "cat:0", "cat@", "cat:x", "cat:1:2"] {
        env.mer(["weights", "show", wrong]).failed(64);
    }
    let told = env.mer(["weights", "get", "cat:3", "--format", "npy"]).failed(65);
    assert!(told.contains("several arrays"), "{told}");
    env.mer(["weights", "get", "cat:3", "--format", "npy", "-o", "x"]).failed(65);
    let told = env.mer(["weights", "get", "cat:1", "-o", "/dev/full"]).failed(74);
    assert!(told.contains("cannot write the output file `/dev/full`"), "{told}");
    assert!(!env.path("work/x").exists());
}

#[test]
fn aliases_move_with_permission_only_and_keep_their_history() {
    let env = with_golden(["u8.npy", "i8.npy"]);
    env.mer(["weights", "put", "cat", "u8.npy", "--quiet"]).ok();
    let told = env.mer(["weights", "alias", "cat:1", "current"]).failed(77);
    assert!(told.contains("mer --allow-model-server-runtime-changes weights alias cat:1 current"), "{told}");
    env.mer(["weights", "remove", "cat:1"]).failed(77);
    let moved = env.mer(["weights", "alias", "cat:1", "current", "--allow-changes"]).ended(0);
    assert_eq!(moved.stderr, "`cat@current` is `cat:1` now\n");
    let twice = [
        "weights",
        "put",
        "cat",
        "i8.npy",
        "--alias",
        "new",
        "--alias",
        "current",
        "--alias",
        "new",
        "--allow-changes",
    ];
    let put = env.mer(twice).ended(0);
    assert!(put.stderr.ends_with("\n`cat@current` is `cat:2` now\n`cat@new` is `cat:2` now\n"), "{}", put.stderr);
    assert_eq!(env.mer(["weights", "show", "cat", "--json"]).object()["version"], json!(2));
    assert_eq!(env.mer(["weights", "show", "cat", "--json"]).object()["aliases"], json!(["current", "new"]));
    // Rolled back to the version of another alias, and forward again.
    env.mer(["weights", "alias", "cat:1", "old", "--allow-changes", "--quiet"]).ok();
    let moved = env.mer(["weights", "alias", "cat@old", "current", "--allow-changes", "--json"]).object();
    assert_eq!((&moved["version"], &moved["number"]), (&json!(1), &json!(3)));
    assert!(env.mer(["weights", "get", "cat"]).ended(0).bytes == golden("u8.npy"));
    let moves = env.mer(["weights", "alias", "cat", "current", "--json"]).objects();
    assert_eq!(moves.iter().map(|row| row["version"].clone()).collect::<Vec<_>>(), [json!(1), json!(2), json!(1)]);
    assert_eq!(env.mer(["weights", "alias", "cat", "--json"]).objects().len(), 5);
    for (version, why) in [("cat:1", "the aliases `current`, `old` name it"), ("cat:2", "the alias `new` names it")] {
        let told = env.mer(["weights", "remove", version, "--allow-changes"]).failed(77);
        assert!(told.contains(why) && told.contains("--force"), "{told}");
    }
    env.mer(["weights", "alias", "cat", "new", "--remove", "--allow-changes", "--quiet"]).ok();
    env.mer(["weights", "alias", "cat", "new", "--remove", "--allow-changes"]).failed(66);
    env.mer(["weights", "alias", "cat:1", "current", "--remove", "--allow-changes"]).failed(64);
    env.mer(["weights", "alias", "cat:1", "-a", "--allow-changes"]).failed(64);
    let removed = env.mer(["weights", "remove", "cat:2", "--allow-changes"]).ended(0);
    assert_eq!(removed.stderr, "removed `cat:2`; `mer weights gc` frees its bytes\n");
    env.mer(["weights", "remove", "cat", "--allow-changes"]).failed(64);
    env.mer(["weights", "rm", "cat:1", "--force", "--allow-changes", "--quiet"]).ok();
    let gone = env.mer(["weights", "gc", "--json"]).object();
    let bytes = golden("u8.npy").len() + golden("i8.npy").len();
    assert_eq!(gone, json!({"uploads": 0, "payloads": 2, "chunks": 2, "bytes": bytes}));
    env.mer(["model", "remove", "cat", "--allow-changes", "--quiet"]).ok();
}

#[test]
fn numbers_are_shown_as_people_and_programs_read_them() {
    let env = TestEnv::ready();
    let ends = [i64::MAX, i64::MIN, 0].map(i64::to_le_bytes).concat();
    env.piped(["weights", "put", "cat", "-", "--dtype", "i64", "--quiet"], ends).ok();
    let shown = env.mer(["weights", "show", "cat:1"]).ok();
    for line in
        ["minimum   -9223372036854775808\n", "maximum   9223372036854775807\n", "norm      1.3043817825332783e19\n"]
    {
        assert!(shown.contains(line), "{shown}");
    }
    let told = env.mer(["weights", "show", "cat:1", "--json"]).object()["statistics"].clone();
    assert_eq!((&told["minimum"], &told["maximum"]), (&json!(i64::MIN), &json!(i64::MAX)));
    let ends = [f64::MAX, 1e-300, 0.5].map(f64::to_le_bytes).concat();
    env.piped(["weights", "put", "cat", "-", "--dtype", "f64", "--quiet"], ends).ok();
    let shown = env.mer(["weights", "show", "cat:2"]).ok();
    assert!(shown.contains("minimum   1e-300\nmaximum   1.7976931348623157e308\n"), "{shown}");
}

#[test]
fn servers_have_weights_too() {
    for url in shared_databases() {
        let place = OnServer::migrated(url);
        let bytes = noise(1, (2 << 20) + 5);
        place.env.file("work/noise", &bytes);
        place.env.file("work/f32.npy", golden("f32.npy"));
        let put = place.mer(["weights", "put", "iris", "noise", "--alias", "current", "--allow-changes", "--json"]);
        assert_eq!(put.object()["sha256"], json!(sha256(&bytes)), "{}", place.url);
        place.mer(["weights", "put", "iris", "f32.npy", "--quiet"]).ok();
        assert!(place.mer(["weights", "get", "iris"]).ended(0).bytes == bytes, "{}", place.url);
        assert!(place.mer(["weights", "get", "iris:2"]).ended(0).bytes == golden("f32.npy"));
        assert_eq!(place.mer(["weights", "list", "--json"]).objects().len(), 2);
        assert_eq!(place.mer(["weights", "show", "iris:2", "--json"]).object()["statistics"]["elements"], json!(15));
        place.mer(["weights", "remove", "iris:2", "--allow-changes", "--quiet"]).ok();
        let gone = place.mer(["weights", "gc", "--json"]).object();
        assert_eq!(gone["chunks"], json!(1), "{}", place.url);
        place.mer(["weights", "get", "iris:2"]).failed(66);
        // A reader that ends early.
        let mut reader = place.env.program("/bin/sh".as_ref());
        reader.env("DB_CONNECTION_URL", &place.url).env("MER", TestEnv::binary());
        reader.args(["-c", "{ \"$MER\" weights get iris; echo $? >&2; } | head -c 5 > five"]);
        assert_eq!(run(reader).stderr, "141\n");
        assert_eq!(fs::read(place.env.path("work/five")).expect("file"), bytes[..5]);
    }
}
