//! Chromium without a window, steered through pipes by the protocol of its developer tools.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use mer_testkit::require;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};

use super::BOUND;

/// Descriptors 3 and 4 are where it reads and writes messages.
const START: &str = r#"exec "$@" 3<&0 4>&1 </dev/null >/dev/null 2>&1"#;

/// A browser with one page. It is ended when it is dropped.
pub(crate) struct Browser {
    child: Child,
    commands: Option<ChildStdin>,
    messages: Receiver<Value>,
    events: Vec<Value>,
    session: Option<String>,
    last_id: u64,
    // Removed last.
    _home: tempfile::TempDir,
}

impl Browser {
    /// Starts it, with an empty page. Returns none where Chromium is not installed.
    pub(crate) fn start() -> Option<Self> {
        let names = ["chromium", "chromium-browser", "google-chrome"];
        let Some(program) = names.iter().find_map(|name| require::program(name, &[])) else {
            require::missing("chromium", "pages are looked at in it");
            return None;
        };
        let home = tempfile::tempdir().expect("a folder");
        let mut command = Command::new("sh");
        command.args(["-c", START, "sh"]).arg(program);
        // The pages are those of the tests, so that no sandbox is needed: as root it would not start.
        command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]);
        command.args(["--remote-debugging-pipe", "--hide-scrollbars", "--disable-background-networking"]);
        command.arg(format!("--user-data-dir={}", home.path().join("profile").display())).arg("about:blank");
        command.env("HOME", home.path()).env("XDG_CONFIG_HOME", home.path()).env("XDG_CACHE_HOME", home.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let mut child = command.spawn().expect("a shell");
        let commands = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let (sender, messages) = channel();
        thread::spawn(move || {
            for message in output.split(0).map_while(Result::ok) {
                let Ok(message) = serde_json::from_slice(&message) else { return };
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        let (events, session, last_id) = (Vec::new(), None, 0);
        let mut browser = Self { child, commands, messages, events, session, last_id, _home: home };
        let target = browser.call("Target.createTarget", &json!({ "url": "about:blank" }))["targetId"].clone();
        let attached = browser.call("Target.attachToTarget", &json!({ "targetId": target, "flatten": true }));
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page.enable", "Network.enable", "Log.enable", "Runtime.enable"] {
            browser.call(domain, &json!({}));
        }
        Some(browser)
    }

    /// Calls a method, and returns its result.
    #[track_caller]
    pub(crate) fn call(&mut self, method: &str, params: &Value) -> Value {
        self.last_id += 1;
        let mut message = json!({ "id": self.last_id, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        let commands = self.commands.as_mut().expect("a pipe");
        commands.write_all(format!("{message}\0").as_bytes()).expect("a browser");
        loop {
            let mut heard = self.hear(method);
            if heard["id"] != self.last_id {
                self.events.push(heard);
                continue;
            }
            assert!(heard["error"].is_null(), "{method}: {}", heard["error"]);
            return heard["result"].take();
        }
    }

    #[track_caller]
    fn hear(&self, what: &str) -> Value {
        self.messages.recv_timeout(BOUND).unwrap_or_else(|error| panic!("{what}: the browser does not answer: {error}"))
    }

    /// Returns the parameters of the events of this kind so far.
    pub(crate) fn events(&self, method: &str) -> Vec<&Value> {
        self.events.iter().filter(|event| event["method"] == method).map(|event| &event["params"]).collect()
    }

    /// Opens a file, forgets former events, and waits until the page is loaded.
    #[track_caller]
    pub(crate) fn open(&mut self, file: &Path) {
        self.events.clear();
        self.call("Page.navigate", &json!({ "url": format!("file://{}", file.display()) }));
        while self.events("Page.loadEventFired").is_empty() {
            let heard = self.hear("the page");
            self.events.push(heard);
        }
    }

    /// Sets the width of the page in CSS pixels.
    #[track_caller]
    pub(crate) fn width(&mut self, width: u32) {
        let size = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", &size);
    }

    /// Sets the medium, `screen` or `print`, and the preferred colours, `light` or `dark`.
    #[track_caller]
    pub(crate) fn medium(&mut self, medium: &str, colours: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": colours }]);
        self.call("Emulation.setEmulatedMedia", &json!({ "media": medium, "features": features }));
    }

    /// Returns the value of an expression, or of its promise.
    #[track_caller]
    pub(crate) fn evaluate(&mut self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let mut result = self.call("Runtime.evaluate", &params);
        assert!(result["exceptionDetails"].is_null(), "{expression:.200}: {}", result["exceptionDetails"]);
        result["result"]["value"].take()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It ends when its pipe is closed.
        drop(self.commands.take());
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(5) && matches!(self.child.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(5));
        }
        if let Some(group) = self.child.id().try_into().ok().and_then(Pid::from_raw) {
            // Its helpers are in the same group.
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}
