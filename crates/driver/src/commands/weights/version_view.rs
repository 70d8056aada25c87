//! Rows and fields of versions of weights.

use std::iter;

use jiff::Timestamp;
use mer_core::{AliasMove, CURRENT_ALIAS, Dtype, WeightsFormat};
use mer_service::weights::NamedVersion;
use mer_weights::{Extreme, Statistics, Tensor};
use serde::Serialize;
use uuid::Uuid;

use crate::ui::{CellFormat, Details, TableRow};

/// A version, its aliases, and, if asked for, the statistics of its bytes. The place of the bytes is not shown.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::commands) struct VersionView {
    model: String,
    version: u64,
    format: WeightsFormat,
    dtype: Dtype,
    shape: Option<Vec<u64>>,
    bytes: u64,
    sha256: String,
    parent_version: Option<u64>,
    request_uid: Option<Uuid>,
    attempt: Option<u32>,
    note: Option<String>,
    #[serde(serialize_with = "mer_core::micros")]
    created_at: Timestamp,
    aliases: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tensors: Vec<Tensor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    statistics: Option<Statistics>,
}

impl VersionView {
    pub(in crate::commands) fn new(NamedVersion { version, aliases }: NamedVersion) -> Self {
        Self {
            model: version.model,
            version: version.version,
            format: version.format,
            dtype: version.dtype,
            shape: version.shape,
            bytes: version.bytes,
            sha256: version.sha256,
            parent_version: version.parent_version,
            request_uid: version.request_uid,
            attempt: version.attempt,
            note: version.note,
            created_at: version.created_at,
            aliases,
            tensors: Vec::new(),
            statistics: None,
        }
    }

    /// With what its bytes are like.
    #[must_use]
    pub(super) fn with(self, tensors: Vec<Tensor>, statistics: Option<Statistics>) -> Self {
        Self { tensors, statistics, ..self }
    }

    /// What was done, a sentence each: that it is there, which aliases mean it now, and what makes it the current one.
    pub(in crate::commands) fn sentences(&self, done: &str) -> impl Iterator<Item = String> {
        let Self { model, version, aliases, .. } = self;
        let named = aliases.iter().map(move |alias| format!("`{model}@{alias}` is `{model}:{version}` now"));
        let is_current = aliases.iter().any(|alias| alias == CURRENT_ALIAS);
        let next = (!is_current)
            .then(|| format!("`mer weights alias {model}:{version} {CURRENT_ALIAS}` makes it the current one"));
        iter::once(self.sentence(done)).chain(named).chain(next)
    }

    fn sentence(&self, done: &str) -> String {
        let shape = self.shape.as_deref().map(|shape| format!(" {}", shaped(shape))).unwrap_or_default();
        let Self { model, version, format, dtype, bytes, sha256, .. } = self;
        format!("{done} `{model}:{version}`: {bytes} bytes of {format}, {dtype}{shape}, sha256 {sha256}")
    }
}

fn shaped(shape: &[u64]) -> String {
    let lengths: Vec<String> = shape.iter().map(u64::to_string).collect();
    if lengths.is_empty() { "scalar".to_owned() } else { lengths.join("x") }
}

fn text<T: ToString>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn extreme(number: Extreme) -> String {
    match number {
        Extreme::Integer(number) => number.to_string(),
        Extreme::Float(number) => float(number),
    }
}

/// Without the hundreds of digits that a very large or a very small number has.
fn float(number: f64) -> String {
    let size = number.abs();
    if size == 0.0 || !size.is_finite() || (1e-5..1e16).contains(&size) {
        number.to_string()
    } else {
        format!("{number:e}")
    }
}

impl TableRow for VersionView {
    const COLUMNS: &'static [&'static str] =
        &["model", "version", "aliases", "dtype", "shape", "format", "bytes", "parent", "created", "note"];
    const EXPENDABLE: &'static [&'static str] = &["parent", "format", "dtype", "created", "shape"];

    fn cells(&self, format: &CellFormat) -> Vec<String> {
        vec![
            self.model.clone(),
            self.version.to_string(),
            self.aliases.join(","),
            self.dtype.to_string(),
            self.shape.as_deref().map(shaped).unwrap_or_default(),
            self.format.to_string(),
            format.bytes(self.bytes),
            text(self.parent_version),
            format.time(self.created_at),
            self.note.clone().unwrap_or_default(),
        ]
    }
}

impl Details for VersionView {
    fn fields(&self) -> Vec<(&'static str, String)> {
        let access = self.request_uid.map(|uid| format!("{uid}, attempt {}", text(self.attempt)));
        let mut fields = vec![
            ("model", self.model.clone()),
            ("version", self.version.to_string()),
            ("aliases", self.aliases.join(", ")),
            ("format", self.format.to_string()),
            ("dtype", self.dtype.to_string()),
            ("shape", self.shape.as_deref().map(shaped).unwrap_or_default()),
            ("bytes", self.bytes.to_string()),
            ("sha256", self.sha256.clone()),
            ("parent", text(self.parent_version)),
            ("access", access.unwrap_or_default()),
            ("created", format!("{:.6}", self.created_at)),
            ("note", self.note.clone().unwrap_or_default()),
        ];
        if let Some(statistics) = &self.statistics {
            fields.extend([
                ("elements", statistics.elements.to_string()),
                ("minimum", statistics.minimum.map(extreme).unwrap_or_default()),
                ("maximum", statistics.maximum.map(extreme).unwrap_or_default()),
                ("mean", statistics.mean.map(float).unwrap_or_default()),
                ("norm", float(statistics.norm)),
                ("nan", statistics.nan.to_string()),
                ("infinite", statistics.infinite.to_string()),
            ]);
        }
        let named = self.tensors.iter().filter_map(|tensor| {
            let name = tensor.name.as_deref()?;
            Some(format!("{name}: {} {}", tensor.type_name, shaped(&tensor.shape)))
        });
        let named: Vec<String> = named.collect();
        if !named.is_empty() {
            // Two lines at least, so that they stand below their label however many there are.
            fields.push(("tensors", format!("\n{}", named.join("\n"))));
        }
        fields.retain(|(_, value)| !value.is_empty());
        fields
    }
}

/// A move of an alias, in a list.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Move(pub(super) AliasMove);

impl TableRow for Move {
    const COLUMNS: &'static [&'static str] = &["alias", "version", "since", "by", "request"];
    const EXPENDABLE: &'static [&'static str] = &["request", "by"];

    fn cells(&self, format: &CellFormat) -> Vec<String> {
        let Self(moved) = self;
        vec![
            moved.name.clone(),
            moved.version.map_or_else(|| "none".to_owned(), |version| version.to_string()),
            format.time(moved.moved_at),
            moved.caller.clone(),
            moved.request_uid.map(|uid| format.uid(uid)).unwrap_or_default(),
        ]
    }

    fn uid(&self) -> Option<Uuid> {
        self.0.request_uid
    }
}
