//! What became of an item.

use std::sync::Arc;

use bytes::Bytes;
use mer_core::Status;
use uuid::Uuid;

use crate::ledger::{Key, Kind};

/// What became of an item, for the results.
#[derive(Debug, Clone)]
pub(crate) struct Finished {
    /// Position of the item in the input, from 0.
    pub(crate) index: u64,
    /// What identifies the item.
    pub(crate) key: Key,
    /// Hash of its content.
    pub(crate) content: [u8; 8],
    /// The id in results.
    pub(crate) id: Option<String>,
    /// Number of its first line, from 1.
    pub(crate) line: u64,
    /// The result.
    pub(crate) body: Body,
}

/// A result.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    /// The item was run, or is faulty.
    Ran(Ran),
    /// The result of an earlier process, as it was written.
    Kept(Kind, Bytes),
    /// The result of the item with this index.
    Shared(u64),
}

/// How an item ended.
#[derive(Debug, Clone)]
pub(crate) struct Ran {
    /// Status on record.
    pub(crate) status: Status,
    /// The answer; empty if it failed.
    pub(crate) output: Bytes,
    /// Why it failed; empty if it succeeded.
    pub(crate) message: String,
    /// Request on record; `None` if nothing was run.
    pub(crate) request_uid: Option<Uuid>,
    /// Number of attempts.
    pub(crate) attempt: u32,
    /// The server that answered.
    pub(crate) server: Option<Arc<str>>,
    /// Time of the answer, in milliseconds.
    pub(crate) run_ms: Option<u64>,
}

impl Ran {
    /// An item that failed without being run.
    pub(crate) fn faulty(message: String) -> Self {
        Self {
            status: Status::Failed,
            output: Bytes::new(),
            message,
            request_uid: None,
            attempt: 0,
            server: None,
            run_ms: None,
        }
    }

    /// Whether it succeeded.
    pub(crate) fn is_success(&self) -> bool {
        self.status == Status::Succeeded
    }
}

impl Finished {
    /// The id in results: the value of the id field, or the identity.
    pub(crate) fn id_text(&self) -> String {
        self.id.clone().unwrap_or_else(|| self.key.identity.to_string())
    }

    /// Number of bytes that it takes in memory, roughly.
    pub(crate) fn weight(&self) -> usize {
        let body = match &self.body {
            Body::Ran(ran) => ran.output.len() + ran.message.len(),
            Body::Kept(_, bytes) => bytes.len(),
            Body::Shared(_) => 0,
        };
        body + size_of::<Self>() + self.id.as_ref().map_or(0, String::len)
    }
}
