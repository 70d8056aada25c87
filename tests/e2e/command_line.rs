//! Commands without settings or database: version, help, usage errors, completion scripts, standard streams.

use std::{fs::File, os::unix::fs::symlink, process::Stdio};

use crate::support::{Live, TestEnv, run};

#[test]
fn the_version_is_one_line_and_reads_no_settings() {
    let env = TestEnv::new();
    env.file("work/mer.toml", "this is no TOML");
    let version = format!("mer {} (", env!("CARGO_PKG_VERSION"));
    assert!(env.mer(["version"]).ok().starts_with(&version));
    assert!(env.mer(["--version"]).ok().starts_with(version.trim_end_matches(" (")));
    let json: serde_json::Value = serde_json::from_str(&env.mer(["version", "--json"]).ok()).expect("json");
    assert_eq!(json["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn a_wrong_line_is_64_with_the_nearest_verb() {
    let env = TestEnv::new();
    assert_eq!(
        env.mer(["modle", "list"]).failed(64),
        "mer: there is no command `modle`\nhint: did you mean `model`?\n"
    );
    let told = env.mer(["--json", "modle"]).failed(64);
    let told: serde_json::Value = serde_json::from_str(&told).expect("one line of JSON");
    assert_eq!(told["message_type"], "exit_error");
    assert_eq!(told["code"], 64);
    assert_eq!(told["message"], "there is no command `modle`");
}

#[test]
fn help_is_an_answer() {
    let env = TestEnv::new();
    for args in [["--help", "run"], ["help", "run"], ["run", "--help"]] {
        let help = env.mer(args).ok();
        assert!(help.contains("Usage: mer") && !help.contains('\x1b'), "{help}");
    }
}

#[test]
fn every_shell_gets_its_completions() {
    let env = TestEnv::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(env.mer(["completions", shell]).ok().contains("example-model"), "{shell}");
    }
}

#[test]
fn a_reader_that_leaves_is_141_and_a_full_disk_is_74() {
    let env = TestEnv::new();
    let (reader, writer) = std::io::pipe().expect("pipe");
    drop(reader);
    let live = Live::start_to(env.with(["completions", "bash"]), Stdio::null(), writer);
    assert_eq!(live.finish().failed(141), "");
    let full = File::options().write(true).open("/dev/full").expect("/dev/full");
    let told = Live::start_to(env.with(["version"]), Stdio::null(), full).finish().failed(74);
    assert!(told.starts_with("mer: cannot write to standard output\ncaused by: "), "{told}");
}

#[test]
fn the_name_of_the_binary_selects_the_program() {
    let env = TestEnv::new();
    for (name, usage) in [("mer-migrations", "Usage: mer migrate"), ("mer-driver", "Usage: mer [OPTIONS]")] {
        let link = env.path(name);
        symlink(TestEnv::binary(), &link).expect("link");
        let mut help = env.program(&link);
        help.arg("--help");
        assert!(run(help).ok().contains(usage), "{name}");
    }
}

#[test]
fn a_script_on_standard_input_stops_at_its_first_failure() {
    let env = TestEnv::new();
    let ran = env.piped([], "version # first\nmodle\nversion\n");
    assert_eq!(ran.code, Some(64));
    assert_eq!(ran.stdout.lines().count(), 1, "{ran:?}");
    assert_eq!(
        ran.stderr,
        "mer: there is no command `modle`\nhint: did you mean `model`?\nthe script stopped at line 2\n"
    );
    assert_eq!(env.piped(["repl"], "").ok(), "");
}
