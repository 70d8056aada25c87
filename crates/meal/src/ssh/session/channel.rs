//! One channel: its phases, and which calls are made in each.

mod close;
mod receive;
mod send;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use mer_core::Exit;
use tokio::sync::oneshot;

use super::{
    RunState,
    channel_io::{ChannelInput, ChannelOutput},
    exit_marker::ExitMarker,
    handle::{GuardSlot, OpenError},
    pending_call::{CallContext, Halt, PendingCall},
};

/// So long after its process is gone, how it ended and its last words have come, most probably.
const LAST_OUTPUT: Duration = Duration::from_millis(300);
/// And so long after it, how it ended will not come any more.
const LAST_STATUS: Duration = Duration::from_secs(2);

/// Whose channel it is.
#[derive(Debug)]
pub(super) enum Owner {
    Run { run_state: Arc<RunState>, guard: GuardSlot, reply: Option<oneshot::Sender<Result<(), OpenError>>> },
    Watchdog,
}

#[derive(Debug, PartialEq, Eq)]
enum Phase {
    Starting(String),
    Flowing,
    /// The other side has sent all; it has not closed yet, and how the process ended may still come.
    Draining,
    Closing,
    Over,
}

pub(super) struct Channel {
    pub(super) id: u64,
    channel: ssh2::Channel,
    phase: Phase,
    pub(super) source: ChannelInput,
    source_ended: bool,
    eof_sent: bool,
    pub(super) out: ChannelOutput,
    pub(super) err: ChannelOutput,
    pub(super) owner: Owner,
    /// Finds the last word of the wrapper on stderr.
    mark: Option<ExitMarker>,
    /// How it ended, or why that is not known, once it is closed.
    pub(super) exit: Option<Result<Exit, String>>,
    /// Its process is gone since then, though others hold its pipes.
    left: Option<Instant>,
    /// Of this phase.
    since: Instant,
}

impl Channel {
    pub(super) fn new(
        id: u64,
        channel: ssh2::Channel,
        command: Option<(String, Option<String>)>,
        session_pipes: (ChannelInput, ChannelOutput, ChannelOutput),
        owner: Owner,
    ) -> Self {
        let (source, out, err) = session_pipes;
        let (command, mark) = command.map_or((None, None), |(command, mark)| (Some(command), mark));
        let phase = command.map_or(Phase::Flowing, Phase::Starting);
        let mut channel = Self {
            id,
            channel,
            phase,
            source,
            source_ended: false,
            eof_sent: false,
            out,
            err,
            owner,
            mark: mark.as_deref().map(ExitMarker::new),
            exit: None,
            left: None,
            since: Instant::now(),
        };
        if channel.phase == Phase::Flowing {
            channel.answer(Ok(()));
        }
        channel
    }

    pub(super) fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    pub(super) fn is_run(&self) -> bool {
        matches!(self.owner, Owner::Run { .. })
    }

    pub(super) fn run_state(&self) -> Option<&Arc<RunState>> {
        match &self.owner {
            Owner::Run { run_state, .. } => Some(run_state),
            _ => None,
        }
    }

    /// Whether its input pipe is to be watched for reading.
    pub(super) fn wants_input(&self) -> bool {
        !self.source_ended && matches!(self.phase, Phase::Flowing | Phase::Draining)
    }

    /// Whether the end of its input is still to be sent, and waits for the socket.
    pub(super) fn wants_writable(&self) -> bool {
        self.source_ended
            && !self.eof_sent
            && self.source.waiting().is_empty()
            && matches!(self.phase, Phase::Flowing | Phase::Draining)
    }

    /// The pipe can be read.
    pub(super) fn input_ready(&mut self) {
        if !self.source_ended && self.source.waiting().is_empty() {
            self.source_ended = !self.source.fill();
        }
    }

    pub(super) fn process_left(&mut self) {
        self.left.get_or_insert_with(Instant::now);
    }

    /// Whether there is something for it that needs no look at the socket.
    pub(super) fn has_work(&self) -> bool {
        if self.phase != Phase::Flowing {
            return false;
        }
        let room = self.out.has_room() && self.err.has_room();
        room && (self.channel.eof() || self.channel.read_window().available > 0)
    }

    /// Whether its command has not been started yet.
    pub(super) const fn is_starting(&self) -> bool {
        matches!(self.phase, Phase::Starting(_))
    }

    /// Since when it waits for a reply, if it does.
    pub(super) fn waits_since(&self) -> Option<Instant> {
        matches!(self.phase, Phase::Starting(_) | Phase::Draining | Phase::Closing).then_some(self.since)
    }

    /// When to look at it again without being asked.
    pub(super) fn wake(&self) -> Option<Instant> {
        self.left.map(|at| at + if at.elapsed() < LAST_OUTPUT { LAST_OUTPUT } else { LAST_STATUS })
    }

    /// Repeats the call that left half a packet behind.
    pub(super) fn retry(&mut self, op: PendingCall, context: &mut CallContext<'_>) -> Result<(), Halt> {
        match op {
            PendingCall::Start => self.start(context),
            PendingCall::Write => self.write(context),
            PendingCall::Eof => self.send_eof(context),
            PendingCall::Read { errors } => self.read(context, errors).map(drop),
            PendingCall::Wait => self.wait(context),
            PendingCall::Close => self.finish(context),
        }
    }

    /// Does what can be done.
    pub(super) fn serve(&mut self, context: &mut CallContext<'_>) -> Result<(), Halt> {
        if matches!(self.phase, Phase::Starting(_)) {
            self.start(context)?;
        }
        if matches!(self.phase, Phase::Flowing | Phase::Draining) {
            self.write(context)?;
            if self.wants_writable() && (context.writable)() {
                self.send_eof(context)?;
            }
        }
        if self.phase == Phase::Flowing {
            self.take_in(context)?;
            self.check_end();
        }
        if self.phase == Phase::Draining {
            self.wait(context)?;
        }
        if self.phase == Phase::Closing {
            self.finish(context)?;
        }
        Ok(())
    }

    fn enter(&mut self, phase: Phase) {
        (self.phase, self.since) = (phase, Instant::now());
    }

    pub(super) fn answer(&mut self, answer: Result<(), OpenError>) {
        if let Owner::Run { reply, .. } = &mut self.owner
            && let Some(reply) = reply.take()
        {
            let _ = reply.send(answer);
        }
    }
}
