//! A process that stays up and serves many requests: `lines` and `token`.

use std::{
    ffi::OsStr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use mer_core::{Bound, Exit, Protocol, RunSpec, Tokens};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{sleep, sleep_until},
};

use super::{
    KILL_WAIT, LINGER, LINGER_TERM, StderrHook,
    exchange::{Exchange, Step, Wire},
    framing::Framing,
    look::look,
    stderr::ErrDrain,
};
use crate::{BoundName, Cancel, CancelLevel, Control, End, Ended, Executor, Run, WarmError};

/// How long a process that was asked to leave may take before it gets TERM, unless the grace is shorter.
const LEAVE: Duration = Duration::from_secs(2);
/// A wait that lasts longer is told.
const SILENCE: Duration = Duration::from_millis(500);

/// A process that stays up. One request at a time; nothing of a request that was given up ever reaches the next one.
///
/// Dropping it kills the process group; [`WarmProcess::stop`] asks it first. Must live within a tokio runtime.
#[derive(Debug)]
pub struct WarmProcess {
    /// How it is called in what is told of it: its model's name.
    pub(super) name: String,
    pub(super) control: Control,
    pub(super) wire: Wire,
    stderr: Arc<ErrDrain>,
    drain: JoinHandle<()>,
    pub(super) tokens: Tokens,
    pub(super) grace: Duration,
    start: Duration,
    /// Whether it cannot be told when it is ready to serve, so that what it prints first may be anything.
    pub(super) unmarked: bool,
    /// Whether there will be another request.
    pub(super) kept: bool,
    /// Set for good once the process cannot be trusted with another request: what such a request is told.
    pub(super) fault: Option<End>,
}

/// What ended the wait for a reply.
enum Seen {
    Step(Step),
    Deadline,
    Asked,
    Exited,
}

impl WarmProcess {
    /// Starts a process and waits until it is ready: at once, where the model has no ready token. `hook` sees stderr as
    /// it comes, for the life of the process.
    ///
    /// # Errors
    /// It could not be started, ended or was too slow before it was ready, or was cancelled. It may be tried again.
    pub async fn start(
        executor: &Executor,
        spec: &RunSpec,
        hook: Option<StderrHook>,
        cancel: &Cancel,
    ) -> Result<Self, WarmError> {
        // On another machine that may take a while.
        let run = tokio::select! {
            biased;
            run = executor.start(spec) => run?,
            () = cancel.reached(CancelLevel::Cancel) => return Err(not_ready(nothing(End::Cancelled))),
        };
        let begin = run.started_at;
        let mut process = Self::new(run, spec, hook);
        let Some(token) = &spec.tokens.ready else { return Ok(process) };
        let deadline = spec.bounds.ready_timeout.deadline(begin);
        let (control, wire) = (&process.control, &mut process.wire);
        let mut end = tokio::select! {
            biased;
            ready = wire.ready(token) => (!ready).then_some(End::Died),
            () = cancel.reached(CancelLevel::Cancel) => Some(End::Cancelled),
            () = until(deadline) => Some(End::timeout(BoundName::ReadyTimeout, spec.bounds.ready_timeout)),
            () = control.ended() => Some(End::Died),
        };
        if let (Some(End::Timeout { .. }), Some(due)) = (&end, deadline)
            && let Some(look) = look(due, || control.has_ended() || wire.stdout.available() > 0)
        {
            end = tokio::select! {
                biased;
                ready = wire.ready(token) => (!ready).then_some(End::Died),
                () = cancel.reached(CancelLevel::Now) => end,
                () = sleep(look) => if control.has_ended() { Some(End::Died) } else { end },
            };
        }
        process.start = begin.elapsed();
        let Some(end) = end else { return Ok(process) };
        let exit = if end == End::Died { process.bury().await } else { process.terminate(cancel).await };
        let (stderr_tail, stderr_bytes) = process.stderr.take();
        let start = begin.elapsed();
        let lost = process.control.why_lost();
        Err(not_ready(Ended { exit, lost, stderr_bytes, stderr_tail, start, ..nothing(end) }))
    }

    fn new(run: Run, spec: &RunSpec, hook: Option<StderrHook>) -> Self {
        let Run { stdin, stdout, stderr, control, started_in, .. } = run;
        let stderr = Arc::new(ErrDrain::new(stderr, hook));
        let drain = tokio::spawn({
            let stderr = Arc::clone(&stderr);
            async move { stderr.run().await }
        });
        let framing = Framing::new(spec.protocol, &spec.tokens);
        let wire = Wire { stdin: Some(stdin), stdout, unread: BytesMut::new(), mid_line: false, framing };
        let (tokens, grace, start) = (spec.tokens.clone(), spec.bounds.grace, started_in);
        let name = spec.env.get(OsStr::new("MER_MODEL")).map(|name| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_else(|| format!("process {}", control.pid()));
        let unmarked = spec.protocol == Protocol::Lines && tokens.ready.is_none();
        Self { name, control, wire, stderr, drain, tokens, grace, start, unmarked, kept: true, fault: None }
    }

    /// The process's number; that of its group is the same.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.control.pid()
    }

    /// How long starting took, up to the ready token.
    #[must_use]
    pub const fn start_duration(&self) -> Duration {
        self.start
    }

    /// Whether it can be given another request. False once it has ended, has closed its stdout, or has printed what
    /// nobody asked for (on `lines`, that could be taken for a reply).
    pub fn is_alive(&mut self) -> bool {
        !self.control.has_ended() && self.refused().is_none()
    }

    /// Sends a request and hands its reply to `out` as it comes. The payload is one that [`crate::check_input`] lets
    /// pass. On `lines` the reply is its line with the newline; on `token` it is the lines between the tokens.
    ///
    /// A request that is given up (timeout, cancelled, reader gone) is drained for the grace period: if its reply comes
    /// to its end the process stays usable, else it is killed. See [`WarmProcess::last_request`] for a process that is
    /// not kept.
    pub async fn request(&mut self, payload: &[u8], out: &mpsc::Sender<Bytes>, bound: Bound, cancel: &Cancel) -> Ended {
        let begin = Instant::now();
        // Diagnostics from between the requests are nobody's.
        let _ = self.stderr.take();
        let refused = self.refused();
        let mut exchange = Exchange::new(&self.wire, payload);
        let end = match refused {
            Some(end) => end,
            None => self.exchange(&mut exchange, out, begin, bound, cancel).await,
        };
        let run = begin.elapsed();
        let end = if end == End::Done && !self.kept { self.conclude(cancel).await } else { end };
        if matches!(end, End::ProtocolBroken(_)) {
            self.control.terminate();
        }
        let exit = if self.fault.is_some() { self.bury().await } else { None };
        // How a process left that has answered is no verdict on its answer.
        let exit = exit.filter(|_| end != End::Done);
        let run = if end == End::Done { run } else { begin.elapsed() };
        let (stderr_tail, stderr_bytes) = self.stderr.take();
        let (stdin_bytes, stdout_bytes) = (exchange.stdin_bytes(), exchange.stdout_bytes);
        let lost = self.control.why_lost();
        Ended { exit, lost, stdin_bytes, stdout_bytes, stderr_bytes, stderr_tail, run, ..nothing(end) }
    }

    /// Why no request can be sent, where none can.
    fn refused(&mut self) -> Option<End> {
        if self.fault.is_none() {
            self.fault = match self.wire.between() {
                Ok(true) => None,
                Ok(false) => Some(End::Died),
                Err(what) => {
                    tracing::warn!("`{}`: {what}", self.name);
                    Some(End::ProtocolBroken(what))
                }
            };
        }
        self.fault.clone()
    }

    async fn exchange(
        &mut self,
        exchange: &mut Exchange,
        out: &mpsc::Sender<Bytes>,
        begin: Instant,
        bound: Bound,
        cancel: &Cancel,
    ) -> End {
        let deadline = bound.deadline(begin);
        let mut exited = false;
        let cause = loop {
            let wait = if exited { Some(sooner(deadline, LINGER)) } else { deadline };
            match self.see(exchange, Some(out), wait, cancel, CancelLevel::Cancel, exited).await {
                Seen::Step(Step::Over) => return self.over(),
                Seen::Step(Step::Closed) => {
                    self.fault = Some(End::Died);
                    return End::Died;
                }
                Seen::Step(Step::ReaderGone) => break End::ReaderGone,
                Seen::Asked => match self.look_again(exchange, out, Instant::now(), cancel).await {
                    Some(end) => return end,
                    None => break End::Cancelled,
                },
                // What it has printed already may yet be a whole reply.
                Seen::Exited => (exited, self.fault) = (true, Some(End::Died)),
                Seen::Deadline if exited && deadline.is_none_or(|at| Instant::now() < at) => {
                    self.control.kill();
                    if !self.wire.has_more(exchange) {
                        return End::Died;
                    }
                }
                Seen::Deadline => {
                    let due = deadline.unwrap_or_else(Instant::now);
                    match self.look_again(exchange, out, due, cancel).await {
                        Some(end) => return end,
                        None => break self.timed_out(bound),
                    }
                }
            }
        };
        if !self.kept {
            // There is no next request that anything could be saved for.
            self.terminate(cancel).await;
            return cause;
        }
        // Its output belongs to nobody now: all of it is taken off the pipe, or the process goes.
        let drained = !exited && self.drained(exchange, cancel).await;
        if !drained || self.over() != End::Done {
            self.fault = Some(End::Died);
            self.control.terminate();
            self.gone_within(LINGER_TERM, cancel).await;
            self.control.kill();
        }
        cause
    }

    /// Looks at pipes and exit once more, where the request was to end at `due`. The end, if it is over after all.
    async fn look_again(
        &mut self,
        exchange: &mut Exchange,
        out: &mpsc::Sender<Bytes>,
        due: Instant,
        cancel: &Cancel,
    ) -> Option<End> {
        let look = look(due, || self.control.has_ended() || self.wire.has_more(exchange))?;
        let until = Some(Instant::now() + look);
        let mut exited = false;
        loop {
            match self.see(exchange, Some(out), until, cancel, CancelLevel::Now, exited).await {
                Seen::Step(Step::Over) => return Some(self.over()),
                // What it has printed already may yet be a whole reply.
                Seen::Exited => exited = true,
                Seen::Step(Step::Closed) => break,
                _ if exited => break,
                _ => return None,
            }
        }
        self.fault = Some(End::Died);
        Some(End::Died)
    }

    /// Takes the rest of a reply that was given up off the pipe, for the grace period. Whether all of it came.
    async fn drained(&mut self, exchange: &mut Exchange, cancel: &Cancel) -> bool {
        let begin = Instant::now();
        for wait in [SILENCE.min(self.grace), self.grace] {
            match self.see(exchange, None, begin.checked_add(wait), cancel, CancelLevel::Now, false).await {
                Seen::Step(Step::Over) => return true,
                Seen::Deadline if wait < self.grace => tracing::warn!(
                    "`{}` still works on what was given up: waiting up to {} for its end, so that it can be kept; the next \
                     Ctrl-C ends it",
                    self.name,
                    Bound::After(self.grace)
                ),
                _ => return false,
            }
        }
        false
    }

    async fn see(
        &mut self,
        exchange: &mut Exchange,
        out: Option<&mpsc::Sender<Bytes>>,
        deadline: Option<Instant>,
        cancel: &Cancel,
        level: CancelLevel,
        exited: bool,
    ) -> Seen {
        let (wire, control) = (&mut self.wire, &self.control);
        tokio::select! {
            biased;
            step = wire.drive(exchange, out) => Seen::Step(step),
            () = control.ended(), if !exited => Seen::Exited,
            () = cancel.reached(level) => Seen::Asked,
            () = until(deadline) => Seen::Deadline,
        }
    }

    /// A reply is whole. On `lines`, more than one line for one line cannot be told from the next reply.
    fn over(&mut self) -> End {
        let quiet = self.wire.after_reply().and_then(|()| match self.kept && self.unmarked {
            true => self.wire.was_heard(),
            false => Ok(()),
        });
        match quiet {
            Ok(()) => End::Done,
            Err(what) => {
                self.fault = Some(End::ProtocolBroken(what.clone()));
                End::ProtocolBroken(what)
            }
        }
    }

    fn timed_out(&self, bound: Bound) -> End {
        let no_reply = Some(self.wire.framing.protocol());
        End::Timeout { bound: BoundName::Timeout, after: bound.duration().unwrap_or_default(), no_reply }
    }

    /// Asks the process to leave (exit token, end of file), then TERM to its group, the grace period, and KILL. Says how
    /// it ended, if it did.
    pub async fn stop(mut self, grace: Duration, cancel: &Cancel) -> Option<Exit> {
        self.grace = grace;
        let unused = self.fault.is_some();
        let (left, rest) = self.leave(grace.min(LEAVE), cancel).await;
        if let (false, Err(what)) = (unused, rest) {
            tracing::warn!("`{}`: {what}; its answers may belong to other requests", self.name);
        }
        if left {
            self.control.end_strays().await;
            return self.control.finish();
        }
        self.terminate(cancel).await
    }

    /// TERM, the grace period, KILL.
    pub(super) async fn terminate(&mut self, cancel: &Cancel) -> Option<Exit> {
        self.fault = Some(End::Died);
        self.control.terminate();
        self.gone_within(self.grace, cancel).await;
        self.control.kill();
        self.bury().await
    }

    /// The process has ended, or is of no more use: it gets a moment to end by itself, and is reaped.
    async fn bury(&mut self) -> Option<Exit> {
        let never = Cancel::new();
        if !self.gone_within(LINGER, &never).await {
            self.control.terminate();
            if !self.gone_within(LINGER_TERM, &never).await {
                self.control.kill();
                self.gone_within(KILL_WAIT, &never).await;
            }
        }
        self.control.end_strays().await;
        self.control.finish()
    }

    /// Waits for the end, taking output off its pipe meanwhile.
    async fn gone_within(&mut self, bound: Duration, cancel: &Cancel) -> bool {
        if self.control.exit().is_some() {
            return true;
        }
        let (wire, control) = (&mut self.wire, &self.control);
        let discard = async {
            wire.discard().await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            () = control.ended() => true,
            () = cancel.reached(CancelLevel::Now) => false,
            () = sleep(bound) => control.has_ended(),
            () = discard => false,
        }
    }
}

impl Drop for WarmProcess {
    fn drop(&mut self) {
        self.drain.abort();
    }
}

/// An end before anything was seen of the process.
fn nothing(end: End) -> Ended {
    Ended {
        end,
        exit: None,
        lost: None,
        stdin_bytes: 0,
        stdout_bytes: 0,
        stderr_bytes: 0,
        stderr_tail: Vec::new(),
        start: Duration::ZERO,
        run: Duration::ZERO,
    }
}

fn not_ready(ended: Ended) -> WarmError {
    WarmError::NotReady(Box::new(ended))
}

fn sooner(deadline: Option<Instant>, wait: Duration) -> Instant {
    let at = Instant::now() + wait;
    deadline.map_or(at, |deadline| deadline.min(at))
}

/// Waits until a moment comes; for ever where there is none.
pub async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
