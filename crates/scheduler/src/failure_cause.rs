//! The facts about a failed run from which a caller can make a hint.

use std::sync::Arc;

use mer_core::{Protocol, Shortage};
use mer_meal::{JobEnd, SlurmError, SshError};

use crate::DeliveryError;

/// Why an attempt failed, where there is something that can be done about it. The words of a hint are the caller's.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum FailureCause {
    /// The server cannot be used.
    Ssh(SshError),
    /// The cluster took no job, or did not let it begin.
    Slurm(SlurmError),
    /// The job ended before its process did.
    JobEnded(JobEnd),
    /// This machine is short of a resource.
    Shortage(Shortage),
    /// The weights did not get to where the model runs.
    Delivery(Arc<DeliveryError>),
    /// The connection was lost while the model ran, so that its end is not known.
    ConnectionLost,
    /// A model of this protocol did not send its whole reply within the bound.
    NoReply(Protocol),
    /// The weights that a training wrote could not be fetched from the server, and are still there.
    WeightsLeft {
        /// The path on the server, without an ending.
        path: String,
    },
    /// The run was served by another process, which has made the hint.
    Relayed {
        /// The words of the hint.
        hint: Option<String>,
    },
}
