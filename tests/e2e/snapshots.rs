//! Everything that people and programs read of `mer`, word for word: help, tables, JSON, diffs, messages, hints.
//!
//! A test runs a session of commands and compares its transcript with a file in `snapshots/`. `CONTRIBUTING.md` says how
//! to review and accept a change.

use std::{collections::BTreeSet, fs::File, io::Write as _};

use insta::{Settings, assert_snapshot};

use crate::support::{Ran, TestEnv, run};

/// An exported database with fixed times and identifiers, so that nothing of it needs to be redacted.
const DATABASE: &str = include_str!("database.jsonl");

/// The commands of one test with their output, as in a terminal.
struct Transcript {
    env: TestEnv,
    text: String,
}

/// How the output of a command is written into the transcript.
#[derive(Clone, Copy)]
enum Layout {
    /// Unchanged.
    Exact,
    /// Two blanks between columns, for tables whose widths depend on redacted cells.
    Narrow,
}

impl Transcript {
    fn new(env: TestEnv) -> Self {
        Self { env, text: String::new() }
    }

    /// Starts with a database that `database.jsonl` was imported into.
    fn with_database() -> Self {
        let env = TestEnv::new();
        env.piped(["--allow-changes", "--quiet", "import", "-"], DATABASE).ok();
        Self::new(env)
    }

    #[track_caller]
    fn run(&self, line: &str) -> Ran {
        let mut command = self.env.command();
        command.args(shlex::split(line).expect("a line for a shell"));
        run(command)
    }

    /// Runs a line of words, quoted as for a shell, with nothing on its standard input.
    fn mer(&mut self, line: &str) -> &mut Self {
        let ran = self.run(line);
        self.append(line, &ran, Layout::Exact)
    }

    /// Runs a line whose table has redacted cells.
    fn narrow(&mut self, line: &str) -> &mut Self {
        let ran = self.run(line);
        self.append(line, &ran, Layout::Narrow)
    }

    /// Runs a script on standard input.
    fn script(&mut self, lines: &str) -> &mut Self {
        let ran = self.env.piped([], lines);
        self.append(&format!("<<\n> {}", lines.trim_end().replace('\n', "\n> ")), &ran, Layout::Exact)
    }

    fn append(&mut self, line: &str, ran: &Ran, layout: Layout) -> &mut Self {
        self.text += &format!("$ mer {line}\n");
        for (stream, text) in [("", &ran.stdout), ("[stderr]\n", &ran.stderr)] {
            if !text.is_empty() {
                self.text += stream;
                self.text += &laid_out(text, layout);
                self.text += if text.ends_with('\n') { "" } else { "[no newline]\n" };
            }
        }
        if ran.code != Some(0) {
            self.text += &format!("[exit code {}]\n", ran.code.map_or("none".to_owned(), |code| code.to_string()));
        }
        self.text.push('\n');
        self
    }

    /// Compares the transcript with the snapshot of this name.
    #[track_caller]
    fn assert(&self, name: &str) {
        let mut settings = Settings::new();
        settings.set_snapshot_path("snapshots");
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        let root = regex_literal(&self.env.path("").display().to_string());
        for (pattern, replacement) in [
            (root.as_str(), "[root]"),
            (r"mer \d+\.\d+\.\d+(?:-\w+)? \(\w+-linux-\w+", "mer [version] ([target]"),
            (r"(?m)^mer \d+\.\d+\.\d+(?:-\w+)?$", "mer [version]"),
            (r#""version":"\d+\.\d+\.\d+(?:-\w+)?""#, r#""version":"[version]""#),
            (r#""target":"\w+-linux-\w+""#, r#""target":"[target]""#),
            // A table of migrations.
            (r"applied  \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ  \d+\.\d{3}  \S+", "applied  [time]  [ms]  [version]"),
            (r#""appliedAt":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z""#, r#""appliedAt":"[time]""#),
            (r#""durationMs":\d+(?:\.\d{1,3})?"#, r#""durationMs":[ms]"#),
            (r#""merVersion":"[^"]+""#, r#""merVersion":"[version]""#),
            // A ping.
            (r"  (ok|failed)  \d+\.\d{3}  ", "  $1  [ms]  "),
            (r#""ms":\d+(?:\.\d{1,3})?"#, r#""ms":[ms]"#),
            (r"\bprocess \d+ has held it; waited \d+\.\d s", "process [pid] has held it; waited [time]"),
            (r"(?:/run/user/\d+/mer|/tmp/mer-\d+)/[0-9a-f]{16}\.sock", "[socket]"),
            (r"looked in PATH `[^`]*`", "looked in PATH `[path]`"),
            (r"`mer log show [0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}`", "`mer log show [uid]`"),
            // JSON, a field a line.
            (r#","(\w+)":"#, ",\n \"$1\":"),
        ] {
            settings.add_filter(pattern, replacement);
        }
        settings.bind(|| assert_snapshot!(name, self.text.trim_end()));
    }
}

/// Lays out the lines of an output; control characters are escaped.
fn laid_out(text: &str, layout: Layout) -> String {
    let line = |line: &str| match layout {
        Layout::Exact => line.to_owned(),
        Layout::Narrow => {
            line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect::<Vec<_>>().join("  ")
        }
    };
    let visible = |letter: char| match letter {
        letter if letter.is_control() => letter.escape_default().to_string(),
        letter => letter.into(),
    };
    text.lines().map(|text| line(text).chars().map(visible).collect::<String>() + "\n").collect()
}

/// A pattern that matches this text and nothing else.
fn regex_literal(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_ascii_punctuation() { format!("\\{letter}") } else { letter.into() })
        .collect()
}

/// The commands that a help page lists, without `help` itself.
fn listed_commands(help: &str) -> Vec<String> {
    let list = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    // A description that goes on in a second line is indented further.
    let names = list.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
    names.map(str::to_owned).collect()
}

#[test]
fn help_of_every_command() {
    let env = TestEnv::new();
    let root = env.mer(["help"]).ok();
    let begin = root.find("Global options:").expect("global options");
    let end = begin + root[begin..].find("\n\nExit codes").expect("exit codes");
    let global = root[begin..end].to_owned();
    let mut transcript = Transcript::new(env);
    transcript.mer("help").assert("help");
    let mut files = BTreeSet::from(["help.snap".to_owned()]);
    for command in listed_commands(&root) {
        transcript.text.clear();
        let mut pages = vec![command.clone()];
        while !pages.is_empty() {
            let page = pages.remove(0);
            let before = transcript.text.len();
            transcript.mer(&format!("help {page}"));
            let help = transcript.text.split_off(before);
            pages.extend(listed_commands(&help).into_iter().map(|sub| format!("{page} {sub}")));
            transcript.text += &help.replace(&global, "[global options as in `mer help`]");
        }
        let name = format!("help_{}", command.replace('-', "_"));
        transcript.assert(&name);
        files.insert(name + ".snap");
    }
    let folder = crate::support::repository().join("tests/e2e/snapshots");
    let entries = std::fs::read_dir(folder).expect("snapshots").map(|entry| entry.expect("a file").file_name());
    let stored: BTreeSet<_> = entries.filter_map(|name| name.into_string().ok()).collect();
    let stored: BTreeSet<_> =
        stored.into_iter().filter(|name| name.starts_with("help") && name.ends_with(".snap")).collect();
    assert_eq!(stored, files, "a snapshot for each command, and none of a command that is gone");
}

#[test]
fn help_in_other_forms() {
    let mut transcript = Transcript::new(TestEnv::new());
    transcript.mer("-h").mer("run -h").mer("weights put -h").script("help\n").script("\\?\nquit\n");
    transcript.assert("short_help_and_help_of_the_repl");
}

#[test]
fn lists_and_single_objects() {
    let mut transcript = Transcript::with_database();
    for (name, lines) in [
        ("servers", &["server list", "server show gpu"][..]),
        ("models", &["model list", "model show sentiment", "model show iris"]),
        (
            "weights",
            &[
                "weights list",
                "weights list sentiment",
                "weights show sentiment:1",
                "weights show sentiment@current",
                "weights show cat:1",
                "weights alias sentiment",
                "weights alias sentiment current",
                "weights gc",
            ],
        ),
        (
            "log",
            &[
                "log list",
                "log list --kind all --limit 3",
                "log list --model echo",
                "log show",
                "log show 01989680-0000-7000-8000-030000000001",
                "log show 01989680-0000-7000-8000-030000000002",
                "log show 01989680-0000-7000-8000-030000000004",
                "log show 01989680-0000-7000-8000-030000000006",
                "log drain",
            ],
        ),
        ("export", &["export"]),
    ] {
        transcript.text.clear();
        for line in lines {
            transcript.mer(line);
        }
        transcript.assert(name);
        transcript.text.clear();
        for line in lines.iter().filter(|line| **line != "export") {
            transcript.mer(&format!("{line} --json"));
        }
        if name != "export" {
            transcript.assert(&format!("{name}_json"));
        }
    }
    assert!(transcript.env.mer(["export", "--all"]).ok() == DATABASE, "an exported database is as it was imported");
}

#[test]
fn migrations() {
    let mut transcript = Transcript::new(TestEnv::new());
    for line in ["migrate plan", "migrate status", "migrate", "migrate", "migrate status", "migrate plan"] {
        transcript.narrow(line);
    }
    transcript.assert("migrate");
    transcript.text.clear();
    transcript.mer("migrate status --json").mer("migrate --json").mer("migrate plan --json").assert("migrate_json");
}

#[test]
fn settings_and_version() {
    let env = TestEnv::new();
    env.file("config/mer/mer.toml", "hashes = false\n");
    env.file("work/.env", "MER_DB_WAIT=5s\nDRIVER_DB_PASSWORD=hush\n");
    let mut transcript = Transcript::new(env);
    for line in ["config show", "config show --no-dotenv --data-dir elsewhere"] {
        transcript.narrow(line);
    }
    transcript.mer("config show --json").mer("version").mer("version --json").mer("--version");
    transcript.assert("settings_and_version");
}

#[test]
fn doctor() {
    let env = TestEnv::new();
    // What these two need differs from machine to machine.
    let lines = "model remove parrot\nmodel remove upper\nserver add away ada@127.0.0.1:9 --password-env NONE\n\
                 model add gone -- no-such-program\n";
    env.piped(["--allow-changes", "--quiet"], lines).ok();
    env.file("work/.env", "MER_DATADIR=x\n");
    let mut transcript = Transcript::new(env);
    transcript.narrow("doctor").narrow("doctor --brief").mer("doctor --brief --quiet").mer("doctor --json");
    transcript.assert("doctor");
}

#[test]
fn changes_and_their_diffs() {
    let env = TestEnv::new();
    env.file(
        "work/models.toml",
        "[servers.gpu]\nconnType = 'ssh'\nhost = 'gpu.example.org'\npassword = 'hush'\n\
         [models.cat]\ninferenceCommand = ['cat']\n\
         [models.loud]\nservers = ['gpu', 'local']\nprotocol = 'lines'\nshell = true\ninferenceCommand = 'tr a-z A-Z'\n\
         env = { TOKEN = 'hush', THREADS = '4' }\ntimeout = '30s'\n[models.loud.on.local]\nmodelPath = '/srv'\n",
    );
    env.file(
        "work/changed.toml",
        "[servers.gpu]\nconnType = 'ssh'\nhost = 'gpu2.example.org'\npassword = 'other'\nport = 2222\n\
         [models.cat]\ninferenceCommand = ['cat']\n\
         [models.loud]\nprotocol = 'lines'\ninferenceCommand = ['tr', 'a-z', 'A-Z']\nenv = { THREADS = '8' }\n",
    );
    let mut transcript = Transcript::new(env);
    for line in [
        "apply models.toml --dry-run --allow-changes",
        "apply models.toml --allow-changes",
        "apply models.toml --allow-changes",
        "apply changed.toml --allow-changes --dry-run",
        "apply changed.toml --allow-changes --quiet",
        "--allow-changes model add echoes --env A=1 --timeout 5s -- sh -c 'echo $A; cat'",
        "--allow-changes model set echoes --env B=2 --unset timeout --grace 1s",
        "--allow-changes model set echoes --grace 1s",
        "--allow-changes model remove echoes",
        "--allow-changes server add far mer@far.example.org:2222 --password-env PW",
        "--allow-changes server set far other.example.org",
        "--allow-changes server set far other.example.org",
        "--allow-changes server remove far",
        "--allow-changes server remove gpu",
        "model add quiet -- cat",
    ] {
        transcript.mer(line);
    }
    transcript.mer("apply models.toml --allow-changes --json").mer("export").assert("changes");
}

#[test]
fn weights_that_are_put_and_removed() {
    let mut transcript = Transcript::with_database();
    transcript.env.file("work/empty", "");
    transcript.env.file("work/four", "four");
    for line in [
        "weights put cat four",
        "weights put cat four --format raw --note second",
        "weights put cat empty",
        "weights put cat four --format npy",
        "weights put cat missing",
        "weights put ct four",
        "weights show cat:9",
        "weights show cat@stable",
        "weights get cat:1 -o -",
        "weights get cat:1 -o copy",
        "weights get cat:1 -o copy",
        "weights alias cat:1 current",
        "weights alias cat:1 stable --allow-changes",
        "weights remove cat:1 --allow-changes",
        "weights remove cat:2 --allow-changes",
        "weights alias cat stable --remove --allow-changes",
        "model remove sentiment --allow-changes",
        "weights gc --allow-changes",
    ] {
        transcript.mer(line);
    }
    transcript.assert("weights_changes");
}

#[test]
fn lines_that_are_wrong() {
    let env = TestEnv::ready();
    env.file("work/broken.toml", "[models.x]\ninferenceCommand = = 'x'\n");
    env.file("work/wrong.toml", "[models.x]\ninferenceCommand = 'cat | tr a b'\ntimeOut = '1s'\n");
    env.file("work/no-export", "{}\n");
    let mut transcript = Transcript::new(env);
    for line in [
        "modle list",
        "run",
        "run ct x",
        "run nothing x",
        "run cat a b",
        "run cat x --timout 1s",
        "run cat x --timeout soon",
        "run cat x --server locl",
        "run cat @missing",
        "run cat:1 x",
        "model show uper",
        "model add cat -- cat --allow-changes",
        "model set cat --allow-changes",
        "model add 'a b' --allow-changes -- cat",
        "server show locl",
        "log",
        "log list --limit x",
        "log list --since soon",
        "log list --kind pong",
        "log show",
        "log show 0189",
        "weights",
        "weights show cat",
        "apply models.toml",
        "apply missing.toml --allow-changes",
        "apply broken.toml --allow-changes",
        "apply wrong.toml --allow-changes",
        "import no-export --allow-changes",
        "train cat",
        "help nothing",
        "completions tcsh",
        "--db mysql://u:hunter2@h/d model list",
        "--config nowhere.toml model list",
        "--log-format xml version",
    ] {
        transcript.mer(line);
    }
    transcript.assert("usage_errors");
    transcript.text.clear();
    for line in ["--json modle", "--json run nothing x", "--json apply x.toml", "--json log list --limit x"] {
        transcript.mer(line);
    }
    transcript.assert("usage_errors_json");
}

#[test]
fn runs_that_fail() {
    let env = TestEnv::ready();
    env.file("work/plain-file", "#!/bin/sh\n");
    let away = "server add away ada@127.0.0.1:9 --password-env NONE\nmodel add far --server away -- cat\n";
    env.piped(["--allow-changes", "--quiet"], away).ok();
    let mut transcript = Transcript::new(env);
    for line in [
        "run fail x",
        "run fail x --quiet",
        "run suicide",
        "run missing",
        "run plainFile",
        "run slow --timeout 300ms",
        "run unready x",
        "run stillborn x",
        "run curt silent --timeout 300ms",
        "run liner die",
        "run rude",
        "run far x",
        "run cat x -o /no/such/folder/file",
        "run where -o . ",
    ] {
        transcript.mer(line);
    }
    transcript.narrow("model ping missing").narrow("server ping away");
    transcript.assert("failed_runs");
}

#[test]
fn databases_that_cannot_be_used() {
    let mut transcript = Transcript::new(TestEnv::ready());
    let mut lease = File::options().write(true).open(transcript.env.path("data/mer/db.lock")).expect("the lease");
    lease.lock().expect("the lease");
    lease.write_all(format!("{}\n", std::process::id()).as_bytes()).expect("pid");
    transcript.mer("log list --db-wait 0s");
    drop(lease);
    transcript.env.file("work/file", "I am a file");
    transcript.env.file("work/folder/db/thesis.doc", "precious");
    for line in [
        "--data-dir file run echo x",
        "--data-dir folder run echo x",
        "--db postgres://u:p@127.0.0.1:9/mer --db-wait 0s model list",
        "--db ws://u:p@127.0.0.1:9/mer/mer --db-wait 0s model list",
        "--db-wait soon model list",
    ] {
        transcript.mer(line);
    }
    transcript.env.file("work/mer.toml", "hashes = true\ndbWait = = '1s'\n");
    transcript.mer("model list");
    transcript.env.file("work/mer.toml", "dbWait = 'soon'\n");
    transcript.mer("model list");
    transcript.env.file("work/mer.toml", "dbwait = '1s'\n");
    transcript.mer("model list --quiet");
    transcript.assert("database_and_settings_errors");
}

#[test]
fn quiet_commands() {
    let env = TestEnv::new();
    env.file("work/models.toml", "[models.cat]\ninferenceCommand = ['cat']\n");
    let mut transcript = Transcript::new(env);
    for line in [
        "--quiet migrate",
        "--quiet --allow-changes apply models.toml",
        "--quiet --allow-changes model set cat --grace 1s",
        "--quiet run cat x",
        "--quiet model list",
        "--quiet doctor --brief",
        "--quiet log drain",
        "--quiet weights put cat models.toml --format raw",
        "--quiet weights gc --allow-changes",
        "--quiet run nothing",
    ] {
        transcript.mer(line);
    }
    transcript.assert("quiet");
}

#[test]
fn scripts() {
    let mut transcript = Transcript::new(TestEnv::ready());
    for script in [
        "run cat one\nuse cat\ntwo\n/use\nrun nothing\nrun cat three\n",
        "use nothing\n",
        "use cat\n\"\"\"first\nsecond\n",
        "run cat 'open\n",
        "--json\n",
        "quit now\n",
        "repl\n",
    ] {
        transcript.script(script);
    }
    transcript.assert("scripts");
}
