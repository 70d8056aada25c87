//! The lines of an export.

use jiff::{RoundMode, Timestamp, TimestampRound, Unit};
use mer_core::{
    Access, AliasMove, Dtype, Invalid, Model, Server, WeightsFormat, WeightsVersion, check_counted, check_known,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// The name of the format, in the first line.
pub(super) const FORMAT: &str = "mer-export";

/// The version of the format. It grows when an older MER could not read an export any more.
pub(super) const VERSION: u32 = 3;

/// One line of an export.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", content = "value", rename_all = "camelCase")]
pub(super) enum Record {
    /// The first.
    Header(Header),
    /// A server.
    Server(Box<Server>),
    /// A model. Its servers came before.
    Model(Box<Model>),
    /// A model that has, or had, weights. The next three kinds belong to it.
    Weights(Box<Weights>),
    /// A version of its weights, the oldest first.
    Version(Box<Version>),
    /// The next bytes of that version, in base64.
    Bytes(String),
    /// A move of an alias, in the order of names and numbers.
    AliasMove(Box<AliasMove>),
    /// An access, in the order of the requests' uids and their attempts.
    Access(Box<Access>),
    /// The last.
    End(End),
}

impl Record {
    /// Checks what the types of its fields leave open, by the rules that hold for every way into a database.
    pub(super) fn check(&self) -> Result<(), Invalid> {
        match self {
            Self::Server(server) => server.check(),
            Self::Model(model) => model.check(),
            Self::Weights(weights) => {
                check_known("model", &weights.model)?;
                check_counted("lastVersion", weights.last_version)
            }
            Self::Version(version) => version.as_ref().clone().whole().check(),
            Self::AliasMove(moved) => moved.check(),
            Self::Access(access) => access.check(),
            Self::Header(_) | Self::Bytes(_) | Self::End(_) => Ok(()),
        }
    }

    /// Returns the field because of which a line cannot be read, where that can be found out. A missing field is named by the
    /// error itself.
    pub(super) fn faulty_field(line: &[u8], error: &serde_json::Error) -> Option<String> {
        let Ok(whole) = serde_json::from_slice::<Value>(line) else {
            // Not JSON: the last name before the position where the parser stopped.
            let before = String::from_utf8_lossy(line.get(..error.column())?).into_owned();
            let (name, _) = before.rsplit_once("\":")?;
            return Some(name.rsplit_once('"')?.1.to_owned()).filter(|name| !name.is_empty());
        };
        let error_of = |whole: Value| serde_json::from_value::<Self>(whole).err().map(|error| error.to_string());
        let fields = whole.get("value")?.as_object()?;
        let first = error_of(whole.clone());
        if first.as_ref().is_none_or(|first| first.starts_with("missing field")) {
            return None;
        }
        let without = |name: &&String| {
            let mut without = whole.clone();
            without.get_mut("value").and_then(Value::as_object_mut).and_then(|fields| fields.remove(*name));
            error_of(without)
        };
        // Without it the line can be read; or the error is another one, that it is missing.
        let is_all = fields.keys().find(|name| without(name).is_none());
        is_all.or_else(|| fields.keys().find(|name| without(name) != first)).cloned()
    }
}

/// The first line: what the lines are.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Header {
    /// [`FORMAT`].
    pub(super) format: String,
    /// [`VERSION`].
    pub(super) version: u32,
}

/// What the versions of a model have in common.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Weights {
    /// The model's name.
    pub(super) model: String,
    /// The last number that was given to a version. No number is given twice, not even after a removal.
    pub(super) last_version: u64,
}

/// A version of weights, without the place of its bytes, which is another one in each database.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Version {
    pub(super) model: String,
    pub(super) version: u64,
    pub(super) format: WeightsFormat,
    pub(super) dtype: Dtype,
    pub(super) shape: Option<Vec<u64>>,
    pub(super) bytes: u64,
    pub(super) sha256: String,
    pub(super) parent_version: Option<u64>,
    pub(super) request_uid: Option<Uuid>,
    pub(super) attempt: Option<u32>,
    pub(super) note: Option<String>,
    #[serde(serialize_with = "mer_core::micros")]
    pub(super) created_at: Timestamp,
}

impl Version {
    /// The version, with no bytes in the database yet.
    pub(super) fn whole(self) -> WeightsVersion {
        WeightsVersion {
            model: self.model,
            version: self.version,
            format: self.format,
            dtype: self.dtype,
            shape: self.shape,
            bytes: self.bytes,
            sha256: self.sha256,
            parent_version: self.parent_version,
            request_uid: self.request_uid,
            attempt: self.attempt,
            note: self.note,
            created_at: self.created_at,
            payload: Uuid::nil(),
        }
    }
}

/// The last line: proves that nothing is missing.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct End {
    /// Number of lines before this one.
    pub(super) lines: u64,
}

/// The server as every database can hold it.
pub(super) fn portable_server(mut server: Server) -> Record {
    server.created_at = micros(server.created_at);
    server.last_updated = micros(server.last_updated);
    Record::Server(Box::new(server))
}

/// The model as every database can hold it.
pub(super) fn portable_model(mut model: Model) -> Record {
    model.created_at = micros(model.created_at);
    model.last_updated = micros(model.last_updated);
    Record::Model(Box::new(model))
}

/// The version as every database can hold it.
pub(super) fn portable_version(from: WeightsVersion) -> Record {
    Record::Version(Box::new(Version {
        model: from.model,
        version: from.version,
        format: from.format,
        dtype: from.dtype,
        shape: from.shape,
        bytes: from.bytes,
        sha256: from.sha256,
        parent_version: from.parent_version,
        request_uid: from.request_uid,
        attempt: from.attempt,
        note: from.note,
        created_at: micros(from.created_at),
    }))
}

/// The move as every database can hold it.
pub(super) fn portable_move(mut moved: AliasMove) -> Record {
    moved.moved_at = micros(moved.moved_at);
    Record::AliasMove(Box::new(moved))
}

/// The access as every database can hold it, and every reader of JSON reads it.
pub(super) fn portable_access(mut access: Access) -> Record {
    access.start_access = micros(access.start_access);
    access.stop_access = access.stop_access.map(micros);
    for ms in [&mut access.queue_ms, &mut access.connect_ms, &mut access.start_ms, &mut access.run_ms] {
        *ms = ms.map(nanos);
    }
    Record::Access(Box::new(access))
}

/// Cuts a time to microseconds: those that the embedded engine makes have more digits.
fn micros(time: Timestamp) -> Timestamp {
    time.round(TimestampRound::new().smallest(Unit::Microsecond).mode(RoundMode::Floor)).unwrap_or(time)
}

/// Rounds milliseconds to the nanosecond. Further digits mean nothing, and a number of 17 digits is not always read back as the
/// same one: an export of an import is to be the same to the byte.
fn nanos(ms: f64) -> f64 {
    let rounded = (ms * 1e6).round() / 1e6;
    if rounded.is_finite() { rounded } else { ms }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_read_back_as_it_is_written() {
        // Durations as they are measured: whole nanoseconds, divided.
        let mut seed = 88_172_645_463_325_252_u64;
        for _ in 0..20_000 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            #[expect(clippy::cast_precision_loss, reason = "any number will do")]
            let ms =
                std::time::Duration::from_nanos(seed % 600_000_000_000).as_secs_f64() * 1e3 * (1.0 + (seed % 3) as f64);
            let written = serde_json::to_string(&nanos(ms)).expect("json");
            let read: f64 = serde_json::from_str(&written).expect("a number");
            assert_eq!(serde_json::to_string(&nanos(read)).expect("json"), written);
        }
    }

    #[test]
    fn times_are_cut_to_microseconds() {
        let time = |text: &str| text.parse::<Timestamp>().expect(text);
        assert_eq!(micros(time("2026-01-02T03:04:05.123456789Z")), time("2026-01-02T03:04:05.123456Z"));
        assert_eq!(micros(time("1969-12-31T23:59:59.9999999Z")), time("1969-12-31T23:59:59.999999Z"));
    }
}
