use std::ffi::OsString;

use super::{verb::ConfigVerb, *};
use crate::errors::CliError;

fn line(line: &str) -> Result<Parsed, CliError> {
    parse(split_line(line)?)
}

fn cli(text: &str) -> Cli {
    match line(text) {
        Ok(Parsed::Command(cli)) => *cli,
        other => panic!("`{text}`: {other:?}"),
    }
}

fn run(text: &str) -> (Cli, RunArgs) {
    let cli = cli(text);
    let Some(Verb::Run(args)) = cli.verb.clone() else { panic!("`{text}` is no run") };
    (cli, args)
}

fn refused(text: &str) -> CliError {
    let error = match line(text) {
        Ok(parsed) => panic!("`{text}` was accepted: {parsed:?}"),
        Err(error) => error,
    };
    assert_eq!(error.exit_code(), 64, "`{text}`");
    error
}

fn text(input: &str) -> Input {
    Input::Text(input.as_bytes().to_vec())
}

#[test]
fn the_grammar_is_sound() {
    command().debug_assert();
}

#[test]
fn the_scan_for_the_verb_knows_every_global_flag_with_a_value() {
    let command = command();
    let with_value = command.get_arguments().filter(|arg| arg.is_global_set() && arg.get_action().takes_values());
    let mut flags: Vec<String> = with_value.filter_map(|arg| arg.get_long()).map(|long| format!("--{long}")).collect();
    let mut known = global::VALUE_FLAGS.to_vec();
    flags.sort_unstable();
    known.sort_unstable();
    assert_eq!(flags, known);
}

#[test]
fn an_input_that_begins_with_a_digit_after_its_dash_is_no_flag() {
    let (cli, args) = run("run iris -5.1,3 --json");
    assert!(cli.global.json);
    assert_eq!(args.request.input().expect("input"), text("-5.1,3"));
    let (_, args) = run("--json run --timeout 5s iris -.5");
    assert_eq!(args.request.input().expect("input"), text("-.5"));
    let (_, args) = run("run iris -1");
    assert_eq!(args.request.input().expect("input"), text("-1"));
}

#[test]
fn after_two_dashes_all_is_input() {
    let (cli, args) = run("run --json iris -- -x");
    assert!(cli.global.json);
    assert_eq!(args.request.input().expect("input"), text("-x"));
    assert_eq!(run("run iris -- -5").1.request.input().expect("input"), text("-5"));
    assert_eq!(run("run iris -- --json").1.request.input().expect("input"), text("--json"));
    assert!(!run("run iris -- --json").0.global.json);
}

#[test]
fn a_misspelt_flag_is_never_an_input() {
    let error = refused("run iris --jsno");
    assert_eq!(error.to_string(), "there is no flag `--jsno` here");
    assert_eq!(error.hints()[0], "did you mean `--json`?");
    refused("run iris -x");
    let error = refused("run iris 5.1 3.5");
    assert!(error.hints()[0].contains("quotes"), "{error:?}");
    let error = refused("run iris -5 -6");
    assert_eq!(error.to_string(), "unexpected argument `-6`");
}

#[test]
fn the_flags_of_a_run() {
    let (_, args) = run("run iris @flowers.csv --server gpu1 --timeout none -o out --passthrough --no-hash");
    assert_eq!(args.request.model, "iris");
    assert_eq!(args.request.input().expect("input"), Input::File("flowers.csv".into()));
    assert_eq!(args.request.server.as_deref(), Some("gpu1"));
    assert_eq!(args.request.timeout, Some(mer_core::Bound::Never));
    assert_eq!(args.output.as_deref(), Some(std::path::Path::new("out")));
    assert!(args.passthrough && args.request.no_hash);
    assert_eq!(run("run iris").1.request.input().expect("input"), Input::Absent);
    assert_eq!(run("run iris -").1.request.input().expect("input"), Input::Stdin);
    assert_eq!(run("run iris ''").1.request.input().expect("input"), text(""));
}

#[test]
fn a_run_has_tags_a_priority_and_further_attempts() {
    let (_, args) = run("run iris x --tag team=vision --tag a=b=c --priority -5 --retries 2 --retry-failed --no-serve");
    let tags = args.request.tags().expect("tags").0;
    assert_eq!(
        tags.into_iter().collect::<Vec<_>>(),
        [("a", "b=c"), ("team", "vision")].map(|(k, v)| (k.into(), v.into()))
    );
    assert_eq!((args.request.priority, args.retries), (-5, 2));
    assert!(args.retry_failed && args.no_serve);
    assert_eq!(run("run iris x --priority=-10").1.request.priority, -10);
    let (_, args) = run("run iris x");
    assert_eq!((args.request.priority, args.retries), (0, 0));
    assert!(!args.retry_failed && !args.no_serve && args.request.tags().expect("tags").0.is_empty());
    for line in
        ["--priority 11", "--priority -11", "--priority x", "--tag x", "--tag =x", "--tag a/b=x", "--retries -1"]
    {
        let error = refused(&format!("run iris x {line}"));
        assert!(error.to_string().contains("is not valid"), "{line}: {error}");
    }
    refused("run iris x --retry-failed");
    let many: String = (0..33).map(|n| format!(" --tag k{n}=x")).collect();
    let error = run(&format!("run iris x{many}")).1.request.tags().expect_err("too many");
    assert_eq!(error.exit_code(), 64);
    let Some(Verb::Train(args)) = cli("train iris --tag a=b --priority 3").verb else { panic!("no training") };
    assert_eq!((args.request.priority, args.request.tags().expect("tags").0.len()), (3, 1));
    refused("train iris --retries 1");
}

#[test]
fn processes_and_resources_are_described_by_flags() {
    let line = "model set m --needs gpu=1,slots=2 --resource-env gpu=HIP_VISIBLE_DEVICES --keepalive 5m --pinned --instances 2 \
                --max-requests 100 --max-age 1d --max-memory 8GiB --start-timeout 2h --queue-timeout none --queue-length 9";
    let Some(Verb::Model(ModelVerb::Set(args))) = cli(line).verb else { panic!("no set") };
    let flags = args.flags.process;
    assert_eq!(flags.needs.iter().map(|need| need.count).collect::<Vec<_>>(), [1, 2]);
    assert_eq!((flags.keepalive, flags.instances), (Some(mer_core::Bound::secs(300)), Some(2)));
    assert_eq!((flags.queue_timeout, flags.queue_length), (Some(mer_core::Bound::Never), Some(9)));
    assert!(flags.pinned && flags.max_requests == Some(100) && flags.max_memory.is_some());
    let line = "server set s --resource slots=4 --resource gpu=0,1 --pool box1";
    let Some(Verb::Server(ServerVerb::Set(args))) = cli(line).verb else { panic!("no set") };
    assert_eq!(args.flags.resources.iter().map(|one| one.amount.count()).collect::<Vec<_>>(), [4, 2]);
    assert_eq!(args.flags.pool.as_deref(), Some("box1"));
    for wrong in
        ["--needs gpu", "--needs gpu=0", "--instances 0", "--queue-length 0", "--max-requests 0", "--keepalive x"]
    {
        refused(&format!("model set m {wrong}"));
    }
    for wrong in ["--resource gpu", "--resource gpu=", "--resource gpu=a,a"] {
        refused(&format!("server set s {wrong}"));
    }
}

#[test]
fn global_flags_stand_before_or_after_the_verb() {
    for line in ["--db mem:// --json model list", "model --json list --db mem://", "model list --db=mem:// --json"] {
        let cli = cli(line);
        assert_eq!(cli.global.db.as_deref(), Some("mem://"), "{line}");
        assert!(cli.global.json, "{line}");
    }
    assert!(cli("apply f --allow-changes").global.allow_model_server_runtime_changes);
    assert_eq!(cli("-vv version").global.verbose, 2);
    for line in
        ["--json --quiet model list", "--quiet model list --json", "model list -q --json", "--json model list -q"]
    {
        let given = cli(line).global;
        assert_eq!(given.format(), Some(crate::ui::Format::Json), "{line}");
        let output: Vec<_> = given.settings().into_iter().filter(|(name, ..)| *name == "output").collect();
        assert_eq!(output, [("output", "--json", "json".into())], "{line}");
    }
    assert_eq!(cli("version -q").global.format(), Some(crate::ui::Format::Quiet));
}

#[test]
fn names_of_other_tools_mean_what_they_meant_there() {
    for line in ["ls", "list", "models", "model", "model ls", "--json ls", "model --json", "mer ls", "--db mem:// ls"] {
        assert!(matches!(cli(line).verb, Some(Verb::Model(ModelVerb::List))), "{line}");
    }
    for line in ["logs", "log", "log ls", "log --limit 50", "log -n 50 --json", "log --json list"] {
        assert!(matches!(cli(line).verb, Some(Verb::Log(LogVerb::List(LogListArgs { limit: 50, .. })))), "{line}");
    }
    for line in ["quit", "exit", "q", "bye"] {
        assert!(matches!(cli(line).verb, Some(Verb::Quit)), "{line}");
    }
    assert!(matches!(cli("execute iris x").verb, Some(Verb::Run(_))));
    assert!(matches!(cli("migrate").verb, Some(Verb::Migrate(MigrateVerb::Up(_)))));
    let Some(Verb::Migrate(MigrateVerb::Up(up))) = cli("migrate --target 3 --dry-run --sql-dir ours").verb else {
        panic!()
    };
    assert!(up.dry_run && up.plan.target == Some(3) && up.plan.scripts.sql_dir.as_deref() == Some("ours".as_ref()));
    assert!(matches!(cli("migrate baseline 3").verb, Some(Verb::Migrate(MigrateVerb::Baseline(_)))));
    assert!(matches!(cli("config").verb, Some(Verb::Config(ConfigVerb::Show))));
}

#[test]
fn a_wrong_verb_names_the_nearest_one() {
    let error = refused("modle list");
    assert_eq!(error.to_string(), "there is no command `modle`");
    assert_eq!(error.hints(), ["did you mean `model`?"]);
    let error = refused("log lits");
    assert_eq!(error.to_string(), "there is no command `log lits`");
    assert_eq!(error.hints(), ["did you mean `list`?"]);
    assert!(refused("frobnicate").hints()[0].starts_with("commands: run, batch, train, serve, ps, load, stop, attach"));
}

#[test]
fn wrong_and_missing_values_are_named() {
    let error = refused("run iris x --timeout 5parsecs");
    assert_eq!(error.to_string(), "the value `5parsecs` of `--timeout` is not valid");
    assert!(error.causes()[0].contains("not a duration"), "{error:?}");
    assert!(refused("run").to_string().contains("MODEL"));
    assert!(refused("run iris --timeout").to_string().contains("needs a value"));
    assert!(refused("completions bsh").hints()[0].contains("bash"));
    assert_eq!(refused("run iris --timeout -5s").to_string(), "the value `-5s` of `--timeout` is not valid");
    assert!(refused("run iris 'x").to_string().contains("quote"));
}

#[test]
fn help_and_version_are_answers_and_no_errors() {
    for text in
        ["--help", "help", "help run", "run --help", "--version", "-V", "mer --version", "log --help", "model help"]
    {
        assert!(matches!(line(text), Ok(Parsed::Help { .. })), "{text}");
    }
}

#[test]
fn an_empty_line_and_a_comment_are_no_command() {
    for text in ["", "   ", "# a comment", "mer", "mer # nothing"] {
        assert!(cli(text).verb.is_none(), "{text:?}");
    }
    assert_eq!(split_line("run iris '#1' # flower").expect("words").len(), 4);
}

#[test]
fn example_models_get_their_arguments_as_they_are() {
    let Some(Verb::ExampleModel(args)) = cli("example-model iris train --json -x").verb else { panic!("no example") };
    assert_eq!(args.name, "iris");
    assert_eq!(args.args, ["train", "--json", "-x"].map(OsString::from));
}

#[test]
fn json_is_wanted_even_by_a_line_that_is_wrong() {
    let words = |line: &str| split_line(line).expect("words");
    assert!(wants_json(&words("modle --json")));
    assert!(!wants_json(&words("run x -- --json")));
}

#[test]
fn a_backslash_joins_lines_as_in_a_shell() {
    let words = |line: &str| split_line(line).expect(line)[1..].to_vec();
    assert_eq!(words("run m \\\n  x"), ["run", "m", "x"]);
    assert_eq!(words("run m a\\\nb"), ["run", "m", "ab"]);
    assert_eq!(words("run m 'a\\\nb'"), ["run", "m", "a\\\nb"]);
    assert_eq!(words("run m \"it's \\\nb\""), ["run", "m", "it's b"]);
    assert_eq!(words("run m it\\'s"), ["run", "m", "it's"]);
}

#[test]
fn models_and_servers_are_described_by_flags_and_a_command() {
    let Some(Verb::Model(ModelVerb::Add(args))) =
        cli("model add m --env A=1 --env B=2 --server a --server=b --json -- run --json -x").verb
    else {
        panic!("no add")
    };
    assert_eq!(args.command, ["run", "--json", "-x"]);
    assert_eq!(args.flags.servers, ["a", "b"]);
    assert_eq!(args.flags.env.len(), 2);
    for line in ["model rm m", "models delete m", "model remove m"] {
        assert!(matches!(cli(line).verb, Some(Verb::Model(ModelVerb::Remove(_)))), "{line}");
    }
    for line in ["server rm s", "servers delete s"] {
        assert!(matches!(cli(line).verb, Some(Verb::Server(ServerVerb::Remove(_)))), "{line}");
    }
    assert!(matches!(cli("model --json rm m").verb, Some(Verb::Model(ModelVerb::Remove(_)))));
    assert!(refused("model set m --on a --server b").to_string().contains("cannot be used together"));
    assert!(refused("batch m --errors a --errors b").to_string().contains("`--errors` is given twice"));
    let both = refused("stop --all kept").to_string();
    assert!(both.contains("`MODEL|ID|RUN`") && both.contains("`--all`"), "{both}");
    assert!(refused("server add s h --port 70000").to_string().contains("the value `70000` of `--port` is not valid"));
}

#[test]
fn a_line_is_known_as_it_was_command_line() {
    let command_line = |line: &str| cli(line).command_line;
    assert_eq!(command_line("mer model add 'a b' -- x").line(), "model add 'a b' -- x");
    assert_eq!(command_line("--json model add m -- add").set_instead_of_add(), "--json model set m -- add");
    assert_eq!(command_line("ls --db postgres://u:p@h/d").line(), "ls --db 'postgres://u:******@h/d'");
    assert_eq!(command_line("ls --db=postgres://u:p@h/d").line(), "ls '--db=postgres://u:******@h/d'");
    assert!(command_line("apply f --no-input").no_input && !command_line("apply f").no_input);
}

#[test]
fn every_flag_that_changes_the_registry_is_explained() {
    let page = include_str!("../../../../docs/reference/changing-the-registry.md");
    let command = command();
    let mut missing = Vec::new();
    for (group, verb) in [("model", "add"), ("model", "set"), ("server", "add"), ("server", "set")] {
        let command = command.find_subcommand(group).and_then(|group| group.find_subcommand(verb)).expect(verb);
        let flags = command.get_arguments().filter(|arg| !arg.is_global_set()).filter_map(|arg| arg.get_long());
        missing.extend(flags.map(|flag| format!("--{flag}")).filter(|flag| !page.contains(&format!("`{flag}"))));
    }
    assert!(missing.is_empty(), "docs/reference/changing-the-registry.md leaves out {missing:?}");
}
