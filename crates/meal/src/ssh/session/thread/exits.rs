//! The ends of channels, and of the session with all that it carries.

use std::time::Instant;

use mer_core::Exit;
use tokio::sync::oneshot;

use super::Thread;
use crate::ssh::{
    SshError,
    session::{GuardError, OpenError, Request, channel::Owner, poll},
};

impl Thread {
    /// Takes leave of channels that are over.
    pub(super) fn bury(&mut self) {
        let mut index = 0;
        while index < self.chans.len() {
            let exit = self.chans[index].exit.take();
            if let Some(exit) = exit {
                self.exited(index, exit);
            }
            if !self.chans[index].is_over() {
                index += 1;
                continue;
            }
            let chan = self.chans.swap_remove(index);
            self.last_closed = Some(Instant::now());
            match &chan.owner {
                Owner::Run { .. } => self.shared.free(),
                Owner::Watchdog if self.watchdog.may_begin_again() => self.want_watchdog(),
                Owner::Watchdog => {
                    let detail = "the watchdog ended: is `sh` there?".to_owned();
                    self.watchdog.fail(&GuardError::Failed(detail));
                }
            }
            drop(chan);
        }
    }

    fn exited(&mut self, index: usize, exit: Result<Exit, String>) {
        if let Owner::Run { report, guard, .. } = &self.chans[index].owner {
            // What is left of its group holds none of its pipes.
            if let Some((link, group)) = guard.get() {
                link.send(Request::Release(*group));
            }
            match exit {
                Ok(exit) => report.closed(exit),
                Err(why) => report.lost(&why),
            }
        }
    }

    /// Answers everybody, and lets go.
    pub(super) fn end(mut self, error: &SshError) {
        self.shared.close(error);
        self.watchdog.fail(&GuardError::Dead(error.clone()));
        let why = error.to_string();
        for opening in self.openings.drain(..) {
            if let Owner::Run { report, reply, .. } = opening.owner {
                report.lost(&why);
                answer(reply, error);
            }
        }
        for chan in &mut self.chans {
            chan.answer(Err(OpenError::Dead(error.clone())));
            if let Some(report) = chan.report() {
                report.lost(&why);
            }
        }
        if self.stuck.is_none() && poll::is_writable(&self.socket) {
            let _ = self.session.disconnect(None, "done", None);
        }
        // Freeing must not wait for anybody, and must not be refused half-way.
        let _ = rustix::net::shutdown(&*self.socket, rustix::net::Shutdown::Both);
        self.session.set_blocking(true);
        self.session.set_timeout(100);
        self.chans.clear();
    }
}

fn answer(reply: Option<oneshot::Sender<Result<(), OpenError>>>, error: &SshError) {
    if let Some(reply) = reply {
        let _ = reply.send(Err(OpenError::Dead(error.clone())));
    }
}
