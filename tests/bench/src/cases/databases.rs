//! Databases with many accesses: on a temporary PostgreSQL server, and embedded.

use std::{
    cell::OnceCell,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use mer_testkit::postgres::Server;

use super::{nothing, own_way, row};
use crate::{
    Result, journal,
    measure::{Sample, ms, run_silent, time},
    report::{Limit, Row},
    subject::{Bench, Subject},
};

const ROUNDS: usize = 40;
const DRAINED: usize = 100_000;
const MODELS: usize = 10_000;
const LOGGED: usize = 1_000_000;

/// A command that drains the journal first.
pub(super) const DRAINS: [&str; 4] = ["log", "list", "--limit", "1"];
/// Limit of the memory of `mer` with a server's database, in MB.
pub(super) const MEMORY: f64 = 96.0;
pub(super) const DRAIN_PEAK: &str = "the same, peak memory";

thread_local! {
    /// One server for all cases; its data are removed when this process ends.
    static SERVER: OnceCell<Option<Server>> = const { OnceCell::new() };
}

/// A database on the server, and the data folder with the binary's journal for it.
pub(super) struct BenchDatabase {
    pub(super) database: String,
    pub(super) url: String,
    pub(super) data: PathBuf,
}

pub(super) fn with_server<T>(work: impl FnOnce(&Server) -> Result<T>) -> Result<T> {
    SERVER.with(|server| match server.get_or_init(Server::start) {
        Some(server) => work(server),
        None => Err("PostgreSQL is not installed".to_owned()),
    })
}

impl BenchDatabase {
    fn new(bench: &Bench, server: &Server, subject: &Subject) -> Result<Self> {
        let database = server.database();
        Self::migrated(subject, server.url(&database), bench.work.join(&database), database)
    }

    /// Migrates a database on any server, with `data` as the data folder.
    pub(super) fn migrated(subject: &Subject, url: String, data: PathBuf, database: String) -> Result<Self> {
        fs::create_dir_all(&data).map_err(|error| format!("`{}`: {error}", data.display()))?;
        let target = Self { database, url, data };
        run_silent(&mut target.command(subject, &["migrate"]))?;
        Ok(target)
    }

    pub(super) fn command(&self, subject: &Subject, arguments: &[&str]) -> Command {
        let mut command = subject.command(arguments);
        self.aim(&mut command);
        command
    }

    pub(super) fn aim(&self, command: &mut Command) {
        command.env("DB_CONNECTION_URL", &self.url).env("MER_DATA_DIR", &self.data);
    }

    fn uid(&self, server: &Server) -> String {
        server.sql(&self.database, "SELECT \"uid\" FROM \"DatabaseIdentity\"")
    }
}

pub fn run(bench: &Bench) -> Result<Vec<Row>> {
    with_server(|server| {
        let targets = targets(bench, server)?;
        let of = |subject: &Subject| {
            let target = &targets[index(bench, subject)];
            time(|| run_silent(&mut target.command(subject, &["run", "echo", "x"])))
        };
        let samples = bench.in_turn(ROUNDS, |subject| Box::new(move || of(subject)), vec![nothing(bench)])?;
        let what = "`mer run echo x`, PostgreSQL on this machine";
        Ok(vec![row(bench, what, "ms", Limit::AtMost(35.0), samples, Some("a static program that does nothing"))])
    })
}

/// Accesses per second, from a journal and with the server's tools.
pub fn drain(bench: &Bench) -> Result<Vec<Row>> {
    let count = bench.scaled(DRAINED);
    with_server(|server| {
        let mut insert = Vec::new();
        let mut copy = Vec::new();
        let (mut drained, mut peaks) = (Vec::new(), Vec::new());
        for subject in &bench.subjects {
            let target = BenchDatabase::new(bench, server, subject)?;
            let sample = sample(&mut target.command(subject, &["run", "echo", "x", "--json"]))?;
            run_silent(&mut target.command(subject, &["log", "list"]))?;
            server.sql(&target.database, "TRUNCATE \"ModelAccess\"");
            journal::write(&target.data.join("journal"), &target.uid(server), &sample, 0..count)?;
            let (took, peak) = subject.time_and_peak(&DRAINS, |command| target.aim(command))?;
            drained.push(Sample::one(rate(count, took)));
            peaks.push(Sample::one(peak));
            let rows = server.sql(&target.database, "COPY \"ModelAccess\" TO STDOUT");
            if rows.lines().count() != count {
                return Err(format!("{} of {count} runs are on record", rows.lines().count()));
            }
            let bulk = |statements: &str| {
                server.sql(&target.database, "TRUNCATE \"ModelAccess\"");
                let begun = Instant::now();
                server.sql(&target.database, statements);
                rate(count, ms(begun.elapsed()))
            };
            insert.push(bulk(&inserts(&rows)));
            copy.push(bulk(&format!("COPY \"ModelAccess\" FROM STDIN;\n{rows}\n\\.\n")));
        }
        let what = format!("{count} runs from the journal into PostgreSQL");
        let beside = |what, values| Some((what, Sample::new(values)));
        let (inserted, copied) = (beside("`INSERT` of 1,000 rows each", insert), beside("`COPY`", copy));
        let bar = Limit::AtLeastShare(0.6);
        let inserted = Row { beside: inserted, ..row(bench, &what, "runs/s", bar, drained.clone(), None) };
        let copied = Row { beside: copied, ..row(bench, &what, "runs/s", Limit::None, drained, None) };
        Ok(vec![inserted, copied, row(bench, DRAIN_PEAK, "MB", Limit::AtMost(MEMORY), peaks, None)])
    })
}

/// Accesses per second, from a journal into the embedded database, and of the same rows through the engine alone.
pub fn drain_embedded(bench: &Bench) -> Result<Vec<Row>> {
    let count = bench.scaled(DRAINED);
    let (mut drained, mut inserted, mut peaks) = (Vec::new(), Vec::new(), Vec::new());
    for subject in &bench.subjects {
        let (took, peak) = drain_into_embedded(bench, subject, "drain", count)?;
        drained.push(Sample::one(rate(count, took)));
        peaks.push(Sample::one(peak));
        if let Some(program) = &bench.bulk_bench {
            run_silent(&mut embedded(bench, subject, "bulk", &["migrate"]))?;
            let url = |what| format!("surrealkv://{}", bench.work.join(folder(subject, what)).join("db").display());
            inserted.push(rate(count, own_way(program, ["rows", &url("drain"), &url("bulk")])?));
        }
    }
    let beside = (!inserted.is_empty()).then(|| ("`INSERT` of 1,000 rows each, by the SDK", Sample::new(inserted)));
    let what = format!("{count} runs from the journal into the embedded database");
    let rate = Row { beside, ..row(bench, &what, "runs/s", Limit::AtLeastShare(0.6), drained, None) };
    Ok(vec![rate, row(bench, DRAIN_PEAK, "MB", Limit::AtMost(MEMORY), peaks, None)])
}

/// Returns the rows of a `COPY` as statements of a thousand rows each.
fn inserts(rows: &str) -> String {
    let mut text = String::with_capacity(2 * rows.len());
    for thousand in rows.lines().collect::<Vec<_>>().chunks(1000) {
        text.push_str("INSERT INTO \"ModelAccess\" VALUES ");
        for (number, line) in thousand.iter().enumerate() {
            text.push_str(if number == 0 { "(" } else { "),\n(" });
            for (number, field) in line.split('\t').enumerate() {
                text.push_str(if number == 0 { "" } else { "," });
                // An E string has the same escapes as `COPY`.
                let _ = match field {
                    "\\N" => write!(text, "NULL"),
                    field => write!(text, "E'{}'", field.replace('\'', "''")),
                };
            }
        }
        text.push_str(");\n");
    }
    text
}

pub fn models(bench: &Bench) -> Result<Vec<Row>> {
    let count = bench.scaled(MODELS);
    let file = bench.work.join("many.toml");
    let mut text = String::new();
    for number in 0..count {
        let _ = write!(text, "[models.m{number:05}]\ninferenceCommand = [\"cat\"]\n\n");
    }
    fs::write(&file, text).map_err(|error| format!("`{}`: {error}", file.display()))?;
    let file = file.to_string_lossy();
    let apply = ["apply", &file, "--allow-model-server-runtime-changes", "--quiet"];
    let list = ["model", "list"];
    let mut rows = with_server(|server| {
        let targets = targets(bench, server)?;
        for (subject, target) in bench.subjects.iter().zip(&targets) {
            run_silent(&mut target.command(subject, &apply))?;
        }
        let of = |subject: &Subject| time(|| run_silent(&mut targets[index(bench, subject)].command(subject, &list)));
        let samples = bench.in_turn(ROUNDS, |subject| Box::new(move || of(subject)), vec![])?;
        let what = format!("`mer model list` of {count} models, PostgreSQL");
        Ok(vec![row(bench, &what, "ms", Limit::AtMost(150.0), samples, None)])
    })?;
    let embedded = |subject: &Subject, arguments: &[&str]| embedded(bench, subject, "models", arguments);
    for subject in &bench.subjects {
        run_silent(&mut embedded(subject, &apply))?;
    }
    let of = |subject: &Subject| time(|| run_silent(&mut embedded(subject, &list)));
    let samples = bench.in_turn(ROUNDS, |subject| Box::new(move || of(subject)), vec![])?;
    let what = format!("`mer model list` of {count} models, embedded");
    rows.push(row(bench, &what, "ms", Limit::AtMost(150.0), samples, None));
    Ok(rows)
}

/// Listing the newest fifty of many accesses, with a check of the query's plan.
pub fn log(bench: &Bench) -> Result<Vec<Row>> {
    const FILL: &str = "INSERT INTO \"ModelAccess\" SELECT (jsonb_populate_record(a, jsonb_build_object(
        'requestUid', gen_random_uuid(), 'startAccess', a.\"startAccess\" + n * interval '1 ms'))).*
        FROM \"ModelAccess\" a, generate_series(1, ";
    const PLAN: &str = "EXPLAIN SELECT * FROM \"ModelAccess\" WHERE \"startAccess\" >= '-infinity'
        ORDER BY \"startAccess\" DESC, \"requestUid\" DESC, \"attempt\" DESC LIMIT 50";
    let count = bench.scaled(LOGGED);
    let list = ["log", "list", "--json"];
    let mut rows = with_server(|server| {
        let targets = targets(bench, server)?;
        for (subject, target) in bench.subjects.iter().zip(&targets) {
            run_silent(&mut target.command(subject, &["run", "echo", "x"]))?;
            run_silent(&mut target.command(subject, &list))?;
            server.sql(&target.database, &format!("{FILL}{count}) AS n; ANALYZE \"ModelAccess\""));
            let plan = server.sql(&target.database, PLAN);
            if !plan.contains("Index Scan using newest") {
                return Err(format!("the newest are not found by their index: {plan}"));
            }
        }
        let of = |subject: &Subject| time(|| run_silent(&mut targets[index(bench, subject)].command(subject, &list)));
        let samples = bench.in_turn(ROUNDS, |subject| Box::new(move || of(subject)), vec![])?;
        let what = format!("`mer log list`, the newest 50 of {count}, PostgreSQL");
        Ok(vec![row(bench, &what, "ms", Limit::AtMost(50.0), samples, None)])
    })?;
    let mut rates = Vec::new();
    for subject in &bench.subjects {
        let (took, _) = drain_into_embedded(bench, subject, "log", count)?;
        rates.push(Sample::one(rate(count, took)));
    }
    let what = format!("{count} runs from the journal into the embedded database");
    rows.push(row(bench, &what, "runs/s", Limit::None, rates, None));
    let of = |subject: &Subject| time(|| run_silent(&mut embedded(bench, subject, "log", &list)));
    let samples = bench.in_turn(ROUNDS, |subject| Box::new(move || of(subject)), vec![])?;
    let what = format!("`mer log list`, the newest 50 of {count}, embedded");
    rows.push(row(bench, &what, "ms", Limit::AtMost(100.0), samples, None));
    Ok(rows)
}

pub(super) fn targets(bench: &Bench, server: &Server) -> Result<Vec<BenchDatabase>> {
    bench.subjects.iter().map(|subject| BenchDatabase::new(bench, server, subject)).collect()
}

pub(super) fn index(bench: &Bench, subject: &Subject) -> usize {
    bench.subjects.iter().position(|other| std::ptr::eq(other, subject)).unwrap_or(0)
}

fn folder(subject: &Subject, what: &str) -> String {
    format!("{}-{what}", subject.name.replace(", ", "-"))
}

pub(super) fn embedded(bench: &Bench, subject: &Subject, what: &str, arguments: &[&str]) -> Command {
    let mut command = subject.command(arguments);
    command.env("MER_DATA_DIR", bench.work.join(folder(subject, what)));
    command
}

/// Drains a journal with this many runs. Returns milliseconds and peak memory in MB.
pub(super) fn drain_into_embedded(bench: &Bench, subject: &Subject, what: &str, count: usize) -> Result<(f64, f64)> {
    let sample = sample(&mut embedded(bench, subject, what, &["run", "echo", "x", "--json"]))?;
    let target = bench.work.join(folder(subject, what));
    let journal = target.join("db.journal");
    journal::write(&journal, &uid_in(&journal)?, &sample, 0..count)?;
    subject.time_and_peak(&DRAINS, |command| {
        command.env("MER_DATA_DIR", &target);
    })
}

/// Returns the JSON of a run.
pub(super) fn sample(command: &mut Command) -> Result<serde_json::Map<String, serde_json::Value>> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    journal::sample(&output.stdout).map_err(|error| format!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// Returns the uid of the database that a journal belongs to.
fn uid_in(journal: &Path) -> Result<String> {
    let failed = |error: std::io::Error| format!("`{}`: {error}", journal.display());
    for entry in fs::read_dir(journal).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|ending| ending == "seg") {
            let text = fs::read_to_string(&path).map_err(failed)?;
            let head = text.lines().next().and_then(|line| line.get(9..)).unwrap_or_default();
            let head: serde_json::Value = serde_json::from_str(head).map_err(|error| error.to_string())?;
            return Ok(head["databaseUid"].as_str().unwrap_or_default().to_owned());
        }
    }
    Err(format!("there is no journal in `{}`", journal.display()))
}

pub(super) fn rate(count: usize, milliseconds: f64) -> f64 {
    count as f64 * 1e3 / milliseconds
}
