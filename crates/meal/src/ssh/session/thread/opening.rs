//! The state of a channel that is to be opened.

use std::time::Instant;

use crate::ssh::session::{ChannelType, SessionPipes, channel::ChannelOwner};

/// A channel that is to be opened.
pub(super) struct Opening {
    pub(super) channel_type: ChannelType,
    pub(super) pipes: Option<SessionPipes>,
    pub(super) owner: ChannelOwner,
    pub(super) begun: Option<Instant>,
    pub(super) refusals: u32,
    /// When to try again after a refusal.
    pub(super) not_before: Option<Instant>,
}

impl Opening {
    pub(super) fn new(channel_type: ChannelType, pipes: Option<SessionPipes>, owner: ChannelOwner) -> Self {
        Self { channel_type, pipes, owner, begun: None, refusals: 0, not_before: None }
    }
}
