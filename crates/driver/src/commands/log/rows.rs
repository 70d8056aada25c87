//! Rows and fields of accesses.

use mer_core::Access;
use uuid::Uuid;

use crate::ui::{CellFormat, Details, TableRow};

impl TableRow for Access {
    const COLUMNS: &'static [&'static str] =
        &["started", "model", "server", "status", "exit", "run ms", "in", "out", "kind", "caller", "request"];
    const EXPENDABLE: &'static [&'static str] = &["kind", "in", "out", "caller", "exit", "server"];

    fn cells(&self, format: &CellFormat) -> Vec<String> {
        vec![
            format.time(self.start_access),
            self.weights_version.map_or_else(|| self.model.clone(), |version| format!("{}:{version}", self.model)),
            self.server.clone(),
            self.status.to_string(),
            self.exit_code.map(|code| code.to_string()).or_else(|| self.signal.clone()).unwrap_or_default(),
            self.run_ms.map(|ms| format.milliseconds(ms)).unwrap_or_default(),
            format.bytes(self.stdin_bytes),
            format.bytes(self.stdout_bytes),
            self.kind.to_string(),
            self.caller.clone(),
            format.uid(self.request_uid),
        ]
    }

    fn uid(&self) -> Option<Uuid> {
        Some(self.request_uid)
    }

    fn is_failure(&self) -> bool {
        self.status.is_failure()
    }
}

impl Details for Access {
    fn fields(&self) -> Vec<(&'static str, String)> {
        let text = |value: Option<String>| value.unwrap_or_default();
        let weights = match (&self.weights_version, &self.weights_sha256) {
            (Some(version), Some(hash)) => format!("version {version}, sha256 {hash}"),
            (Some(version), None) => format!("version {version}"),
            _ => String::new(),
        };
        let mut fields = vec![
            ("request", self.request_uid.to_string()),
            ("attempt", self.attempt.to_string()),
            ("model", self.model.clone()),
            ("server", self.server.clone()),
            ("kind", self.kind.to_string()),
            ("protocol", self.protocol.clone()),
            ("weights", weights),
            ("caller", format!("{}, process {}", self.caller, self.caller_pid)),
            ("claims", pairs(self.caller_claims.iter())),
            ("via", text(self.via.clone())),
            ("tags", pairs(&self.tags.0)),
            ("batch", text(self.batch_uid.map(|uid| uid.to_string()))),
            ("items", text(self.items.map(|items| items.to_string()))),
            ("failed items", text(self.failed_items.map(|items| items.to_string()))),
            ("job", text(self.job_id.clone())),
            ("started", self.start_access.to_string()),
            ("stopped", text(self.stop_access.map(|time| time.to_string()))),
            ("status", self.status.to_string()),
            ("exit code", text(self.exit_code.map(|code| code.to_string()))),
            ("signal", text(self.signal.clone())),
            ("queue ms", text(self.queue_ms.map(milliseconds))),
            ("connect ms", text(self.connect_ms.map(milliseconds))),
            ("start ms", text(self.start_ms.map(milliseconds))),
            ("run ms", text(self.run_ms.map(milliseconds))),
            ("stdin", counted(self.stdin_bytes, self.stdin_sha256.as_deref())),
            ("stdout", counted(self.stdout_bytes, self.stdout_sha256.as_deref())),
            ("stderr", counted(self.stderr_bytes, None)),
            ("error", text(self.error.clone())),
            ("stderr tail", self.stderr_tail.clone()),
        ];
        fields.retain(|(_, value)| !value.is_empty());
        fields
    }
}

/// Names and values such as `team=vision, run=7`.
fn pairs<'a>(pairs: impl IntoIterator<Item = (&'a String, &'a String)>) -> String {
    pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", ")
}

fn milliseconds(value: f64) -> String {
    format!("{value:.3}")
}

fn counted(bytes: u64, sha256: Option<&str>) -> String {
    let hash = sha256.map(|hash| format!(", sha256 {hash}")).unwrap_or_default();
    format!("{bytes} bytes{hash}")
}
