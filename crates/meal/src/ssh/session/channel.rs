//! One channel: how its bytes flow, and how it ends.

use std::{
    io::{Read, Write},
    sync::Arc,
    time::{Duration, Instant},
};

use mer_core::Exit;
use ssh2::{BlockDirections, Session};
use tokio::sync::oneshot;

use super::{
    RunState,
    channel_io::{ChannelInput, ChannelOutput},
    exit_marker::ExitMarker,
    exit_status::ExitEvidence,
    handle::{GuardSlot, OpenError},
    libssh2_codes::ErrorScope,
};

/// A turn reads or writes about so much on one channel, so that the others get theirs.
const BYTES_PER_ROUND: usize = 1024 * 1024;
/// So long after its process is gone, how it ended and its last words have come, most probably.
const LAST_WORDS: Duration = Duration::from_millis(300);
/// And so long after it, how it ended will not come any more.
const LAST_STATUS: Duration = Duration::from_secs(2);

/// Whose channel it is.
#[derive(Debug)]
pub(super) enum Owner {
    Run { report: Arc<RunState>, guard: GuardSlot, reply: Option<oneshot::Sender<Result<(), OpenError>>> },
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

/// A call that may have left half a packet behind: it must be finished before any other on the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Start,
    Write,
    Eof,
    Read { errors: bool },
    Wait,
    Close,
}

/// Why a turn stopped.
#[derive(Debug)]
pub(super) enum Halt {
    /// This call must be repeated, once the socket takes more, before any other.
    Stuck(Op),
    Dead(String),
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

/// What a turn may use.
pub(super) struct ChannelContext<'a> {
    pub(super) session: &'a Session,
    pub(super) scratch: &'a mut [u8],
    /// Whether the socket takes a small packet whole.
    pub(super) writable: &'a mut dyn FnMut() -> bool,
    /// Whether what has come has been taken in, to the last packet. A call that waits for one packet stops at it, and what
    /// came in the same read stays in libssh2's buffer, where no poll sees it: after such a call this is false.
    pub(super) pumped: &'a mut bool,
}

impl Channel {
    pub(super) fn new(
        id: u64,
        channel: ssh2::Channel,
        command: Option<(String, Option<String>)>,
        ends: (ChannelInput, ChannelOutput, ChannelOutput),
        owner: Owner,
    ) -> Self {
        let (source, out, err) = ends;
        let (command, mark) = command.map_or((None, None), |(command, mark)| (Some(command), mark));
        let phase = command.map_or(Phase::Flowing, Phase::Starting);
        let mut chan = Self {
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
        if chan.phase == Phase::Flowing {
            chan.answer(Ok(()));
        }
        chan
    }

    pub(super) fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    pub(super) fn is_run(&self) -> bool {
        matches!(self.owner, Owner::Run { .. })
    }

    pub(super) fn report(&self) -> Option<&Arc<RunState>> {
        match &self.owner {
            Owner::Run { report, .. } => Some(report),
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
        self.left.map(|at| at + if at.elapsed() < LAST_WORDS { LAST_WORDS } else { LAST_STATUS })
    }

    /// Repeats the call that left half a packet behind.
    pub(super) fn retry(&mut self, op: Op, turn: &mut ChannelContext<'_>) -> Result<(), Halt> {
        match op {
            Op::Start => self.start(turn),
            Op::Write => self.write(turn),
            Op::Eof => self.send_eof(turn),
            Op::Read { errors } => self.read(turn, errors).map(drop),
            Op::Wait => self.wait(turn),
            Op::Close => self.finish(turn),
        }
    }

    /// Does what can be done.
    pub(super) fn serve(&mut self, turn: &mut ChannelContext<'_>) -> Result<(), Halt> {
        if matches!(self.phase, Phase::Starting(_)) {
            self.start(turn)?;
        }
        if matches!(self.phase, Phase::Flowing | Phase::Draining) {
            self.write(turn)?;
            if self.wants_writable() && (turn.writable)() {
                self.send_eof(turn)?;
            }
        }
        if self.phase == Phase::Flowing {
            self.take_in(turn)?;
            self.look_for_the_end();
        }
        if self.phase == Phase::Draining {
            self.wait(turn)?;
        }
        if self.phase == Phase::Closing {
            self.finish(turn)?;
        }
        Ok(())
    }

    fn enter(&mut self, phase: Phase) {
        (self.phase, self.since) = (phase, Instant::now());
    }

    fn start(&mut self, turn: &mut ChannelContext<'_>) -> Result<(), Halt> {
        let Phase::Starting(command) = &self.phase else { return Ok(()) };
        match self.channel.exec(command).map_err(ErrorScope::from) {
            Ok(()) => {
                *turn.pumped = false;
                self.enter(Phase::Flowing);
                self.answer(Ok(()));
                Ok(())
            }
            Err(ErrorScope::Again) => again(turn, Op::Start),
            Err(ErrorScope::Channel(detail)) => {
                self.answer(Err(OpenError::NoCommands(detail)));
                self.enter(Phase::Closing);
                Ok(())
            }
            Err(ErrorScope::Session(detail)) => Err(Halt::Dead(detail)),
        }
    }

    fn write(&mut self, turn: &ChannelContext<'_>) -> Result<(), Halt> {
        let mut left = BYTES_PER_ROUND;
        loop {
            while !self.source.waiting().is_empty() {
                match self.channel.write(self.source.waiting()) {
                    Ok(0) => return Ok(()),
                    Ok(count) => {
                        self.source.sent(count);
                        left = left.saturating_sub(count);
                    }
                    Err(error) => match ErrorScope::of_io(&error, turn.session) {
                        // Without half a packet it is the window: whoever reads over there must read first.
                        ErrorScope::Again => return again(turn, Op::Write),
                        ErrorScope::Channel(_) => {
                            self.source.shut();
                            (self.source_ended, self.eof_sent) = (true, true);
                            return Ok(());
                        }
                        ErrorScope::Session(detail) => return Err(Halt::Dead(detail)),
                    },
                }
            }
            // A stream that came in bulk goes on without another look at the pipe.
            if left == BYTES_PER_ROUND || left == 0 || BYTES_PER_ROUND - left < 64 * 1024 || self.source_ended {
                return Ok(());
            }
            self.source_ended = !self.source.fill();
            if self.source.waiting().is_empty() {
                return Ok(());
            }
        }
    }

    /// libssh2 builds this packet on its stack, so that it could not be told from another one when repeated: it is sent
    /// only when the socket takes it whole.
    fn send_eof(&mut self, turn: &ChannelContext<'_>) -> Result<(), Halt> {
        match self.channel.send_eof().map_err(ErrorScope::from) {
            Ok(()) | Err(ErrorScope::Channel(_)) => self.eof_sent = true,
            Err(ErrorScope::Again) => return again(turn, Op::Eof),
            Err(ErrorScope::Session(detail)) => return Err(Halt::Dead(detail)),
        }
        Ok(())
    }

    fn take_in(&mut self, turn: &mut ChannelContext<'_>) -> Result<(), Halt> {
        if !self.out.has_room() {
            self.out.flush();
        }
        if !self.err.has_room() {
            self.err.flush();
        }
        let mut left = BYTES_PER_ROUND;
        // Whoever comes first takes in what the socket has, for all channels; the others look whether there is
        // something for them.
        while left > 0 && (!*turn.pumped || self.channel.read_window().available > 0) {
            let mut got = 0;
            if self.out.has_room() {
                *turn.pumped = true;
                got += self.read(turn, false)?;
            }
            if self.err.has_room() && self.channel.read_window().available > 0 {
                got += self.read(turn, true)?;
            }
            if got == 0 {
                break;
            }
            left = left.saturating_sub(got);
        }
        Ok(())
    }

    fn read(&mut self, turn: &mut ChannelContext<'_>, errors: bool) -> Result<usize, Halt> {
        let got = if errors { self.channel.stderr().read(turn.scratch) } else { self.channel.read(turn.scratch) };
        match got {
            Ok(count) => {
                let bytes = &turn.scratch[..count];
                match &mut self.mark {
                    Some(mark) if errors => self.err.push(&mark.pass(bytes)),
                    _ if errors => self.err.push(bytes),
                    _ => self.out.push(bytes),
                }
                Ok(count)
            }
            Err(error) => match ErrorScope::of_io(&error, turn.session) {
                ErrorScope::Again => again(turn, Op::Read { errors }).map(|()| 0),
                ErrorScope::Channel(_) => Ok(0),
                ErrorScope::Session(detail) => Err(Halt::Dead(detail)),
            },
        }
    }

    /// Takes in what the socket has without taking anything for this channel, whose readers are slow. Says whether that
    /// could be done.
    pub(super) fn pump(&mut self, turn: &mut ChannelContext<'_>) -> Result<bool, Halt> {
        if self.phase != Phase::Flowing || self.channel.eof() {
            return Ok(false);
        }
        match self.channel.read(&mut []) {
            Ok(_) => {}
            Err(error) => match ErrorScope::of_io(&error, turn.session) {
                ErrorScope::Again => again(turn, Op::Read { errors: false })?,
                ErrorScope::Channel(_) => {}
                ErrorScope::Session(detail) => return Err(Halt::Dead(detail)),
            },
        }
        *turn.pumped = true;
        Ok(true)
    }

    fn look_for_the_end(&mut self) {
        if self.channel.eof() {
            if self.out.has_room() && self.err.has_room() {
                if let Some(mark) = &mut self.mark {
                    self.err.push(&mark.rest());
                }
                self.out.end();
                self.err.end();
                self.enter(Phase::Draining);
            }
            return;
        }
        let nothing_waits = self.out.has_room() && self.err.has_room() && self.channel.read_window().available == 0;
        if let (Some(at), Owner::Run { report, .. }) = (self.left, &self.owner)
            && nothing_waits
            && at.elapsed() >= LAST_WORDS
        {
            let exit = self.status();
            if exit.is_ok() || at.elapsed() >= LAST_STATUS {
                self.left = None;
                report.left(exit);
            }
        }
        // Its end is known, nobody reads, nobody writes: whoever holds it over there has left the group.
        let unread = self.out.fd().is_none() && self.err.fd().is_none();
        if unread && self.source_ended && self.report().is_some_and(|report| report.now().is_some()) {
            self.enter(Phase::Closing);
        }
    }

    fn wait(&mut self, turn: &mut ChannelContext<'_>) -> Result<(), Halt> {
        match self.channel.wait_close().map_err(ErrorScope::from) {
            Ok(()) | Err(ErrorScope::Channel(_)) => {
                *turn.pumped = false;
                self.exit = Some(self.status());
                self.enter(Phase::Closing);
                Ok(())
            }
            Err(ErrorScope::Again) => again(turn, Op::Wait),
            Err(ErrorScope::Session(detail)) => Err(Halt::Dead(detail)),
        }
    }

    /// Closes our side; over when both are closed, because only then the server counts the channel as free.
    fn finish(&mut self, turn: &mut ChannelContext<'_>) -> Result<(), Halt> {
        self.source.shut();
        (self.source_ended, self.out, self.err) = (true, ChannelOutput::Nowhere, ChannelOutput::Nowhere);
        match self.channel.close().map_err(ErrorScope::from) {
            Ok(()) | Err(ErrorScope::Channel(_)) => {
                *turn.pumped = false;
                self.enter(Phase::Over);
                Ok(())
            }
            Err(ErrorScope::Again) => again(turn, Op::Close),
            Err(ErrorScope::Session(detail)) => Err(Halt::Dead(detail)),
        }
    }

    /// How the process ended, as far as it has been told.
    fn status(&self) -> Result<Exit, String> {
        let told = ExitEvidence {
            mark: self.mark.as_ref().and_then(ExitMarker::status),
            signal: self.channel.exit_signal().ok().and_then(|signal| signal.exit_signal),
            code: self.channel.exit_status().unwrap_or_default(),
        };
        told.exit()
    }

    pub(super) fn answer(&mut self, answer: Result<(), OpenError>) {
        if let Owner::Run { reply, .. } = &mut self.owner
            && let Some(reply) = reply.take()
        {
            let _ = reply.send(answer);
        }
    }
}

/// After EAGAIN: half a packet of ours in the socket's way, or only nothing to do.
fn again(turn: &ChannelContext<'_>, op: Op) -> Result<(), Halt> {
    match turn.session.block_directions() {
        BlockDirections::Outbound | BlockDirections::Both => Err(Halt::Stuck(op)),
        BlockDirections::None | BlockDirections::Inbound => Ok(()),
    }
}
