//! Helpers of these tests.

use std::{fs, path::PathBuf};

use serde_json::Value;

use crate::support::{OnServer, TestEnv, wait_until};

/// Models that are detached.
pub(super) const MODELS: &str = r#"
[models.says]
shell = true
inferenceCommand = 'cat; echo oops >&2; echo kept > "$MER_RUN_DIR/note"'

[models.fails]
shell = true
inferenceCommand = 'echo why >&2; exit 3'

[models.waits]
shell = true
grace = '1s'
inferenceCommand = 'echo up; echo $$ > "$MER_RUN_DIR/pid"; exec sleep 600'

[models.gated]
shell = true
inferenceCommand = 'echo begun; while [ ! -e "$MER_RUN_DIR/go" ]; do sleep 0.05; done; echo done'

[models.trains]
shell = true
inferenceCommand = 'cat "$MER_WEIGHTS"'
trainCommand = 'cat "${MER_WEIGHTS:-/dev/null}" - > "$MER_WEIGHTS_OUT"; echo trained'

[models.forgets]
shell = true
inferenceCommand = 'cat'
trainCommand = 'cat > /dev/null'
"#;

/// Returns an environment with these models and an embedded database.
pub(super) fn home() -> TestEnv {
    let env = TestEnv::new();
    env.apply(MODELS);
    env
}

/// Detaches a run, and returns its uid.
#[track_caller]
pub(super) fn detach(env: &TestEnv, args: &[&str]) -> String {
    uid(&env.mer_args(&[args, &["--detach", "--quiet"]].concat()).ok())
}

/// The same on a database on a server.
#[track_caller]
pub(super) fn detach_on(place: &OnServer, args: &[&str]) -> String {
    uid(&place.mer_args(&[args, &["--detach", "--quiet"]].concat()).ok())
}

/// Reads the uid that a command printed.
#[track_caller]
pub(super) fn uid(text: &str) -> String {
    let uid = text.strip_suffix('\n').expect("a line").to_owned();
    assert_eq!(uid.len(), 36, "{uid}");
    uid
}

/// Returns the folder of a run on this machine.
pub(super) fn folder(env: &TestEnv, uid: &str) -> PathBuf {
    env.path("state/mer/runs").join(format!("{uid}-1"))
}

/// Returns the words of a file in a folder, once there are as many.
#[track_caller]
pub(super) fn words(folder: &std::path::Path, name: &str, count: usize) -> Vec<String> {
    wait_until(&format!("{count} words in `{name}`"), || {
        let text = fs::read_to_string(folder.join(name)).unwrap_or_default();
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        (words.len() >= count && text.ends_with('\n')).then_some(words)
    })
}

/// Returns the detached runs that `mer ps` lists.
#[track_caller]
pub(super) fn listed(env: &TestEnv) -> Vec<Value> {
    let rows = env.mer(["ps", "--json"]).ended(0);
    let rows = rows.stdout.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    rows.filter(|row| row["requestUid"].is_string()).collect()
}
