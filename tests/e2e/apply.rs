//! `mer apply`: its diff, its question, and what it does not change.

use rustix::process::Signal;
use serde_json::json;

use crate::support::{AtTerminal, Ran, TestEnv};

const FILE: &str = "[models.cat]\ninferenceCommand = ['tac']\ntimeout = '1m'\n\
                    [models.fail]\ninferenceCommand = ['false']\n[models.new]\ninferenceCommand = ['cat']\n\
                    [servers.far]\nconnType = 'ssh'\nhost = 'h'\npassword = 'hunter2'\n";

fn env() -> TestEnv {
    let env = TestEnv::ready();
    env.file("work/r.toml", FILE);
    env.file("work/before.toml", "[models.fail]\ninferenceCommand = ['false']\n");
    env.mer(["apply", "before.toml", "--allow-changes", "--quiet"]).ok();
    env
}

const SHOWN: &str = "+ server far\n    + connType = \"ssh\"\n    + host = \"h\"\n    + password = \"(redacted)\"\n\
                     ~ model cat\n    - inferenceCommand = [\"cat\"]\n    + inferenceCommand = [\"tac\"]\n    \
                     + timeout = \"1m\"\n+ model new\n    + inferenceCommand = [\"cat\"]\n= 1 unchanged\n";

#[test]
fn apply_shows_what_it_changes_and_doing_it_again_changes_nothing() {
    let env = env();
    let before = env.mer(["export", "--all"]).ok();
    let dry = env.mer(["apply", "r.toml", "--dry-run"]).ended(0);
    assert_eq!((dry.stdout.as_str(), dry.stderr.as_str()), (SHOWN, "would apply 1 server and 2 models\n"));
    assert_eq!(env.mer(["export", "--all"]).ok(), before, "a dry run writes nothing, and needs no leave");
    let ran = env.mer(["apply", "r.toml", "--allow-changes"]).ended(0);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), (SHOWN, "applied 1 server and 2 models\n"));
    let after = env.mer(["export", "--all"]).ok();
    let again = env.mer(["apply", "r.toml", "--allow-changes"]).ended(0);
    assert_eq!(again.stdout, "= 4 unchanged\n");
    assert_eq!(again.stderr, "nothing changes: the registry is as `r.toml` says\n");
    assert_eq!(env.mer(["apply", "r.toml", "--allow-changes", "--quiet"]).ok(), "");
    assert_eq!(env.mer(["export", "--all"]).ok(), after, "down to the times");
}

#[test]
fn programs_get_the_difference_as_lines_of_json() {
    let env = env();
    let all = env.mer(["apply", "r.toml", "--allow-changes", "--json"]).objects();
    let changes: Vec<_> = all.iter().map(|one| (one["name"].clone(), one["change"].clone())).collect();
    let expected = [("far", "added"), ("cat", "changed"), ("fail", "unchanged"), ("new", "added")];
    assert_eq!(changes, expected.map(|(name, change)| (json!(name), json!(change))));
    assert_eq!(
        all[1]["keys"],
        json!([{"key": "inferenceCommand", "before": ["cat"], "after": ["tac"]}, {"key": "timeout", "after": "1m"}])
    );
    assert_eq!(all[0]["keys"][2], json!({"key": "password", "after": "(redacted)"}));
    let all = env.mer(["apply", "r.toml", "--allow-changes", "--json"]).objects();
    assert!(all.iter().all(|one| one["change"] == "unchanged"), "{all:?}");
}

#[track_caller]
fn answer(asking: AtTerminal, answer: &str) -> Ran {
    asking.answer("apply 1 server and 2 models? [y/N] ", answer)
}

#[test]
fn a_person_is_asked_and_only_yes_is_yes() {
    let env = env();
    let before = env.mer(["export", "--all"]).ok();
    for typed in ["n\n", "\n", "yes please\n", "\u{4}"] {
        let ran = answer(AtTerminal::start(&env, ["apply", "r.toml", "--allow-changes"]), typed);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(77), SHOWN), "{typed:?}");
        assert_eq!(env.mer(["export", "--all"]).ok(), before);
    }
    let ran = answer(AtTerminal::start(&env, ["apply", "r.toml", "--allow-changes"]), "YES\n");
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), SHOWN));
    assert_ne!(env.mer(["export", "--all"]).ok(), before);
    // Without a change no question is asked.
    let mut again = AtTerminal::start(&env, ["apply", "r.toml", "--allow-changes"]);
    again.expect("nothing changes");
    assert_eq!(again.mer.finish().code, Some(0));
}

#[test]
fn no_question_is_asked_where_it_is_not_wanted() {
    for args in [
        ["apply", "r.toml", "--allow-changes", "--yes"],
        ["apply", "r.toml", "--allow-changes", "--no-input"],
        ["apply", "r.toml", "--allow-changes", "--json"],
        ["apply", "r.toml", "--allow-changes", "--quiet"],
    ] {
        let env = env();
        assert_eq!(AtTerminal::start(&env, args).mer.finish().code, Some(0), "{args:?}");
        env.mer(["model", "show", "new"]).ok();
    }
}

#[test]
fn changes_by_others_during_a_question_are_noticed() {
    let env = env();
    let mut asking = AtTerminal::start(&env, ["apply", "r.toml", "--allow-changes"]);
    asking.expect("[y/N] ");
    env.mer(["model", "set", "cat", "--allow-changes", "--quiet", "--grace", "1s", "--db-wait", "5s"]).ok();
    let ran = answer(asking, "y\n");
    assert_eq!(ran.code, Some(75), "{}", ran.stderr);
    env.mer(["model", "show", "new"]).failed(66);
    // Servers and models that the file does not name are not compared.
    let mut asking = AtTerminal::start(&env, ["apply", "r.toml", "--allow-changes"]);
    asking.expect("[y/N] ");
    env.mer(["model", "set", "echo", "--allow-changes", "--quiet", "--grace", "1s"]).ok();
    assert_eq!(answer(asking, "y\n").code, Some(0));
}

#[test]
fn a_question_is_ended_by_a_signal() {
    let env = env();
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let mut asking = AtTerminal::start(&env, ["apply", "r.toml", "--allow-changes"]);
        asking.expect("[y/N] ");
        asking.mer.signal(signal);
        assert_eq!(asking.mer.finish().code, Some(code));
        env.mer(["model", "show", "new"]).failed(66);
    }
}
