use super::*;

fn good() -> WeightsVersion {
    WeightsVersion {
        model: "m".to_owned(),
        version: 2,
        format: WeightsFormat::Raw,
        dtype: Dtype::F32,
        shape: Some(vec![2, 3]),
        bytes: 24,
        sha256: "0".repeat(64),
        parent_version: Some(1),
        request_uid: None,
        attempt: None,
        note: None,
        created_at: "2026-01-01T00:00:00Z".parse().expect("a time"),
        payload: Uuid::nil(),
    }
}

#[test]
fn what_no_version_is_is_named() {
    assert_eq!(good().check(), Ok(()));
    let uid = Some(Uuid::from_u128(1));
    for (field, version) in [
        ("model", WeightsVersion { model: "a:b".to_owned(), ..good() }),
        ("version", WeightsVersion { version: 0, ..good() }),
        ("version", WeightsVersion { version: i64::MAX.unsigned_abs(), ..good() }),
        ("bytes", WeightsVersion { bytes: u64::MAX, ..good() }),
        ("shape", WeightsVersion { bytes: 25, ..good() }),
        ("sha256", WeightsVersion { sha256: "x".repeat(64), ..good() }),
        ("parentVersion", WeightsVersion { parent_version: Some(0), ..good() }),
        ("parentVersion", WeightsVersion { parent_version: Some(2), ..good() }),
        ("parentVersion", WeightsVersion { parent_version: Some(3), ..good() }),
        ("attempt", WeightsVersion { request_uid: uid, ..good() }),
        ("attempt", WeightsVersion { request_uid: uid, attempt: Some(0), ..good() }),
        ("requestUid", WeightsVersion { attempt: Some(1), ..good() }),
        ("createdAt", WeightsVersion { created_at: "9999-06-01T00:00:00Z".parse().expect("a time"), ..good() }),
    ] {
        let error = version.check().expect_err(field);
        assert_eq!(error.field, field, "{error}");
    }
}

#[test]
fn a_shape_fits_its_bytes() {
    use WeightsFormat::{Json, Npy, Raw, Safetensors};
    let huge = [u64::MAX, u64::MAX, 0].as_slice();
    for (format, dtype, shape, bytes, fits) in [
        (Raw, Dtype::Opaque, None, 7, true),
        (Raw, Dtype::Opaque, Some([7].as_slice()), 7, false),
        (Raw, Dtype::U8, None, 7, false),
        (Raw, Dtype::U8, Some(&[7]), 7, true),
        (Raw, Dtype::F64, Some(&[]), 8, true),
        (Raw, Dtype::F64, Some(huge), 0, true),
        (Raw, Dtype::F64, Some(&[1 << 32, 1 << 32]), 0, false),
        (Npy, Dtype::F64, Some(&[1]), 8, false),
        (Npy, Dtype::F64, Some(&[1]), 136, true),
        (Npy, Dtype::F64, None, 136, false),
        (Npy, Dtype::Opaque, Some(&[1]), 136, true),
        (Safetensors, Dtype::F16, Some(huge), 80, true),
        (Safetensors, Dtype::F16, None, 8, true),
        (Safetensors, Dtype::F16, Some(&[50]), 100, false),
        (Json, Dtype::F64, Some(&[3]), 7, true),
        (Json, Dtype::F64, Some(&[3]), 6, false),
        (Json, Dtype::F64, Some(&[3, 1]), 70, false),
        (Json, Dtype::Opaque, Some(&[3]), 70, false),
        (Json, Dtype::F64, Some(&[0]), 2, true),
    ] {
        assert_eq!(check_layout(format, dtype, shape, bytes).is_ok(), fits, "{format} {dtype} {shape:?} {bytes}");
    }
}
