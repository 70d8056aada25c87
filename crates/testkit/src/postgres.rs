//! A real PostgreSQL server for tests: a temporary folder with its data, a free loopback port and a socket, ended
//! with the test.
//!
//! It runs as the user of the test; under root, as which PostgreSQL refuses to run, as the user `postgres`. It does
//! not wait for the disk: data may be lost in a power cut, but not by a kill -9.
//!
//! [`shared`] is one server for all tests of a process, each of which has its own database. A static is never
//! dropped, so that a watchdog, which reads from a pipe of this process, ends the server when the process is gone. A
//! test that stops or kills its server starts one with [`Server::start`].
//!
//! **Access**: on the socket and on the loopback address, without a password; members of the role [`PASSWORDED`] need
//! theirs on the loopback address.

mod console;
mod programs;

use std::{
    fs::{self, File},
    io::{BufReader, Write as _},
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use rustix::{
    fs::{Gid, Uid, chown},
    process::Signal,
};
use tempfile::TempDir;

pub use console::Console;

use self::programs::{as_server_user, folder, other_user, programs};
use crate::{certificate, processes, require};

/// The administrator of every server.
pub const ADMIN: &str = "admin";

/// Members of this role need a password.
pub const PASSWORDED: &str = "passworded";

/// The first start creates the data, which takes long on a loaded machine.
const START: Duration = Duration::from_secs(60);

const OPTIONS: [&str; 7] = [
    "fsync=off",
    "full_page_writes=off",
    "listen_addresses=127.0.0.1",
    "max_connections=300",
    "shared_buffers=32MB",
    "log_min_messages=warning",
    "dynamic_shared_memory_type=mmap",
];

/// A running server. Dropping it ends it.
#[derive(Debug)]
pub struct Server {
    postgres: Option<Child>,
    watchdog: Child,
    programs: PathBuf,
    folder: TempDir,
    port: u16,
}

/// Returns the server that the tests of this process share. `None`, after reporting it, if PostgreSQL is not
/// installed.
#[track_caller]
pub fn shared() -> Option<&'static Server> {
    static SHARED: OnceLock<Option<Server>> = OnceLock::new();
    let server = SHARED.get_or_init(|| programs().map(Server::launch)).as_ref();
    if server.is_none() {
        say_missing();
    }
    server
}

impl Server {
    /// Starts a server for a single test, which may stop it.
    #[track_caller]
    pub fn start() -> Option<Self> {
        let programs = programs();
        if programs.is_none() {
            say_missing();
        }
        programs.map(Self::launch)
    }

    /// Starts a read-only replica of this server.
    #[must_use]
    pub fn standby(&self) -> Self {
        let standby = self.copied(&["--write-recovery-conf"]);
        processes::until("it has caught up", START, || standby.sql("postgres", "SELECT pg_is_in_recovery()") == "t");
        standby
    }

    /// Starts a server with a copy of this one's files, taken while it runs.
    #[must_use]
    pub fn copy(&self) -> Self {
        self.copied(&[])
    }

    fn copied(&self, more: &[&str]) -> Self {
        let folder = folder();
        let mut copy = as_server_user(&self.programs.join("pg_basebackup"));
        copy.args(["-h", "127.0.0.1", "-U", ADMIN, "-X", "stream", "-c", "fast", "-p", &self.port.to_string(), "-D"]);
        let made = copy.arg(folder.path().join("data")).args(more).output().expect("`pg_basebackup` starts");
        assert!(made.status.success(), "pg_basebackup: {}", String::from_utf8_lossy(&made.stderr));
        Self::begin(self.programs.clone(), folder)
    }

    /// The dump of a database by `pg_dump`, for [`Server::sql`] of another one.
    #[must_use]
    pub fn dump(&self, database: &str) -> String {
        let done = self.client("pg_dump").args(["--inserts", database]).output().expect("`pg_dump` starts");
        assert!(done.status.success(), "pg_dump: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    fn launch(programs: PathBuf) -> Self {
        let folder = folder();
        let made = as_server_user(&programs.join("initdb"))
            .args(["--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C", "--username", ADMIN, "--pgdata"])
            .arg(folder.path().join("data"))
            .output()
            .expect("`initdb` starts");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let access = format!(
            "local all all trust\nhost all +{PASSWORDED} 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n\
             host replication all 127.0.0.1/32 trust\n"
        );
        // Writes to the existing file, which keeps its owner.
        fs::write(folder.path().join("data/pg_hba.conf"), access).expect("the server's access file");
        let server = Self::begin(programs, folder);
        server.sql("postgres", &format!("CREATE ROLE {PASSWORDED} NOLOGIN"));
        server
    }

    /// Starts a server with the data of a folder, on a free port.
    fn begin(programs: PathBuf, folder: TempDir) -> Self {
        let watchdog = watchdog(folder.path());
        let mut server = Self { postgres: None, watchdog, programs, folder, port: 0 };
        for _ in 0..5 {
            server.port = free_port();
            if server.run() {
                return server;
            }
        }
        panic!("PostgreSQL does not start:\n{}", server.log());
    }

    /// Starts the server, and waits until it answers. Returns false if it exited, as on a port that is taken.
    fn run(&mut self) -> bool {
        let log = File::options().append(true).create(true).open(self.folder.path().join("log")).expect("a log file");
        let mut command = as_server_user(&self.programs.join("postgres"));
        command.arg("-D").arg(self.folder.path().join("data")).arg("-k").arg(self.folder.path());
        command.args(["-p", &self.port.to_string()]);
        for option in OPTIONS {
            command.args(["-c", option]);
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        let postgres = self.postgres.insert(child.expect("`postgres` starts"));
        let ready = processes::poll(START, || {
            if postgres.try_wait().expect("a child of ours").is_some() {
                return Some(false);
            }
            let mut asked = Command::new(self.programs.join("pg_isready"));
            asked.args(["-q", "-h", "127.0.0.1", "-U", ADMIN, "-d", "postgres", "-p", &self.port.to_string()]);
            asked.status().expect("`pg_isready` starts").success().then_some(true)
        });
        ready == Some(true)
    }

    /// Creates an empty database. Returns its name.
    #[must_use]
    pub fn database(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        name
    }

    /// The URL of a database over TCP, as the administrator.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        self.url_of(ADMIN, database)
    }

    /// The URL of a database over TCP for `USER` or `USER:PASSWORD`.
    #[must_use]
    pub fn url_of(&self, login: &str, database: &str) -> String {
        format!("postgres://{login}@127.0.0.1:{}/{database}", self.port)
    }

    /// The URL of a database over the socket, as the administrator.
    #[must_use]
    pub fn socket_url(&self, database: &str) -> String {
        format!("postgres://{ADMIN}@/{database}?host={}&port={}", self.folder.path().display(), self.port)
    }

    /// The port on the loopback address.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Gives the server a certificate for 127.0.0.1. Returns the file of the authority that signed it; `None`, after
    /// reporting it, if there is no `openssl`.
    #[must_use]
    pub fn offer_tls(&self) -> Option<PathBuf> {
        let folder = self.folder.path();
        if !certificate::make(folder) {
            return None;
        }
        for file in ["server.key", "server.pem"] {
            let file = folder.join(file);
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("chmod of a file of ours");
            if let Some((uid, gid)) = other_user() {
                chown(&file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))).expect("chown, as root");
            }
        }
        let path = |file| folder.join(file).display().to_string();
        for (name, value) in [("ssl_cert_file", path("server.pem")), ("ssl_key_file", path("server.key"))] {
            self.sql("postgres", &format!("ALTER SYSTEM SET {name} = '{value}'"));
        }
        self.sql("postgres", "ALTER SYSTEM SET ssl = on");
        self.sql("postgres", "SELECT pg_reload_conf()");
        let is_on = "SELECT count(*) FROM pg_stat_ssl WHERE ssl AND pid = pg_backend_pid()";
        processes::until("connections are encrypted", START, || self.sql("postgres", is_on) == "1");
        Some(folder.join("ca.pem"))
    }

    /// Runs SQL as the administrator. Returns what it printed: columns separated by `|`, one row a line.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let mut child = self.psql(database).spawn().expect("`psql` starts");
        child.stdin.take().expect("a pipe").write_all(sql.as_bytes()).expect("`psql` reads");
        let done = child.wait_with_output().expect("`psql` ends");
        assert!(done.status.success(), "{sql}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).trim_end().to_owned()
    }

    /// Opens a session of the administrator, which keeps its transaction.
    #[must_use]
    pub fn open(&self, database: &str) -> Console {
        let mut child = self.psql(database).spawn().expect("`psql` starts");
        let input = child.stdin.take().expect("a pipe");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        Console { child, input, output }
    }

    /// A client program of the server's own version, such as `pg_dump`, as the administrator.
    #[must_use]
    pub fn client(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.args(["-h", "127.0.0.1", "-U", ADMIN, "-p", &self.port.to_string()]);
        command
    }

    fn psql(&self, database: &str) -> Command {
        let mut psql = self.client("psql");
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", database, "-f", "-"]);
        psql.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        psql
    }

    /// Ends the connections to a database, as an administrator does.
    pub fn end_connections(&self, database: &str) {
        let others = format!("datname = '{database}' AND pid <> pg_backend_pid()");
        self.sql("postgres", &format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"));
    }

    /// Stops the server in an orderly way.
    pub fn stop(&mut self) {
        self.end(Signal::INT);
    }

    /// Kills the server with SIGKILL, and waits until its processes are gone.
    pub fn kill(&mut self) {
        let below = self.postgres.as_ref().map(|child| processes::descendants(child.id())).unwrap_or_default();
        self.end(Signal::KILL);
        below.iter().for_each(|pid| processes::kill(*pid));
        processes::until("the server's processes are gone", START, || !below.iter().any(|pid| processes::alive(*pid)));
        // The file is stale, and the next server would read it.
        let _ = fs::remove_file(self.folder.path().join("data/postmaster.pid"));
    }

    /// Starts a server that was stopped or killed, on the same port.
    pub fn start_again(&mut self) {
        let started = processes::poll(START, || self.run().then_some(()));
        assert!(started.is_some(), "PostgreSQL does not start again:\n{}", self.log());
    }

    /// The log of the server.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.folder.path().join("log")).unwrap_or_default()).into_owned()
    }

    fn end(&mut self, signal: Signal) {
        let Some(mut child) = self.postgres.take() else { return };
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
        self.end(Signal::QUIT);
        if thread::panicking() {
            let _ = writeln!(std::io::stderr().lock(), "--- log of PostgreSQL ---\n{}", self.log());
        }
    }
}

/// Waits for the end of this process, then ends the server and removes its folder.
fn watchdog(folder: &Path) -> Child {
    const SCRIPT: &str = r#"
        while read -r line; do :; done
        pid=$(head -n 1 "$0/data/postmaster.pid" 2>/dev/null)
        if [ -n "$pid" ]; then
            kill -QUIT "$pid"
            while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
        fi
        rm -rf "$0""#;
    let mut command = Command::new("sh");
    command.args(["-c", SCRIPT]).arg(folder).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    // A new process group, which the signals of the terminal do not reach.
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.spawn().expect("`sh` starts")
}

#[track_caller]
fn say_missing() {
    require::missing("postgres", "no `postgres` on the PATH or below `/usr/lib/postgresql`");
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("an address").port()
}
