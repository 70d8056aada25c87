//! Trust: `mer` uses settings, data and variables only if no other user can have written them, and hides its own files.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{
        ffi::OsStrExt as _,
        fs::{MetadataExt as _, PermissionsExt as _, chown},
        process::CommandExt as _,
    },
    path::Path,
};

use serde_json::json;

use crate::support::{Live, Ran, TestEnv, give, pid_in, public_binary, run};

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Returns value and origin of a setting, and the warnings.
#[track_caller]
fn setting(ran: Ran, name: &str) -> (serde_json::Value, String, String) {
    let ran = ran.ended(0);
    let mut settings = ran.stdout.lines().map(|line| serde_json::from_str(line).expect("one object a line"));
    let found: serde_json::Value = settings.find(|setting: &serde_json::Value| setting["name"] == name).expect(name);
    (found["value"].clone(), found["origin"].as_str().expect("an origin").to_owned(), ran.stderr)
}

#[test]
fn settings_that_others_can_write_are_ignored_with_a_warning() {
    for (file, text) in [(".env", "MER_DB_WAIT=7s\n"), ("mer.toml", "dbWait = '7s'\n")] {
        let env = TestEnv::new();
        let path = env.file(&format!("work/{file}"), text);
        let show = || setting(env.mer(["config", "show", "--json"]), "dbWait");
        mode(&path, 0o644);
        assert_eq!((show().0, show().2), (json!("7s"), String::new()));
        mode(&path, 0o666);
        let (value, origin, warned) = show();
        assert_eq!((value, origin.as_str()), (json!("30s"), "default"));
        assert!(warned.contains(&format!("{}` is ignored", path.display())), "{warned}");
        mode(&path, 0o644);
        mode(&env.path("work"), 0o777);
        let (value, _, warned) = show();
        assert!(value == "30s" && warned.contains("its folder"), "{value} {warned}");
        // In a sticky folder such as /tmp no other user can make a file of this user.
        mode(&env.path("work"), 0o1777);
        assert_eq!(show().0, "7s");
        if is_root() {
            chown(&path, Some(4321), None).expect("an owner");
            let (value, _, warned) = show();
            assert!(value == "30s" && warned.contains("4321"), "{value} {warned}");
        }
        // A file that is named explicitly is read.
        if file == "mer.toml" {
            let named = env.mer(["config", "show", "--json", "--config", "mer.toml"]);
            assert_eq!(setting(named, "dbWait").0, "7s");
        }
    }
}

#[test]
fn the_file_of_the_working_folder_can_be_left_out() {
    let env = TestEnv::new();
    env.file("work/.env", "MER_DB_WAIT=7s\nMER_HASHES=nonsense\n");
    env.mer(["config", "show"]).failed(78);
    assert_eq!(setting(env.mer(["--no-dotenv", "config", "show", "--json"]), "dbWait").0, "30s");
    assert_eq!(setting(env.mer(["config", "show", "--json", "--no-dotenv"]), "dbWait").0, "30s");
}

#[test]
fn a_url_of_the_working_folder_gets_no_password_from_elsewhere() {
    let shown = |env: &TestEnv, name: &str| {
        let mut command = env.with(["config", "show", "--json"]);
        command.env("DRIVER_DB_PASSWORD", "hunter2").env("DRIVER_DB_USERNAME", "driver");
        setting(run(command), name)
    };
    for (file, text) in [(".env", "MER_DB=ws://127.0.0.1:9\n"), ("mer.toml", "db = 'postgres://127.0.0.1:9/d'\n")] {
        let env = TestEnv::new();
        env.file(&format!("work/{file}"), text);
        let (value, _, warned) = shown(&env, "driverDbPassword");
        assert_eq!(value, json!(null));
        assert!(warned.contains("`driverDbPassword` (environment DRIVER_DB_PASSWORD) is not sent"), "{warned}");
        assert_eq!(shown(&env, "driverDbUsername").0, json!(null));
        // URL and password from the same folder.
        env.file("work/.env", format!("DRIVER_DB_PASSWORD=own\n{}", if file == ".env" { text } else { "" }));
        assert!(shown(&env, "driverDbPassword").1.contains(".env:1 DRIVER_DB_PASSWORD"));
    }
    // A URL that was not found in the working directory gets the password.
    for (file, text) in [("config/mer/mer.toml", "db = 'ws://127.0.0.1:9'\n"), ("work/.env", "MER_DB_WAIT=1s\n")] {
        let env = TestEnv::new();
        env.file(file, text);
        let (value, _, warned) = shown(&env, "driverDbPassword");
        assert_eq!((value, warned.as_str()), (json!("******"), ""));
    }
}

#[test]
fn data_that_others_can_write_are_refused() {
    let env = TestEnv::ready();
    for path in ["data/mer", "data/mer/db", "data/mer/db.snapshot", "data/mer/db.lock"] {
        let path = env.path(path);
        let before = fs::metadata(&path).expect("metadata").permissions().mode();
        mode(&path, 0o777);
        for args in [["run", "cat", "x"], ["model", "list", "--quiet"], ["log", "list", "--quiet"]] {
            let told = env.mer(args).failed(77);
            assert!(told.contains(&format!("`{}` is not used", path.display())) && told.contains("chmod"), "{told}");
        }
        mode(&path, before);
    }
    assert_eq!(env.mer(["run", "cat", "x"]).ok(), "x\n");
}

#[test]
fn root_does_not_use_the_folder_of_another_user() {
    if !is_root() {
        return;
    }
    let env = TestEnv::ready();
    let data = env.path("data/mer");
    let names = || {
        let mut names: Vec<_> =
            fs::read_dir(&data).expect("data").map(|entry| entry.expect("entry").file_name()).collect();
        names.sort();
        names
    };
    let before = names();
    chown(&data, Some(4321), Some(4321)).expect("an owner");
    for args in [["log", "list", "--quiet"], ["run", "cat", "x"], ["--allow-changes", "server", "list"]] {
        let told = env.mer(args).failed(77);
        assert!(told.contains("--reuid=4321"), "{told}");
    }
    assert_eq!(names(), before);
}

#[test]
fn a_folder_that_was_made_for_a_database_is_closed() {
    let env = TestEnv::new();
    fs::create_dir(env.path("work/db")).expect("a folder");
    mode(&env.path("work/db"), 0o755);
    for url in ["surrealkv://db", "surrealkv://new/db"] {
        env.mer(["model", "list", "--quiet", "--db", url]).ok();
    }
    for folder in ["work/db", "work/new/db", "work/new"] {
        let mode = fs::metadata(env.path(folder)).expect(folder).permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{folder}");
    }
}

#[test]
fn bytes_that_are_not_utf8_reach_a_model_unchanged() {
    let env = TestEnv::ready();
    let strange = OsStr::from_bytes(b"bin\xff");
    let folder = env.path("work").join(strange);
    fs::create_dir(&folder).expect("a folder");
    fs::write(folder.join("hidden"), "#!/bin/sh\nprintf %s \"$STRANGE\"\n").expect("a program");
    mode(&folder.join("hidden"), 0o755);
    env.apply("[models.hidden]\ninferenceCommand = ['hidden']\n");
    let mut path = folder.into_os_string();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    let mut command = env.with(["run", "hidden", "-o", "out"]);
    command.env("PATH", path).env("STRANGE", OsStr::from_bytes(b"a\xfe\x80b")).env(OsStr::from_bytes(b"N\xff"), "x");
    run(command).ended(0);
    assert_eq!(fs::read(env.path("work/out")).expect("out"), b"a\xfe\x80b");
}

#[test]
fn a_home_that_is_not_utf8_works() {
    let env = TestEnv::new();
    let home = env.path("").join(OsStr::from_bytes(b"h\xff"));
    fs::create_dir(&home).expect("a home");
    let in_home = |args: &[&str]| {
        let mut command = env.command();
        for variable in ["XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"] {
            command.env_remove(variable);
        }
        command.env("HOME", &home).args(args);
        run(command)
    };
    let shown = in_home(&["config", "show"]).ok();
    assert!(shown.contains("h\u{fffd}/.local/share/mer"), "{shown}");
    let told = in_home(&["model", "list"]).failed(78);
    assert!(told.contains("UTF-8") && told.contains("--data-dir"), "{told}");
    let data = env.path("data/elsewhere");
    assert_eq!(in_home(&["--data-dir", data.to_str().expect("a path"), "run", "echo", "x"]).ok(), "x\n");
    // Weights lie below the home, and a variable has their path.
    env.file("work/m.toml", "[models.w]\ninferenceCommand = 'cat \"$MER_WEIGHTS\"'\nshell = true\n");
    env.file("work/weights", "some weights");
    let data = data.to_str().expect("a path");
    for line in ["--allow-changes apply m.toml --quiet", "weights put w weights --format raw --quiet"] {
        let mut args = vec!["--data-dir", data];
        args.extend(line.split(' '));
        in_home(&args).ok();
    }
    assert_eq!(in_home(&["--data-dir", data, "run", "w:1"]).ok(), "some weights");
    // Arguments do not have to be UTF-8 either.
    let mut command = env.with(["config", "show"]);
    command.arg("--data-dir").arg(&home).arg("--config").arg(home.join("none.toml"));
    let told = run(command).failed(78);
    assert!(told.contains("there is no settings file"), "{told}");
}

#[test]
fn a_password_of_the_database_is_kept_from_models_under_any_name() {
    let env = TestEnv::ready();
    env.apply("[servers.far]\nconnType = 'ssh'\nhost = '127.0.0.1'\nport = 9\npasswordEnv = 'FAR_SECRET'\n");
    env.file("work/.env", "MIGRATIONS_DB_PASSWORD=hunter2-of-migrations\n");
    for model in ["env", "envLine"] {
        let mut command = env.with(["run", model, "x"]);
        command.env("DRIVER_DB_PASSWORD", "hunter2/of driver").env("FAR_SECRET", "hunter2").env("FINE", "fine");
        for (name, value) in [
            ("APP_ONE", "hunter2/of driver"),
            ("APP_TWO", "postgres://u:hunter2%2Fof%20driver@h/d"),
            ("APP_THREE", "host=h password='hunter2/of driver'"),
            ("APP_FOUR", "x-hunter2-of-migrations-x"),
            ("CREDENTIALS_DIRECTORY", "/run/credentials/hunter2"),
        ] {
            command.env(name, value);
        }
        let told = run(command).ended(0).stdout;
        assert!(!told.contains("hunter2") && told.contains("FINE=fine") && told.contains("PATH="), "{told}");
    }
}

#[test]
fn a_process_of_the_same_user_cannot_read_the_environment_of_mer() {
    // Root runs `mer` as another user, and every other user as itself.
    let env = TestEnv::ready();
    let user = if is_root() { 4321 } else { rustix::process::geteuid().as_raw() };
    if is_root() {
        give(&env.path(""), user);
    }
    let mut command = env.program(&public_binary(&env));
    command.args(["run", "slow"]);
    if is_root() {
        command.uid(user).gid(user);
    }
    let live = Live::start(command, std::process::Stdio::null());
    let model = pid_in(&env.path("work/slow.pid"));
    let owner = |pid: u32| fs::metadata(format!("/proc/{pid}/environ")).expect("environ").uid();
    assert_eq!(owner(live.pid()), 0, "the kernel gives it to root");
    assert_eq!(owner(model), user, "and a model is its user's again");
    live.signal(rustix::process::Signal::TERM);
    live.finish().ended(143);
}

#[test]
fn relative_paths_are_registered_as_absolute_ones() {
    let env = TestEnv::new();
    env.file("work/m/here", "");
    let m = |args: &[&str]| {
        let mut command = env.command();
        command.arg("--allow-changes").args(args).current_dir(env.path("work/m"));
        run(command).ended(0)
    };
    m(&["model", "add", "ls", "--path", ".", "--", "ls"]);
    m(&["server", "add", "far", "h", "--identity", "id", "--known-hosts", "./kh"]);
    env.file("work/sub/r.toml", "[models.file]\nmodelPath = '../m'\ninferenceCommand = ['ls']\n");
    env.mer(["--allow-changes", "apply", "sub/r.toml", "--quiet"]).ok();
    for model in ["ls", "file"] {
        assert_eq!(env.mer(["run", model]).ok(), "here\n");
        env.mer(["model", "ping", model, "--quiet"]).ok();
    }
    let shown = env.mer(["server", "show", "far"]).ok();
    let folder = env.path("work/m");
    for file in ["id", "kh"] {
        assert!(shown.contains(&format!("\"{}\"", folder.join(file).display())), "{shown}");
    }
    // Applying again changes nothing.
    let again = env.mer(["--allow-changes", "apply", "sub/r.toml"]).ended(0);
    assert!(again.stderr.contains("nothing changes"), "{}", again.stderr);
}

#[test]
fn a_ping_judges_as_a_run_does() {
    let env = TestEnv::new();
    for (name, text) in [("noInterpreter", "#!/no/such/python\nprint()\n"), ("noProgram", "print()\n")] {
        let path = env.file(&format!("work/{name}"), text);
        mode(&path, 0o755);
        let registry = format!("[models.{name}]\ninferenceCommand = ['{}']\n", path.display());
        env.apply(registry);
        let ran = env.mer(["run", name]);
        let pinged = env.mer(["model", "ping", name]);
        assert_eq!(ran.code, pinged.code, "{ran:?} {pinged:?}");
        assert_eq!(ran.code, Some(78), "{ran:?}");
    }
}

#[test]
fn no_url_shows_its_password_whatever_is_wrong_with_it() {
    let env = TestEnv::new();
    for url in [
        "postgres://u:hunter2@h:x/d",
        "postgres://u:hunter2",
        "postgres://u:hun?hunter2@h/d",
        "postgres://u:p/hunter2?x@h/d",
        "ws://u:hunter2@",
        "mysql://u:hunter2@h",
        "u:hunter2@h/d",
        "ws://h/?password=hunter2&nonsense=1",
        "postgres://h/d?hunter2",
    ] {
        for args in [["--db", url, "config", "show"], ["--db", url, "model", "list"], ["--dbb", url, "model", "list"]] {
            for json in [false, true] {
                let mut command = env.command();
                command.args(args).args(json.then_some("--json"));
                let ran = run(command);
                assert!(!format!("{}{}", ran.stdout, ran.stderr).contains("hunter2"), "{args:?}: {ran:?}");
            }
        }
    }
    // The line that the hint suggests.
    let told = env.mer(["model", "add", "m", "--env", "API_TOKEN=hunter2", "--db=ws://u:hunter2@h", "--", "x"]);
    assert!(!told.stderr.contains("hunter2"), "{told:?}");
}

#[test]
fn invisible_characters_are_escaped_and_an_export_reads_back() {
    let env = TestEnv::new();
    let text = "a\u{202e}b\u{200b}c\u{9b}d\u{feff}e\u{e0041}";
    env.apply(
        format!(
            "[models.m]\ninferenceCommand = ['echo', \"{}\"]\nenv = {{ X = \"{text}\" }}\n",
            text.replace('\u{9b}', "\\u009b")
        )
        .replace("\u{9b}", "\\u009b"),
    );
    let exported = env.mer(["export"]).ok();
    for args in [
        &["export"][..],
        &["model", "show", "m"],
        &["model", "list"],
        &["model", "list", "--json"],
        &["export", "--all"],
    ] {
        let shown = env.mer_args(args).ok();
        assert!(!shown.contains(['\u{202e}', '\u{200b}', '\u{9b}', '\u{feff}', '\u{e0041}']), "{args:?}: {shown:?}");
    }
    let other = TestEnv::new();
    other.apply(&exported);
    assert_eq!(other.mer(["run", "m"]).ok(), format!("{text}\n"));
    // An error quotes text that other users may have written.
    env.file("work/bad.toml", "[models.m]\n\"x\u{202e}y\" = 1\n");
    let told = env.mer(["apply", "bad.toml", "--allow-changes"]).failed(78);
    assert!(told.contains("\\u{202e}") && !told.contains('\u{202e}'), "{told:?}");
}
