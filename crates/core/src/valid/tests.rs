//! Whatever is valid can be worked with.

use std::path::{Component, Path};

use jiff::{SignedDuration, tz::Offset};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::{
    Access, AccessKind, Dtype, STDERR_TAIL_BYTES, Selector, Status, WeightsFormat, WeightsVersion, Which, check_name,
};

/// Small numbers, the edges of what integers hold, and anything.
fn number() -> impl Strategy<Value = u64> {
    let edges = [0, 1, 2, MOST_COUNTED, MOST_COUNTED + 1, 1 << 62, i64::MAX.unsigned_abs(), 1 << 63, u64::MAX];
    prop_oneof![prop::sample::select(edges.to_vec()), 0_u64..20, any::<u64>()]
}

fn millis_of_all_kinds() -> impl Strategy<Value = Option<f64>> {
    let edges = [0.0, -0.0, 1e-9, 1e308, -1e-9, MAX_MS, f64::NAN, f64::INFINITY, f64::MIN_POSITIVE];
    prop::option::of(prop_oneof![
        prop::sample::select(edges.to_vec()),
        0.0..1e9,
        (0_u32..).prop_map(|nanos| f64::from(nanos) / 1e6),
        any::<f64>()
    ])
}

/// Whether it is a whole number of nanoseconds, within some days.
fn is_measured(ms: f64) -> bool {
    let nanos = (ms * 1e6).round();
    (0.0..1e15).contains(&nanos) && (nanos / 1e6).to_bits() == ms.to_bits()
}

fn times() -> impl Strategy<Value = Timestamp> {
    let edges = [Timestamp::MIN, Timestamp::MAX, Timestamp::UNIX_EPOCH];
    let seconds = Timestamp::MIN.as_second()..=Timestamp::MAX.as_second();
    let any = (seconds, 0..1_000_000_000_i32);
    let at = any.prop_map(|(second, nanos)| Timestamp::new(second, nanos).unwrap_or(Timestamp::MAX));
    let near = (prop::sample::select(vec![YEARS.start, YEARS.end]), -3_i64..3);
    let near = near.prop_map(|(edge, more)| Timestamp::from_second(edge + more).expect("a time"));
    prop_oneof![prop::sample::select(edges.to_vec()), near, at]
}

fn texts() -> impl Strategy<Value = String> {
    let length = prop_oneof![1..140_usize, Just(128_usize), Just(129_usize)];
    prop_oneof![
        length.prop_map(|length| "n".repeat(length)),
        prop::sample::select(vec!["", ".", "..", "...", "-a", "a-", "a:b", "a@b", "a/b", "\u{1b}[0m", "ü"])
            .prop_map(Into::into),
        "[A-Za-z0-9._-]{1,12}",
        any::<String>(),
    ]
}

prop_compose! {
    fn accesses()(
        names in (texts(), texts()), attempt in prop_oneof![0_u32..3, any::<u32>()], times in (times(), prop::option::of(times())),
        ms in millis_of_all_kinds(), bytes in number(), version in prop::option::of(number()), hash in "[0-9a-f]{63,65}",
        tail in 0..4 * STDERR_TAIL_BYTES, begun in any::<bool>(), signal in prop::option::of("[ -~]{0,40}"),
    ) -> Access {
        Access {
            request_uid: Uuid::from_u128(1), attempt, model: names.0, server: names.1, kind: AccessKind::Infer,
            protocol: "lines".to_owned(), weights_version: version, weights_sha256: Some(hash), caller: "u@h".to_owned(),
            caller_pid: 1, caller_claims: crate::Claims::default(), start_access: times.0, stop_access: times.1,
            status: if begun { Status::Started } else { Status::Failed }, exit_code: None, signal, queue_ms: ms,
            connect_ms: None, start_ms: ms, run_ms: None, stdin_bytes: bytes, stdout_bytes: 0, stderr_bytes: 0,
            stdin_sha256: None, stdout_sha256: None, stderr_tail: "x".repeat(tail), error: None,
            batch_uid: None, items: None, failed_items: None, job_id: None, via: None, tags: crate::Tags::default(),
        }
    }
}

prop_compose! {
    fn versions()(
        format in prop::sample::select(WeightsFormat::ALL.to_vec()), dtype in prop::sample::select(Dtype::ALL.to_vec()),
        shape in prop::option::of(prop::collection::vec(number(), 0..4)), bytes in number(), fits in any::<bool>(),
        numbers in (number(), prop::option::of(number())), attempt in prop::option::of(0_u32..3), uid in any::<bool>(),
        created_at in times(),
    ) -> WeightsVersion {
        let asked = shape.as_ref().and_then(|shape| shape.iter().try_fold(dtype.size()? as u64, |all, n| all.checked_mul(*n)));
        WeightsVersion {
            model: "m".to_owned(), version: numbers.0, format, dtype, shape, bytes: asked.filter(|_| fits).unwrap_or(bytes),
            sha256: "0".repeat(64), parent_version: numbers.1, request_uid: uid.then(|| Uuid::from_u128(1)), attempt,
            note: None, created_at, payload: Uuid::nil(),
        }
    }
}

/// It can be shown in every time zone, reckoned with and written with a year of four digits.
fn can_be_told(time: Timestamp) -> bool {
    let day = SignedDuration::from_hours(24);
    let near = [time.checked_sub(day), Ok(time), time.checked_add(day)];
    let is_told = |time: &Timestamp| (-25..=25).all(|hours| Offset::constant(hours).to_datetime(*time).year() >= -1);
    near.iter().all(|time| time.as_ref().is_ok_and(is_told))
        && (1..=9998).contains(&Offset::UTC.to_datetime(time).year())
}

proptest! {
    #[test]
    fn a_valid_access_can_be_kept_and_told(access in accesses()) {
        if access.check().is_ok() {
            prop_assert!(access.attempt >= 1 && access.stdin_bytes <= i64::MAX.unsigned_abs());
            prop_assert!(can_be_told(access.start_access) && access.stop_access.is_none_or(can_be_told));
            for ms in [access.queue_ms, access.start_ms].into_iter().flatten() {
                prop_assert!(ms >= 0.0 && (ms * 1e6).is_finite() && std::time::Duration::try_from_secs_f64(ms / 1e3).is_ok());
            }
            let text = serde_json::to_string(&access).expect("json");
            let back: Access = serde_json::from_str(&text).expect("an access");
            prop_assert_eq!(back.check(), Ok(()));
            // `serde_json` reads 17 digits to within the last one. Times that MER measures have fewer, and come back to the byte.
            let exact = [access.queue_ms, access.start_ms].into_iter().flatten().all(is_measured);
            for (ms, back) in [(access.queue_ms, back.queue_ms), (access.start_ms, back.start_ms)] {
                let (ms, back) = (ms.unwrap_or(-1.0), back.unwrap_or(-1.0));
                prop_assert!((ms - back).abs() <= ms.abs() * 1e-15, "{ms} {back}");
            }
            if exact {
                prop_assert_eq!(serde_json::to_string(&back).expect("json"), text);
            }
            let word = format!("{}:{}", access.model, access.weights_version.unwrap_or(1));
            prop_assert!(word.parse::<Selector>().is_ok(), "{}", word);
        }
    }

    #[test]
    fn a_valid_version_can_be_named_and_followed(version in versions()) {
        if version.check().is_ok() {
            let next = version.version + 1;
            prop_assert!(i64::try_from(next).is_ok() && i64::try_from(version.bytes).is_ok());
            let selector: Selector = format!("m:{next}").parse().expect("a version");
            prop_assert_eq!(selector.which, Which::Version(next));
            prop_assert!(version.parent_version.is_none_or(|parent| (1..version.version).contains(&parent)));
            prop_assert_eq!(version.request_uid.is_some(), version.attempt.is_some());
            prop_assert!(can_be_told(version.created_at));
            if let (WeightsFormat::Raw, Some(size), Some(shape)) = (version.format, version.dtype.size(), &version.shape) {
                let is_nothing = shape.contains(&0);
                let elements = if is_nothing { 0 } else { shape.iter().product::<u64>() };
                prop_assert_eq!(elements * size as u64, version.bytes);
            }
        }
    }

    #[test]
    fn a_new_name_goes_wherever_names_go(name in texts()) {
        if check_name(&name).is_ok() {
            prop_assert!(check_known_name(&name).is_ok() && name.len() <= crate::NAME_BYTES);
            for word in [name.clone(), format!("{name}:7"), format!("{name}@{name}")] {
                let selector: Selector = word.parse().expect("a selector");
                prop_assert_eq!(selector.to_string(), word);
            }
            let parts: Vec<Component<'_>> = Path::new(&name).components().collect();
            prop_assert!(matches!(parts.as_slice(), [Component::Normal(part)] if *part == name.as_str()));
        }
    }
}
