//! The end of channels, and of the session with all its channels.

use std::time::Instant;

use mer_core::Exit;
use tokio::sync::oneshot;

use super::SessionThread;
use crate::ssh::{
    SshError,
    session::{GuardError, OpenError, Request, channel::ChannelOwner, poll},
};

impl SessionThread {
    /// Removes channels that are closed on both sides.
    pub(super) fn remove_closed(&mut self) {
        let mut index = 0;
        while index < self.channels.len() {
            let exit = self.channels[index].exit.take();
            if let Some(exit) = exit {
                self.exited(index, exit);
            }
            if !self.channels[index].is_over() {
                index += 1;
                continue;
            }
            let channel = self.channels.swap_remove(index);
            self.last_closed = Some(Instant::now());
            match &channel.owner {
                ChannelOwner::Run { .. } => self.shared.free(),
                ChannelOwner::Watchdog if self.watchdog.may_begin_again() => self.want_watchdog(),
                ChannelOwner::Watchdog => {
                    let detail = "the watchdog ended: is `sh` installed?".to_owned();
                    self.watchdog.fail(&GuardError::Failed(detail));
                }
            }
            drop(channel);
        }
    }

    fn exited(&mut self, index: usize, exit: Result<Exit, String>) {
        if let ChannelOwner::Run { run_state, guard, .. } = &self.channels[index].owner {
            // The rest of the group holds none of its pipes.
            if let Some((handle, group)) = guard.get() {
                handle.send(Request::Release(*group));
            }
            match exit {
                Ok(exit) => run_state.closed(exit),
                Err(why) => run_state.lost(&why),
            }
        }
    }

    /// Answers all requests with the error, and closes the session.
    pub(super) fn end(mut self, error: &SshError) {
        self.shared.close(error);
        self.watchdog.fail(&GuardError::Dead(error.clone()));
        let why = error.to_string();
        for opening in self.openings.drain(..) {
            if let ChannelOwner::Run { run_state, reply, .. } = opening.owner {
                run_state.lost(&why);
                answer(reply, error);
            }
        }
        for channel in &mut self.channels {
            channel.answer(Err(OpenError::Dead(error.clone())));
            if let Some(run_state) = channel.run_state() {
                run_state.lost(&why);
            }
        }
        if self.unfinished.is_none() && poll::is_writable(&self.socket) {
            let _ = self.session.disconnect(None, "done", None);
        }
        // Freeing the channels must neither block nor fail half-way.
        let _ = rustix::net::shutdown(&*self.socket, rustix::net::Shutdown::Both);
        self.session.set_blocking(true);
        self.session.set_timeout(100);
        self.channels.clear();
    }
}

fn answer(reply: Option<oneshot::Sender<Result<(), OpenError>>>, error: &SshError) {
    if let Some(reply) = reply {
        let _ = reply.send(Err(OpenError::Dead(error.clone())));
    }
}
