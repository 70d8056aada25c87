//! The framing of `lines` and `token`: how a request is written, and where a reply begins and ends.

use bytes::{Bytes, BytesMut};
use mer_core::{Protocol, Tokens};

use super::scan::{line_length, scan};
use crate::{InputError, pipe::take_front};

/// Maximum number of bytes of the output that are logged.
const MAX_LOGGED: usize = 200;

/// What to do about a `lines` model that prints more than its answers.
pub(super) const LINES_HINT: &str =
    "set its readyToken, print one line for each line of input, and everything else to stderr";

/// The framing of a process that stays up.
#[derive(Debug)]
pub(super) enum Framing {
    Lines,
    Token { start: String, stop: String },
}

/// How far a reply has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Before the start token: the output is noise.
    Before { mid_line: bool },
    /// Within the reply.
    Inside { mid_line: bool },
    /// The whole reply has come.
    Over,
}

/// What the unread bytes begin with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// A part of the reply.
    Payload(Bytes),
    /// The end of the reply.
    Over,
    /// Nothing complete: read more first.
    More,
}

impl Framing {
    pub(super) fn new(protocol: Protocol, tokens: &Tokens) -> Self {
        match protocol {
            Protocol::Token => Self::Token { start: tokens.start.clone(), stop: tokens.stop.clone() },
            _ => Self::Lines,
        }
    }

    /// Whether requests and replies are lines.
    pub(super) const fn is_lines(&self) -> bool {
        matches!(self, Self::Lines)
    }

    /// The bytes of a request.
    pub(super) fn request(&self, payload: &[u8]) -> Bytes {
        let mut bytes = BytesMut::new();
        self.append_request(payload, &mut bytes);
        bytes.freeze()
    }

    /// Appends the bytes of a request.
    pub(super) fn append_request(&self, payload: &[u8], bytes: &mut BytesMut) {
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
    }

    /// `mid_line`: the output before ended in the middle of a line.
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

    /// Checks the output that came between two requests. `lines` has no tokens, so that any output could be a reply.
    /// With tokens it is noise, unless it contains the start token.
    pub(super) fn unasked(&self, unread: &mut BytesMut, mid_line: &mut bool) -> Result<(), String> {
        if unread.is_empty() {
            return Ok(());
        }
        match self {
            Self::Lines => Err(format!("the process printed `{}` without being asked: {LINES_HINT}", excerpt(unread))),
            Self::Token { start, .. } => {
                let (at_line, found) = skip_to(unread, start, *mid_line);
                *mid_line = at_line;
                if found { Err("the process began a reply without being asked".to_owned()) } else { Ok(()) }
            }
        }
    }

    /// Returns the protocol that it belongs to.
    pub(super) const fn protocol(&self) -> Protocol {
        match self {
            Self::Lines => Protocol::Lines,
            Self::Token { .. } => Protocol::Token,
        }
    }
}

/// Removes noise from the front, up to and including the marker line. Returns whether the front is in the middle of a
/// line, and whether the marker was found.
pub(super) fn skip_to(unread: &mut BytesMut, marker: &str, mid_line: bool) -> (bool, bool) {
    let seen = scan(unread, marker.as_bytes(), mid_line);
    if seen.pass > 0 {
        tracing::debug!(output = %excerpt(&unread[..seen.pass]), "noise");
    }
    bytes::Buf::advance(unread, seen.pass + seen.marker.unwrap_or(0));
    (seen.mid_line, seen.marker.is_some())
}

/// The beginning of some output, escaped for the log.
pub(super) fn excerpt(bytes: &[u8]) -> String {
    let front = &bytes[..bytes.len().min(MAX_LOGGED)];
    let text = String::from_utf8_lossy(front.trim_ascii_end());
    let dots = if bytes.len() > MAX_LOGGED { "…" } else { "" };
    format!("{}{dots}", text.escape_debug())
}

/// Checks whether the protocol can carry an input. `lines` carries one line, with or without its newline; `token`
/// carries anything in which no line is the stop token; `oneshot` carries anything.
///
/// # Errors
/// What the protocol cannot carry, and where.
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
