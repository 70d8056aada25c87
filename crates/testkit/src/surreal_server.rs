//! A real SurrealDB server for tests: a temporary folder with its data, a free loopback port, ended with the test.
//!
//! Its program is `tests/surreal-server`, which `tests/run` builds and names in [`PROGRAM`].
//!
//! [`shared`] is one server for all tests of a process, each of which has its own database. A static is never
//! dropped, so that a watchdog, which reads from a pipe of this process, ends the server when the process is gone. A
//! test that stops or kills its server starts one with [`Server::start`].

use std::{
    env,
    fs::{self, File},
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::{certificate, processes, require};

/// The variable that names the server's program.
pub const PROGRAM: &str = "MER_SURREAL_SERVER";

/// The root user of every server, and that user's password.
pub const ROOT: &str = "root";

/// The namespace of every test's database.
pub const NAMESPACE: &str = "test";

/// `root:root`.
const AUTHORIZATION: &str = "cm9vdDpyb290";

const START: Duration = Duration::from_secs(60);

/// A running server. Dropping it ends it.
#[derive(Debug)]
pub struct Server {
    child: Option<Child>,
    watchdog: Child,
    program: PathBuf,
    folder: TempDir,
    port: u16,
    tls: bool,
}

/// Returns the server that the tests of this process share. `None`, after reporting it, if its program was not built.
#[track_caller]
pub fn shared() -> Option<&'static Server> {
    static SHARED: OnceLock<Option<Server>> = OnceLock::new();
    let server = SHARED.get_or_init(|| program().map(|program| Server::launch(program, Store::Memory, false))).as_ref();
    if server.is_none() {
        say_missing();
    }
    server
}

/// Where a server keeps its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Store {
    Memory,
    Disk,
}

impl Server {
    /// Starts a server for a single test, which may stop it. Its data are on disk.
    #[track_caller]
    pub fn start() -> Option<Self> {
        let program = program();
        if program.is_none() {
            say_missing();
        }
        program.map(|program| Self::launch(program, Store::Disk, false))
    }

    /// Starts a server with TLS, with a certificate for 127.0.0.1. `None`, after reporting it, also without
    /// `openssl`.
    #[track_caller]
    pub fn start_with_tls() -> Option<Self> {
        let program = program();
        if program.is_none() {
            say_missing();
        }
        require::program("openssl", &[]).or_else(|| {
            require::missing("openssl", "no `openssl` on the PATH");
            None
        })?;
        program.map(|program| Self::launch(program, Store::Memory, true))
    }

    fn launch(program: PathBuf, store: Store, tls: bool) -> Self {
        let folder = tempfile::Builder::new().prefix("mersurreal").tempdir().expect("a temporary folder");
        if store == Store::Disk {
            fs::create_dir(folder.path().join("data")).expect("a folder of ours");
        }
        if tls {
            certificate::make(folder.path());
        }
        let watchdog = watchdog(folder.path());
        let mut server = Self { child: None, watchdog, program, folder, port: 0, tls };
        for _ in 0..5 {
            server.port = free_port();
            if server.run() {
                if !tls {
                    server.sql("", &format!("DEFINE NAMESPACE IF NOT EXISTS {NAMESPACE};"));
                }
                return server;
            }
        }
        panic!("SurrealDB does not start:\n{}", server.log());
    }

    /// Starts the server, and waits until it answers. Returns false if it exited, as on a port that is taken.
    fn run(&mut self) -> bool {
        let folder = self.folder.path();
        let log = File::options().append(true).create(true).open(folder.join("log")).expect("a log file");
        let data = folder.join("data");
        let mut command = Command::new(&self.program);
        for (name, _) in env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("SURREAL_")) {
                command.env_remove(name);
            }
        }
        command.args(["start", "--no-banner", "--log", "warn", "--user", ROOT, "--pass", ROOT]);
        command.args(["--bind", &format!("127.0.0.1:{}", self.port)]);
        if self.tls {
            command.arg("--web-crt").arg(folder.join("server.pem")).arg("--web-key").arg(folder.join("server.key"));
        }
        command.arg(if data.is_dir() { format!("surrealkv://{}", data.display()) } else { "memory".to_owned() });
        command.current_dir(folder).stdin(Stdio::null()).stdout(log.try_clone().expect("a handle")).stderr(log);
        let child = self.child.insert(command.spawn().expect("the server starts"));
        fs::write(folder.join("pid"), child.id().to_string()).expect("a file of ours");
        let (port, tls) = (self.port, self.tls);
        let ready = processes::poll(START, || {
            if child.try_wait().expect("a child of ours").is_some() {
                return Some(false);
            }
            // With TLS it is enough that it listens, which is the last step of its start.
            let answers = if tls {
                TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
            } else {
                http(port, "GET /health", "", "").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
            };
            answers.then_some(true)
        });
        ready == Some(true)
    }

    /// Creates an empty database in the namespace [`NAMESPACE`]. Returns its name.
    #[must_use]
    pub fn database(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.sql("", &format!("USE NS {NAMESPACE}; DEFINE DATABASE {name};"));
        name
    }

    /// The URL of a database as the root user.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        self.url_of(&format!("{ROOT}:{ROOT}"), database) + "?authLevel=root"
    }

    /// The URL of a database for `USER:PASSWORD`.
    #[must_use]
    pub fn url_of(&self, login: &str, database: &str) -> String {
        let scheme = if self.tls { "wss" } else { "ws" };
        format!("{scheme}://{login}@127.0.0.1:{}/{NAMESPACE}/{database}", self.port)
    }

    /// The port on the loopback address.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The file of the authority that signed the certificate of a server with TLS.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Runs SurrealQL as the root user, in a database of [`NAMESPACE`], or in none if its name is empty. Returns the
    /// results as JSON, one for each statement.
    pub fn sql(&self, database: &str, sql: &str) -> Vec<serde_json::Value> {
        let place = match database {
            "" => String::new(),
            name => format!("Surreal-NS: {NAMESPACE}\r\nSurreal-DB: {name}\r\n"),
        };
        let answer = http(self.port, "POST /sql", &place, sql).expect("the server answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.starts_with("HTTP/1.1 200"), "{sql}: {answer}");
        let results: Vec<serde_json::Value> = serde_json::from_str(body).expect("JSON");
        results
            .into_iter()
            .map(|result| {
                assert_eq!(result["status"], "OK", "{sql}: {result}");
                result["result"].clone()
            })
            .collect()
    }

    /// Stops the server in an orderly way.
    pub fn stop(&mut self) {
        self.end(Signal::TERM);
    }

    /// Kills the server with SIGKILL.
    pub fn kill(&mut self) {
        self.end(Signal::KILL);
    }

    /// Starts a server that was stopped or killed, on the same port and folder.
    pub fn start_again(&mut self) {
        let started = processes::poll(START, || self.run().then_some(()));
        assert!(started.is_some(), "SurrealDB does not start again:\n{}", self.log());
    }

    /// The log of the server.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.folder.path().join("log")).unwrap_or_default()).into_owned()
    }

    fn end(&mut self, signal: Signal) {
        let Some(mut child) = self.child.take() else { return };
        let _ = fs::remove_file(self.folder.path().join("pid"));
        processes::signal(child.id(), signal);
        let gone = processes::poll(Duration::from_secs(20), || child.try_wait().ok().flatten());
        if gone.is_none() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Killed first, so that it does not signal a pid that may be reused by then.
        let _ = self.watchdog.kill();
        let _ = self.watchdog.wait();
        self.end(Signal::KILL);
        if thread::panicking() {
            let _ = writeln!(io::stderr().lock(), "--- log of SurrealDB ---\n{}", self.log());
        }
    }
}

/// Sends one request to the server, as the root user. Returns the whole response.
fn http(port: u16, what: &str, headers: &str, body: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(START))?;
    write!(
        stream,
        "{what} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nAccept: application/json\r\n\
         Authorization: Basic {AUTHORIZATION}\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Waits for the end of this process, then ends the server and removes its folder.
fn watchdog(folder: &Path) -> Child {
    const SCRIPT: &str = r#"
        while read -r line; do :; done
        pid=$(cat "$0/pid" 2>/dev/null)
        if [ -n "$pid" ]; then
            kill -KILL "$pid"
            while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
        fi
        rm -rf "$0""#;
    let mut command = Command::new("sh");
    command.args(["-c", SCRIPT]).arg(folder).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    // A new process group, which the signals of the terminal do not reach.
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.spawn().expect("`sh` starts")
}

fn program() -> Option<PathBuf> {
    env::var_os(PROGRAM).map(PathBuf::from).filter(|path| path.is_file())
}

#[track_caller]
fn say_missing() {
    require::missing("surreal", &format!("{PROGRAM} names no program; `tests/run` builds it"));
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("an address").port()
}
