//! The environment of a model: its variables, the variables that it must not get, program, folder, and launcher.

use std::collections::BTreeMap;

use crate::support::{TestEnv, run};

fn variables(text: &str) -> BTreeMap<&str, &str> {
    text.lines().filter_map(|line| line.split_once('=')).collect()
}

#[test]
fn a_model_is_told_its_name_and_its_request() {
    let env = TestEnv::ready();
    let told = env.mer(["run", "env"]).ok();
    let row = env.row();
    let told = variables(&told);
    assert_eq!(told["MER_MODEL"], "env");
    assert_eq!(told["MER_REQUEST_UID"], row["requestUid"].as_str().expect("uid"));
    assert_eq!(told["MER_ATTEMPT"], "1");
    assert_eq!(told["PYTHONUNBUFFERED"], "1");
    assert_eq!(told["HOME"], env.path("home").to_str().expect("path"), "the caller's own environment is there");
    assert!(!told.contains_key("MER_WEIGHTS"));
}

#[test]
fn a_model_sees_no_secret_and_no_setting() {
    let env = TestEnv::ready();
    env.file("work/.env", "MIGRATIONS_DB_PASSWORD=hunter2\nDATABASE_OF_SOMEBODY_ELSE=hunter2\n");
    for model in ["env", "envLine"] {
        let mut command = env.with(["run", model, "x"]);
        for name in [
            "DRIVER_DB_PASSWORD",
            "DRIVER_DB_USERNAME",
            "MIGRATIONS_DB_USERNAME",
            "MER_DRIVER_DB_PASSWORD",
            "MER_LOG_FORMAT_OF_OLD",
            "PGPASSWORD",
            "PGHOST",
            "APP_DB_URL",
            "MER_REQUEST_UID",
        ] {
            command.env(name, "hunter2");
        }
        command.env("MER_DATA_DIR", env.path("data/mer")).env("MER_HASHES", "true").env("MER_NO_INPUT", "true");
        command.env("ALLOW_MODEL_SERVER_RUNTIME_CHANGES", "true").env("DB_CONNECTION_URL", "embedded");
        let told = run(command).ended(0).stdout;
        assert!(!told.contains("hunter2"), "{told}");
        for name in ["MER_DATA_DIR", "MER_HASHES", "MER_NO_INPUT", "_DB_", "DB_CONNECTION_URL", "ALLOW_MODEL"] {
            assert!(!told.contains(name), "{name}: {told}");
        }
        assert!(told.contains(&format!("MER_MODEL={model}")), "{told}");
        assert_eq!(told.contains("MER_REQUEST_UID="), model == "env", "a warm process serves many requests");
    }
    let log = env.mer(["log", "list", "--json"]).ok();
    assert!(!log.contains("hunter2"));
}

#[test]
fn variables_of_the_model_win_but_not_over_mers_own() {
    let env = TestEnv::ready();
    let mut command = env.with(["run", "envOverridden"]);
    command.env("E2E_ONE", "caller").env("E2E_TWO", "caller").env("E2E_THREE", "caller").env("PYTHONUNBUFFERED", "");
    let told = run(command).ok();
    let told = variables(&told);
    assert_eq!((told["E2E_ONE"], told["E2E_TWO"], told["E2E_THREE"]), ("model", "local", "caller"));
    assert_eq!(told["MER_MODEL"], "envOverridden");
    assert_eq!(told["PYTHONUNBUFFERED"], "", "what the caller set stays");
}

#[test]
fn a_model_that_calls_mer_gets_no_warning_for_what_mer_told_it() {
    let env = TestEnv::ready();
    let shown = env.mer(["run", "nested"]).ok();
    assert!(shown.lines().count() > 5, "{shown}");
}

#[test]
fn the_program_mer_is_this_very_binary_whatever_path_says() {
    let env = TestEnv::ready();
    let mut command = env.with(["run", "echo", "x"]);
    command.env("PATH", "/nowhere");
    assert_eq!(run(command).ok(), "x\n");
    let other = env.file("bin/mer", "#!/bin/sh\necho somebody else\n");
    std::fs::set_permissions(other, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("mode");
    let mut command = env.with(["run", "echo", "x"]);
    command.env("PATH", env.path("bin"));
    assert_eq!(run(command).ok(), "x\n");
}

#[test]
fn a_models_path_is_its_working_directory_and_the_callers_otherwise() {
    let env = TestEnv::ready();
    assert_eq!(env.mer(["run", "where"]).ok(), "/\n");
    env.apply("[models.here]\ninferenceCommand = ['pwd', '-P']\n[models.gone]\nmodelPath = '/no/where'\ninferenceCommand = ['pwd']\n[models.home]\nmodelPath = '~'\ninferenceCommand = ['pwd', '-P']\n");
    let real = |path: &str| format!("{}\n", env.path(path).canonicalize().expect(path).display());
    assert_eq!(env.mer(["run", "here"]).ok(), real("work"));
    assert_eq!(env.mer(["run", "home"]).ok(), real("home"));
    let told = env.mer(["run", "gone"]).failed(78);
    assert!(told.contains("`/no/where`"), "{told}");
}

#[test]
fn a_launcher_stands_in_front_and_no_shell_reads_a_word() {
    let env = TestEnv::ready();
    assert_eq!(env.mer(["run", "launched"]).ok(), "launched\n$HOME; * two  words\n");
    env.apply("[servers.local]\nconnType = 'local'\nlauncher = ['env', 'E2E_BY=server']\n");
    assert_eq!(variables(&env.mer(["run", "env"]).ok())["E2E_BY"], "server");
    assert_eq!(env.mer(["run", "launched"]).ok(), "launched\n$HOME; * two  words\n");
}

#[test]
fn nothing_of_an_input_reaches_a_shell() {
    let env = TestEnv::ready();
    let evil = "'; touch pwned; $(touch pwned) `touch pwned`";
    for model in ["cat", "liner", "launched", "fail"] {
        env.mer(["run", model, evil]);
    }
    assert!(!env.path("work/pwned").exists());
}
