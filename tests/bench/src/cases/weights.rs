//! Putting and getting weights, beside the database alone with rows of a mebibyte.

use std::{
    cell::Cell,
    env,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use mer_testkit::{postgres, surreal_server::NAMESPACE};

use super::{own_way, row, surreal};
use crate::{
    Result,
    measure::{Contender, ms, run_silent, time},
    report::{Limit, Row},
    subject::{Bench, Subject},
};

/// Size of the weights, unless `MER_BENCH_WEIGHTS_MIB` names another one.
const MIB: usize = 1024;
const ROUNDS: usize = 3;
/// Minimum share of the speed of the database alone.
const SHARE: f64 = 0.8;
/// Limits of memory in MB: with the embedded engine, and with a server.
const EMBEDDED: f64 = 256.0 * 1.048_576;
const SERVER: f64 = 128.0 * 1.048_576;
/// Limit of a lease in milliseconds.
const LEASE: f64 = 1000.0;

/// A kind of database.
struct Backend<'a> {
    name: &'static str,
    /// Makes a database, in this folder if it is embedded, and returns its URL.
    fresh: Box<dyn Fn(&Path) -> String + 'a>,
    /// Removes a database that is not removed with the folder; the disk cannot hold all of them.
    remove: Box<dyn Fn(&str) + 'a>,
    memory: f64,
}

pub fn embedded(bench: &Bench) -> Result<Vec<Row>> {
    all(
        bench,
        &Backend {
            name: "embedded",
            fresh: Box::new(|folder| format!("surrealkv://{}", folder.join("db").display())),
            remove: Box::new(|_| ()),
            memory: EMBEDDED,
        },
    )
}

pub fn postgres(bench: &Bench) -> Result<Vec<Row>> {
    let server = postgres::Server::start().ok_or("PostgreSQL is not installed")?;
    all(
        bench,
        &Backend {
            name: "PostgreSQL",
            fresh: Box::new(|_| server.url(&server.database())),
            remove: Box::new(|database| {
                drop(server.sql("postgres", &format!("DROP DATABASE {database} WITH (FORCE)")))
            }),
            memory: SERVER,
        },
    )
}

pub fn surreal_server(bench: &Bench) -> Result<Vec<Row>> {
    let Some(server) = surreal::server() else { return Ok(Vec::new()) };
    all(
        bench,
        &Backend {
            name: "SurrealDB server",
            fresh: Box::new(|_| server.url(&server.database())),
            remove: Box::new(|database| {
                server.sql("", &format!("USE NS {NAMESPACE}; REMOVE DATABASE {database}"));
            }),
            memory: SERVER,
        },
    )
}

fn all(bench: &Bench, backend: &Backend) -> Result<Vec<Row>> {
    let Some(program) = &bench.bulk_bench else { return Ok(Vec::new()) };
    let asked = env::var("MER_BENCH_WEIGHTS_MIB").ok().and_then(|text| text.parse().ok());
    let mib = asked.unwrap_or_else(|| bench.scaled(MIB));
    let file = file(bench, mib)?;
    let rows = one(bench, program, backend, &file, mib);
    fs::remove_file(file).map_err(|error| error.to_string())?;
    rows
}

/// A temporary folder and a database, removed when it is dropped.
struct WeightsDatabase<'a> {
    backend: &'a Backend<'a>,
    folder: PathBuf,
    url: String,
}

impl<'a> WeightsDatabase<'a> {
    fn new(bench: &Bench, backend: &'a Backend) -> Result<Self> {
        thread_local!(static NEXT: Cell<u32> = const { Cell::new(0) });
        let number = NEXT.replace(NEXT.get() + 1);
        let folder = bench.work.join(format!("weights-{number}"));
        fs::create_dir_all(&folder).map_err(|error| format!("`{}`: {error}", folder.display()))?;
        Ok(Self { backend, url: (backend.fresh)(&folder), folder })
    }

    fn command(&self, subject: &Subject, arguments: &[&str]) -> Command {
        let mut command = subject.command(arguments);
        self.aim(&mut command);
        command
    }

    fn aim(&self, command: &mut Command) {
        command.env("DB_CONNECTION_URL", &self.url).env("MER_DATA_DIR", &self.folder);
    }

    /// Makes one with the schema and a model.
    fn ready(bench: &Bench, backend: &'a Backend, subject: &Subject) -> Result<Self> {
        let target = Self::new(bench, backend)?;
        run_silent(&mut target.command(subject, &["migrate"]))?;
        Ok(target)
    }

    /// The same with the weights.
    fn filled(bench: &Bench, backend: &'a Backend, subject: &Subject, file: &str) -> Result<Self> {
        let target = Self::ready(bench, backend, subject)?;
        run_silent(&mut target.command(subject, &put(file)))?;
        Ok(target)
    }
}

impl Drop for WeightsDatabase<'_> {
    fn drop(&mut self) {
        let name = self.url.rsplit('/').next().unwrap_or_default();
        (self.backend.remove)(name.split('?').next().unwrap_or_default());
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn put(file: &str) -> [&str; 7] {
    ["weights", "put", "iris", file, "--format", "raw", "--quiet"]
}

const GET: [&str; 5] = ["weights", "get", "iris:1", "-o", "/dev/null"];

fn one(bench: &Bench, program: &Path, backend: &Backend, file: &Path, mib: usize) -> Result<Vec<Row>> {
    let path = &*file.to_string_lossy();
    let rate = |milliseconds: f64| mib as f64 * 1.048_576 * 1e3 / milliseconds;
    let name = backend.name;
    let beside = Some("the engine's own way, rows of 1 MiB");

    let of = |subject: &Subject| {
        let target = WeightsDatabase::ready(bench, backend, subject)?;
        Ok(rate(time(|| run_silent(&mut target.command(subject, &put(path))))?))
    };
    let bulk: Contender = Box::new(|| {
        let target = WeightsDatabase::new(bench, backend)?;
        Ok(rate(own_way(program, ["in", &target.url, path])?))
    });
    let samples = bench.in_turn(ROUNDS, |subject| Box::new(move || of(subject)), vec![bulk])?;
    let what = format!("`mer weights put` of {mib} MiB, {name}");
    let mut rows = vec![row(bench, &what, "MB/s", Limit::AtLeastShare(SHARE), samples, beside)];

    let targets = bench.subjects.iter().map(|subject| WeightsDatabase::filled(bench, backend, subject, path));
    let targets = &targets.collect::<Result<Vec<_>>>()?;
    let plain_target = WeightsDatabase::new(bench, backend)?;
    own_way(program, ["in", &plain_target.url, path])?;
    let at = |subject: &Subject| bench.subjects.iter().position(|other| other.name == subject.name).unwrap_or(0);
    for (what, arguments, limit) in [
        (format!("`mer weights get` of {mib} MiB, {name}"), &GET[..], Limit::AtLeastShare(SHARE)),
        (format!("`mer weights show` of {mib} MiB, {name}"), &["weights", "show", "iris:1"], Limit::None),
    ] {
        let of =
            |subject: &Subject| Ok(rate(time(|| run_silent(&mut targets[at(subject)].command(subject, arguments)))?));
        let bulk: Contender = Box::new(|| Ok(rate(own_way(program, ["out", &plain_target.url, path])?)));
        let samples = bench.in_turn(ROUNDS, |subject| Box::new(move || of(subject)), vec![bulk])?;
        rows.push(row(bench, &what, "MB/s", limit, samples, beside));
    }
    for (what, arguments) in [("in", &put(path)[..]), ("out", &GET)] {
        let samples = bench.each(|subject| {
            let fresh;
            let target = match what {
                "in" => {
                    fresh = WeightsDatabase::ready(bench, backend, subject)?;
                    &fresh
                }
                _ => &targets[at(subject)],
            };
            subject.peak(arguments, |command| {
                target.aim(command);
                command.stdin(Stdio::null()).stdout(Stdio::null());
                Ok(())
            })
        })?;
        let what = format!("the same, peak memory, {what}, {name}");
        rows.push(row(bench, &what, "MB", Limit::AtMost(backend.memory), samples, None));
    }
    if name == "embedded" {
        let samples = bench.each(|subject| {
            let target = WeightsDatabase::ready(bench, backend, subject)?;
            longest_wait(&target.folder.join("db.lock"), &mut target.command(subject, &put(path)))
        })?;
        rows.push(row(
            bench,
            "the same, in: the longest wait of others for the database",
            "ms",
            Limit::AtMost(LEASE),
            samples,
            None,
        ));
        let samples = bench.each(|subject| {
            let target = &targets[at(subject)];
            longest_wait(&target.folder.join("db.lock"), &mut target.command(subject, &GET))
        })?;
        rows.push(row(bench, "the same, out", "ms", Limit::AtMost(LEASE), samples, None));
    }
    Ok(rows)
}

/// Returns the longest wait for the lease, in milliseconds, of a process that takes it repeatedly while this command runs.
fn longest_wait(lease: &Path, command: &mut Command) -> Result<f64> {
    let over = Arc::new(AtomicBool::new(false));
    let (ends, lease) = (Arc::clone(&over), lease.to_owned());
    let waiter = thread::spawn(move || -> io::Result<Duration> {
        let mut longest = Duration::ZERO;
        while !ends.load(Ordering::Relaxed) {
            let file = File::options().create(true).append(true).open(&lease)?;
            let begun = Instant::now();
            file.lock()?;
            longest = longest.max(begun.elapsed());
            drop(file);
            thread::sleep(Duration::from_millis(20));
        }
        Ok(longest)
    });
    let ran = run_silent(command);
    over.store(true, Ordering::Relaxed);
    let longest = waiter.join().map_err(|_| "the waiter is gone")?.map_err(|error| error.to_string())?;
    ran.map(|()| ms(longest))
}

/// Returns bytes without equal chunks, since equal chunks would be stored once.
fn file(bench: &Bench, mib: usize) -> Result<PathBuf> {
    let path = bench.work.join("weights");
    let make = || -> io::Result<()> {
        let mut block = vec![0; 1 << 20];
        File::open("/dev/urandom")?.read_exact(&mut block)?;
        let mut file = File::create(&path)?;
        for number in 0..mib as u64 {
            block[..8].copy_from_slice(&number.to_le_bytes());
            file.write_all(&block)?;
        }
        Ok(())
    };
    make().map_err(|error| format!("`{}`: {error}", path.display()))?;
    Ok(path)
}
