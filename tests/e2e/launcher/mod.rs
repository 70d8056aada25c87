//! Models behind a launcher whose processes are elsewhere (`launcherRemote`). A script stands for `kubectl`.

mod cut;
mod far;
mod refused;
mod runs;

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use crate::support::{Live, TestEnv, pid_in, wait_until};

/// Models on the server `pod`. `@` is a folder there.
const MODELS: &str = include_str!("models.toml");

/// Starts a run of a model that says when it is up; returns it with the process of the model.
fn begun(home: &Home, model: &str) -> (Live, u32) {
    let live = home.env.start(["run", model, "x"]);
    live.wait_stdout("up\n");
    (live, home.model())
}

/// A `mer` with a server `pod` behind the launcher.
struct Home {
    env: TestEnv,
}

impl Home {
    fn new() -> Self {
        Self::with("")
    }

    /// With further keys of the server.
    fn with(keys: &str) -> Self {
        let home = Self { env: TestEnv::ready() };
        let kubectl = home.env.file("kubectl", include_str!("kubectl"));
        fs::set_permissions(kubectl, fs::Permissions::from_mode(0o755)).expect("chmod");
        fs::create_dir(home.pod()).expect("a folder");
        home.apply(&home.server(&home.pod(), "'-i', ", keys));
        home
    }

    /// Returns the registration of the server. `input` is the flag that passes the input on.
    fn server(&self, pod: &Path, input: &str, keys: &str) -> String {
        let kubectl = self.env.path("kubectl");
        format!(
            "[servers.pod]\nlauncher = ['{}', 'exec', {input}'{}', '--']\nlauncherRemote = true\n{keys}\n",
            kubectl.display(),
            pod.display()
        )
    }

    #[track_caller]
    fn apply(&self, server: &str) {
        self.env.apply(format!("{server}\n{}", MODELS.replace('@', self.pod().to_str().expect("text"))));
    }

    fn pod(&self) -> PathBuf {
        self.env.path("pod")
    }

    /// Returns the pid of the model over there, once it runs.
    #[track_caller]
    fn model(&self) -> u32 {
        pid_in(&self.pod().join("model"))
    }

    /// Returns the calls of the launcher: its pid, and that of the shell over there.
    fn calls(&self) -> Vec<(u32, u32)> {
        let text = fs::read_to_string(self.pod().join("calls")).unwrap_or_default();
        let pair = |line: &str| {
            let (launcher, shell) = line.split_once(' ')?;
            Some((launcher.parse().ok()?, shell.parse().ok()?))
        };
        text.lines().filter_map(pair).collect()
    }

    /// Returns the launcher that the model was started by, and the one that its watchdog was.
    #[track_caller]
    fn pair(&self, model: u32) -> (u32, u32) {
        let stat = fs::read_to_string(format!("/proc/{model}/stat")).expect("the model runs");
        let parent: u32 =
            stat.rsplit_once(") ").expect("a stat").1.split(' ').nth(1).expect("fields").parse().expect("a pid");
        let calls = wait_until("two calls", || Some(self.calls()).filter(|calls| calls.len() >= 2));
        let last = &calls[calls.len() - 2..];
        let shell = last.iter().find(|(_, shell)| *shell == parent).expect("the shell of the model").0;
        let watchdog = last.iter().find(|(_, shell)| *shell != parent).expect("its watchdog").0;
        (shell, watchdog)
    }
}
