//! Finds a marker line in a stream, and never holds back more of it than the marker is long.

use std::io::BufRead;

/// What the unread bytes contain.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scan {
    /// Number of bytes at the front that are not part of the marker line.
    pub(super) pass: usize,
    /// The length of the marker line after them, its line end included, if it is complete.
    pub(super) marker: Option<usize>,
    /// Whether the byte after `pass` continues a line that is not the marker.
    pub(super) mid_line: bool,
}

/// Searches for a line that equals `marker`. A carriage return before its newline is part of the line end.
pub(super) fn scan(bytes: &[u8], marker: &[u8], mid_line: bool) -> Scan {
    let (mut pass, mut mid_line) = (0, mid_line);
    loop {
        if mid_line {
            match line_length(&bytes[pass..]) {
                Some(length) => pass += length,
                None => return Scan { pass: bytes.len(), marker: None, mid_line: true },
            }
        }
        match compare(&bytes[pass..], marker) {
            Match::Yes(length) => return Scan { pass, marker: Some(length), mid_line: false },
            Match::Perhaps => return Scan { pass, marker: None, mid_line: false },
            Match::No => mid_line = true,
        }
    }
}

/// The length of the first line, its newline included, if it is complete.
pub(super) fn line_length(bytes: &[u8]) -> Option<usize> {
    // The only public function of the standard library that uses its memchr.
    let length = (&mut &*bytes).skip_until(b'\n').unwrap_or_default();
    (length > 0 && bytes[length - 1] == b'\n').then_some(length)
}

enum Match {
    Yes(usize),
    Perhaps,
    No,
}

fn compare(bytes: &[u8], marker: &[u8]) -> Match {
    let Some(rest) = bytes.strip_prefix(marker) else {
        return if marker.starts_with(bytes) { Match::Perhaps } else { Match::No };
    };
    match rest {
        [b'\n', ..] => Match::Yes(marker.len() + 1),
        [b'\r', b'\n', ..] => Match::Yes(marker.len() + 2),
        [] | [b'\r'] => Match::Perhaps,
        _ => Match::No,
    }
}

#[cfg(test)]
mod tests {
    use super::{Scan, line_length, scan};

    fn found(pass: usize, marker: usize) -> Scan {
        Scan { pass, marker: Some(marker), mid_line: false }
    }

    #[test]
    fn a_marker_is_a_whole_line() {
        assert_eq!(scan(b"STOP\nrest", b"STOP", false), found(0, 5));
        assert_eq!(scan(b"a\nb\nSTOP\r\n", b"STOP", false), found(4, 6));
        assert_eq!(scan(b"x STOP\nSTOP y\nSTOP\n", b"STOP", false), found(14, 5));
        assert_eq!(scan(b"STOP\nSTOP\n", b"STOP", true), found(5, 5));
        assert_eq!(scan(b"\n\nSTOP\n", b"STOP", false), found(2, 5));
    }

    #[test]
    fn only_what_may_become_the_marker_is_held_back() {
        let held = |pass| Scan { pass, marker: None, mid_line: false };
        assert_eq!(scan(b"", b"STOP", false), held(0));
        assert_eq!(scan(b"a\n", b"STOP", false), held(2));
        assert_eq!(scan(b"a\nST", b"STOP", false), held(2));
        assert_eq!(scan(b"STOP", b"STOP", false), held(0));
        assert_eq!(scan(b"STOP\r", b"STOP", false), held(0));
        let passed = |pass| Scan { pass, marker: None, mid_line: true };
        assert_eq!(scan(b"STOPS", b"STOP", false), passed(5));
        assert_eq!(scan(b"a\nSx", b"STOP", false), passed(4));
        assert_eq!(scan(b"STOP", b"STOP", true), passed(4));
        assert_eq!(scan(b"STOP\rx", b"STOP", false), passed(6));
    }

    #[test]
    fn cut_anywhere_the_answer_is_the_same() {
        let stream = b"one\nSTO\n STOP\nSTOPPER\r\n\nSTOP\r\nafter\n";
        for cut in 0..stream.len() {
            let (mut passed, mut mid_line, mut end) = (0, false, None);
            for until in [cut, stream.len()] {
                if end.is_some() {
                    break;
                }
                let step = scan(&stream[passed..until], b"STOP", mid_line);
                (passed, mid_line, end) = (passed + step.pass, step.mid_line, step.marker);
            }
            assert_eq!((passed, end), (25 - 1, Some(6)), "cut at {cut}");
        }
    }

    #[test]
    fn lines() {
        assert_eq!(line_length(b"ab\nc\n"), Some(3));
        assert_eq!(line_length(b"ab"), None);
        assert_eq!(line_length(b""), None);
    }
}
