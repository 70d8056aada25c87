//! The machine of the measurement; a number means nothing without it.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
    thread,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

use crate::{
    Result,
    measure::{Sample, ms},
    subject::Bench,
};

/// Returns the machine's properties as a JSON object.
pub fn describe(bench: &Bench) -> Result<Value> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
        line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let binaries: Vec<Value> = bench
        .subjects
        .iter()
        .map(|subject| {
            let version = subject.command(&["version"]).output().map(|output| output.stdout).unwrap_or_default();
            json!({
                "name": subject.name,
                "version": String::from_utf8_lossy(&version).trim(),
                "bytes": fs::metadata(&subject.path).map(|file| file.len()).unwrap_or(0),
            })
        })
        .collect();
    Ok(json!({
        "cpu": field(&read("/proc/cpuinfo"), "model name"),
        "cores": thread::available_parallelism().map_or(0, usize::from),
        "memory": field(&read("/proc/meminfo"), "MemTotal"),
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "filesystem": filesystem(&bench.work, &read("/proc/mounts")),
        "fdatasyncMs": sync(&bench.work)?.median(),
        "loadBefore": read("/proc/loadavg").split(' ').next().unwrap_or_default(),
        "unixTime": SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        "binaries": binaries,
    }))
}

/// Returns the type of a folder's file system: that of the longest mount point above it.
fn filesystem(folder: &Path, mounts: &str) -> String {
    mounts
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ').skip(1);
            Some((words.next()?, words.next()?))
        })
        .filter(|(at, _)| folder.starts_with(at))
        .max_by_key(|(at, _)| at.len())
        .map(|(_, kind)| kind.to_owned())
        .unwrap_or_default()
}

/// Returns how long this disk takes to sync a short record, the minimum cost of a recorded run.
fn sync(folder: &Path) -> Result<Sample> {
    let path = folder.join("sync");
    let measured = || -> std::io::Result<Vec<f64>> {
        let mut file = File::create(&path)?;
        let mut times = Vec::new();
        for _ in 0..100 {
            file.write_all(&[b'x'; 512])?;
            let begun = Instant::now();
            file.sync_data()?;
            times.push(ms(begun.elapsed()));
        }
        fs::remove_file(&path)?;
        Ok(times)
    };
    measured().map(Sample::new).map_err(|error| format!("`{}`: {error}", path.display()))
}
