//! Models and servers that are added, changed and removed while `mer` runs.

use serde_json::json;

use crate::support::{TestEnv, run, with_session};

/// Runs a line that is allowed to change the registry.
#[track_caller]
fn allowed(env: &TestEnv, line: &str) -> crate::support::Ran {
    env.piped(["--allow-changes"], line)
}

#[test]
fn a_model_is_added_changed_and_removed() {
    let env = TestEnv::new();
    let added = env
        .mer([
            "model",
            "add",
            "echoes",
            "--allow-changes",
            "--env",
            "A=1=2",
            "--timeout",
            "5s",
            "--",
            "sh",
            "-c",
            "echo \"$A $B\"; cat",
        ])
        .ended(0);
    assert_eq!((added.stdout.as_str(), added.stderr.as_str()), ("", "added model `echoes`\n"));
    assert_eq!(env.mer(["run", "echoes", "x"]).ok(), "1=2 \nx\n");
    let before = env.mer(["model", "show", "echoes", "--json"]).object();
    let set = allowed(&env, "model set echoes --env B=b --unset timeout --grace 1s").ended(0);
    assert_eq!(set.stderr, "changed model `echoes`: env.B, grace, timeout\n");
    let after = env.mer(["model", "show", "echoes", "--json"]).object();
    assert_eq!(after["env"], json!({"A": "1=2", "B": "b"}));
    assert_eq!((&after["timeout"], &after["grace"]), (&json!(null), &json!("1s")));
    for key in ["uid", "createdAt", "inferenceCommand"] {
        assert_eq!(after[key], before[key]);
    }
    assert_eq!(env.mer(["run", "echoes", "x"]).ok(), "1=2 b\nx\n");
    let same = allowed(&env, "model set echoes --grace 1s").ended(0);
    assert_eq!(same.stderr, "nothing changes: model `echoes` is that already\n");
    assert_eq!(env.mer(["model", "show", "echoes", "--json"]).object(), after);
    // An argument array, then a line for a shell, then an array again.
    allowed(&env, "model set echoes --unset env -- cat").ended(0);
    assert_eq!(env.mer(["run", "echoes", "y"]).ok(), "y\n");
    allowed(&env, "model set echoes --shell -- 'cat | tr a-z A-Z'").ended(0);
    assert_eq!(env.mer(["run", "echoes", "y"]).ok(), "Y\n");
    let told = allowed(&env, "model set echoes --unset shell").failed(78);
    assert!(told.contains("one string needs `shell = true`"), "{told}");
    allowed(&env, "model set echoes --unset shell -- tac").ended(0);
    for (name, code) in [("remove", 0), ("rm", 66), ("delete", 66)] {
        env.mer(["model", name, "echoes", "--allow-changes", "--quiet"]).ended(code);
    }
    env.mer(["run", "echoes", "y"]).failed(66);
    assert_eq!(env.rows().len(), 4, "its accesses stay");
}

#[test]
fn a_model_with_weights_is_not_removed_and_the_hint_says_how() {
    let env = TestEnv::ready();
    env.piped(["weights", "put", "cat", "-", "--quiet"], "bytes").ok();
    let told = env.mer(["model", "remove", "cat", "--allow-changes"]).failed(77);
    assert_eq!(
        told,
        "mer: the model `cat` has weights\n\
         hint: `mer --allow-changes weights remove cat:VERSION` removes one\n\
         hint: `mer weights list cat` shows which there are\n"
    );
    env.mer(["--allow-changes", "weights", "remove", "cat:1", "--force"]).ended(0);
    env.mer(["model", "remove", "cat", "--allow-changes"]).ended(0);
}

#[test]
fn a_refusal_in_a_script_has_the_whole_line_for_the_same_database() {
    let env = TestEnv::new();
    env.file("work/settings.toml", "");
    let lines = "model add mine -- cat\n";
    let told = env.piped(["--data-dir", "there", "--config", "settings.toml"], lines).failed(77);
    let there = env.path("work/there");
    let line = format!(
        "mer --allow-model-server-runtime-changes --config settings.toml --data-dir {} model add mine -- cat",
        there.display()
    );
    assert!(told.contains(&format!("hint: {line}\n")), "{told}");
    let mut command = env.command();
    command.args(line.split(' ').skip(1));
    run(command).ended(0);
    let listed = env.mer(["--data-dir", "there", "model", "list"]).ok();
    assert!(listed.contains("mine"), "{listed}");
    assert!(!env.mer(["model", "list"]).ok().contains("mine"));
}

#[test]
fn every_flag_of_a_model_is_a_key_of_the_registry_file() {
    let env = TestEnv::new();
    allowed(&env, "server add far ada@far.example.org:2222").ended(0);
    let line = "model add m --server far --server local --protocol token --path /models/m --env A=1 --env B=2 \
                --launcher 'nice -n 5' --launcher-remote --train-command 'python3 \"my train.py\"' --ready-token R --start-token -S --stop-token T \
                --exit-token E --timeout 1m --train-timeout none \
                --weights-dtype float32 --weights-shape 3x5 --promote --ready-timeout 2m --grace 3s --leave-children -- python3 -u 'a b.py' --json";
    allowed(&env, line).ended(0);
    let exported = env.mer(["export"]).ok();
    let wanted = "[models.m]\nservers = [\"far\", \"local\"]\nprotocol = \"token\"\n\
                  inferenceCommand = [\"python3\", \"-u\", \"a b.py\", \"--json\"]\n\
                  trainCommand = [\"python3\", \"my train.py\"]\nmodelPath = \"/models/m\"\nenv = { A = \"1\", B = \"2\" }\n\
                  launcher = [\"nice\", \"-n\", \"5\"]\nlauncherRemote = true\nreadyToken = \"R\"\nstartToken = \"-S\"\nstopToken = \"T\"\n\
                  exitToken = \"E\"\ntimeout = \"1m\"\ntrainTimeout = \"none\"\n\
                  weightsDtype = \"f32\"\nweightsShape = [3, 5]\npromote = true\nreadyTimeout = \"2m\"\ngrace = \"3s\"\nleaveChildren = true\n";
    assert!(exported.contains(wanted), "{exported}");
    allowed(&env, "model set m --on far --path /scratch --env A=far\nmodel set m --on far --timeout 9s").ended(0);
    let on = "[models.m.on.far]\nmodelPath = \"/scratch\"\nenv = { A = \"far\" }\ntimeout = \"9s\"\n";
    let exported = env.mer(["export"]).ok();
    assert!(exported.contains(on) && exported.contains(wanted), "{exported}");
    allowed(&env, "model set m --on far --unset env.A --unset modelPath --unset timeout").ended(0);
    assert!(!env.mer(["export"]).ok().contains("m.on.far"));
    let told = allowed(&env, "model set m --on local --path /x\nmodel set m --server far").failed(78);
    assert!(told.contains("settings `on.local`, but does not run on `local`"), "{told}");
    allowed(&env, "model set m --server far --unset on.local").ended(0);
    for key in ["servers", "protocol", "env", "launcherRemote", "launcher", "readyToken", "trainTimeout"] {
        allowed(&env, &format!("model set m --unset {key}")).ended(0);
    }
    assert!(env.mer(["export"]).ok().contains("[models.m]\ninferenceCommand"));
}

#[test]
fn a_server_is_added_changed_and_removed() {
    let env = TestEnv::new();
    let line = "server add gpu1 'mer@[::1]:2222' --identity ~/.ssh/id --known-hosts /kh --jump bastion,b2 --launcher 'srun -n1' \
                --password-env PW --password-file /pw --password-command 'pass show gpu' --connect-timeout 1s --auth-timeout 2s \
                --keepalive-interval 3s --keepalive-count 4 --orphan-after 5s --max-sessions 6 \
                --cache-dir '~/my cache' --cache-limit 2GiB";
    assert_eq!(allowed(&env, line).ended(0).stderr, "added server `gpu1`\n");
    let wanted = "[servers.gpu1]\nconnType = \"ssh\"\nhost = \"::1\"\nport = 2222\nuser = \"mer\"\n\
                  identityFile = \"~/.ssh/id\"\nknownHosts = \"/kh\"\nproxyJump = \"bastion,b2\"\npasswordEnv = \"PW\"\n\
                  passwordFile = \"/pw\"\npasswordCommand = [\"pass\", \"show\", \"gpu\"]\nlauncher = [\"srun\", \"-n1\"]\n\
                  connectTimeout = \"1s\"\nauthTimeout = \"2s\"\nkeepaliveInterval = \"3s\"\nkeepaliveCount = 4\n\
                  orphanAfter = \"5s\"\nmaxSessions = 6\ncacheDir = \"~/my cache\"\n\
                  cacheLimit = \"2GiB\"\n";
    let exported = env.mer(["export"]).ok();
    assert!(exported.contains(wanted), "{exported}");
    // Only the named key changes: user and port stay.
    allowed(&env, "server set gpu1 other.example.org --unset launcher --unset passwordFile").ended(0);
    let shown = env.mer(["server", "show", "gpu1", "--json"]).object();
    assert_eq!(
        (&shown["host"], &shown["port"], &shown["user"]),
        (&json!("other.example.org"), &json!(2222), &json!("mer"))
    );
    assert_eq!((&shown["launcher"], &shown["passwordFile"]), (&json!(null), &json!(null)));
    allowed(&env, "server set gpu1 ada@h:22\nserver set local --launcher nice").ended(0);
    // A server that models name is not removed, and the message names the models.
    allowed(&env, "model add b --server gpu1 -- cat\nmodel add a --server local --server gpu1 -- cat").ended(0);
    assert_eq!(env.mer(["run", "a", "x"]).ok(), "x\n");
    let told = allowed(&env, "server remove gpu1").failed(77);
    assert!(told.starts_with("mer: the server `gpu1` cannot be removed: models run on it: `a`, `b`\n"), "{told}");
    allowed(&env, "model rm b\nmodel set a --server local\nserver rm gpu1").ended(0);
    let told = allowed(&env, "server rm local").failed(78);
    assert!(told.contains("`local` is this machine, and cannot be removed"), "{told}");
    assert_eq!(env.mer(["server", "list", "--json"]).objects().len(), 1);
    // A second server that is this machine, with a launcher.
    allowed(
        &env,
        "server add boxed --launcher 'sh -c \"echo in a box; exec \\$0 \\$@\"'\nmodel add m --server boxed -- cat",
    )
    .ended(0);
    assert_eq!(env.mer(["run", "m", "x"]).ok(), "in a box\nx\n");
}

#[test]
fn a_wrong_change_is_refused_with_its_reason() {
    let env = TestEnv::ready();
    let before = env.mer(["export", "--all"]).ok();
    for (line, code, told) in [
        ("model add new --server locl -- cat", 66, "hint: did you mean `local`?"),
        ("model add new cat", 64, "hint: the model's command comes after `--`"),
        ("model add new", 64, "missing: <COMMAND>..."),
        ("model add 'n w' -- cat", 78, "`n w`"),
        ("model add new --protocol line -- cat", 64, "did you mean `lines`"),
        ("model add new --timeout soon -- cat", 64, "the value `soon` of `--timeout` is not valid"),
        ("model add new --env A -- cat", 64, "`NAME=VALUE` was expected"),
        ("model add new --shell -- cat x", 64, "one line for `sh -c`"),
        ("model add new --train-command 'a \"' -- cat", 64, "a quote is not closed"),
        ("model add new --protocol token --stop-token '' -- cat", 78, "`stopToken` must be one line"),
        ("model set suicid -- cat", 66, "hint: did you mean `suicide`?"),
        ("model set cat --server nowhere", 66, "there is no server `nowhere`"),
        ("model set cat --on nowhere --path /", 66, "there is no server `nowhere`"),
        ("model set cat --unset time_out", 64, "hint: did you mean `timeout`"),
        ("model set cat --unset inferenceCommand", 78, "has no `inferenceCommand` on server `local`"),
        ("model remove suicid", 66, "hint: did you mean `suicide`?"),
        ("server add far -oProxyCommand=x", 64, "no flag"),
        ("server add far a/b", 64, "a host was expected"),
        ("server add far h:0", 64, "`0` is not a port"),
        ("server add far ada@h --user eve", 64, "cannot be used together"),
        ("server add far --port 22", 64, "needs its host"),
        ("server add local h", 78, "mer --allow-changes server set local h"),
        ("server set local h", 78, "server `local` is this machine"),
        ("server set fra h", 66, "there is no server `fra`"),
        ("server remove locl", 66, "hint: did you mean `local`?"),
        ("server add far h --password=hunter2", 64, "hint: did you mean `--password-"),
    ] {
        let line = format!("mer --allow-changes {line}");
        let mut command = env.program("/bin/sh".as_ref());
        command.arg("-c").arg(line.replacen("mer", "exec \"$0\"", 1)).arg(TestEnv::binary());
        let said = run(command).failed(code);
        assert!(said.contains(told) && !said.contains("hunter2"), "{line}\n{said}");
    }
    assert_eq!(env.mer(["export", "--all"]).ok(), before);
}

#[test]
fn a_taken_name_is_refused_with_the_line_that_changes_it() {
    let env = TestEnv::ready();
    let line = ["model", "add", "cat", "--allow-changes", "--env", "A=it's", "--", "sh", "-c", "echo $A"];
    let told = env.mer(line).failed(78);
    assert!(
        told.starts_with("mer: there is a model `cat` already\nhint: mer model set cat --allow-changes "),
        "{told}"
    );
    let line = told.lines().last().and_then(|line| line.strip_prefix("hint: mer ")).expect("a line");
    let mut command = env.program("/bin/sh".as_ref());
    command.arg("-c").arg(format!("exec \"$0\" {line}")).arg(TestEnv::binary());
    run(command).ended(0);
    assert_eq!(env.mer(["run", "cat", "x"]).ok(), "it's\n");
}

#[test]
fn without_permission_the_repl_changes_nothing_either() {
    let env = TestEnv::ready();
    let before = env.mer(["export", "--all"]).ok();
    env.file("work/all.jsonl", &before);
    for line in [
        "model add new --env 'A=a b' -- sh -c 'cat; true'",
        "model set cat --timeout 1s",
        "model remove cat",
        "server add far h",
        "server set local --launcher nice",
        "server remove local",
        "import all.jsonl",
    ] {
        let told = env.script(&[line]).ended(77).stderr;
        let hint = format!("hint: mer --allow-model-server-runtime-changes {line}\n");
        let said = format!("mer: changing models and servers is not allowed here\n{hint}");
        assert!(told.starts_with(&said), "{line}: {told}");
        let told = env.script(&[&format!("--allow-changes {line}")]).failed(64);
        assert!(told.contains("comes too late here"), "{line}: {told}");
    }
    let mut command = env.with(["model", "remove", "cat", "--db"]);
    command.arg("postgres://ada:hunter2@127.0.0.1:1/x");
    let told = run(command).failed(77);
    assert!(told.contains("--db 'postgres://ada:******@127.0.0.1:1/x'") && !told.contains("hunter2"), "{told}");
    assert_eq!(env.mer(["export", "--all"]).ok(), before);
}

#[test]
fn a_change_is_one_json_object_and_silent_with_quiet() {
    let env = TestEnv::new();
    let added = env.mer(["server", "add", "far", "h", "--allow-changes", "--json"]).object();
    assert_eq!(
        (&added["object"], &added["name"], &added["change"]),
        (&json!("server"), &json!("far"), &json!("added"))
    );
    let set = env.mer(["server", "set", "far", "--port", "22", "--allow-changes", "--json"]).object();
    assert_eq!(set["keys"], json!([{"key": "port", "after": 22}]));
    assert_eq!(env.mer(["server", "set", "far", "--port", "23", "--allow-changes", "--quiet"]).ok(), "");
    let removed = env.mer(["server", "rm", "far", "--allow-changes", "--json"]).object();
    assert_eq!(removed, json!({"object": "server", "name": "far", "change": "removed"}));
}

#[test]
fn an_impossible_value_is_64_as_a_flag_and_78_in_a_file() {
    let env = TestEnv::ready();
    let before = env.mer(["export", "--all"]).ok();
    for (line, words) in [
        (
            "model add new --server local --server local -- cat",
            "model `new` names the server `local` twice in `servers`",
        ),
        ("model set cat --server local --server local", "model `cat` names the server `local` twice in `servers`"),
        ("model add new --env 'A=\0' -- cat", "model `new`: `env.A` has a NUL in it"),
        ("model add new --env 'A\0=x' -- cat", "model `new`: `env` names a variable \"A\\0\""),
        ("model add new --env '=x' -- cat", "`NAME=VALUE` was expected"),
        ("model add new -- cat '\0'", "model `new`: `inferenceCommand` has a NUL in it"),
        ("server set local --launcher 'nice \0'", "server `local`: `launcher` has a NUL in it"),
    ] {
        let told = allowed(&env, line).ended(64).stderr;
        assert!(told.contains(words), "{line:?}: {told}");
    }
    for (rest, words) in [
        ("servers = ['local', 'local']", "model `new` names the server `local` twice in `servers`"),
        ("env = { A = \"\\u0000\" }", "model `new`: `env.A` has a NUL in it"),
        ("env = { 'A=B' = '1' }", "model `new`: `env` names a variable \"A=B\""),
        ("env = { '' = '1' }", "model `new`: `env` names a variable \"\""),
        ("trainCommand = ['cat', \"\\u0000\"]", "model `new`: `trainCommand` has a NUL in it"),
    ] {
        env.file("work/new.toml", format!("[models.new]\ninferenceCommand = ['cat']\n{rest}\n"));
        let told = env.mer(["apply", "new.toml", "--allow-changes"]).ended(78).stderr;
        assert!(told.starts_with("mer: `new.toml`, line 1, column 9: "), "{rest}: {told}");
        assert!(told.contains(words), "{rest}: {told}");
    }
    assert_eq!(env.mer(["export", "--all"]).ok(), before);
}

#[test]
fn a_repl_sees_what_another_process_has_changed() {
    let env = TestEnv::new();
    let mut repl = env.start(["--allow-changes"]);
    repl.say("run echo one\n");
    repl.wait_stdout("one\n");
    env.mer(["model", "add", "new", "--allow-changes", "--quiet", "--", "cat"]).ok();
    repl.say("run new two\nmodel remove echo\n");
    repl.wait_stdout("two\n");
    repl.wait_stderr("removed model `echo`");
    env.mer(["run", "echo", "three"]).failed(66);
    repl.finish().ended(0);
}

#[test]
fn a_name_has_at_most_128_bytes_and_is_more_than_dots() {
    let env = TestEnv::ready();
    let (most, long) = ("n".repeat(128), "n".repeat(129));
    for name in [long.as_str(), ".", ".."] {
        for words in [["model", "add", name, "--", "cat"].as_slice(), &["server", "add", name, "host"]] {
            let mut command = env.command();
            command.args(["--allow-changes"]).args(words);
            let told = run(command).failed(78);
            assert!(told.contains("128") || told.contains("is the name of a folder"), "{told}");
        }
        env.file("work/r.toml", format!("[models.'{name}']\ninferenceCommand = ['cat']\n"));
        env.mer(["apply", "r.toml", "--allow-changes"]).failed(78);
        env.file("work/w", "w");
        let told = env.mer(["weights", "put", "cat", "w", "--alias", name, "--allow-changes"]).failed(64);
        assert!(told.contains("is no name for an alias"), "{told}");
    }
    env.mer(["model", "add", &most, "--allow-changes", "--quiet", "--", "cat"]).ok();
    env.mer(["server", "add", &most, "--allow-changes", "--quiet", "--launcher", "nice"]).ok();
    env.mer(["weights", "put", &most, "w", "--alias", &most, "--allow-changes", "--quiet"]).ok();
    let told = env.mer(["weights", "alias", &format!("{most}:1"), &long, "--allow-changes"]).failed(64);
    assert!(told.contains("has 129 bytes, and a name has at most 128"), "{told}");
    assert_eq!(env.mer(["run", &format!("{most}@{most}"), "x"]).ok(), "x\n");
}

/// A registry that an older MER wrote, before names had a maximum length.
#[test]
fn existing_long_names_keep_working() {
    let env = TestEnv::ready();
    let long = "n".repeat(200);
    with_session(&env, "embedded", async |session| {
        let text = format!("[servers.'{long}']\n[models.'{long}']\nservers = ['{long}']\ninferenceCommand = ['cat']\n");
        let registry = toml::from_str(&text).expect("registry");
        session.apply(&registry).await.expect("applied");
        session
    });
    let of = |version: &str| format!("{long}{version}");
    assert_eq!(env.mer(["run", &long, "x"]).ok(), "x\n");
    assert!(env.mer(["model", "list"]).ok().contains(&long) && env.mer(["server", "list"]).ok().contains(&long));
    env.mer(["model", "set", &long, "--timeout", "1m", "--allow-changes", "--quiet"]).ok();
    env.mer(["server", "set", &long, "--launcher", "nice", "--allow-changes", "--quiet"]).ok();
    let exported = env.mer(["export"]).ok();
    env.apply(exported);
    env.file("work/w", "w");
    env.mer(["weights", "put", &long, "w", "--alias", "a", "--allow-changes", "--quiet"]).ok();
    assert_eq!(env.mer(["log", "list", "--model", &of(""), "--json"]).objects().len(), 1);
    env.mer(["weights", "remove", &of(":1"), "--force", "--allow-changes", "--quiet"]).ok();
    env.mer(["model", "remove", &long, "--allow-changes", "--quiet"]).ok();
    env.mer(["server", "remove", &long, "--allow-changes", "--quiet"]).ok();
    env.mer(["model", "add", &long, "--allow-changes", "--", "cat"]).failed(78);
}

#[test]
fn a_carriage_return_in_a_value_is_reported() {
    let env = TestEnv::ready();
    let text = "[models.m]\r\nshell = true\r\ninferenceCommand = '''\r\ncat\r\nwc\r\n'''\r\n";
    env.file("work/r.toml", text);
    let told = env.mer(["apply", "r.toml", "--allow-changes"]).ended(0).stderr;
    let wanted = "warning: `r.toml`, line 1, column 9: `inferenceCommand` of the model `m` has a carriage return in it";
    assert!(told.contains(wanted), "{told}");
    env.file("work/r.toml", text.replace('\r', ""));
    let told = env.mer(["apply", "r.toml", "--allow-changes"]).ended(0).stderr;
    assert!(!told.contains("warning"), "{told}");
    let told = env.mer(["model", "set", "m", "--path", "/x\r", "--allow-changes"]).ended(0).stderr;
    assert!(told.contains("warning: `modelPath` of the model `m` has a carriage return in it"), "{told}");
}

/// Every folder and file that MER creates.
#[test]
fn a_umask_does_not_matter() {
    for umask in ["0", "777", "277", "177"] {
        let env = TestEnv::new();
        let shell = |line: &str| {
            let mut command = env.program(std::path::Path::new("sh"));
            command.args(["-c", &format!("umask {umask}; {line}")]).env("MER", TestEnv::binary());
            // Root ignores modes, so the test would show nothing.
            let ran = run(command);
            assert_eq!(ran.code, Some(0), "umask {umask}, {line}: {}", ran.stderr);
            ran.stdout
        };
        shell("\"$MER\" --allow-changes --quiet model add reader --shell -- 'cat \"$MER_WEIGHTS\"; umask'");
        shell("printf 'one\\n' | \"$MER\" --allow-changes --quiet weights put reader - --alias current");
        let told = shell("\"$MER\" run reader </dev/null");
        // The model keeps the caller's umask for group and others.
        let kept = u32::from_str_radix(umask, 8).expect("a mode") & 0o077;
        let (answer, of_model) = told.split_once('\n').expect("two lines");
        assert_eq!((answer, u32::from_str_radix(of_model.trim(), 8)), ("one", Ok(kept)), "umask {umask}");
        shell("\"$MER\" log list --json");
        shell("\"$MER\" train iris --quiet < /dev/null || true");
        let mut folders = vec![env.path("data/mer"), env.path("home/.cache/mer"), env.path("state/mer")];
        let mut seen = 0;
        while let Some(folder) = folders.pop() {
            let Ok(entries) = std::fs::read_dir(&folder) else { continue };
            for entry in entries {
                let entry = entry.expect("entry");
                let mode = std::os::unix::fs::MetadataExt::mode(&entry.metadata().expect("metadata"));
                let needed = if entry.metadata().expect("metadata").is_dir() { 0o700 } else { 0o400 };
                assert_eq!(mode & needed, needed, "umask {umask}: {} has {mode:o}", entry.path().display());
                // The engine creates its files by itself; their folder is closed to other users.
                if !entry.path().starts_with(env.path("data/mer/db")) {
                    assert_eq!(mode & 0o077, 0, "umask {umask}: {} has {mode:o}", entry.path().display());
                }
                seen += 1;
                if entry.path().is_dir() {
                    folders.push(entry.path());
                }
            }
        }
        assert!(seen > 5, "umask {umask}: {seen}");
        let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(env.path("data/mer/db")).expect("folder"));
        assert_eq!(mode & 0o777, 0o700, "umask {umask}");
    }
}
