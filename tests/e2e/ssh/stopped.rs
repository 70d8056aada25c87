//! A suspended `mer` with models on a server; the module `stopped` has the same for models of this machine.

use serde_json::json;

use super::There;
use crate::stopped::stop_over_the_bound;

const MODELS: &str = r#"
[models.far-brief]
servers = ["there"]
timeout = "2s"
shell = true
inferenceCommand = "touch \"$HOME/begun\"; sleep 0.5; echo done; exit 5"

[models.far-line]
servers = ["there"]
protocol = "lines"
timeout = "2s"
shell = true
inferenceCommand = "while read -r x; do touch \"$HOME/begun\"; sleep 0.5; echo \"A:$x\"; done"
"#;

#[test]
fn a_remote_run_that_is_over_is_no_timeout_however_late_that_is_seen() {
    for (model, code, answer) in [("far-brief", 1, "done\n"), ("far-line", 0, "A:x\n")] {
        let Some(there) = There::new() else { return };
        there.apply(MODELS);
        let live = there.env.start(["run", model, "x"]);
        stop_over_the_bound(&there.home("begun"), &live);
        assert_eq!(live.finish().ended(code).stdout, answer);
        let status = if code == 0 { "succeeded" } else { "failed" };
        assert_eq!(there.env.row()["status"], json!(status));
    }
}
