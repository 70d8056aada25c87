//! What a request waits for, as it is shown at a terminal.

use std::{fmt, sync::Arc};

use mer_core::Bound;

/// Something that is waited for. Displayed, it says what that is, and what ends the wait.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wait {
    /// All of the input: the model is sent it whole.
    Input {
        /// The model.
        model: String,
        /// What ends it.
        timeout: Bound,
    },
    /// The connection to a server.
    Connection {
        /// The server.
        server: String,
    },
    /// Weights on their way to where the model runs.
    Weights {
        /// Model and version.
        version: String,
    },
    /// A process that stays up, until it is ready.
    Ready {
        /// The model.
        model: String,
        /// What ends it.
        ready_timeout: Bound,
    },
    /// The end of a model whose time is up.
    End {
        /// The model.
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
            Self::Weights { version } => write!(f, "bringing the weights `{version}` (Ctrl-C ends it)"),
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

/// Hears what is waited for; nothing, once that is over. Must not block. Cheap to clone.
#[derive(Clone)]
pub struct Watch(Arc<dyn Fn(Option<Wait>) + Send + Sync>);

impl Watch {
    /// `hear` is called when a wait begins and when it ends.
    pub fn new(hear: impl Fn(Option<Wait>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(hear))
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}

/// Tells of a wait until this is dropped.
pub(crate) struct Watched(Option<Watch>);

impl Watched {
    pub(crate) fn begin(watch: Option<&Watch>, wait: impl FnOnce() -> Wait) -> Self {
        if let Some(Watch(hear)) = watch {
            hear(Some(wait()));
        }
        Self(watch.cloned())
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(Watch(hear)) = &self.0 {
            hear(None);
        }
    }
}

/// Does work that is a wait.
pub(crate) async fn waiting<T>(watch: Option<&Watch>, wait: impl FnOnce() -> Wait, work: impl Future<Output = T>) -> T {
    let _watched = Watched::begin(watch, wait);
    work.await
}
