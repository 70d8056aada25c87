//! What differs between `lines` and `token`: how a request is framed, and where a reply begins and ends.

use bytes::{Bytes, BytesMut};
use mer_core::{Protocol, Tokens};

use super::scan::{line_length, scan};
use crate::{InputError, pipe::take_front};

/// How much of a line the debug log shows.
const LOGGED: usize = 200;

/// What a model on `lines` is to do that prints more than its answers.
pub(super) const LINES_HINT: &str = "set its readyToken, print one line for one line, and everything else to stderr";

/// The framing of a process that stays up.
#[derive(Debug)]
pub(super) enum Framing {
    Lines,
    Token { start: String, stop: String },
}

/// Where a reply stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Before its start token: what comes is noise.
    Before { mid_line: bool },
    /// In the middle of it.
    Inside { mid_line: bool },
    /// All of it has come.
    Over,
}

/// What the unread bytes hold next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// A piece of the reply.
    Payload(Bytes),
    /// The reply is over.
    Over,
    /// Read more first.
    More,
}

impl Framing {
    pub(super) fn new(protocol: Protocol, tokens: &Tokens) -> Self {
        match protocol {
            Protocol::Token => Self::Token { start: tokens.start.clone(), stop: tokens.stop.clone() },
            _ => Self::Lines,
        }
    }

    /// The bytes of a request.
    pub(super) fn request(&self, payload: &[u8]) -> Bytes {
        let mut bytes = BytesMut::new();
        let end = if payload.ends_with(b"\n") { &b""[..] } else { b"\n" };
        match self {
            Self::Lines => {
                bytes.reserve(payload.len() + 1);
                [payload, end].iter().for_each(|part| bytes.extend_from_slice(part));
            }
            Self::Token { start, stop } => {
                bytes.reserve(payload.len() + start.len() + stop.len() + 3);
                let end = if payload.is_empty() { b"" } else { end };
                let parts = [start.as_bytes(), b"\n", payload, end, stop.as_bytes(), b"\n"];
                parts.iter().for_each(|part| bytes.extend_from_slice(part));
            }
        }
        bytes.freeze()
    }

    /// `mid_line`: noise that came before has left a line unfinished.
    pub(super) const fn begin(&self, mid_line: bool) -> Stage {
        match self {
            Self::Lines => Stage::Inside { mid_line: false },
            Self::Token { .. } => Stage::Before { mid_line },
        }
    }

    /// Takes the next piece of a reply off the unread bytes.
    pub(super) fn next(&self, stage: &mut Stage, unread: &mut BytesMut) -> Piece {
        match (self, *stage) {
            (_, Stage::Over) => Piece::Over,
            _ if unread.is_empty() => Piece::More,
            (Self::Lines, _) => {
                let length = line_length(unread);
                if length.is_some() {
                    *stage = Stage::Over;
                }
                Piece::Payload(take_front(unread, length.unwrap_or(unread.len())))
            }
            (Self::Token { start, .. }, Stage::Before { mid_line }) => {
                let (at_line, found) = skip_to(unread, start, mid_line);
                if !found {
                    *stage = Stage::Before { mid_line: at_line };
                    return Piece::More;
                }
                *stage = Stage::Inside { mid_line: false };
                self.next(stage, unread)
            }
            (Self::Token { stop, .. }, Stage::Inside { mid_line }) => {
                let seen = scan(unread, stop.as_bytes(), mid_line);
                *stage = Stage::Inside { mid_line: seen.mid_line };
                if seen.pass > 0 {
                    return Piece::Payload(take_front(unread, seen.pass));
                }
                let Some(length) = seen.marker else { return Piece::More };
                bytes::Buf::advance(unread, length);
                *stage = Stage::Over;
                Piece::Over
            }
        }
    }

    /// Whether bytes that came between two requests can be told from a reply. `lines` has no marks: there they cannot.
    /// With marks they are noise, unless a reply begins among them.
    pub(super) fn unasked(&self, unread: &mut BytesMut, mid_line: &mut bool) -> Result<(), String> {
        if unread.is_empty() {
            return Ok(());
        }
        match self {
            Self::Lines => Err(format!("the process printed `{}` without being asked: {LINES_HINT}", shown(unread))),
            Self::Token { start, .. } => {
                let (at_line, found) = skip_to(unread, start, *mid_line);
                *mid_line = at_line;
                if found { Err("the process began a reply without being asked".to_owned()) } else { Ok(()) }
            }
        }
    }

    /// What is most often the reason when no reply comes.
    pub(super) const fn timeout_hint(&self) -> &'static str {
        match self {
            Self::Lines => {
                "does it flush its output after every line? A program that reads to the end of its input before it answers is \
                 `oneshot`, not `lines`"
            }
            Self::Token { .. } => {
                "does it print its startToken and stopToken on lines of their own, and flush its output?"
            }
        }
    }
}

/// Takes noise off the front, up to and with the marker line. Says whether the front is the middle of a line, and whether
/// the marker was found.
pub(super) fn skip_to(unread: &mut BytesMut, marker: &str, mid_line: bool) -> (bool, bool) {
    let seen = scan(unread, marker.as_bytes(), mid_line);
    if seen.pass > 0 {
        tracing::debug!(output = %shown(&unread[..seen.pass]), "noise");
    }
    bytes::Buf::advance(unread, seen.pass + seen.marker.unwrap_or(0));
    (seen.mid_line, seen.marker.is_some())
}

/// The front of some output, fit for a log.
pub(super) fn shown(bytes: &[u8]) -> String {
    let front = &bytes[..bytes.len().min(LOGGED)];
    let text = String::from_utf8_lossy(front.trim_ascii_end());
    let dots = if bytes.len() > LOGGED { "…" } else { "" };
    format!("{}{dots}", text.escape_debug())
}

/// Whether the protocol can carry an input. `lines` carries one line, with or without its newline; `token` anything in
/// which no line is the stop token; `oneshot` anything.
///
/// # Errors
/// What in the input is in the way, and where.
pub fn check_input(protocol: Protocol, tokens: &Tokens, payload: &[u8]) -> Result<(), InputError> {
    match protocol {
        Protocol::Lines => match line_length(payload) {
            Some(length) if length < payload.len() => Err(InputError::Newline { at: length - 1 }),
            _ => Ok(()),
        },
        Protocol::Token => {
            let stop = tokens.stop.as_bytes();
            let is_stop = |line: &[u8]| line.strip_suffix(b"\r").unwrap_or(line) == stop;
            match payload.split(|byte| *byte == b'\n').position(is_stop) {
                Some(before) => Err(InputError::StopToken { line: before + 1, token: tokens.stop.clone() }),
                None => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
