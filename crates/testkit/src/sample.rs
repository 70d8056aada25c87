//! Sample values of the domain.

use mer_core::{Access, AccessKind, Claims, Status, Tags};

/// An attempt that has started.
#[must_use]
pub fn started(request_uid: uuid::Uuid, attempt: u32, model: &str, start: jiff::Timestamp) -> Access {
    Access {
        request_uid,
        attempt,
        model: model.to_owned(),
        server: "local".to_owned(),
        kind: AccessKind::Infer,
        protocol: "oneshot".to_owned(),
        weights_version: None,
        weights_sha256: None,
        caller: "somebody@somewhere".to_owned(),
        caller_pid: 4711,
        caller_claims: Claims::default(),
        start_access: start,
        stop_access: None,
        status: Status::Started,
        exit_code: None,
        signal: None,
        queue_ms: None,
        connect_ms: None,
        start_ms: None,
        run_ms: None,
        stdin_bytes: 0,
        stdout_bytes: 0,
        stderr_bytes: 0,
        stdin_sha256: None,
        stdout_sha256: None,
        stderr_tail: String::new(),
        error: None,
        batch_uid: None,
        items: None,
        failed_items: None,
        job_id: None,
        via: None,
        tags: Tags::default(),
    }
}

/// The end of the same attempt, with every field set.
#[must_use]
pub fn ended(begun: &Access, status: Status) -> Access {
    Access {
        weights_version: Some(7),
        weights_sha256: Some("a1".repeat(32)),
        caller_claims: Claims::from([("SUDO_USER", "ädá \"x\""), ("USER", "root")]),
        stop_access: begun.start_access.checked_add(jiff::Span::new().microseconds(1_234_567)).ok(),
        status,
        exit_code: Some(-1),
        signal: Some("SIGKILL".to_owned()),
        queue_ms: Some(0.0),
        connect_ms: Some(0.25),
        start_ms: Some(1.5),
        run_ms: Some(1234.567),
        stdin_bytes: 1,
        stdout_bytes: 10_000_000_000,
        stderr_bytes: u64::from(u32::MAX),
        stdin_sha256: Some("b2".repeat(32)),
        stdout_sha256: Some("c3".repeat(32)),
        stderr_tail: "Traceback (most recent call last):\n\tline 1 'x' \"y\" \\ ; -- ñ 日本 🦀\r\n".to_owned(),
        error: Some("it said: `nö`".to_owned()),
        batch_uid: Some(uuid::Uuid::from_u128(0x0190_b6b5_0000_7000_8000_0000_0000_0009)),
        items: Some(1000),
        failed_items: Some(3),
        job_id: Some("4711_3".to_owned()),
        via: Some("resident".to_owned()),
        tags: Tags([("team", "vïsion \"x\""), ("run.1", "")].map(|(k, v)| (k.to_owned(), v.to_owned())).into()),
        ..begun.clone()
    }
}

/// Random-looking bytes that are the same each time.
#[must_use]
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
