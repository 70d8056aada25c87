//! The watchdog's channel: when it is opened, and what goes over it.

use super::{SessionThread, opening::Opening};
use crate::ssh::session::{ChannelType, channel::ChannelOwner, channel_io::ChannelOutput, watchdog, wrapper};

impl SessionThread {
    pub(in crate::ssh::session) fn want_watchdog(&mut self) {
        if self.watchdog.phase == watchdog::Phase::Off {
            self.watchdog.phase = watchdog::Phase::Starting;
            let channel_type = ChannelType::Exec { command: wrapper(self.watchdog.nonce(), true), mark: None };
            self.openings.push_back(Opening::new(channel_type, None, ChannelOwner::Watchdog));
        }
    }

    pub(super) fn write_to_watchdog(&mut self) {
        if let Some(channel) = self.channels.iter_mut().find(|channel| matches!(channel.owner, ChannelOwner::Watchdog))
        {
            let bytes = self.watchdog.outgoing();
            channel.source.push(&bytes);
        }
    }

    pub(super) fn read_from_watchdog(&mut self) {
        if let Some(channel) = self.channels.iter_mut().find(|channel| matches!(channel.owner, ChannelOwner::Watchdog))
            && let ChannelOutput::Memory(memory) = &mut channel.out
        {
            self.watchdog.receive(memory);
        }
    }
}
