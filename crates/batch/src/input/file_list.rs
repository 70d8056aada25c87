//! Lines that name files, whose bytes are the items.

use std::{ffi::OsStr, fs::File, io::Read as _, os::unix::ffi::OsStrExt as _, path::Path};

use bytes::Bytes;
use mer_core::escaped;
use sha2::{Digest as _, Sha256};

use crate::{
    digest::{short_hash, shortened},
    input::raw_item::{MOST_ITEM_BYTES, RawItem},
};

/// Reads the file that a line names. Path and content identify the item. A file that cannot be read is a faulty item.
pub(crate) fn read(line: RawItem) -> RawItem {
    if line.fault.is_some() {
        return line;
    }
    let path = Path::new(OsStr::from_bytes(&line.input));
    let faulty = |why: String| {
        let fault = format!("line {}: `{}`: {why}", line.line, escaped(&path.to_string_lossy()));
        RawItem::faulty(line.line, short_hash(&line.input), fault)
    };
    match mer_files::external().read().open(path).and_then(contents) {
        Ok(Some(input)) => {
            let mut hasher = Sha256::new_with_prefix(&line.input);
            hasher.update([0]);
            hasher.update(&input);
            RawItem { content: shortened(hasher), input, ..line }
        }
        Ok(None) => faulty(format!("the file is larger than {} MiB", MOST_ITEM_BYTES >> 20)),
        Err(error) => faulty(error.to_string()),
    }
}

/// Reads a file to its end; nothing if it is too large.
fn contents(file: File) -> std::io::Result<Option<Bytes>> {
    if file.metadata()?.len() > MOST_ITEM_BYTES as u64 {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    file.take(MOST_ITEM_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() <= MOST_ITEM_BYTES).then(|| bytes.into()))
}
