//! Settings in the output of `mer config show`.

use crate::support::{TestEnv, run};

#[test]
fn every_layer_is_shown_with_its_origin_and_no_secret() {
    let env = TestEnv::new();
    env.file("config/mer/mer.toml", "dbWait = '5s'\n");
    env.file("work/mer.toml", "hashes = false\n");
    env.file("work/.env", "DRIVER_DB_PASSWORD=hunter2\nDB_CONNECTION_URL=postgres://u:hunter2@h/d\n");
    let mut show = env.with(["config", "show", "--json"]);
    show.env("MER_NO_INPUT", "1");
    let shown = run(show).ok();
    assert!(!shown.contains("hunter2"), "{shown}");
    let shown: Vec<serde_json::Value> =
        shown.lines().map(|line| serde_json::from_str(line).expect("one object a line")).collect();
    let find = |name: &str| shown.iter().find(|setting| setting["name"] == name).expect(name);
    let origin = |name: &str| find(name)["origin"].as_str().expect("origin").to_owned();
    assert_eq!(find("db")["value"], "postgres://u:******@h/d");
    assert!(origin("db").ends_with("work/.env:2 DB_CONNECTION_URL"));
    assert_eq!(find("driverDbPassword")["value"], "******");
    assert!(origin("dbWait").ends_with("config/mer/mer.toml:1"));
    assert!(origin("hashes").ends_with("work/mer.toml:1"));
    assert_eq!(origin("noInput"), "environment MER_NO_INPUT");
    assert_eq!(origin("output"), "flag --json");
    assert_eq!(origin("dataDir"), "default");
}

#[test]
fn a_wrong_settings_file_is_78_with_its_place() {
    let env = TestEnv::new();
    let file = env.file("work/mer.toml", "hashes = true\ndataDri = 'x'\n");
    assert_eq!(
        env.mer(["config", "show"]).failed(78),
        format!("mer: `{}`, line 2, column 1: unknown key `dataDri`\nhint: did you mean `dataDir`?\n", file.display())
    );
}

#[test]
fn an_unknown_variable_is_a_warning_and_quiet_says_nothing_of_it() {
    let env = TestEnv::new();
    let with = |args: &[&str]| {
        let mut command = env.command();
        command.args(args).env("MER_DAT_DIR", "x");
        run(command)
    };
    let ran = with(&["config", "show"]);
    assert_eq!(ran.code, Some(0));
    assert_eq!(
        ran.stderr,
        "mer: warning: the environment variable `MER_DAT_DIR` means nothing to MER; did you mean `MER_DATA_DIR`?\n"
    );
    assert_eq!(with(&["config", "show", "--quiet"]).ok(), "");
}
