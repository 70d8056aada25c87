//! The input of a model: the rules of the contract, row by row. `cat` and `echo` print their input.

use std::{
    fs::File,
    os::fd::{AsFd, OwnedFd},
    process::{Command, Stdio},
};

use crate::support::{Live, TestEnv, run};

#[test]
fn a_word_is_sent_with_one_newline_after_it() {
    let env = TestEnv::ready();
    for (word, sent) in [
        ("hello", "hello\n"),
        ("", "\n"),
        ("two words", "two words\n"),
        ("a\nb\n", "a\nb\n\n"),
        ("$HOME `id` ; * \"'", "$HOME `id` ; * \"'\n"),
        ("-5.1,3", "-5.1,3\n"),
        ("-.5", "-.5\n"),
        ("@@x", "@x\n"),
        ("@@", "@\n"),
    ] {
        assert_eq!(env.mer(["run", "cat", word]).ok(), sent, "{word:?}");
    }
    for (word, sent) in [("--json", "--json\n"), ("-q", "-q\n"), ("-5", "-5\n")] {
        assert_eq!(env.mer(["run", "cat", "--", word]).ok(), sent, "-- {word:?}");
    }
    assert_eq!(env.mer(["--quiet", "run", "cat", "-1", "--no-hash"]).ok(), "-1\n", "flags go where they like");
}

#[test]
fn a_word_need_not_be_text() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
    let env = TestEnv::ready();
    let mut command = env.with(["run", "cat"]);
    command.arg(OsStr::from_bytes(b"\xff\xfe"));
    assert_eq!(run(command).bytes, b"\xff\xfe\n");
}

#[test]
fn a_file_is_sent_byte_for_byte() {
    let env = TestEnv::ready();
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    env.file("work/dir/data.bin", &bytes);
    assert_eq!(env.mer(["run", "cat", "@dir/data.bin"]).ended(0).bytes, bytes);
    env.file("work/-", "dash");
    assert_eq!(env.mer(["run", "cat", "@-"]).ok(), "dash");
    env.file("work/empty", "");
    assert_eq!(env.mer(["run", "cat", "@empty"]).ok(), "");
    assert_eq!(env.script(&["run cat @dir/data.bin"]).ended(0).bytes, bytes, "from a script as well");
}

#[test]
fn a_file_that_cannot_be_read_is_74_and_nothing_is_run() {
    let env = TestEnv::ready();
    let told = env.mer(["run", "cat", "@nowhere"]).failed(74);
    assert!(told.starts_with("mer: cannot read the input file `nowhere`\ncaused by: "), "{told}");
    let told = env.mer(["run", "cat", "@../work"]).failed(74);
    assert!(told.starts_with("mer: cannot read the input file `../work`\ncaused by: "), "{told}");
    let told = env.mer(["run", "cat", "@"]).failed(64);
    assert!(told.starts_with("mer: `@` names no file\n"), "{told}");
    assert!(env.rows().is_empty());
}

#[test]
fn standard_input_is_sent_byte_for_byte() {
    let env = TestEnv::ready();
    let bytes: Vec<u8> = (0..=255).rev().cycle().take(300_000).collect();
    assert_eq!(env.piped(["run", "cat", "-"], &bytes).ended(0).bytes, bytes);
    assert_eq!(env.piped(["run", "cat"], &bytes).ended(0).bytes, bytes, "also where no input is named");
    assert_eq!(env.piped(["run", "cat", "-"], "no newline").ok(), "no newline");
    let file = File::open(env.file("work/file", "from a file")).expect("file");
    assert_eq!(Live::start(env.with(["run", "cat"]), file).finish().ok(), "from a file");
    assert_eq!(env.mer(["run", "cat"]).ok(), "", "/dev/null is empty");
    assert_eq!(env.mer(["run", "cat", "-"]).ok(), "");
}

#[test]
fn a_closed_standard_input_is_an_empty_one() {
    let env = TestEnv::ready();
    let closed = |words: &str| {
        let mut command = env.program("/bin/sh".as_ref());
        command.arg("-c").arg(format!("exec \"$0\" {words} <&-")).arg(TestEnv::binary());
        run(command)
    };
    assert_eq!(closed("run cat x").ok(), "x\n", "with a named input it is not needed");
    assert_eq!(closed("run cat -").ok(), "");
    assert_eq!(closed("run cat").ok(), "");
}

#[test]
fn an_input_that_cannot_be_read_to_its_end_is_74_and_on_record_as_a_failure() {
    let env = TestEnv::ready();
    // The model always succeeds, and writes down each line that it received.
    let model = "while read -r line; do echo \"$line\" >> heard; echo \"got $line\"; done";
    let add = ["model", "add", "hearer", "--protocol", "lines", "--shell", "--allow-changes", "--quiet", "--", model];
    env.mer(add).ended(0);
    let learn = ["model", "add", "learner", "--allow-changes", "--quiet", "--train-command", "cat", "--", "cat"];
    env.mer(learn).ended(0);
    // Reading address 0 of the process's memory fails.
    let input = "@/proc/self/mem";
    for (words, rows) in [(["run", "cat", input], 1), (["run", "hearer", input], 2), (["train", "learner", input], 3)] {
        let told = env.mer(words).ended(74).stderr;
        assert!(told.contains(": the input could not be read to its end: Input/output error"), "{words:?}: {told}");
        let all = env.rows();
        assert_eq!(all.len(), rows, "{words:?}");
        let error = all[0]["error"].as_str().expect("an error");
        assert!(error.starts_with("the input could not be read to its end: Input/output error"), "{words:?}: {error}");
        assert_eq!(all[0]["status"], "failed", "{words:?}");
    }
    assert!(!env.path("work/heard").exists(), "nothing of a cut input is sent to a process that stays up");
    let said = env.script(&["run hearer one", "run hearer @/proc/self/mem"]).ended(74);
    assert_eq!(said.stdout, "got one\n");
    assert_eq!(env.read("work/heard"), "one\n", "nor to one that is warm");
    let folder = || File::open(env.path("work")).expect("folder");
    for words in [["run", "cat", "-"], ["run", "hearer", "-"]] {
        let told = Live::start(env.with(words), folder()).finish().ended(74).stderr;
        assert!(told.contains("the input could not be read to its end: Is a directory"), "{told}");
        assert_eq!(env.rows()[0]["status"], "failed");
    }
    for words in [["weights", "put", "cat", "/proc/self/mem"], ["import", "/proc/self/mem", "--allow-changes", "-q"]] {
        let told = env.mer(words).failed(74);
        assert!(
            told.contains("`/proc/self/mem` could not be read to its end\ncaused by: Input/output error"),
            "{told}"
        );
    }
    let told = env.mer(["apply", "/proc/self/mem", "--allow-changes"]).failed(74);
    assert!(told.contains("caused by: Input/output error"), "{told}");
    assert_eq!(env.mer(["weights", "list", "cat", "--json"]).ok(), "");
}

#[test]
fn a_model_is_not_told_that_a_cut_input_is_at_its_end() {
    let env = TestEnv::ready();
    // A model that took a cut input for a complete one might do something irreversible.
    let model = "trap '' TERM; cat > /dev/null; echo whole > done";
    let add = ["model", "add", "doer", "--shell", "--grace", "300ms", "--allow-changes", "--quiet", "--", model];
    env.mer(add).ended(0);
    env.mer(["run", "doer", "@/proc/self/mem"]).ended(74);
    assert!(!env.path("work/done").exists());
    env.mer(["run", "doer", "x"]).ended(0);
    assert_eq!(env.read("work/done"), "whole\n");
}

#[test]
fn with_an_input_standard_input_is_never_touched() {
    let env = TestEnv::ready();
    let (reader, mut writer) = std::io::pipe().expect("pipe");
    std::io::Write::write_all(&mut writer, b"for another program").expect("written");
    drop(writer);
    let theirs: OwnedFd = reader.as_fd().try_clone_to_owned().expect("reader");
    assert_eq!(Live::start(env.with(["run", "cat", "mine"]), Stdio::from(theirs)).finish().ok(), "mine\n");
    let left = std::io::read_to_string(reader).expect("what is left");
    assert_eq!(left, "for another program");
}

#[test]
fn a_loop_over_lines_is_not_eaten_by_its_first_run() {
    let env = TestEnv::ready();
    let mut command: Command = env.program("/bin/sh".as_ref());
    command
        .arg("-c")
        .arg("printf 'a\\nb\\nc\\n' | while read -r x; do \"$0\" run cat \"$x\"; done")
        .arg(TestEnv::binary());
    assert_eq!(run(command).ok(), "a\nb\nc\n");
}

#[test]
fn in_a_script_nothing_is_sent_where_no_input_is_named_and_dash_is_64() {
    let env = TestEnv::ready();
    assert_eq!(env.script(&["run cat", "run cat next"]).ok(), "next\n");
    let told = env.script(&["run cat 1", "run cat -", "run cat 2"]).ended(64);
    assert_eq!(told.stdout, "1\n");
    assert_eq!(
        told.stderr,
        "mer: `-` is standard input, and here that is where commands come from\n\
         hint: give the input on the line, or as `@FILE`\nthe script stopped at line 2\n"
    );
}

#[test]
fn an_input_that_the_protocol_cannot_carry_is_65_and_never_sent() {
    let env = TestEnv::ready();
    env.file("work/two", "a\nb\n");
    let told = env.mer(["run", "liner", "@two"]).failed(65);
    assert!(told.starts_with("mer: model `liner` cannot be sent this input\ncaused by: "), "{told}");
    env.file("work/stop", "a\n@!#STOP#!@\nb\n");
    let told = env.mer(["run", "stillborn", "@stop"]).failed(65);
    assert!(told.contains("`@!#STOP#!@`"), "{told}");
    assert!(env.rows().is_empty(), "what was never sent is no access");
    env.file("work/one", "a\n");
    assert_eq!(env.mer(["run", "liner", "@one"]).ok(), "got a\n");
}
