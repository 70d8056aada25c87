//! Journals of any length, as a `mer` leaves them that was killed before it could drain them.

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::Path,
};

use serde_json::{Map, Value, json};

use crate::Result;

/// Runs in a segment; about as many as `mer` writes to one.
const RUNS: usize = 3_000;

/// Makes a line of a segment from the JSON of a run.
pub fn sample(run: &[u8]) -> Result<Map<String, Value>> {
    let mut access: Map<String, Value> = serde_json::from_slice(run).map_err(|error| error.to_string())?;
    access.remove("output");
    Ok(access)
}

/// Writes the starts and ends of this many runs to the folder.
pub fn write(dir: &Path, database_uid: &str, sample: &Map<String, Value>, runs: std::ops::Range<usize>) -> Result<()> {
    let failed = |error: std::io::Error| format!("`{}`: {error}", dir.display());
    fs::create_dir_all(dir).map_err(failed)?;
    let head = json!({ "format": 1, "databaseUid": database_uid, "host": "bench", "pid": 1, "merVersion": "0.1.0" });
    for first in runs.clone().step_by(RUNS) {
        let path = dir.join(format!("{first:032x}.seg"));
        let mut file = BufWriter::new(File::create(&path).map_err(failed)?);
        let mut put = |value: &Value| {
            let text = value.to_string();
            writeln!(file, "{:08x} {text}", crc32fast::hash(text.as_bytes())).map_err(failed)
        };
        put(&head)?;
        for number in first..runs.end.min(first + RUNS) {
            let mut access = sample.clone();
            let (second, fraction) = (number / 50, number % 50 * 20_000);
            let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
            let time = json!(format!("2026-01-01T{hour:02}:{minute:02}:{second:02}.{fraction:06}Z"));
            access.insert("requestUid".into(), json!(format!("{number:08x}-0000-7000-8000-000000000000")));
            access.insert("startAccess".into(), time.clone());
            access.insert("stopAccess".into(), Value::Null);
            access.insert("status".into(), json!("started"));
            put(&access.clone().into())?;
            access.insert("stopAccess".into(), time);
            access.insert("status".into(), json!("succeeded"));
            put(&access.into())?;
        }
    }
    Ok(())
}
