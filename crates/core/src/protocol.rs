//! The protocols that a model may speak over its standard pipes.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How requests and replies are framed on a model's standard input and output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Protocol {
    /// One process a request: the input, then end of file; all of stdout is the reply, the exit code the verdict.
    #[default]
    Oneshot,
    /// A process that stays up: one line a request, one line a reply, in order.
    Lines,
    /// A process that stays up: start token, payload, stop token, each on its own line, both ways.
    Token,
}

impl Protocol {
    /// Whether the process outlives a request.
    #[must_use]
    pub const fn stays_up(self) -> bool {
        !matches!(self, Self::Oneshot)
    }

    /// The name in the registry and in the access log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Oneshot => "oneshot",
            Self::Lines => "lines",
            Self::Token => "token",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The marker lines of a process that stays up. Each is compared with a whole line, without its line end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    /// Printed once by the process when it can serve. `None`: ready at once.
    pub ready: Option<String>,
    /// Opens a request and a reply (`token` only).
    pub start: String,
    /// Closes a request and a reply (`token` only).
    pub stop: String,
    /// Asks the process to leave. `None`: end of file does.
    pub exit: Option<String>,
}

impl Tokens {
    /// The default marker lines of the `token` protocol.
    pub const READY: &'static str = "@!#READY#!@";
    /// See [`Tokens::READY`].
    pub const START: &'static str = "@!#START#!@";
    /// See [`Tokens::READY`].
    pub const STOP: &'static str = "@!#STOP#!@";
    /// See [`Tokens::READY`].
    pub const EXIT: &'static str = "@!#EXIT#!@";

    /// The defaults of a protocol: `token` has all four, the others none.
    #[must_use]
    pub fn defaults(protocol: Protocol) -> Self {
        let token = protocol == Protocol::Token;
        Self {
            ready: token.then(|| Self::READY.to_owned()),
            start: Self::START.to_owned(),
            stop: Self::STOP.to_owned(),
            exit: token.then(|| Self::EXIT.to_owned()),
        }
    }
}
