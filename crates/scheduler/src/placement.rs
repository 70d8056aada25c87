//! One server that a model may run on.

use mer_core::{ConnParams, ConnType, ModelParams};

/// A server that a model may run on, with the parameters that apply there.
#[derive(Debug, Clone, PartialEq)]
pub struct Placement {
    /// Name of the server.
    pub server: String,
    /// How the server is reached.
    pub conn_type: ConnType,
    /// Parameters of the server, including its argv prefix.
    pub conn: ConnParams,
    /// Parameters of the model on this server.
    pub params: ModelParams,
}

/// Where a process runs, as far as it matters when its end is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProcessLocation {
    /// On this machine.
    Local,
    /// On another machine, or on a cluster.
    Remote,
    /// Anywhere, and it goes on serving requests.
    Serving,
}

impl Placement {
    /// Whether its processes are started from this machine, with the caller's environment.
    pub(crate) const fn starts_here(&self) -> bool {
        self.conn_type.starts_here(&self.conn)
    }

    /// Returns where a process of this placement runs.
    pub(crate) fn location(&self) -> ProcessLocation {
        if self.conn_type == ConnType::Local { ProcessLocation::Local } else { ProcessLocation::Remote }
    }
}
