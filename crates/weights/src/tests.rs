//! Against what numpy and the package safetensors wrote (`tests/golden/make.py`), and against files that lie.

use std::{fs, path::PathBuf};

use mer_core::{Dtype, WeightsFormat};
use serde_json::Value;

use crate::{Converter, Extreme, Given, Inspected, Inspector, WeightsError, detect};

fn golden(name: &str) -> Vec<u8> {
    fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)).unwrap()
}

fn given(dtype: Option<Dtype>, shape: Option<&[u64]>) -> Given {
    Given { dtype, shape: shape.map(<[u64]>::to_vec) }
}

/// Fed in pieces of this length.
fn inspect(format: WeightsFormat, given: Given, bytes: &[u8], piece: usize) -> Result<Inspected, WeightsError> {
    let mut inspector = Inspector::new(format, given)?;
    for piece in bytes.chunks(piece) {
        inspector.feed(piece)?;
    }
    inspector.finish()
}

fn convert(from: WeightsFormat, to: WeightsFormat, bytes: &[u8], given: Given) -> Result<Vec<u8>, WeightsError> {
    let is = inspect(from, given, bytes, 4096).unwrap();
    let mut converter = Converter::new(from, to, is.dtype, is.shape.as_deref(), bytes.len() as u64)?;
    let mut out = Vec::new();
    for piece in bytes.chunks(7) {
        converter.feed(piece, &mut out)?;
    }
    converter.finish(&mut out)?;
    Ok(out)
}

#[test]
fn every_golden_file_is_what_numpy_says() {
    let told: serde_json::Map<String, Value> = serde_json::from_slice(&golden("golden.json")).unwrap();
    assert!(told.len() >= 20);
    for (name, told) in &told {
        let bytes = golden(name);
        let format = detect(&bytes[..bytes.len().min(crate::DETECT_BYTES)]);
        assert_eq!(name.rsplit('.').next(), Some(format.name()), "{name}");
        for piece in [1, 3, 64, 100_000] {
            let is = inspect(format, Given::default(), &bytes, piece).unwrap();
            assert_eq!(is.dtype.name(), told["dtype"], "{name}");
            assert_eq!(serde_json::to_value(&is.shape).unwrap(), told["shape"], "{name}");
            let Some(statistics) = is.statistics else {
                assert_eq!(told["statistics"], Value::Null, "{name}");
                continue;
            };
            let statistics = serde_json::to_value(statistics).unwrap();
            for (key, wanted) in told["statistics"].as_object().expect(name) {
                match (wanted.as_f64(), statistics[key].as_f64()) {
                    (Some(wanted), Some(found)) => {
                        let error = (wanted - found).abs();
                        assert!(error <= 1e-12 * wanted.abs().max(1.0), "{name}: {key}: {found} and {wanted}");
                    }
                    (wanted, found) => assert_eq!(wanted, found, "{name}: {key}"),
                }
            }
        }
    }
}

#[test]
fn tensors_keep_their_names() {
    let is = inspect(WeightsFormat::Safetensors, Given::default(), &golden("mixed.safetensors"), 9).unwrap();
    let mut names: Vec<_> = is.tensors.iter().map(|t| (t.name.as_deref().unwrap(), t.type_name.as_str())).collect();
    names.sort_unstable();
    assert_eq!(names, [("i", "I64"), ("n", "BOOL"), ("w", "F64")]);
}

/// Every beginning of a file, and each with a byte more, is refused.
#[test]
fn a_header_that_lies_about_its_size_is_refused() {
    for name in ["f32.npy", "version-3.npy", "big-endian.npy", "several.safetensors", "mixed.safetensors"] {
        let bytes = golden(name);
        let format = if name.ends_with(".npy") { WeightsFormat::Npy } else { WeightsFormat::Safetensors };
        for end in (0..bytes.len()).step_by(7).chain([bytes.len() - 1]) {
            inspect(format, Given::default(), &bytes[..end], 100).expect_err(name);
        }
        let longer = [bytes.as_slice(), b"x"].concat();
        let error = inspect(format, Given::default(), &longer, 100).unwrap_err();
        assert!(matches!(error, WeightsError::Size { .. }), "{name}: {error}");
    }
}

#[derive(serde::Deserialize)]
struct Case {
    format: WeightsFormat,
    what: String,
    /// In hexadecimal.
    data: String,
    /// Whether numpy, or the package safetensors, opens it.
    opens: bool,
    /// Whether it is refused here all the same.
    stricter: bool,
}

/// A file that its own reader does not open is no use to any model.
#[test]
fn what_no_reader_opens_is_refused_and_what_one_opens_is_taken() {
    let cases: Vec<Case> = serde_json::from_slice(&golden("headers.json")).unwrap();
    assert!(cases.len() > 1000);
    let mut wrong = Vec::new();
    for Case { format, what, data, opens, stricter } in cases {
        let byte = |at: usize| u8::from_str_radix(&data[at..at + 2], 16).unwrap();
        let bytes: Vec<u8> = (0..data.len()).step_by(2).map(byte).collect();
        let found = inspect(format, Given::default(), &bytes, 5);
        if found.is_ok() != (opens && !stricter) {
            wrong.push(format!("{format}: {what}: its reader {opens}, and here {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn types_that_are_not_looked_into_are_opaque_and_keep_their_shape() {
    for (name, bits) in [("F8_E4M3FNUZ", 8), ("F8_E5M2FNUZ", 8), ("F8_E8M0", 8), ("F6_E2M3", 6), ("F4", 4), ("C64", 64)]
    {
        let bytes = 8 * bits / 8;
        let header = format!(r#"{{"a":{{"dtype":"{name}","shape":[2,4],"data_offsets":[0,{bytes}]}}}}"#);
        let is = inspect(WeightsFormat::Safetensors, Given::default(), &safetensors(&header, bytes), 5).expect(name);
        assert_eq!((is.dtype, is.shape.as_deref()), (Dtype::Opaque, Some([2, 4].as_slice())), "{name}");
        assert_eq!(is.tensors[0].type_name, name);
        assert!(!is.tensors[0].can_be_judged(), "{name}");
    }
    let odd = r#"{"a":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}}"#;
    let error = inspect(WeightsFormat::Safetensors, Given::default(), &safetensors(odd, 2), 5).unwrap_err();
    assert_eq!(error.to_string(), "a shape of `3` with 4 bits an element is not a whole number of bytes");
}

#[test]
fn a_length_of_zero_makes_nothing_of_the_greatest_lengths() {
    let most = u64::MAX;
    let header = format!(r#"{{"a":{{"dtype":"F64","shape":[0,{most},{most}],"data_offsets":[0,0]}}}}"#);
    let file = safetensors(&header, 0);
    let is = inspect(WeightsFormat::Safetensors, Given::default(), &file, 5).unwrap();
    assert_eq!((is.shape.clone(), is.statistics.unwrap().elements), (Some(vec![0, most, most]), 0));
    let raw = convert(WeightsFormat::Safetensors, WeightsFormat::Raw, &file, Given::default()).unwrap();
    assert!(raw.is_empty());
    let shape = given(Some(Dtype::F64), is.shape.as_deref());
    inspect(WeightsFormat::Raw, shape.clone(), &[], 5).unwrap();
    assert!(convert(WeightsFormat::Raw, WeightsFormat::Safetensors, &[], shape.clone()).unwrap().len() > 8);
    // numpy cannot count that far, so that its file would be one that nothing opens.
    let refused = convert(WeightsFormat::Raw, WeightsFormat::Npy, &[], shape).unwrap_err().to_string();
    assert!(refused.contains("numpy"), "{refused}");
}

fn safetensors(header: &str, data: usize) -> Vec<u8> {
    [(header.len() as u64).to_le_bytes().as_slice(), header.as_bytes(), &vec![0; data]].concat()
}

#[test]
fn headers_of_safetensors_that_lie_are_refused() {
    let good = r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    inspect(WeightsFormat::Safetensors, Given::default(), &safetensors(good, 4), 5).unwrap();
    for header in [
        "",
        "[]",
        "{",
        r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#,
        r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
        r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#,
        r#"{"a":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}}"#,
        r#"{"a":{"dtype":"F4","shape":[1],"data_offsets":[0,1]}}"#,
        r#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#,
        r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}"#,
        r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[0],"data_offsets":[4,4]}}"#,
        r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
        r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[3,4]}}"#,
    ] {
        inspect(WeightsFormat::Safetensors, Given::default(), &safetensors(header, 4), 5).expect_err(header);
    }
    // The length alone may be a lie too.
    for length in [u64::MAX, 100_000_001, 1 << 40] {
        let bytes = [length.to_le_bytes().as_slice(), b"{}"].concat();
        let error = inspect(WeightsFormat::Safetensors, Given::default(), &bytes, 5).unwrap_err();
        assert!(error.to_string().contains(&length.to_string()), "{error}");
    }
}

fn npy(header: &str, data: usize) -> Vec<u8> {
    let length = u16::try_from(header.len()).unwrap().to_le_bytes();
    [b"\x93NUMPY\x01\x00".as_slice(), &length, header.as_bytes(), &vec![0; data]].concat()
}

#[test]
fn headers_of_npy_that_lie_are_refused() {
    for good in [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }\n",
        "{\"shape\":(1L,1),\"fortran_order\":True,\"descr\":\"<f4\"}",
        "{'descr': '|V4', 'fortran_order': False, 'shape': ()}",
    ] {
        inspect(WeightsFormat::Npy, Given::default(), &npy(good, 4), 5).expect(good);
    }
    for header in [
        "",
        "{}",
        "{'descr': '<f4', 'fortran_order': False}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }",
        "{'descr': '<f4', 'fortran_order': 0, 'shape': (1,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': 1, }",
        "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': '<x4', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': '<f99999999999999999999', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': '', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': 'x'}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), } x",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,",
        "{'descr': '<f4",
    ] {
        inspect(WeightsFormat::Npy, Given::default(), &npy(header, 4), 5).expect_err(header);
    }
    let mut version = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", 4);
    version[6] = 4;
    inspect(WeightsFormat::Npy, Given::default(), &version, 5).unwrap_err();
}

#[test]
fn what_was_given_must_be_so() {
    let raw = |given, bytes: &[u8]| inspect(WeightsFormat::Raw, given, bytes, 3);
    let is = raw(given(Some(Dtype::F32), Some(&[2, 1])), &[0, 0, 128, 63, 0, 0, 0, 64]).unwrap();
    assert_eq!((is.shape.as_deref(), is.statistics.unwrap().mean), (Some([2, 1].as_slice()), Some(1.5)));
    assert_eq!(raw(given(Some(Dtype::I16), None), &[1; 6]).unwrap().shape, Some(vec![3]));
    let opaque = raw(Given::default(), b"anything").unwrap();
    assert_eq!((opaque.dtype, opaque.shape, opaque.statistics), (Dtype::Opaque, None, None));
    let wrong = |given, bytes: &[u8]| raw(given, bytes).unwrap_err().to_string();
    assert_eq!(wrong(given(Some(Dtype::F32), Some(&[3])), &[0; 8]), "`3` of f32 has 12 bytes, but there are 8");
    assert!(wrong(given(Some(Dtype::F32), None), &[0; 7]).contains("7 bytes"));
    assert!(wrong(given(None, Some(&[1])), &[0]).contains("needs a dtype"));
    assert!(wrong(given(Some(Dtype::F64), Some(&[1 << 40, 1 << 40])), &[0]).contains("more bytes than can be counted"));
    let file = |given| inspect(WeightsFormat::Npy, given, &golden("f32.npy"), 50);
    file(given(Some(Dtype::F32), Some(&[3, 5]))).unwrap();
    let error = file(given(Some(Dtype::F64), None)).unwrap_err();
    assert_eq!(error.to_string(), "the file says that its elements are f32, not f64");
    let error = file(given(None, Some(&[15]))).unwrap_err();
    assert_eq!(error.to_string(), "the file says that its shape is `3x5`, not `15`");
}

#[test]
fn json_is_an_array_of_numbers_that_the_type_has() {
    let json = |text: &str, dtype| inspect(WeightsFormat::Json, given(dtype, None), text.as_bytes(), 2);
    let is = json(" [1, -2.5, 1e3]\n", None).unwrap();
    assert_eq!(
        (is.dtype, is.shape, is.statistics.unwrap().maximum),
        (Dtype::F64, Some(vec![3]), Some(Extreme::Float(1000.0)))
    );
    assert_eq!(json("[]", None).unwrap().shape, Some(vec![0]));
    json("[0.1, 16777216]", Some(Dtype::F32)).unwrap();
    json("[9223372036854775807, -9223372036854775808, 3.0]", Some(Dtype::I64)).unwrap();
    for (text, dtype) in [
        ("", None),
        ("{}", None),
        ("[1,", None),
        ("[[1]]", None),
        ("[null]", None),
        ("[NaN]", None),
        ("[1e999]", None),
        ("[1] 2", None),
        ("[9007199254740993]", Some(Dtype::F64)),
        ("[16777217]", Some(Dtype::F32)),
        ("[1e39]", Some(Dtype::F32)),
        ("[70000]", Some(Dtype::F16)),
        ("[1.5]", Some(Dtype::I32)),
        ("[9223372036854775808]", Some(Dtype::I64)),
        ("[1e19]", Some(Dtype::I64)),
        ("[128]", Some(Dtype::I8)),
        ("[-1]", Some(Dtype::U8)),
    ] {
        json(text, dtype).expect_err(text);
    }
}

#[test]
fn what_numpy_wrote_and_what_we_write_is_the_same_byte_for_byte() {
    for name in ["f32.npy", "f16.npy", "i64.npy", "u8.npy", "i8.npy", "i32.npy", "scalar.npy", "empty.npy"] {
        let npy = golden(name);
        let is = inspect(WeightsFormat::Npy, Given::default(), &npy, 99).unwrap();
        let raw = convert(WeightsFormat::Npy, WeightsFormat::Raw, &npy, Given::default()).unwrap();
        let known = given(Some(is.dtype), is.shape.as_deref());
        assert!(convert(WeightsFormat::Raw, WeightsFormat::Npy, &raw, known.clone()).unwrap() == npy, "{name}");
        let tensors = convert(WeightsFormat::Raw, WeightsFormat::Safetensors, &raw, known).unwrap();
        assert!(convert(WeightsFormat::Safetensors, WeightsFormat::Npy, &tensors, Given::default()).unwrap() == npy);
    }
    let one = convert(WeightsFormat::Safetensors, WeightsFormat::Raw, &golden("one.safetensors"), Given::default());
    assert!(golden("one.safetensors").ends_with(&one.unwrap()));
    // Another order of bytes is the same numbers.
    let big = convert(WeightsFormat::Npy, WeightsFormat::Raw, &golden("i16-big-endian.npy"), Given::default()).unwrap();
    assert_eq!(big, [-2_i16, 300, 32767].map(i16::to_le_bytes).concat());
}

#[test]
fn json_and_back_is_the_same_elements() {
    for name in ["i8.npy", "i32.npy", "u8.npy", "i16-big-endian.npy", "big-endian.npy"] {
        let raw = convert(WeightsFormat::Npy, WeightsFormat::Raw, &golden(name), Given::default()).unwrap();
        let dtype = inspect(WeightsFormat::Npy, Given::default(), &golden(name), 99).unwrap().dtype;
        let json = convert(WeightsFormat::Npy, WeightsFormat::Json, &golden(name), Given::default()).unwrap();
        let back = convert(WeightsFormat::Json, WeightsFormat::Raw, &json, given(Some(dtype), None)).unwrap();
        assert!(back == raw, "{name}: {}", String::from_utf8_lossy(&json));
    }
    let floats: Vec<u8> = [0.1_f32, f32::MIN_POSITIVE, -3.0, 1.0e30].map(f32::to_le_bytes).concat();
    let f32s = given(Some(Dtype::F32), None);
    let json = convert(WeightsFormat::Raw, WeightsFormat::Json, &floats, f32s.clone()).unwrap();
    assert!(json.starts_with(b"[0.1,"), "{}", String::from_utf8_lossy(&json));
    assert!(convert(WeightsFormat::Json, WeightsFormat::Raw, &json, f32s).unwrap() == floats);
}

#[test]
fn what_would_lose_something_is_refused() {
    let refused = |from, to, bytes: &[u8], given| convert(from, to, bytes, given).unwrap_err().to_string();
    use WeightsFormat::{Json, Npy, Raw, Safetensors};
    let none = Given::default;
    assert!(refused(Npy, Raw, &golden("fortran.npy"), none()).contains("fortran_order"));
    assert!(refused(Npy, Raw, &golden("u16.npy"), none()).contains("opaque"));
    assert!(refused(Npy, Json, &golden("f32.npy"), none()).contains("one dimension"));
    assert!(refused(Npy, Json, &golden("f16.npy"), none()).contains("NaN"));
    assert!(refused(Safetensors, Npy, &golden("several.safetensors"), none()).contains("several arrays"));
    assert!(refused(Safetensors, Npy, &golden("metadata.safetensors"), none()).contains("metadata"));
    assert!(refused(Raw, Npy, &[0; 4], given(Some(Dtype::Bf16), None)).contains("bf16"));
    assert!(refused(Raw, Npy, b"x", none()).contains("opaque"));
    convert(Raw, Safetensors, &[0; 4], given(Some(Dtype::Bf16), None)).unwrap();
    // Nothing, however large it could be.
    let nothing = given(Some(Dtype::F32), Some(&[1 << 40, 1 << 20, 0]));
    assert_eq!(convert(Raw, Npy, &[], nothing).unwrap().len(), 128);
    // What this writes, others are to open: neither numpy nor safetensors opens these.
    for to in [Npy, Safetensors] {
        assert!(refused(Raw, to, &[], given(Some(Dtype::F32), Some(&[1 << 40, 1 << 40, 0]))).contains("count"), "{to}");
    }
}
