//! A run through the resident has the same results as one without it.

use std::process::Stdio;

use serde_json::Value;

use super::support::Home;
use crate::support::{Live, Ran};

/// Models of every kind of end. Each is kept, so that the resident serves it.
const MODELS: &str = r#"
[models.echo]
protocol = "lines"
keepalive = "10m"
shell = true
grace = "300ms"
inferenceCommand = '''
while read -r line; do
    case $line in
        die) echo last words >&2; exit 9 ;;
        kill) kill -KILL $$ ;;
        silent) : ;;
        hint) echo hint >&2; echo hinted ;;
        *) echo "got $line" ;;
    esac
done'''

[models.tokens]
protocol = "token"
keepalive = "10m"
startToken = "<"
stopToken = ">"
shell = true
inferenceCommand = '''
echo '@!#READY#!@'
while read -r line; do echo "$line"; done'''

[models.stillborn]
protocol = "lines"
keepalive = "10m"
readyToken = "READY"
shell = true
inferenceCommand = "echo 'no such weights' >&2; exit 7"

[models.nowhere]
protocol = "lines"
keepalive = "10m"
inferenceCommand = ["no-such-program"]
"#;

/// Arguments of `mer run`, and the standard input.
const CASES: &[(&[&str], &str)] = &[
    (&["echo", "x"], ""),
    (&["echo", "-"], "from stdin\n"),
    (&["echo"], "without a word\n"),
    (&["echo", "-"], "two\nlines\n"),
    (&["echo", "x", "--json"], ""),
    (&["echo", "x", "--quiet"], ""),
    (&["echo", "x", "-o", "out"], ""),
    (&["echo", "x", "-o", "no/such/folder"], ""),
    (&["echo", "x", "--tag", "a=b", "--priority", "3", "--no-hash", "--json"], ""),
    (&["echo", "hint"], ""),
    (&["echo", "hint", "--json"], ""),
    (&["echo", "die"], ""),
    (&["echo", "die", "--passthrough"], ""),
    (&["echo", "die", "--json"], ""),
    (&["echo", "die", "--quiet"], ""),
    (&["echo", "kill"], ""),
    (&["echo", "kill", "--passthrough"], ""),
    (&["echo", "silent", "--timeout", "300ms"], ""),
    (&["echo", "x", "--server", "nowhere"], ""),
    (&["echo:7", "x"], ""),
    (&["echo@none", "x"], ""),
    (&["ecko", "x"], ""),
    (&["ecko", "x", "--json"], ""),
    (&["tokens", "a"], ""),
    (&["tokens", "-"], "a\nb\n"),
    (&["tokens", "-"], "a\n>\nb\n"),
    (&["stillborn", "x"], ""),
    (&["nowhere", "x"], ""),
    (&["cat", "-"], "oneshot\n"),
    (&["fail", "x"], ""),
];

#[test]
fn every_case_ends_as_without_a_resident() {
    let home = Home::new();
    home.env.apply(MODELS);
    let alone: Vec<Ended> = CASES.iter().map(|(args, input)| ended(&home, args, input, &["--no-serve"])).collect();
    let resident = home.serve([]);
    for ((args, input), alone) in CASES.iter().zip(alone) {
        // An answer between two deaths, because a model that dies twice in a row is not started again at once.
        home.mer(["run", "echo", "again"]).ok();
        assert_eq!(ended(&home, args, input, &[]), alone, "{args:?}");
    }
    drop(resident);
}

/// What is compared of a run.
#[derive(Debug, PartialEq)]
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
    file: Option<String>,
}

fn ended(home: &Home, args: &[&str], input: &str, more: &[&str]) -> Ended {
    let mut command = home.with(["run"]);
    command.args(args).args(more);
    let mut live = Live::start(command, Stdio::piped());
    live.say(input);
    let Ran { code, stdout, stderr, .. } = live.finish();
    let file = std::fs::read_to_string(home.env.path("work/out")).ok();
    let _ = std::fs::remove_file(home.env.path("work/out"));
    Ended { code, stdout: without_times(&stdout), stderr: without_uids(&without_times(&stderr)), file }
}

/// Leaves out of JSON what differs between two runs.
fn without_times(text: &str) -> String {
    let Ok(Value::Object(mut object)) = serde_json::from_str::<Value>(text) else { return text.to_owned() };
    let differing =
        ["requestUid", "startAccess", "stopAccess", "queueMs", "connectMs", "startMs", "runMs", "callerPid", "via"];
    differing.iter().for_each(|key| drop(object.remove(*key)));
    Value::Object(object).to_string()
}

fn without_uids(text: &str) -> String {
    let is_uid = |word: &str| word.len() == 36 && word.bytes().filter(|byte| *byte == b'-').count() == 4;
    let words = text.split_inclusive([' ', '`']).map(|word| {
        let name = word.trim_end_matches([' ', '`']);
        if is_uid(name) { word.replace(name, "UID") } else { word.to_owned() }
    });
    words.collect()
}
