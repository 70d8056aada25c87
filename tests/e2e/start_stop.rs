//! `startStopScripts`: they end the processes that they started, and no others.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    path::Path,
    process::{Command, Stdio},
};

use crate::support::{
    Live, Ran, TestEnv, alive, bearers, pid_in, repository, run, server_program, wait_gone, wait_until,
};

/// Temporary folders for one start and stop.
struct Scripts(TestEnv);

impl Scripts {
    fn new(env: TestEnv) -> Self {
        Self(env)
    }

    /// Returns one of the scripts, to run in the working directory with the binary under test.
    fn command<const N: usize>(&self, name: &str, args: [&str; N]) -> Command {
        let mut command = self.0.program(&repository().join("startStopScripts").join(name));
        command.env("MER_BIN", TestEnv::binary()).args(args);
        command
    }

    #[track_caller]
    fn call<const N: usize>(&self, name: &str, args: [&str; N]) -> Ran {
        run(self.command(name, args))
    }

    /// Returns the pid in the file of this name.
    #[track_caller]
    fn pid(&self, name: &str) -> u32 {
        let text = self.0.read(&format!("work/.mer-run/{name}.pid"));
        text.split(' ').next().and_then(|pid| pid.parse().ok()).expect("a pid")
    }

    /// Checks that no process of this test runs, and no file is left but the test's.
    #[track_caller]
    fn nothing_is_left(&self, files: &[&str]) {
        let marker = format!("XDG_STATE_HOME={}", self.0.path("state").display());
        wait_until("the end of every process", || bearers(&marker).is_empty().then_some(()));
        let mut left = names(&self.0.path("work"));
        left.retain(|name| !files.contains(&name.as_str()));
        assert!(left.is_empty(), "left behind: {left:?}");
    }
}

impl Drop for Scripts {
    fn drop(&mut self) {
        // Ends everything, even if the test failed.
        if self.0.path("work/.mer-run").exists() {
            let _ = self.command("stopMER.sh", []).stdout(Stdio::null()).stderr(Stdio::null()).status();
        }
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("folder");
    entries.map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn start_test_stop_and_stop_again_leave_nothing() {
    let scripts = Scripts::new(TestEnv::ready());
    scripts.0.file("work/commands", "run slow x\n");
    scripts.call("startMER.sh", ["--script", "commands"]).ended(0);
    let driver = scripts.pid("driver");
    let model = pid_in(&scripts.0.path("work/slow.pid"));

    let again = scripts.call("startMER.sh", ["--script", "commands"]).ended(0);
    assert!(again.stderr.contains(&format!("is running already, process {driver}")), "{}", again.stderr);
    assert_eq!(scripts.pid("driver"), driver);

    let tested = scripts.call("testDriver.sh", ["run", "cat", "hello"]);
    assert_eq!(tested.ok(), "hello\n");
    assert!(alive(driver) && alive(model));

    scripts.call("stopMER.sh", []).ended(0);
    assert!(!alive(driver) && !alive(model));
    scripts.nothing_is_left(&["commands", "slow.pid"]);
    let second = scripts.call("stopMER.sh", []).ended(0);
    assert!(second.stderr.contains("nothing was started here"), "{}", second.stderr);
    scripts.nothing_is_left(&["commands", "slow.pid"]);
}

#[test]
fn the_repl_runs_where_it_was_started_and_can_be_stopped_from_elsewhere() {
    let scripts = Scripts::new(TestEnv::ready());
    let mut repl = Live::start(scripts.command("startMER.sh", []), Stdio::piped());
    repl.say("run cat hello\n");
    repl.wait_stdout("hello\n");
    assert_eq!(scripts.pid("driver"), repl.pid());
    scripts.call("stopMER.sh", []).ended(0);
    repl.finish().ended(143);
    scripts.nothing_is_left(&[]);
}

#[test]
fn a_process_that_only_has_the_pid_is_not_touched() {
    let scripts = Scripts::new(TestEnv::ready());
    let mut stranger = Command::new("sleep").arg("600").spawn().expect("sleep");
    scripts.0.file("work/commands", "run cat x\n");
    for boot in [read("/proc/sys/kernel/random/boot_id"), "another boot".to_owned()] {
        let started = if boot.contains(' ') { start_time(stranger.id()) } else { "1".to_owned() };
        scripts.0.file("work/.mer-run/driver.pid", format!("{} {started} {boot}\n", stranger.id()));
        scripts.call("startMER.sh", ["--script", "commands"]).ended(0);
        scripts.0.file("work/.mer-run/driver.pid", format!("{} {started} {boot}\n", stranger.id()));
        scripts.call("stopMER.sh", []).ended(0);
    }
    let lives = alive(stranger.id());
    stranger.kill().and_then(|()| stranger.wait()).expect("the end of sleep");
    assert!(lives, "a stranger was ended");
    scripts.nothing_is_left(&["commands"]);
}

#[test]
fn a_database_that_was_started_is_migrated_and_stopped() {
    let Some(server) = server_program() else { return };
    let scripts = Scripts::new(TestEnv::new());
    let port = free_port();
    let settings = |password: &str| {
        format!(
            "DB_CONNECTION_URL=ws://127.0.0.1:{port}\nMIGRATIONS_DB_USERNAME=owner\nMIGRATIONS_DB_PASSWORD='{password}'\n\
             DRIVER_DB_USERNAME=owner\nDRIVER_DB_PASSWORD='s3cret $x'  # the same\n"
        )
    };
    scripts.0.file("work/.env", settings("s3cret $x"));
    scripts.0.file("work/commands", "run iris 5.1,3.5,1.4,0.2\n");
    let start = || {
        let mut command = scripts.command("startMER.sh", ["--database", "local", "--script", "commands"]);
        // The tests' server is built without RocksDB.
        command.args(["--output", "said"]).env("SURREAL", &server).env("SURREAL_ENGINE", "surrealkv");
        run(command)
    };
    start().ended(0);
    let database = scripts.pid("database");
    let said = wait_until("the answer", || Some(scripts.0.read("work/said")).filter(|said| said.ends_with('\n')));
    assert_eq!(said, "{\"species\":\"setosa\",\"probability\":0.98}\n");
    // `mer` has ended and is started again; the database is still running.
    wait_gone(scripts.pid("driver"));
    start().ended(0);
    assert_eq!(scripts.pid("database"), database);
    scripts.call("stopMER.sh", []).ended(0);
    assert!(!alive(database));
    scripts.nothing_is_left(&["commands", "said", ".env"]);

    // RocksDB is not started on a folder of SurrealKV.
    let mut command = scripts.command("startMER.sh", ["--database", "local"]);
    command.env("SURREAL", &server);
    let refused = run(command).ended(78);
    assert!(refused.stderr.contains("was made by SurrealKV"), "{}", refused.stderr);
    scripts.nothing_is_left(&["commands", "said", ".env"]);

    // A database that was started for a failed start is ended again; its data stay.
    scripts.0.file("work/.env", settings("wrong"));
    let failed = start().ended(77);
    assert!(failed.stderr.contains("the database has ended"), "{}", failed.stderr);
    scripts.nothing_is_left(&["commands", "said", ".env"]);
}

/// The scripts and `mer` read the same values from a `.env`.
#[test]
fn the_scripts_read_the_settings_as_mer_does() {
    let files: [(&[u8], &str); 20] = [
        (b"MIGRATIONS_DB_USERNAME=owner\n", "owner"),
        (b"export MIGRATIONS_DB_USERNAME = owner # why\r\n", "owner"),
        (b"\xef\xbb\xbfMIGRATIONS_DB_USERNAME='o w # n'\n", "o w # n"),
        (b"MIGRATIONS_DB_USERNAME=\"a\\\"b\\\\c\\$d\\n\"\n", "a\"b\\c$d\n"),
        (b"MIGRATIONS_DB_USERNAME='two\nlines'\n", "two\nlines"),
        (b"MIGRATIONS_DB_USERNAME=one\nMIGRATIONS_DB_USERNAME=two\n", "two"),
        (b"MIGRATIONS_DB_USERNAME=one\nMIGRATIONS_DB_USERNAME=\n", "one"),
        (b"MER_MIGRATIONS_DB_USERNAME=mine\nMIGRATIONS_DB_USERNAME=theirs\n", "mine"),
        (b"#MIGRATIONS_DB_USERNAME=no\n", ""),
        (b"A='\nMIGRATIONS_DB_USERNAME=inside\n'\n", ""),
        (b"A='open\nMIGRATIONS_DB_USERNAME=after\n", "after"),
        (b"export FOO\nA: b\nMIGRATIONS_DB_USERNAME=after\n", "after"),
        (b"\xfa\xfb=\x80\n;x\nMIGRATIONS_DB_USERNAME=after\n", "after"),
        // A file in UTF-16, as some editors write it, is ignored.
        (b"\xff\xfeM\0I\0G\0=\0x\0\n\0", ""),
        (b"XMIGRATIONS_DB_USERNAME=no\nMIGRATIONS_DB_USERNAMEX=no\n", ""),
        (b"MIGRATIONS_DB_USERNAME=\xc3\xbc\n", "ü"),
        (b"MIGRATIONS_DB_USERNAME=$HOME`id`$(id)\n", "$HOME`id`$(id)"),
        (b"MIGRATIONS_DB_USERNAME=last", "last"),
        (b"MIGRATIONS_DB_USERNAME = \"x\" \n", "x"),
        (b"", ""),
    ];
    let scripts = Scripts::new(TestEnv::new());
    let library = repository().join("startStopScripts");
    let ask = r#". "$0/lib.sh"; . "$0/database.sh"; mer=$1 mer_args=(); read_owner; printf '<%s>' "$owner_name""#;
    for (text, expected) in files {
        let shown = String::from_utf8_lossy(text).into_owned();
        let file = scripts.0.file("work/.env", text);
        fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("a mode");
        let by_mer = |ran: Ran| {
            // There may be a warning too.
            let settings = ran.ended(0).stdout;
            let mut settings = settings.lines().map(|line| serde_json::from_str(line).expect("one object a line"));
            let is_it = |setting: &serde_json::Value| setting["name"] == "migrationsDbUsername";
            let found = settings.find(is_it).expect("the setting");
            found["value"].as_str().unwrap_or_default().to_owned()
        };
        let by_script = || {
            let mut command = scripts.0.program(Path::new("bash"));
            command.args(["-c", ask]).arg(&library).arg(TestEnv::binary());
            run(command).ended(0).stdout
        };
        assert_eq!(by_mer(scripts.0.mer(["config", "show", "--json"])), expected, "{shown:?}");
        assert_eq!(by_script(), format!("<{expected}>"), "{shown:?}");
        // Neither reads a file that other users can write to.
        fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o666)).expect("a mode");
        assert_eq!(by_mer(scripts.0.mer(["config", "show", "--json"])), "", "{shown:?}");
        assert_eq!(by_script(), "<>", "{shown:?}");
    }
}

#[test]
fn a_program_that_cannot_be_started_is_named() {
    let scripts = Scripts::new(TestEnv::new());
    for (args, code, words) in [
        (vec!["--database", "else"], 64, "--database is auto, compose, local or none"),
        (vec!["--nonsense"], 64, "unknown: `--nonsense`"),
        (vec!["--database", "local", "--", "--db", "ws://db.example.org"], 78, "is on another machine"),
        (vec!["--database", "local", "--", "--db", "ws://127.0.0.1:9"], 69, "there is no `surreal` in PATH"),
        (
            vec!["--database", "local", "--", "--db", "postgres://127.0.0.1:9/mer"],
            69,
            "there is no PostgreSQL on this machine",
        ),
    ] {
        let mut command = scripts.command("startMER.sh", []);
        command.args(&args).env("SURREAL", "/no/such/program").env("POSTGRES_VERSIONS", "/no/such/folder");
        command.env("PATH", without("postgres"));
        let ended = run(command).ended(code);
        assert!(ended.stderr.contains(words), "{args:?}: {}", ended.stderr);
        scripts.nothing_is_left(&[]);
    }
}

/// Returns PATH without the folders that contain this program.
fn without(program: &str) -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    let folders: Vec<_> = path.split(':').filter(|folder| !Path::new(folder).join(program).exists()).collect();
    folders.join(":")
}

/// A command that fails unexpectedly is named, so that the script does not end silently.
#[test]
fn a_script_never_fails_silently() {
    let scripts = Scripts::new(TestEnv::new());
    let lib = repository().join("startStopScripts/lib.sh");
    let failing = |body: &str| {
        scripts.0.file("work/failing.sh", format!("set -euo pipefail\n. '{}'\n{body}\necho gone on\n", lib.display()));
        let mut bash = scripts.0.program(Path::new("bash"));
        bash.arg("failing.sh");
        run(bash)
    };
    let ended = failing("found=$(false | sort)").ended(1);
    assert!(ended.stderr.contains("failing.sh: `found=$(false | sort)` failed with 1"), "{}", ended.stderr);
    let ended = failing("inner() { grep -q nothing /dev/null; }; inner").ended(1);
    assert!(ended.stderr.contains("failed with 1"), "{}", ended.stderr);
    // A failure that `die` reported is not reported twice.
    let ended = failing("found=$(die 78 'no such thing')").ended(78);
    assert_eq!(ended.stderr, "failing.sh: no such thing\n");
    assert_eq!(ended.stdout, "");
}

fn read(path: &str) -> String {
    fs::read_to_string(path).expect(path).trim().to_owned()
}

fn start_time(pid: u32) -> String {
    let stat = read(&format!("/proc/{pid}/stat"));
    let (_, fields) = stat.rsplit_once(')').expect("a name");
    fields.split_whitespace().nth(19).expect("a start time").to_owned()
}

/// Returns a port that was free a moment ago; the test's server binds it at once.
fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.local_addr()).expect("a port").port()
}
