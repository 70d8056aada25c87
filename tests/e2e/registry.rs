//! Servers and models: applying and exporting files, lists, pings, mistakes with their line.

use crate::support::{TestEnv, run};

#[test]
fn what_is_exported_can_be_applied_and_comes_out_the_same() {
    let env = TestEnv::ready();
    env.file("work/more.toml", "[servers.gpu1]\nconnType = 'ssh'\nhost = 'gpu1.example.org'\nport = 2222\nuser = 'mer'\nlauncher = ['srun', '-n1']\nproxyJump = 'bastion'\n\n[models.sentiment]\nservers = ['local', 'gpu1']\nprotocol = 'lines'\nmodelPath = '/models/sentiment'\ninferenceCommand = ['python3', 'inference.py']\ntrainCommand = ['python3', 'train.py']\nenv = { OMP_NUM_THREADS = '2' }\nreadyToken = 'READY'\ntimeout = '30s'\n\n[models.sentiment.on.gpu1]\nmodelPath = '/scratch/sentiment'\n");
    let applied = env.mer(["apply", "more.toml", "--allow-changes"]).ended(0);
    assert_eq!(applied.stderr, "applied 1 server and 1 model\n");
    let lines: Vec<_> = applied.stdout.lines().collect();
    assert_eq!(lines[..3], ["+ server gpu1", "    + connType = \"ssh\"", "    + host = \"gpu1.example.org\""]);
    assert!(lines.contains(&"    + on.gpu1.modelPath = \"/scratch/sentiment\""), "{lines:?}");
    let exported = env.mer(["export"]).ok();
    for line in ["port = 2222", "[models.sentiment.on.gpu1]", "timeout = \"30s\"", "servers = [\"local\", \"gpu1\"]"] {
        assert!(exported.lines().any(|found| found == line), "`{line}` is not in\n{exported}");
    }
    let other = TestEnv::new();
    other.apply(&exported);
    assert_eq!(other.mer(["export"]).ok(), exported);
    other.apply(&exported);
    assert_eq!(other.mer(["export", "-o", "again.toml"]).ok(), "");
    assert_eq!(other.read("work/again.toml"), exported, "twice is the same as once");
    assert_eq!(other.mer(["run", "launched"]).ok(), "launched\n$HOME; * two  words\n");
}

#[test]
fn apply_is_an_upsert_and_leaves_alone_what_it_does_not_name() {
    let env = TestEnv::ready();
    let before = env.mer(["model", "show", "cat", "--json"]).object();
    let others = env.mer(["model", "list", "--json"]).objects().len();
    env.apply("[models.cat]\ninferenceCommand = ['sh', '-c', 'echo new']\n");
    let after = env.mer(["model", "show", "cat", "--json"]).object();
    assert_eq!((&after["uid"], &after["createdAt"]), (&before["uid"], &before["createdAt"]));
    assert!(after["lastUpdated"].as_str() > before["lastUpdated"].as_str());
    assert_eq!(env.mer(["run", "cat", "x"]).ok(), "new\n");
    assert_eq!(env.mer(["model", "list", "--json"]).objects().len(), others);
}

#[test]
fn permission_to_change_comes_from_flag_variable_or_file() {
    let env = TestEnv::ready();
    env.file("work/m.toml", "[models.new]\ninferenceCommand = ['cat']\n");
    for name in ["ALLOW_MODEL_SERVER_RUNTIME_CHANGES", "MER_ALLOW_MODEL_SERVER_RUNTIME_CHANGES"] {
        let mut command = env.with(["apply", "m.toml"]);
        command.env(name, "true");
        run(command).ended(0);
    }
    env.mer(["apply", "m.toml"]).failed(77);
    env.file("work/mer.toml", "allowModelServerRuntimeChanges = true\n");
    env.mer(["apply", "m.toml"]).ended(0);
    let text = env.read("work/m.toml");
    let again = env.piped(["apply", "-"], text.replace("'cat'", "'tac'")).ended(0);
    assert_eq!(again.stderr, "applied 0 servers and 1 model\n");
}

#[test]
fn a_line_of_a_script_cannot_permit_itself_to_change() {
    let env = TestEnv::ready();
    env.file("work/m.toml", "[models.new]\ninferenceCommand = ['cat']\n");
    let told = env.script(&["apply m.toml --allow-changes"]).failed(64);
    assert!(told.contains("comes too late here"), "{told}");
    env.mer(["model", "show", "new"]).failed(66);
    // A flag that `mer` was started with may be repeated on a line.
    let lines = "apply m.toml\nmer --allow-changes model set new --timeout 9s\nrun new x\n";
    let ran = env.piped(["--allow-changes"], lines).ended(0);
    assert!(ran.stdout.starts_with("+ model new\n") && ran.stdout.ends_with("\nx\n"), "{}", ran.stdout);
}

#[test]
fn a_mistake_in_a_registry_file_has_its_line_and_column_and_nothing_is_applied() {
    let env = TestEnv::ready();
    let before = env.mer(["export"]).ok();
    let good = "[models.good]\ninferenceCommand = ['cat']\n";
    for (text, place, told) in [
        ("[models.m]\ninferenceComand = ['cat']\n", (4, 1), "hint: did you mean `inferenceCommand`?"),
        ("[models.m]\ninferenceCommand = ['cat']\n  time_out = '1s'\n", (5, 3), "hint: did you mean `timeout`"),
        ("[models.m]\ninferenceCommand = ['cat']\ntimeout = 'soon'\n", (5, 11), "`timeout` has a wrong value"),
        ("[models.m]\nprotocol = 'line'\n", (4, 12), "`protocol` has a wrong value"),
        ("[server.x]\nhost = 'h'\n", (3, 2), "hint: did you mean `servers`?"),
        ("[servers.x]\nconnType = 'ssh'\nhots = 'h'\n", (5, 1), "hint: did you mean `host`?"),
        ("[models.m.on.local]\nmodelPaht = '/'\n", (4, 1), "hint: did you mean `modelPath`?"),
        ("[models.m\n", (3, 10), "this is not valid TOML"),
    ] {
        env.file("work/bad.toml", format!("{good}{text}"));
        let said = env.mer(["apply", "bad.toml", "--allow-changes"]).failed(78);
        let (line, column) = place;
        assert!(said.starts_with(&format!("mer: `bad.toml`, line {line}, column {column}: ")), "{text}\n{said}");
        assert!(said.contains(told), "{text}\n{said}");
    }
    for (text, told) in [
        ("[models.'a b']\ninferenceCommand = ['cat']\n", "`a b`"),
        ("[models.m]\ninferenceCommand = ['cat']\nservers = ['gpu1']\n", "`gpu1`"),
        ("[models.m]\ninferenceCommand = 'cat'\n", "shell"),
    ] {
        env.file("work/bad.toml", format!("{good}{text}"));
        let said = env.mer(["apply", "bad.toml", "--allow-changes"]).failed(78);
        assert!(said.starts_with("mer: `bad.toml`") && said.contains(told), "{text}\n{said}");
    }
    assert_eq!(env.mer(["export"]).ok(), before);
    let told = env.mer(["apply", "nowhere.toml", "--allow-changes"]).failed(74);
    assert!(told.starts_with("mer: cannot read `nowhere.toml`\n"), "{told}");
}

#[test]
fn a_file_too_large_for_one_transaction_is_refused_and_changes_nothing() {
    let env = TestEnv::ready();
    env.file("work/big.toml", format!("[models.big]\ninferenceCommand = ['cat', '{}']\n", "x".repeat(17 << 20)));
    let told = env.mer(["apply", "big.toml", "--allow-changes"]).failed(74);
    assert!(told.contains("too large for one transaction") && told.contains("split it into smaller ones"), "{told}");
    env.mer(["model", "show", "big"]).failed(66);
}

#[test]
fn a_model_is_shown_as_it_is_registered_and_passwords_are_not() {
    let env = TestEnv::ready();
    env.apply("[servers.far]\nconnType = 'ssh'\nhost = 'h'\nuser = 'u'\nport = 22\npassword = 'hunter2'\n");
    let list = env.mer(["server", "list"]).ok();
    let rows: Vec<Vec<&str>> = list.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[1][..3], ["far", "ssh", "u@h:22"]);
    assert_eq!(rows[2][..2], ["local", "local"]);
    let shown = env.mer(["server", "show", "far"]).ok();
    assert!(shown.contains("host = \"h\"") && !shown.contains("hunter2"), "{shown}");
    for args in [["server", "list", "--json"], ["servers", "ls", "--json"]] {
        let shown = env.mer(args).ok();
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    let shown = env.mer(["server", "show", "far", "--json"]).ok();
    assert!(!shown.contains("hunter2"), "{shown}");
    let shown = env.mer(["model", "show", "parrot"]).ok();
    assert!(shown.contains("protocol = \"token\""), "{shown}");
}

#[test]
fn what_is_shown_of_a_model_is_a_registry_file() {
    let env = TestEnv::new();
    let text = "[servers.far]\nconnType = \"ssh\"\nhost = \"h\"\nlauncher = [\"nice\"]\n\n\
                [models.m]\nservers = [\"far\", \"local\"]\ninferenceCommand = [\"cat\"]\nenv = { A = \"1\" }\n\n\
                [models.m.on.far]\nmodelPath = \"/x y\"\nenv = { B = \"2\" }\n";
    env.apply(text);
    let tables = |verb, name| {
        let shown = env.mer([verb, "show", name]).ok();
        let (_, below) = shown.split_once("registered as\n").expect("a label");
        let lines = below.lines().map(|line| format!("{}\n", line.strip_prefix("    ").unwrap_or(line)));
        lines.collect::<String>()
    };
    assert_eq!(format!("{}\n{}", tables("server", "far"), tables("model", "m")), text);
}

#[test]
fn ping_says_of_each_model_whether_it_could_serve() {
    let env = TestEnv::ready();
    env.file("work/plain-file", "#!/bin/sh\n");
    let fine = env.mer(["model", "ping", "echo", "cat", "upper", "--json"]).objects();
    let told: Vec<_> = fine.iter().map(|report| (report["model"].as_str(), report["code"].as_i64())).collect();
    assert_eq!(told, [(Some("echo"), Some(0)), (Some("cat"), Some(0)), (Some("upper"), Some(0))]);
    assert!(fine[2]["detail"].as_str().expect("detail").ends_with("awk, ready"), "{fine:?}");
    let ran = env.mer(["model", "ping", "missing", "cat", "plainFile"]).ended(78);
    assert!(ran.stdout.contains("no-such-program") && ran.stdout.contains("plain-file"), "{}", ran.stdout);
    assert_eq!(ran.stderr, "mer: 2 of 3 checks failed, the first of `missing`\n");
    let ran = env.mer(["model", "ping", "unready", "--json"]).ended(124);
    assert!(ran.stdout.contains("`readyTimeout` ran out") && ran.stdout.contains("loading the weights"), "{ran:?}");
    env.mer(["model", "ping", "nobody"]).failed(66);
    let kinds: Vec<_> = env.rows().iter().map(|row| (row["model"].clone(), row["kind"].clone())).collect();
    assert_eq!(
        kinds,
        [("unready".into(), "ping".into()), ("upper".into(), "ping".into())],
        "what was started is on record"
    );
}

#[test]
fn ping_reports_a_missing_interpreter() {
    let env = TestEnv::new();
    std::fs::create_dir(env.path("bin")).expect("bin");
    let mut command = env.with(["model", "ping"]);
    command.env("PATH", env.path("bin"));
    let ran = run(command).ended(78);
    let lines: Vec<Vec<&str>> = ran.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    let results: Vec<_> = lines[1..].iter().map(|line| (line[0], line[2])).collect();
    assert_eq!(results, [("echo", "ok"), ("iris", "ok"), ("parrot", "failed"), ("upper", "failed")], "{}", ran.stdout);
    assert!(ran.stdout.contains("`python3`") && ran.stdout.contains("`awk`"), "{}", ran.stdout);
    assert!(env.mer(["log", "list", "--json"]).ok().is_empty(), "nothing was started");
}

#[test]
fn a_server_that_cannot_be_reached_leaves_the_run_to_the_next_one() {
    let env = TestEnv::ready();
    env.apply("[servers.far]\nconnType = 'ssh'\nhost = '127.0.0.1'\nport = 1\n[models.away]\nservers = ['far']\ninferenceCommand = ['cat']\n[models.both]\nservers = ['far', 'local']\ninferenceCommand = ['cat']\n");
    let told = env.mer(["run", "away", "x"]).failed(69);
    assert!(told.contains("`away`") && told.contains("`far`"), "{told}");
    assert_eq!(env.mer(["run", "both", "x"]).ended(0).stdout, "x\n");
    env.mer(["run", "both", "x", "--server", "far"]).failed(69);
    assert_eq!(env.mer(["run", "both", "x", "--server", "local"]).ok(), "x\n");
    let servers: Vec<_> = env.rows().iter().map(|row| (row["server"].clone(), row["status"].clone())).collect();
    let served = servers.iter().filter(|(_, status)| status == "succeeded").all(|(server, _)| server == "local");
    assert!(served && servers.len() == 5, "{servers:?}");
}
