//! Kept processes as rows of a table.

use std::time::Duration;

use jiff::Timestamp;
use mer_core::KeptProcess;
use serde::Serialize;

use crate::ui::TableRow;

/// A kept process in a list.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct ProcessRow(pub(super) KeptProcess);

impl TableRow for ProcessRow {
    const COLUMNS: &'static [&'static str] = &[
        "model",
        "id",
        "server",
        "pid",
        "state",
        "in flight",
        "queued",
        "served",
        "memory",
        "age",
        "until",
        "last error",
    ];

    fn cells(&self) -> Vec<String> {
        let Self(process) = self;
        let until = process.until.map(in_seconds).unwrap_or_default();
        vec![
            process.model.clone(),
            process.id.clone(),
            process.server.clone(),
            process.pid.map(|pid| pid.to_string()).unwrap_or_default(),
            process.state.to_string(),
            process.in_flight.to_string(),
            process.queued.to_string(),
            process.served.to_string(),
            process.memory_bytes.map(memory).unwrap_or_default(),
            age(process.age_ms),
            until,
            process.last_error.clone().unwrap_or_default(),
        ]
    }
}

fn in_seconds(time: Timestamp) -> String {
    format!("{time:.0}")
}

fn memory(bytes: u64) -> String {
    const MIB: f64 = 1_048_576.0;
    #[expect(clippy::cast_precision_loss, reason = "it is shown with one digit after the point")]
    let mib = bytes as f64 / MIB;
    if mib < 1024.0 { format!("{mib:.1}MiB") } else { format!("{:.1}GiB", mib / 1024.0) }
}

/// The age in its largest unit.
pub(super) fn age(ms: f64) -> String {
    let seconds = Duration::try_from_secs_f64((ms / 1_000.0).max(0.0)).unwrap_or_default().as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_and_memory_have_one_unit() {
        let ages = [0.0, 59_999.0, 60_000.0, 7_200_000.0, 172_800_000.0].map(age);
        assert_eq!(ages, ["0s", "59s", "1m", "2h", "2d"]);
        assert_eq!(memory(9_542_042), "9.1MiB");
        assert_eq!(memory(3 << 30), "3.0GiB");
    }
}
