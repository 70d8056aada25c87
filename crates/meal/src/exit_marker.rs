//! The exit marker: the last line on stderr, by which the remote wrapper reports the exit status of the program.
//!
//! libssh2 returns 0 if the server sent no exit status, and some servers send none, so that its status proves no
//! success; neither does that of `srun`. The wrapper stays beside the program and writes a last line to stderr, with a
//! word that only it and this side know. The line is removed from the stream here.

use mer_core::Exit;

/// The first byte, before the word. It is rare in text, so that bytes are seldom held back.
const FIRST: u8 = 0x1e;
/// Length of the longest status with the characters around it: `=512.` and a newline.
const LONGEST: usize = 6;

/// Searches stderr for the marker.
#[derive(Debug)]
pub(crate) struct ExitMarker {
    /// The bytes before the status.
    start: Vec<u8>,
    /// Bytes that may be the beginning of a marker.
    held: Vec<u8>,
    status: Option<i32>,
}

impl ExitMarker {
    pub(crate) fn new(word: &str) -> Self {
        Self { start: marker_start(word).into_bytes(), held: Vec::new(), status: None }
    }

    /// The exit status, after the marker has come.
    pub(crate) const fn status(&self) -> Option<i32> {
        self.status
    }

    /// Takes bytes of stderr, and returns those that are not part of the marker.
    pub(crate) fn pass(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.take(bytes, false)
    }

    /// The same, but returns nothing that comes after the marker.
    pub(crate) fn pass_until(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.take(bytes, true)
    }

    fn take(&mut self, bytes: &[u8], ends_there: bool) -> Vec<u8> {
        let mut all = std::mem::take(&mut self.held);
        all.extend_from_slice(bytes);
        let mut out = Vec::with_capacity(all.len());
        let mut rest = all.as_slice();
        while let Some(at) = rest.iter().position(|byte| *byte == FIRST) {
            out.extend_from_slice(&rest[..at]);
            rest = &rest[at..];
            match self.match_marker(rest) {
                MarkerMatch::Mark { status, length } => {
                    self.status = Some(status);
                    if ends_there {
                        return out;
                    }
                    rest = &rest[length..];
                }
                MarkerMatch::Text => {
                    out.push(FIRST);
                    rest = &rest[1..];
                }
                MarkerMatch::Unfinished => {
                    self.held = rest.to_vec();
                    return out;
                }
            }
        }
        out.extend_from_slice(rest);
        out
    }

    /// Returns the bytes that were held back, at the end of the stream.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }

    fn match_marker(&self, bytes: &[u8]) -> MarkerMatch {
        let known = self.start.len().min(bytes.len());
        if bytes[..known] != self.start[..known] {
            return MarkerMatch::Text;
        }
        let rest = &bytes[known..];
        let Some(end) = rest.iter().take(LONGEST).position(|byte| *byte == b'\n') else {
            return if rest.len() < LONGEST { MarkerMatch::Unfinished } else { MarkerMatch::Text };
        };
        let text = std::str::from_utf8(&rest[..end]).ok().and_then(|text| text.strip_suffix('.'));
        match text.map(str::parse) {
            Some(Ok(status)) => MarkerMatch::Mark { status, length: known + end + 1 },
            _ => MarkerMatch::Text,
        }
    }
}

/// What begins at a byte that may start a marker.
enum MarkerMatch {
    Mark { status: i32, length: usize },
    Text,
    Unfinished,
}

/// The marker's bytes before the status. The status, a dot and a newline follow.
pub(crate) fn marker_start(word: &str) -> String {
    format!("{}{word}=", char::from(FIRST))
}

/// The word of the mark on stderr after which what follows is of the process, where a front writes to stderr before.
pub(crate) fn begin_word(word: &str) -> String {
    format!("{word}b")
}

/// Evaluates `$?`: shells add 128, 256 or 384 to the number of a signal. A program that exits with such a status is
/// taken for one that died of the signal.
pub(crate) fn exit_of_shell(status: i32) -> Exit {
    let signal = match status {
        385..=415 => status - 384,
        257..=287 => status - 256,
        129..=159 => status - 128,
        _ => return Exit::Code(status),
    };
    Exit::Signal(signal)
}

#[cfg(test)]
mod tests {
    use super::ExitMarker;

    #[test]
    fn it_is_found_however_it_is_cut() {
        let whole = b"some text\x1e and more\x1ethe-word=139.\nlate";
        for at in 0..whole.len() {
            for more in at..whole.len() {
                let mut mark = ExitMarker::new("the-word");
                let mut out = Vec::new();
                for piece in [&whole[..at], &whole[at..more], &whole[more..]] {
                    out.extend(mark.pass(piece));
                }
                out.extend(mark.rest());
                assert_eq!(String::from_utf8_lossy(&out), "some text\u{1e} and morelate", "{at} {more}");
                assert_eq!(mark.status(), Some(139));
            }
        }
    }

    #[test]
    fn nothing_after_it_is_passed_on_however_it_is_cut() {
        let whole = b"some text\x1ethe-word=3.\nlate\x1ethe-word=4.\n";
        for at in 0..whole.len() {
            let mut mark = ExitMarker::new("the-word");
            let mut out = Vec::new();
            for piece in [&whole[..at], &whole[at..]] {
                if mark.status().is_none() {
                    out.extend(mark.pass_until(piece));
                }
            }
            out.extend(mark.rest());
            assert_eq!((String::from_utf8_lossy(&out).as_ref(), mark.status()), ("some text", Some(3)), "{at}");
        }
    }

    #[test]
    fn what_only_looks_like_it_is_passed_on() {
        for text in
            ["\x1eother=0.\n", "\x1ethe-word", "\x1ethe-word=x.\n", "\x1ethe-word=0\n", "\x1ethe-word=1234567.\n"]
        {
            let mut mark = ExitMarker::new("the-word");
            let mut out = mark.pass(text.as_bytes());
            out.extend(mark.rest());
            assert_eq!((String::from_utf8_lossy(&out).as_ref(), mark.status()), (text, None));
        }
    }

    #[test]
    fn nothing_is_held_back_that_cannot_be_one() {
        let mut mark = ExitMarker::new("the-word");
        assert_eq!(mark.pass(b"a prompt> "), b"a prompt> ");
        assert_eq!(mark.pass(b"\x1ethe-"), b"");
        assert_eq!(mark.pass(b"wrong"), b"\x1ethe-wrong");
    }
}
