//! The table of exit codes: each code by a real cause, with the recorded access.

use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::PermissionsExt,
};

use serde_json::{Value, json};

use crate::support::{TestEnv, run};

/// Runs `mer` with these arguments and returns its stderr and the recorded access, which must have this status.
#[track_caller]
fn recorded<const N: usize>(args: [&str; N], code: i32, status: &str) -> (String, Value) {
    let env = TestEnv::ready();
    env.file("work/plain-file", "#!/bin/sh\n");
    let ran = env.mer(args).ended(code);
    let row = env.row();
    assert_eq!(row["status"], status, "{row}");
    assert!(row["stopAccess"].is_string(), "{row}");
    (ran.stderr, row)
}

#[test]
fn code_0_is_an_answer() {
    let (told, row) = recorded(["run", "cat", "x"], 0, "succeeded");
    assert_eq!(told, "");
    assert_eq!((&row["exitCode"], &row["signal"], &row["error"]), (&json!(0), &Value::Null, &Value::Null));
}

#[test]
fn code_0_for_a_model_that_never_reads_its_input() {
    let env = TestEnv::ready();
    assert_eq!(env.piped(["run", "deaf"], vec![b'x'; 1_000_000]).ok(), "deaf\n");
    assert_eq!(env.row()["status"], "succeeded");
}

#[test]
fn code_1_is_a_model_that_exited_with_another_code() {
    let (told, row) = recorded(["run", "fail", "x"], 1, "failed");
    assert!(told.contains("ValueError: boom\n"), "{told}");
    assert!(told.contains("mer: `fail` on `local`: the model exited with code 3\n"), "{told}");
    assert!(told.contains(&format!("`mer log show {}`", row["requestUid"].as_str().expect("uid"))), "{told}");
    assert_eq!((&row["exitCode"], &row["signal"]), (&json!(3), &Value::Null));
    assert_eq!(row["error"], "the model exited with code 3");
}

#[test]
fn code_1_is_a_model_that_died_by_a_signal() {
    let (told, row) = recorded(["run", "suicide"], 1, "failed");
    assert!(told.starts_with("mer: `suicide` on `local`: the model died by SIGKILL\n"), "{told}");
    assert_eq!((&row["exitCode"], &row["signal"]), (&Value::Null, &json!("SIGKILL")));
}

#[test]
fn code_1_is_a_warm_model_that_died_in_the_middle() {
    let (told, row) = recorded(["run", "liner", "die"], 1, "failed");
    assert!(told.contains("exited with code 9 in the middle of the request"), "{told}");
    assert_eq!(row["exitCode"], 9);
    let (told, _) = recorded(["run", "stillborn", "x"], 1, "failed");
    assert!(told.contains("no such weights\n") && told.contains("before it was ready"), "{told}");
}

#[test]
fn passthrough_gives_the_models_own_code_or_128_and_its_signal() {
    recorded(["run", "--passthrough", "fail"], 3, "failed");
    recorded(["run", "suicide", "--passthrough"], 137, "failed");
    recorded(["run", "--passthrough", "cat", "x"], 0, "succeeded");
    recorded(["run", "--passthrough", "liner", "die"], 9, "failed");
    // Failures that the model did not cause keep MER's code.
    recorded(["run", "--passthrough", "missing"], 78, "failed");
    recorded(["run", "--passthrough", "slow", "--timeout", "200ms"], 124, "timeout");
}

#[test]
fn code_64_is_a_wrong_line() {
    let env = TestEnv::ready();
    for args in
        [&["run"][..], &["run", "cat", "a", "b"], &["run", "cat", "--timout", "1s"], &["log", "list", "-n", "x"]]
    {
        let told = env.mer_args(args).failed(64);
        assert!(told.starts_with("mer: "), "{args:?}: {told}");
    }
    let told = env.mer(["run", "cat", "x", "--timeout", "soon"]).failed(64);
    assert!(told.contains("soon"), "{told}");
    assert!(env.rows().is_empty());
}

#[test]
fn code_66_names_the_nearest() {
    let env = TestEnv::ready();
    let told = env.mer(["run", "irsi", "x"]).failed(66);
    assert!(told.starts_with("mer: there is no model `irsi`\nhint: did you mean `iris`?\n"), "{told}");
    let told = env.mer(["model", "show", "uper"]).failed(66);
    assert!(told.contains("did you mean `upper`?"), "{told}");
    let told = env.mer(["server", "show", "locl"]).failed(66);
    assert!(told.contains("there is no server `locl`\nhint: did you mean `local`?"), "{told}");
    let told = env.mer(["run", "cat", "x", "--server", "locl"]).failed(66);
    assert!(told.contains("`cat` does not run on server `locl`") && told.contains("did you mean `local`?"), "{told}");
    let told = env.mer(["log", "show"]).failed(66);
    assert!(told.starts_with("mer: there is no access yet\n"), "{told}");
    let told = env.mer(["log", "show", "01890000"]).failed(66);
    assert!(told.starts_with("mer: there is no access `01890000`\n"), "{told}");
    assert!(env.rows().is_empty());
}

#[test]
fn code_74_is_a_database_folder_that_is_a_file() {
    let env = TestEnv::new();
    env.file("data/mer", "I am a file");
    let told = env.mer(["run", "echo", "x"]).failed(74);
    let folder = env.path("data/mer/db");
    assert!(
        told.starts_with(&format!("mer: cannot create the data folder `{}`\ncaused by: ", folder.display())),
        "{told}"
    );
}

#[test]
fn code_75_names_who_holds_the_database() {
    let env = TestEnv::ready();
    let mut lease = File::options().write(true).open(env.path("data/mer/db.lock")).expect("the lease");
    lease.lock().expect("the lease");
    // The holder is this test, a process with a pid.
    lease.write_all(format!("{}\n", std::process::id()).as_bytes()).expect("pid");
    let begun = std::time::Instant::now();
    let told = env.mer(["log", "list", "--db-wait", "1s"]).failed(75);
    assert!(begun.elapsed() >= std::time::Duration::from_secs(1));
    let folder = env.path("data/mer/db");
    let holder = format!(
        "mer: the database `{}` is busy: process {} has held it; waited 1.",
        folder.display(),
        std::process::id()
    );
    assert!(told.starts_with(&holder), "{told}");
    let told = env.mer(["migrate", "--db-wait", "0s"]).failed(75);
    assert!(told.contains(&format!("process {}", std::process::id())), "{told}");
    drop(lease);
    assert!(env.rows().is_empty());
}

#[test]
fn code_76_is_a_model_that_broke_its_protocol() {
    let (told, row) = recorded(["run", "liner", "two"], 76, "failed");
    assert!(told.contains("mer: `liner` on `local`: "), "{told}");
    assert!(row["error"].is_string());
}

#[test]
fn code_77_prints_the_whole_line_to_type() {
    let env = TestEnv::ready();
    env.file("work/my models.toml", "[models.new]\ninferenceCommand = ['cat']\n");
    let told = env.mer(["apply", "my models.toml"]).failed(77);
    assert_eq!(
        told,
        "mer: changing models and servers is not allowed here\n\
         hint: mer --allow-model-server-runtime-changes apply 'my models.toml'\n"
    );
    env.mer(["model", "show", "new"]).failed(66);
    // The line of the hint works when it is typed.
    let line = told.lines().last().and_then(|line| line.strip_prefix("hint: mer ")).expect("a line");
    let mut command = env.program("/bin/sh".as_ref());
    command.arg("-c").arg(format!("exec \"$0\" {line}")).arg(TestEnv::binary());
    run(command).ended(0);
    env.mer(["model", "show", "new"]).ok();
    assert_eq!(env.script(&["apply 'my models.toml'"]).ended(77).stdout, "");
}

#[test]
fn code_78_is_a_command_that_does_not_exist_there() {
    let (told, row) = recorded(["run", "missing"], 78, "failed");
    assert!(told.contains("mer: `missing` on `local`: on server `local`: "), "{told}");
    assert!(told.contains("`no-such-program`"), "{told}");
    assert_eq!((&row["exitCode"], &row["startMs"]), (&Value::Null, &Value::Null));
    let (told, _) = recorded(["run", "plainFile"], 78, "failed");
    assert!(told.contains("plain-file`") && told.contains("not executable"), "{told}");
}

#[test]
fn code_78_is_a_settings_file_that_is_no_toml_with_its_place() {
    let env = TestEnv::ready();
    let file = env.file("work/mer.toml", "hashes = true\ndbWait = = '1s'\n");
    let told = env.mer(["run", "cat", "x"]).failed(78);
    assert!(told.starts_with(&format!("mer: `{}`, line 2, column 10: ", file.display())), "{told}");
    fs::remove_file(file).expect("removed");
    let told = env.mer(["run", "cat", "x", "--config", "nowhere.toml"]).failed(78);
    assert!(told.contains("nowhere.toml"), "{told}");
    env.file("work/mer.toml", "dbWait = 'soon'\n");
    let told = env.mer(["run", "cat", "x"]).failed(78);
    assert!(told.contains("line 1") && told.contains("dbWait"), "{told}");
}

#[test]
fn code_78_is_a_folder_that_is_no_database() {
    let env = TestEnv::new();
    env.file("data/mer/db/thesis.doc", "precious");
    let told = env.mer(["run", "echo", "x"]).failed(78);
    assert!(told.contains("is not a MER database: it holds `thesis.doc`"), "{told}");
    assert_eq!(env.read("data/mer/db/thesis.doc"), "precious");
}

#[test]
fn a_database_url_that_is_none_is_78_in_a_variable_and_64_as_a_flag() {
    let env = TestEnv::new();
    let mut command = env.with(["run", "echo", "x"]);
    command.env("DB_CONNECTION_URL", "mysql://u:hunter2@h/d");
    let told = run(command).failed(78);
    assert!(told.starts_with("mer: the environment variable `DB_CONNECTION_URL` sets `db`, which must be embedded, "));
    assert!(!told.contains("hunter2"), "{told}");
    let told = env.mer(["run", "echo", "x", "--db", "mysql://u:hunter2@h/d"]).failed(64);
    assert!(told.starts_with("mer: `--db` must be embedded, ") && !told.contains("hunter2"), "{told}");
}

#[test]
fn code_124_names_the_bound_that_ran_out() {
    let (told, row) = recorded(["run", "slow", "--timeout", "300ms"], 124, "timeout");
    assert!(told.contains("mer: `slow` on `local`: `timeout` ran out after 300ms\n"), "{told}");
    assert_eq!(row["error"], "`timeout` ran out after 300ms");
    assert!(row["runMs"].as_f64().expect("ms") >= 300.0, "{row}");
    let (told, row) = recorded(["run", "unready", "x"], 124, "timeout");
    assert!(told.contains("`readyTimeout` ran out after 300ms"), "{told}");
    assert_eq!(row["stderrTail"], "loading the weights\n");
    let (told, _) = recorded(["run", "curt", "silent", "--timeout", "300ms"], 124, "timeout");
    assert!(
        told.contains("hint: does it flush its output after every line?") && told.contains("is `oneshot`"),
        "{told}"
    );
}

#[test]
fn with_json_a_failure_ends_stderr_with_one_object() {
    let env = TestEnv::ready();
    for (args, code) in [
        (&["run", "fail", "--json"][..], 1),
        (&["run", "nobody", "--json"], 66),
        (&["--json", "log", "list", "--limit", "x"], 64),
        (&["--json", "apply", "x.toml"], 77),
        (&["run", "missing", "--json"], 78),
        (&["run", "slow", "--timeout", "100ms", "--json"], 124),
    ] {
        let ran = env.mer_args(args).ended(code);
        let last = ran.stderr.lines().last().expect("a line");
        let told: Value = serde_json::from_str(last).expect("an object");
        assert_eq!((&told["message_type"], &told["code"]), (&json!("exit_error"), &json!(code)), "{last}");
        assert!(told["message"].as_str().is_some_and(|message| !message.is_empty()), "{last}");
        assert!(!ran.stderr.contains("mer: "), "{}", ran.stderr);
    }
}

#[test]
fn a_folder_that_may_not_be_written_is_74_unless_root_writes() {
    let env = TestEnv::new();
    fs::set_permissions(env.path("data"), fs::Permissions::from_mode(0o500)).expect("mode");
    let ran = env.mer(["run", "echo", "x"]);
    fs::set_permissions(env.path("data"), fs::Permissions::from_mode(0o700)).expect("mode");
    if rustix::process::geteuid().is_root() {
        // Root ignores modes.
        return drop(ran.ok());
    }
    let told = ran.failed(74);
    assert!(told.contains("hint: this user may not write there"), "{told}");
}
