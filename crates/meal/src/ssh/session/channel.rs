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

use crate::exit_marker::ExitMarker;

use super::{
    RunState,
    channel_io::{ChannelInput, ChannelOutput},
    handle::{GuardSlot, OpenError},
    pending_call::{CallContext, Halt, PendingCall},
};

/// How long after the end of its process the exit status and the last output usually arrive.
const LAST_OUTPUT: Duration = Duration::from_millis(300);
/// How long after the end of its process the exit status is waited for.
const LAST_STATUS: Duration = Duration::from_secs(2);

/// What a channel belongs to.
#[derive(Debug)]
pub(super) enum ChannelOwner {
    Run { run_state: Arc<RunState>, guard: GuardSlot, reply: Option<oneshot::Sender<Result<(), OpenError>>> },
    Watchdog,
}

impl ChannelOwner {
    /// Whether its wrapper waits for a run.
    pub(super) fn is_spare(&self) -> bool {
        matches!(self, Self::Run { run_state, .. } if run_state.is_spare())
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Phase {
    Starting(String),
    Flowing,
    /// The server has sent all output, and has not closed the channel; the exit status may still come.
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
    pub(super) owner: ChannelOwner,
    /// Finds the wrapper's last line on stderr.
    mark: Option<ExitMarker>,
    /// How the process ended, or why that is not known; set when the channel is closed.
    pub(super) exit: Option<Result<Exit, String>>,
    /// When the process ended, if other processes still hold its pipes.
    left: Option<Instant>,
    /// When this phase began.
    since: Instant,
}

impl Channel {
    pub(super) fn new(
        id: u64,
        channel: ssh2::Channel,
        command: Option<(String, Option<String>)>,
        session_pipes: (ChannelInput, ChannelOutput, ChannelOutput),
        owner: ChannelOwner,
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
        matches!(self.owner, ChannelOwner::Run { .. })
    }

    /// Whether its wrapper waits for a run.
    pub(super) fn is_spare(&self) -> bool {
        self.owner.is_spare()
    }

    pub(super) fn run_state(&self) -> Option<&Arc<RunState>> {
        match &self.owner {
            ChannelOwner::Run { run_state, .. } => Some(run_state),
            _ => None,
        }
    }

    /// Whether its input pipe is to be polled for reading.
    pub(super) fn wants_input(&self) -> bool {
        !self.source_ended && matches!(self.phase, Phase::Flowing | Phase::Draining)
    }

    /// Whether the end of its input is still to be sent, for which the socket must be writable.
    pub(super) fn wants_writable(&self) -> bool {
        self.source_ended
            && !self.eof_sent
            && self.source.waiting().is_empty()
            && matches!(self.phase, Phase::Flowing | Phase::Draining)
    }

    /// To be called when the input pipe is readable.
    pub(super) fn input_ready(&mut self) {
        if !self.source_ended && self.source.waiting().is_empty() {
            self.source_ended = !self.source.fill();
        }
    }

    pub(super) fn process_left(&mut self) {
        self.left.get_or_insert_with(Instant::now);
    }

    /// Whether it has work without new data on the socket.
    pub(super) fn has_work(&self) -> bool {
        if self.phase != Phase::Flowing {
            return false;
        }
        let room = self.out.has_room() && self.err.has_room();
        room && (self.channel.eof() || self.channel.read_window().available > 0)
    }

    /// Whether its command is still to be started.
    pub(super) const fn is_starting(&self) -> bool {
        matches!(self.phase, Phase::Starting(_))
    }

    /// When it began to wait for a reply, if it does.
    pub(super) fn waits_since(&self) -> Option<Instant> {
        matches!(self.phase, Phase::Starting(_) | Phase::Draining | Phase::Closing).then_some(self.since)
    }

    /// When it is to be checked again without an event.
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

    /// Makes the calls that are possible in its phase.
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
        if let ChannelOwner::Run { reply, .. } = &mut self.owner
            && let Some(reply) = reply.take()
        {
            let _ = reply.send(answer);
        }
    }
}
