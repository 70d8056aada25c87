//! `echo`: standard input to standard output, byte for byte.

use std::{fs::File, io, os::fd::AsFd};

use super::failure::Failure;

/// Copies until end of file. The streams are used as plain files, without the line buffer of `std::io::Stdout`: between plain
/// files and pipes `io::copy` lets the kernel move the bytes (splice, sendfile).
pub(super) fn copy(from: impl AsFd, to: impl AsFd) -> Result<(), Failure> {
    let mut from = File::from(from.as_fd().try_clone_to_owned()?);
    let mut to = File::from(to.as_fd().try_clone_to_owned()?);
    io::copy(&mut from, &mut to)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        thread,
    };

    use super::*;

    #[test]
    fn bytes_come_out_as_they_went_in() {
        // More than any pipe holds, every byte value, and no line end at the end.
        let bytes: Vec<u8> = (0..1_000_003_u32).map(|i| i.to_le_bytes()[usize::from(i % 2 == 0)]).collect();
        let (from, mut input) = io::pipe().expect("a pipe");
        let (mut output, to) = io::pipe().expect("a pipe");
        let sent = bytes.clone();
        let sender = thread::spawn(move || input.write_all(&sent));
        let copier = thread::spawn(move || copy(from, to));
        let mut received = Vec::new();
        output.read_to_end(&mut received).expect("output");
        assert!(received == bytes, "what came out differs");
        sender.join().expect("the sender").expect("sent");
        copier.join().expect("the copier").expect("copied");
    }

    #[test]
    fn a_reader_that_left_is_a_broken_pipe() {
        let (from, mut input) = io::pipe().expect("a pipe");
        let (output, to) = io::pipe().expect("a pipe");
        drop(output);
        input.write_all(b"unread").expect("sent");
        drop(input);
        match copy(from, to) {
            Err(Failure::Io(source)) => assert_eq!(source.kind(), io::ErrorKind::BrokenPipe),
            other => panic!("{other:?}"),
        }
    }
}
