//! A matrix of 64-bit floats as a `.npy` file, the format of `numpy.save`: a magic string, a version, a header that is
//! a Python literal, and the numbers, little-endian, row after row.

/// The magic string and version 1.0.
const MAGIC: &[u8] = b"\x93NUMPY\x01\x00";

/// Header and data begin at multiples of this.
const ALIGN: usize = 64;

/// Encodes a matrix as a file.
pub(super) fn encode<const R: usize, const C: usize>(matrix: &[[f64; C]; R]) -> Vec<u8> {
    let mut header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({R}, {C}), }}");
    let before = MAGIC.len() + 2;
    let padding = ALIGN - (before + header.len() + 1) % ALIGN;
    header.extend(std::iter::repeat_n(' ', padding % ALIGN));
    header.push('\n');
    // The header is about 80 bytes long; the format has 16 bits for its length.
    let length = u16::try_from(header.len()).unwrap_or(u16::MAX);

    let mut file = MAGIC.to_vec();
    file.extend(length.to_le_bytes());
    file.extend(header.as_bytes());
    file.extend(matrix.as_flattened().iter().flat_map(|number| number.to_le_bytes()));
    file
}

/// Decodes the matrix of a file. The error is a predicate for the file: `is cut short: …`.
pub(super) fn decode<const R: usize, const C: usize>(file: &[u8]) -> Result<[[f64; C]; R], String> {
    let expected = format!("expected a .npy file (version 1.0) of {R}×{C} little-endian 64-bit floats");
    let body = file.strip_prefix(MAGIC).ok_or_else(|| format!("is no such file: {expected}"))?;
    let (length, body) = body.split_first_chunk::<2>().ok_or_else(|| format!("is cut short: {expected}"))?;
    let (header, data) = body
        .split_at_checked(usize::from(u16::from_le_bytes(*length)))
        .ok_or_else(|| format!("is cut short: {expected}"))?;

    let header: String = String::from_utf8_lossy(header).split_whitespace().collect();
    for needed in ["'descr':'<f8'", "'fortran_order':False", &format!("'shape':({R},{C})")] {
        if !header.contains(needed) {
            return Err(format!("has the header {header}: {expected}"));
        }
    }
    if data.len() != R * C * size_of::<f64>() {
        return Err(format!("has {} bytes of data: {expected}", data.len()));
    }
    let mut matrix = [[0.0; C]; R];
    for (number, bytes) in matrix.as_flattened_mut().iter_mut().zip(data.as_chunks::<8>().0) {
        *number = f64::from_le_bytes(*bytes);
    }
    if matrix.as_flattened().iter().all(|number| number.is_finite()) {
        Ok(matrix)
    } else {
        Err("has a number in it that is not finite".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MATRIX: [[f64; 3]; 2] = [[1.0, -2.5, 0.1], [f64::MIN_POSITIVE, 1e300, 0.0]];

    #[test]
    fn a_matrix_comes_back_and_its_data_is_aligned() {
        let file = encode(&MATRIX);
        assert_eq!((file.len() - 48) % ALIGN, 0);
        assert_eq!(decode::<2, 3>(&file), Ok(MATRIX));
    }

    #[test]
    fn other_shapes_kinds_and_cut_files_are_refused() {
        let file = encode(&MATRIX);
        assert!(decode::<3, 2>(&file).is_err());
        assert!(decode::<2, 3>(&encode(&[[f64::NAN; 3]; 2])).is_err());
        for end in 0..file.len() {
            assert!(decode::<2, 3>(&file[..end]).is_err(), "{end} bytes of it were accepted");
        }
        let other_order = String::from_utf8_lossy(&file[..128]).replace("False", "True ").into_bytes();
        assert!(decode::<2, 3>(&[&other_order, &file[128..]].concat()).is_err());
    }
}
