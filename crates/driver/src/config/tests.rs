use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{schema::SETTINGS, show::SettingRow, *};
use crate::errors::CliError;

/// A machine in a temporary folder.
struct Machine {
    dir: tempfile::TempDir,
    environment: Environment,
}

impl Machine {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("temp dir");
        let root = dir.path();
        for folder in ["home/.config/mer", "etc", "cwd"] {
            fs::create_dir_all(root.join(folder)).expect("folder");
        }
        let environment = Environment {
            variables: [("HOME", root.join("home"))].into_iter().collect(),
            cwd: root.join("cwd"),
            system_file: root.join("etc/mer.toml"),
        };
        Self { dir, environment }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    fn file(self, file: &str, text: &str) -> Self {
        fs::write(self.path(file), text).expect("file");
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.variables.all_mut().insert(name.into(), value.into());
        self
    }

    fn load(&self) -> Result<Loaded, CliError> {
        load(&self.environment, &[], None)
    }

    fn loaded(&self) -> Loaded {
        self.load().expect("settings")
    }

    fn refused(&self) -> CliError {
        let error = self.load().expect_err("refused");
        assert_eq!(error.exit_code(), 78);
        error
    }

    fn origin(&self, name: &str) -> String {
        row(&self.loaded(), name).origin
    }
}

fn row(loaded: &Loaded, name: &str) -> SettingRow {
    loaded.setting_rows().into_iter().find(|row| row.name == name).expect(name)
}

#[test]
fn each_layer_lies_over_the_one_before() {
    let machine = Machine::new();
    assert_eq!(machine.loaded().settings.db_wait, mer_core::Bound::secs(30));
    assert_eq!(machine.origin("dbWait"), "default");
    let machine = machine.file("etc/mer.toml", "# system\ndbWait = 1\n");
    assert_eq!(machine.loaded().settings.db_wait, mer_core::Bound::secs(1));
    assert!(machine.origin("dbWait").ends_with("etc/mer.toml:2"));
    let machine = machine.file("home/.config/mer/mer.toml", "dbWait = '2s'\n");
    assert!(machine.origin("dbWait").ends_with("home/.config/mer/mer.toml:1"));
    let machine = machine.file("cwd/mer.toml", "dbWait = '3s'\n");
    assert!(machine.origin("dbWait").ends_with("cwd/mer.toml:1"));
    let machine = machine.file("cwd/.env", "\nexport MER_DB_WAIT='4s' # four\n");
    assert!(machine.origin("dbWait").ends_with("cwd/.env:2 MER_DB_WAIT"));
    let machine = machine.variable("MER_DB_WAIT", "5s");
    assert_eq!(machine.origin("dbWait"), "environment MER_DB_WAIT");
    let flags = [("dbWait", "--db-wait", "6s".into())];
    let loaded = load(&machine.environment, &flags, None).expect("settings");
    assert_eq!(row(&loaded, "dbWait").origin, "flag --db-wait");
    assert_eq!(loaded.settings.db_wait, mer_core::Bound::secs(6));
}

#[test]
fn every_setting_is_read_from_its_file_key_and_from_each_of_its_variables() {
    let value = |kind| match kind {
        schema::Type::Switch => "true",
        schema::Type::Bound => "7s",
        schema::Type::Size => "7GiB",
        schema::Type::Choice(words) => words[words.len() - 1],
        schema::Type::DbUrl => "mem://",
        schema::Type::Path => "/somewhere",
        schema::Type::Text => "text",
        schema::Type::Resources => "gpu=0,1 slots=4",
        schema::Type::Name => "box1",
    };
    for setting in SETTINGS {
        let text = match setting.kind {
            schema::Type::Switch => format!("{} = true\n", setting.name),
            kind => format!("{} = '{}'\n", setting.name, value(kind)),
        };
        let file = if setting.of_machine { "etc/mer.toml" } else { "cwd/mer.toml" };
        let machine = Machine::new().file(file, &text);
        assert!(machine.origin(setting.name).ends_with("mer.toml:1"), "{}", setting.name);
        for variable in setting.all_variables() {
            let machine = Machine::new().variable(&variable, value(setting.kind));
            assert_eq!(machine.origin(setting.name), format!("environment {variable}"));
            assert!(machine.loaded().warnings.is_empty());
        }
    }
}

#[test]
fn mers_own_variable_wins_over_the_shared_one() {
    let machine = Machine::new().variable("DB_CONNECTION_URL", "mem://").variable("MER_DB", "postgres://h/d");
    assert_eq!(machine.loaded().settings.redacted_db(), "postgres://h/d");
    let machine = Machine::new().file("cwd/.env", "DB_CONNECTION_URL=mem://\n").variable("MER_DB", "");
    assert_eq!(machine.loaded().settings.redacted_db(), "mem://");
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_the_nearest_known_one() {
    for key in ["dataDri", "data_dir", "data-dir"] {
        let error = Machine::new().file("cwd/mer.toml", &format!("# x\n  {key} = 'x'\n")).refused();
        let message = error.to_string();
        assert!(message.contains("cwd/mer.toml`, line 2, column 3: unknown key"), "{message}");
        assert_eq!(error.hints()[0], "did you mean `dataDir`?", "{key}");
    }
    let error = Machine::new().file("cwd/mer.toml", "zzzzz = 1\n").refused();
    assert!(error.hints()[0].starts_with("known keys: db, dataDir"));
}

#[test]
fn a_wrong_value_names_origin_key_and_what_is_expected() {
    let error = Machine::new().file("etc/mer.toml", "hashes = true\ndbWait = true\n").refused();
    let message = error.to_string();
    assert!(message.contains("etc/mer.toml`, line 2, column 10: `dbWait` must be a duration"), "{message}");
    let error = Machine::new().file("cwd/.env", "A=1\nMER_HASHES=perhaps\n").refused();
    assert!(error.to_string().contains(".env`, line 2: `MER_HASHES` sets `hashes`, which must be true or false"));
    let error = Machine::new().variable("DB_CONNECTION_URL", "mysql://u:hunter2@h/d").refused();
    assert!(error.to_string().contains("`DB_CONNECTION_URL` sets `db`, which must be embedded"), "{error}");
    assert!(!format!("{error:?}").contains("hunter2"));
    let flags = [("dbWait", "--db-wait", "soon".into())];
    let error = load(&Machine::new().environment, &flags, None).expect_err("refused");
    assert_eq!(error.exit_code(), 64);
    assert!(error.to_string().starts_with("`--db-wait` must be a duration"));
}

#[test]
fn what_is_no_toml_is_told_with_line_and_column() {
    let error = Machine::new().file("cwd/mer.toml", "db = 'mem://'\ndataDir = \n").refused();
    assert!(error.to_string().contains("cwd/mer.toml`, line 2, column"), "{error}");
    assert_eq!(error.causes().len(), 1);
    let error = Machine::new().file("cwd/.env", "A=1\nMER_DB: mem://\n").refused();
    assert!(error.to_string().contains(".env`, line 2: `MER_DB`: there is no `=`"), "{error}");
}

#[test]
fn unknown_variables_of_ours_are_a_warning_and_a_models_own_are_none() {
    let machine = Machine::new()
        .variable("MER_DAT_DIR", "/x")
        .variable("MER_MODEL", "iris")
        .variable("MER_WEIGHTS", "/w")
        .variable("MERCURY", "1")
        .file("cwd/.env", "MER_HASHS=1\nOTHER=2\n");
    let warnings = machine.loaded().warnings;
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].contains("line 1") && warnings[0].contains("did you mean `MER_HASHES`?"), "{warnings:?}");
    assert!(warnings[1].contains("`MER_DAT_DIR`") && warnings[1].contains("`MER_DATA_DIR`?"), "{warnings:?}");
}

#[test]
fn without_a_home_the_data_is_in_var_lib_and_the_history_beside_it() {
    let mut machine = Machine::new();
    let settings = machine.loaded().settings;
    assert_eq!(settings.data_dir, machine.path("home/.local/share/mer"));
    assert_eq!(settings.state_dir, machine.path("home/.local/state/mer"));
    machine.environment.variables.all_mut().clear();
    let settings = machine.loaded().settings;
    assert_eq!(settings.data_dir, Path::new("/var/lib/mer"));
    assert_eq!(settings.state_dir, Path::new("/var/lib/mer"));
    let machine = machine.variable("MER_DATA_DIR", "/data");
    assert_eq!(machine.loaded().settings.state_dir, Path::new("/data"));
    let machine = machine.variable("XDG_DATA_HOME", "relative/does/not/count").variable("MER_DATA_DIR", "");
    assert_eq!(machine.loaded().settings.data_dir, Path::new("/var/lib/mer"));
}

#[test]
fn a_path_begins_where_it_is_written() {
    let machine = Machine::new().file("home/.config/mer/mer.toml", "dataDir = './data'\nstateDir = '~/state'\n");
    let settings = machine.loaded().settings;
    assert_eq!(settings.data_dir, machine.path("home/.config/mer/data"));
    assert_eq!(settings.state_dir, machine.path("home/state"));
    let machine = machine.variable("MER_DB", "surrealkv://db");
    assert_eq!(machine.loaded().settings.db.reveal(), format!("surrealkv://{}", machine.path("cwd/db").display()));
}

#[test]
fn a_named_settings_file_stands_for_the_usual_ones() {
    let machine = Machine::new().file("cwd/mer.toml", "hashes = false\n").file("cwd/other.toml", "noInput = true\n");
    let loaded = load(&machine.environment, &[], Some("other.toml".as_ref())).expect("settings");
    assert!(loaded.settings.hashes && loaded.settings.no_input);
    let error = load(&machine.environment, &[], Some("missing.toml".as_ref())).expect_err("refused");
    assert!(error.to_string().contains("there is no settings file"));
    let machine = machine.variable("MER_CONFIG", "other.toml");
    assert!(machine.loaded().settings.no_input);
}

#[test]
fn secrets_are_shown_nowhere() {
    let machine = Machine::new()
        .variable("DRIVER_DB_USERNAME", "driver")
        .variable("DRIVER_DB_PASSWORD", "hunter2")
        .variable("MER_DB", "postgres://u:hunter2@h/d");
    let loaded = machine.loaded();
    let all = format!("{loaded:?}{:?}", loaded.settings);
    assert!(!all.contains("password: Some(\"hunter2"), "{all}");
    let shown = serde_json::to_string(&loaded.setting_rows()).expect("json");
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(!format!("{:?}", loaded.settings).contains("hunter2"));
    assert_eq!(loaded.settings.redacted_db(), "postgres://u:******@h/d");
    assert_eq!(loaded.settings.driver_login(), None, "the URL's own user wins");
    let machine = machine.variable("MER_DB", "postgres://h/d");
    let login = machine.loaded().settings.driver_login().expect("login");
    assert_eq!(login.username, "driver");
    assert_eq!(login.password.expect("password").reveal(), "hunter2");
    assert_eq!(machine.loaded().settings.migrations_login(), None);
}

#[test]
fn a_folder_called_dot_env_is_none_of_ours() {
    let machine = Machine::new();
    fs::create_dir(machine.path("cwd/.env")).expect("folder");
    machine.loaded();
}

#[test]
fn the_reference_is_the_table() {
    let text = reference();
    for setting in SETTINGS {
        assert!(text.contains(&format!("| `{}` | `{}`", setting.name, setting.variable())));
    }
    // `UPDATE_REFERENCE=1 cargo test` writes it.
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/settings.md");
    let page = format!("# Settings\n\n{}\n{text}", reference::INTRODUCTION);
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        fs::create_dir_all(file.parent().expect("folder")).expect("folder");
        fs::write(&file, &page).expect("reference");
    }
    let written = fs::read_to_string(&file).expect("docs/reference/settings.md");
    assert_eq!(written.replace("\r\n", "\n"), page, "run the test once with UPDATE_REFERENCE=1");
}

/// A file with the line ends of another system, or one that was cut: no part of such a value is a name.
#[test]
fn a_url_with_a_control_character_and_a_path_with_a_line_end_are_wrong() {
    for (file, text) in [
        ("cwd/.env", "MER_DB=mem://\rMER_DB_WAIT=3s\r"),
        ("cwd/.env", "MER_DB=\"mem://\\r\"\n"),
        ("cwd/.env", "MER_DB=postgres://h/d\0\n"),
        ("cwd/.env", "MER_CACHE_DIR=/x\0y\n"),
        ("cwd/mer.toml", "db = \"ws://h\\u001b[31m\""),
        ("cwd/mer.toml", "db = \"surrealkv:///a\\nb\""),
        ("cwd/mer.toml", "dataDir = \"/a\\u0000b\""),
        ("cwd/mer.toml", "dataDir = \"\"\"\r\n/a\r\n\"\"\""),
    ] {
        let error = Machine::new().file(file, text).refused();
        assert!(error.causes()[0].contains("in it"), "{text:?}: {error}");
    }
}

#[test]
fn a_line_that_cannot_be_read_is_told_with_the_way_round_it() {
    for text in ["DB_CONNECTION_URL=mysql://h/d\n", "DB_CONNECTION_URL: x\n"] {
        let error = Machine::new().file("cwd/.env", text).refused();
        assert!(error.hints().iter().any(|hint| hint.contains("--no-dotenv")), "{error}");
    }
}

#[test]
fn resources_are_a_table_or_a_text_and_describe_the_machine() {
    let table = "pool = 'box1'\n[resources]\nslots = 4\ngpu = ['0', '1']\n";
    let machine = Machine::new().file("home/.config/mer/mer.toml", table);
    let loaded = machine.loaded();
    assert_eq!(loaded.settings.resources.to_string(), "gpu=0,1 slots=4");
    assert_eq!(loaded.settings.pool.as_deref(), Some("box1"));
    assert_eq!(row(&loaded, "resources").value, Some("gpu=0,1 slots=4".into()));
    let machine = machine.variable("MER_RESOURCES", "gpu=0,");
    assert_eq!(machine.loaded().settings.resources.to_string(), "gpu=0,");
    // The working folder says nothing about the machine.
    let machine =
        machine.file("cwd/mer.toml", "pool = 'x'\nresources = { gpu = 8 }\n").file("cwd/.env", "MER_POOL=y\n");
    let loaded = machine.loaded();
    assert_eq!(loaded.settings.pool.as_deref(), Some("box1"));
    assert_eq!(loaded.settings.resources.to_string(), "gpu=0,");
    assert_eq!(loaded.warnings.iter().filter(|warning| warning.contains("it describes the machine")).count(), 3);
}

#[test]
fn resources_that_are_not_possible_are_refused() {
    for (text, what) in [
        ("resources = 4", ""),
        ("resources = { gpu = 'x' }", "`gpu` must be a number"),
        ("resources = { gpu = 9999 }", "at most 4096"),
        ("resources = { gpu = ['a', 'a'] }", "twice"),
        ("resources = { gpu = [1] }", "`gpu` must be a number"),
        ("resources = { 'g p' = 1 }", "not the name of a resource"),
        ("resources = 'gpu'", "is not RESOURCE=COUNT"),
        ("resources = 'gpu=1 gpu=2'", "twice"),
        ("pool = 'a b'", ""),
    ] {
        let error = Machine::new().file("etc/mer.toml", text).refused();
        assert!(error.to_string().contains("must be") && error.causes().join(" ").contains(what), "{text}: {error:?}");
    }
    let error = Machine::new().file("etc/mer.toml", "resource = { gpu = 1 }").refused();
    assert_eq!(error.hints(), ["did you mean `resources`?"]);
}
