//! The ends of channels, and of the session with all that it carries.

use std::{sync::Arc, time::Instant};

use mer_core::Exit;
use tokio::sync::oneshot;

use super::{Thread, opening::Opening};
use crate::ssh::{
    SshError,
    session::{GuardError, OpenError, Request, What, chan::Owner, poll},
};

/// How a server that tells how processes end is known: it tells this.
const PROBE: (&str, i32) = ("exec sh -c 'exit 7'", 7);
/// Why an exit is not known though the connection holds.
const UNTOLD: &str = "the server does not tell how processes end";

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
                Owner::Probe => {}
            }
            drop(chan);
        }
    }

    fn exited(&mut self, index: usize, exit: Exit) {
        match &self.chans[index].owner {
            Owner::Run { report, guard, .. } => {
                // Whoever is left of its group holds none of its pipes.
                if let Some((link, group)) = guard.get() {
                    link.send(Request::Release(*group));
                }
                if exit != Exit::Code(0) || self.tells_exits == Some(true) {
                    report.closed(exit);
                    if exit != Exit::Code(0) {
                        self.learn_exits(true);
                    }
                } else if self.tells_exits == Some(false) {
                    report.lost(UNTOLD);
                } else {
                    let report = Arc::clone(report);
                    if self.unsure.is_empty() {
                        let what = What::Exec(PROBE.0.to_owned());
                        self.openings.push_back(Opening::new(what, None, Owner::Probe));
                    }
                    self.unsure.push(report);
                }
            }
            Owner::Probe => self.learn_exits(exit == Exit::Code(PROBE.1)),
            Owner::Watchdog => {}
        }
    }

    pub(super) fn learn_exits(&mut self, tells: bool) {
        self.tells_exits = self.tells_exits.or(Some(tells));
        let told = self.tells_exits == Some(true);
        self.unsure.drain(..).for_each(|report| if told { report.closed(Exit::Code(0)) } else { report.lost(UNTOLD) });
    }

    /// Answers everybody, and lets go.
    pub(super) fn end(mut self, error: &SshError) {
        self.shared.close(error);
        self.watchdog.fail(&GuardError::Dead(error.clone()));
        let why = error.to_string();
        self.unsure.drain(..).for_each(|report| report.lost(&why));
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
