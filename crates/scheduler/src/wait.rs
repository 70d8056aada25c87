//! Reports what a request is waiting for.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use mer_core::Bound;

/// Something that a request waits for. Its `Display` names it, and what ends the wait.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wait {
    /// The end of the input, which is sent in one piece.
    Input {
        /// Name of the model.
        model: String,
        /// Maximum duration of the wait.
        timeout: Bound,
    },
    /// The connection to a server.
    Connection {
        /// Name of the server.
        server: String,
    },
    /// The delivery of weights to the server.
    Weights {
        /// `MODEL:VERSION`.
        version: String,
    },
    /// A process of a model whose processes all serve other requests.
    Process {
        /// Name of the model.
        model: String,
        /// Name of the server.
        server: String,
        /// Maximum duration of the wait.
        queue_timeout: Bound,
    },
    /// Units of resources, which other processes hold.
    Units {
        /// What is waited for: "a free `gpu`".
        units: String,
        /// The machine that has them.
        pool: String,
        /// Maximum duration of the wait.
        queue_timeout: Bound,
    },
    /// The begin of a job, in the queue of a cluster.
    Job {
        /// Name of the server.
        server: String,
        /// Maximum duration of the wait.
        queue_timeout: Bound,
    },
    /// A process that stays up and is not ready yet.
    Ready {
        /// Name of the model.
        model: String,
        /// Maximum duration of the wait.
        ready_timeout: Bound,
    },
    /// The end of a model whose `timeout` ran out.
    End {
        /// Name of the model.
        model: String,
    },
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input { model, timeout } => {
                write!(
                    f,
                    "waiting for the end of the input for `{model}` (at most {timeout}: `timeout`; Ctrl-C ends it)"
                )
            }
            Self::Connection { server } => {
                write!(f, "connecting to `{server}` (at most `connectTimeout` and `authTimeout`; Ctrl-C ends it)")
            }
            Self::Weights { version } => write!(f, "delivering the weights `{version}` (Ctrl-C ends it)"),
            Self::Process { model, server, queue_timeout } => {
                write!(
                    f,
                    "waiting for a process of `{model}` on `{server}` (at most {queue_timeout}: `queueTimeout`; Ctrl-C ends it)"
                )
            }
            Self::Units { units, pool, queue_timeout } => {
                write!(f, "waiting for {units} of `{pool}` (at most {queue_timeout}: `queueTimeout`; Ctrl-C ends it)")
            }
            Self::Job { server, queue_timeout } => {
                write!(
                    f,
                    "waiting in the queue of `{server}` (at most {queue_timeout}: `queueTimeout`; Ctrl-C ends it)"
                )
            }
            Self::Ready { model, ready_timeout } => {
                write!(f, "waiting until `{model}` is ready (at most {ready_timeout}: `readyTimeout`; Ctrl-C ends it)")
            }
            Self::End { model } => {
                write!(
                    f,
                    "the `timeout` of `{model}` ran out; waiting for its end (at most its `grace`; Ctrl-C ends it)"
                )
            }
        }
    }
}

/// Receives what a request waits for, and `None` when that wait is over. Must not block. Cheap to clone.
#[derive(Clone)]
pub struct WaitObserver(Arc<dyn Fn(Option<Wait>) + Send + Sync>);

impl WaitObserver {
    /// Makes an observer of a function that is called when a wait begins and when it ends.
    pub fn new(observe: impl Fn(Option<Wait>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(observe))
    }
}

impl WaitObserver {
    /// Returns an observer that reports to this one, but reports no new wait once `is_open` is not set.
    pub(crate) fn while_open(&self, is_open: &Arc<AtomicBool>) -> Self {
        let (Self(observe), is_open) = (self.clone(), Arc::clone(is_open));
        Self::new(move |wait| {
            if wait.is_none() || is_open.load(Ordering::Relaxed) {
                observe(wait);
            }
        })
    }
}

impl fmt::Debug for WaitObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WaitObserver")
    }
}

/// A wait that is reported to an observer until this is dropped.
pub(crate) struct ReportedWait(Option<WaitObserver>);

impl ReportedWait {
    pub(crate) fn begin(observer: Option<&WaitObserver>, wait: impl FnOnce() -> Wait) -> Self {
        if let Some(WaitObserver(observe)) = observer {
            observe(Some(wait()));
        }
        Self(observer.cloned())
    }
}

impl Drop for ReportedWait {
    fn drop(&mut self) {
        if let Some(WaitObserver(observe)) = &self.0 {
            observe(None);
        }
    }
}

/// Awaits `work`, and reports it as a wait meanwhile.
pub(crate) async fn waiting<T>(
    observer: Option<&WaitObserver>,
    wait: impl FnOnce() -> Wait,
    work: impl Future<Output = T>,
) -> T {
    let _reported = ReportedWait::begin(observer, wait);
    work.await
}
