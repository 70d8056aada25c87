//! Where parts run: in this process, or in another one.

use std::pin::Pin;

use bytes::Bytes;
use mer_meal::{Cancel, PartItems, PartReplies};
use mer_scheduler::{Outcome, PartOutcome};
use uuid::Uuid;

use super::end::PartFailure;

/// The future of a call to a host.
pub type HostFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, PartFailure>> + Send + 'a>>;

/// One part, or one item with a process of its own.
#[derive(Debug, Clone)]
pub struct PartCall {
    /// Uid of the batch.
    pub batch_uid: Uuid,
    /// Uid of the request.
    pub request_uid: Uuid,
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// The server that it runs on.
    pub server: Option<String>,
    /// Maximum number of items that are sent ahead of their replies.
    pub pipeline: usize,
    /// The first level ends feeding, or a single item politely; the second ends the process at once.
    pub cancel: Cancel,
}

/// Runs parts.
pub trait PartHost: Send + Sync + 'static {
    /// Runs a part of several items on one process.
    ///
    /// # Errors
    /// It could not be attempted or put on record. A part that was attempted and failed is a [`PartOutcome`].
    fn run_items<'a>(
        &'a self,
        call: &'a PartCall,
        items: &'a mut dyn PartItems,
        replies: &'a mut dyn PartReplies,
    ) -> HostFuture<'a, PartOutcome>;

    /// Runs one item with a process of its own, which ends with it. Returns how it ended, and its whole output.
    ///
    /// # Errors
    /// As [`PartHost::run_items`].
    fn run_item<'a>(&'a self, call: &'a PartCall, input: Bytes) -> HostFuture<'a, (Outcome, Bytes)>;

    /// Ends what stays from one item to the next. Nothing is run after it.
    fn close(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}
