//! The items of a part in the bytes of its input, and their replies in those of its output.
//!
//! An item is its length (four bytes, big-endian) and that many bytes. A reply has the time of its item in microseconds
//! (eight bytes) in between.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

use super::FrameError;

/// Maximum number of bytes of an item or a reply.
const MAX_LENGTH: usize = 65 << 20;
const LENGTH: usize = 4;
const TIME: usize = 8;

/// Appends an item.
pub fn put_item(item: &[u8], buffer: &mut BytesMut) {
    buffer.reserve(LENGTH + item.len());
    buffer.put_u32(u32::try_from(item.len()).unwrap_or(u32::MAX));
    buffer.extend_from_slice(item);
}

/// Takes an item from the front, if it is complete.
///
/// # Errors
/// It is longer than any item.
pub fn next_item(buffer: &mut BytesMut) -> Result<Option<Bytes>, FrameError> {
    let Some(length) = complete(buffer, LENGTH)? else { return Ok(None) };
    buffer.advance(LENGTH);
    Ok(Some(buffer.split_to(length).freeze()))
}

/// Appends a reply, and the time of its item in microseconds.
pub fn put_reply(run_us: u64, output: &[u8], buffer: &mut BytesMut) {
    buffer.reserve(LENGTH + TIME + output.len());
    buffer.put_u32(u32::try_from(output.len()).unwrap_or(u32::MAX));
    buffer.put_u64(run_us);
    buffer.extend_from_slice(output);
}

/// Takes a reply from the front, if it is complete, with the time of its item in microseconds.
///
/// # Errors
/// It is longer than any reply.
pub fn next_reply(buffer: &mut BytesMut) -> Result<Option<(u64, Bytes)>, FrameError> {
    let Some(length) = complete(buffer, LENGTH + TIME)? else { return Ok(None) };
    buffer.advance(LENGTH);
    let run_us = buffer.get_u64();
    Ok(Some((run_us, buffer.split_to(length).freeze())))
}

/// Returns the length of the content at the front, if all of it is there.
fn complete(buffer: &BytesMut, head: usize) -> Result<Option<usize>, FrameError> {
    let Some(length) = buffer.first_chunk::<LENGTH>() else { return Ok(None) };
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    if length > MAX_LENGTH {
        return Err(FrameError::TooLong(length));
    }
    Ok((buffer.len() - head.min(buffer.len()) >= length && buffer.len() >= head).then_some(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_and_replies_are_read_back_wherever_they_are_cut() {
        let (mut items, mut replies) = (BytesMut::new(), BytesMut::new());
        let long = "x".repeat(5000);
        let texts = ["", "a", "two\nlines", &long];
        for (time, text) in (0_u64..).zip(texts) {
            put_item(text.as_bytes(), &mut items);
            put_reply(time << 40, text.as_bytes(), &mut replies);
        }
        for cut in 1..items.len() {
            let (mut buffer, mut found) = (BytesMut::new(), Vec::new());
            for part in [&items[..cut], &items[cut..]] {
                buffer.extend_from_slice(part);
                while let Some(item) = next_item(&mut buffer).expect("items") {
                    found.push(item);
                }
            }
            assert_eq!(found, texts, "{cut}");
        }
        for (time, text) in (0_u64..).zip(texts) {
            assert_eq!(next_reply(&mut replies).expect("a reply"), Some((time << 40, Bytes::from(text.to_owned()))));
        }
        assert_eq!(next_reply(&mut replies).expect("the end"), None);
    }

    #[test]
    fn a_length_that_no_item_has_is_an_error() {
        let mut buffer = BytesMut::from(&[0xff, 0, 0, 0][..]);
        assert!(matches!(next_item(&mut buffer), Err(FrameError::TooLong(_))));
    }
}
