//! The protocols of models over their standard input and output.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How requests and replies are framed on a model's standard input and output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Protocol {
    /// One process for each request. It reads the input up to the end of file; all of its stdout is the reply, and its exit code
    /// decides whether it succeeded.
    #[default]
    Oneshot,
    /// A process that stays up. A request is one line, and so is a reply; replies come in order.
    Lines,
    /// A process that stays up. Requests and replies are a start token, the payload and a stop token, each on lines of its own.
    Token,
}

impl Protocol {
    /// Whether the process outlives a request.
    #[must_use]
    pub const fn stays_up(self) -> bool {
        !matches!(self, Self::Oneshot)
    }

    /// Returns the name in the registry and in the access log.
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

/// The marker lines of a process that stays up. Each is compared with a complete line, without its line end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    /// Printed once by the process when it is ready. `None`: it is ready at once.
    pub ready: Option<String>,
    /// Begins a request and a reply (`token` only).
    pub start: String,
    /// Ends a request and a reply (`token` only).
    pub stop: String,
    /// Asks the process to exit. `None`: it exits at the end of its input.
    pub exit: Option<String>,
}

impl Tokens {
    /// Default `ready` line of the `token` protocol.
    pub const READY: &'static str = "@!#READY#!@";
    /// Default `start` line of the `token` protocol.
    pub const START: &'static str = "@!#START#!@";
    /// Default `stop` line of the `token` protocol.
    pub const STOP: &'static str = "@!#STOP#!@";
    /// Default `exit` line of the `token` protocol.
    pub const EXIT: &'static str = "@!#EXIT#!@";

    /// Returns the defaults of a protocol. Only `token` has a `ready` and an `exit` line.
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
