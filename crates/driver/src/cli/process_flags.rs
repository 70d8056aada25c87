//! Flags of `mer model add|set` for what a process takes of its server, and how long it is kept.

use clap::Args;
use mer_core::{Bound, Size};

use super::{change_values::Variable, resource_values::Need};

/// Parameters of a model's processes: what each takes, how long it is kept, and how long requests wait for it.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ProcessFlags {
    /// What a process takes of its server, such as gpu=1 or gpu=1,slots=2; replaces what was set before
    #[arg(long, value_name = "RESOURCE=COUNT", value_delimiter = ',')]
    pub(crate) needs: Vec<Need>,

    /// The variable that tells a process its units of a resource, such as gpu=HIP_VISIBLE_DEVICES
    #[arg(long, value_name = "RESOURCE=VARIABLE")]
    pub(crate) resource_env: Vec<Variable>,

    /// How long a process is kept after its last request, such as 5m; 0 keeps none, none keeps it for good
    #[arg(long, value_name = "TIME")]
    pub(crate) keepalive: Option<Bound>,

    /// Never stop a kept process to make room for another one
    #[arg(long)]
    pub(crate) pinned: bool,

    /// Maximum number of kept processes on a server
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) instances: Option<u32>,

    /// Number of requests after which a kept process is replaced
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max_requests: Option<u64>,

    /// Age at which a kept process is replaced
    #[arg(long, value_name = "TIME")]
    pub(crate) max_age: Option<Bound>,

    /// Memory at which a kept process of this machine is replaced, such as 8GiB
    #[arg(long, value_name = "SIZE")]
    pub(crate) max_memory: Option<Size>,

    /// Maximum duration of the whole start of a process that stays up
    #[arg(long, value_name = "TIME")]
    pub(crate) start_timeout: Option<Bound>,

    /// Maximum wait of a request for a free process or resource
    #[arg(long, value_name = "TIME")]
    pub(crate) queue_timeout: Option<Bound>,

    /// Maximum number of requests that wait
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) queue_length: Option<u32>,

    /// Maximum duration of a run that outlives its caller
    #[arg(long, value_name = "TIME")]
    pub(crate) max_run_time: Option<Bound>,
}
