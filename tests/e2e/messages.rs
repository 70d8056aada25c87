//! Messages about wrong lines, and the JSON of lists.

use serde_json::{Value, json};

use crate::{
    json::keys,
    support::{AtTerminal, TestEnv},
};

#[test]
fn a_wrong_line_gets_one_message_and_the_fitting_hint() {
    let env = TestEnv::ready();
    for (line, said) in [
        (
            "log list --limit x",
            "mer: the value `x` of `--limit` is not valid\ncaused by: a whole number is expected\n\
             hint: `mer log list --help` shows how it is written\n",
        ),
        ("help run extra", "mer: unexpected argument `extra`\nhint: `mer help run` is the whole command\n"),
        ("log show a b", "mer: unexpected argument `b`\nhint: `mer log show --help` shows how it is written\n"),
        ("modle list", "mer: there is no command `modle`\nhint: did you mean `model`?\n"),
        ("run ct x", "mer: there is no model `ct`\nhint: did you mean `cat`?\n"),
        ("run nothing x", "mer: there is no model `nothing`\nhint: `mer model list` shows all there are\n"),
    ] {
        let told = env.script(&[line]);
        let told = told.stderr.replace("mer: the script stopped at line 1\n", "");
        let told = told.replace("the script stopped at line 1\n", "");
        assert_eq!(told, said, "{line}");
    }
    // A word that only shares its beginning with a command is not suggested.
    let told = env.script(&["hello"]).failed(64);
    assert!(!told.contains("did you mean"), "{told}");
}

#[test]
fn an_input_that_a_script_does_not_close_is_not_sent() {
    let env = TestEnv::ready();
    let told = env.script(&["use cat", "\"\"\"first", "second"]).failed(64);
    assert!(told.contains("line 2 of the script opens a `\"\"\"` that is never closed"), "{told}");
    assert!(env.rows().is_empty(), "nothing was run");
}

#[test]
fn a_missing_input_is_reported_at_a_terminal() {
    let env = TestEnv::ready();
    let mut asked = AtTerminal::start(&env, ["run", "cat"]);
    asked.expect("no input was given, and an empty one is sent");
    asked.mer.finish().ended(0);
    assert_eq!(env.row()["stdinBytes"], json!(0));
}

#[test]
fn lists_for_programs_have_every_key() {
    let env = TestEnv::ready();
    env.mer(["server", "add", "far", "h", "--allow-changes"]).ended(0);
    for kind in ["model", "server"] {
        let listed = env.mer([kind, "list", "--json"]).objects();
        let first = keys(&listed[0]);
        assert!(first.len() > 15, "{first:?}");
        for object in &listed {
            assert_eq!(keys(object), first);
            let name = object["name"].as_str().expect("a name");
            assert_eq!(&env.mer([kind, "show", name, "--json"]).object(), object);
        }
    }
    let cat = env.mer(["model", "show", "cat", "--json"]).object();
    assert_eq!(
        (&cat["protocol"], &cat["servers"], &cat["readyToken"]),
        (&json!("oneshot"), &json!(["local"]), &Value::Null)
    );
}

#[test]
fn a_model_that_dies_while_it_loads_did_not_die_in_a_request() {
    let env = TestEnv::ready();
    env.apply("[models.broken]\nprotocol = 'lines'\nreadyToken = 'READY'\nshell = true\ninferenceCommand = 'exit 9'\n");
    let told = env.mer(["run", "broken", "x"]).failed(1);
    assert!(told.contains("the model exited with code 9 before it was ready"), "{told}");
    assert!(!told.contains("middle of the request"), "{told}");
}

#[test]
fn milliseconds_have_three_decimals() {
    let env = TestEnv::ready();
    env.mer(["run", "cat", "x"]).ok();
    let shown = env.mer(["log", "show"]).ok();
    let run = shown.lines().find_map(|line| line.strip_prefix("run ms")).expect("a duration").trim();
    assert_eq!(run.split_once('.').map(|(_, decimals)| decimals.len()), Some(3), "{run}");
}
