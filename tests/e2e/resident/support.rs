//! A resident of a test, which ends with it.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::PathBuf,
    process::Command,
};

use serde_json::Value;

use crate::support::{Live, Ran, TestEnv, run, wait_until};

/// Models that are kept: they answer with their pid, or with the line.
const KEPT: &str = r#"
[models.kept]
protocol = "lines"
shell = true
keepalive = "10m"
grace = "500ms"
inferenceCommand = '''
while read -r line; do
    case $line in
        pid) echo $$ ;;
        die) exit 9 ;;
        late) sleep 0.5; echo late ;;
        never) echo $$ > never.pid; sleep 600 ;;
        once) [ ! -e once.pid ] || { echo twice; continue; }; echo $$ > once.pid; sleep 600 ;;
        hint) echo hint >&2; echo hinted ;;
        where) pwd ;;
        env) echo "$VIRTUAL_ENV" ;;
        *) echo "got $line" ;;
    esac
done'''
"#;

/// An environment with kept models and a folder for sockets of its own.
pub(super) struct Home {
    pub(super) env: TestEnv,
}

impl Home {
    pub(super) fn new() -> Self {
        let env = TestEnv::ready();
        env.apply(KEPT);
        Self { env }
    }

    /// Returns `mer` with these arguments, which finds the resident of this environment.
    pub(super) fn with<const N: usize>(&self, args: [&str; N]) -> Command {
        let mut command = self.env.with(args);
        command.env("MER_RUNTIME_DIR", self.runtime_dir());
        command
    }

    /// Runs `mer`.
    #[track_caller]
    pub(super) fn mer<const N: usize>(&self, args: [&str; N]) -> Ran {
        run(self.with(args))
    }

    /// Starts `mer serve` in the foreground, and waits until it is ready.
    #[track_caller]
    pub(super) fn serve<const N: usize>(&self, args: [&str; N]) -> Live {
        let mut command = self.with(["serve"]);
        command.args(args);
        let live = Live::start(command, std::process::Stdio::null());
        live.wait_stderr("ready on");
        live
    }

    pub(super) fn runtime_dir(&self) -> PathBuf {
        self.env.path("runtime")
    }

    /// Returns the socket, if there is one.
    pub(super) fn socket(&self) -> Option<PathBuf> {
        let files = fs::read_dir(self.runtime_dir()).ok()?.flatten();
        files.map(|file| file.path()).find(|path| path.extension().is_some_and(|extension| extension == "sock"))
    }

    /// Returns the path at which a resident would listen. None does.
    pub(super) fn free_socket(&self) -> PathBuf {
        let resident = self.serve([]);
        let socket = self.socket().expect("a socket");
        drop(resident);
        socket
    }

    /// Returns the answer to an HTTP request; nothing without a resident.
    pub(super) fn ask(&self, method: &str, path: &str, body: &str) -> Option<Value> {
        let mut stream = UnixStream::connect(self.socket()?).ok()?;
        let length = body.len();
        let head = format!(
            "{method} /mer/v1/{path} HTTP/1.1\r\nHost: mer\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all(format!("{head}{body}").as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
    }

    /// Returns the process id of the resident, if there is one.
    pub(super) fn resident(&self) -> Option<u32> {
        self.ask("GET", "version", "")?["pid"].as_u64()?.try_into().ok()
    }

    /// Returns `via` of the newest access of a model.
    #[track_caller]
    pub(super) fn via(&self, model: &str) -> Value {
        let rows = self.env.mer(["log", "list", "--json", "--model", model, "--limit", "1"]).objects();
        rows.first().expect("an access")["via"].clone()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // A resident that was started on demand would stay for a minute.
        if let Some(pid) = self.resident()
            && let Some(pid) = pid.try_into().ok().and_then(rustix::process::Pid::from_raw)
        {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            wait_until("the end of the resident", || self.resident().is_none().then_some(()));
        }
    }
}
