//! The arguments of `mer model add|set|remove` and `mer server add|set|remove`.

use clap::{Args, ValueHint, builder::PossibleValuesParser, builder::TypedValueParser};
use mer_core::{Bound, Dtype, Protocol, Size};

use super::{
    change_values::{Destination, Variable, Words},
    process_flags::ProcessFlags,
    resource_values::Resource,
    slurm_flags::SlurmFlags,
    weights::{Shape, dtype},
};

/// Arguments of `mer model add`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ModelAddArgs {
    /// Its name
    #[arg(value_name = "NEW-NAME")]
    pub(crate) name: String,

    #[command(flatten)]
    pub(crate) flags: ModelFlags,

    /// The command to run: program and arguments; with --shell one line
    #[arg(value_name = "COMMAND", last = true, required = true)]
    pub(crate) command: Vec<String>,
}

/// Arguments of `mer model set`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ModelSetArgs {
    /// Its name
    #[arg(value_name = "NAME")]
    pub(crate) name: String,

    #[command(flatten)]
    pub(crate) flags: ModelFlags,

    /// Change only the parameters for this server
    #[arg(long, value_name = "NAME", conflicts_with = "servers")]
    pub(crate) on: Option<String>,

    /// Remove this key of the registry file, such as timeout, env.NAME or on.SERVER
    #[arg(long, value_name = "KEY")]
    pub(crate) unset: Vec<String>,

    /// The command to run: program and arguments; with --shell one line
    #[arg(value_name = "COMMAND", last = true)]
    pub(crate) command: Vec<String>,
}

/// Parameters of a model.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ModelFlags {
    /// A server it runs on; several are tried in this order
    #[arg(long = "server", value_name = "NAME")]
    pub(crate) servers: Vec<String>,

    /// How requests are framed
    #[arg(long, value_name = "PROTOCOL", value_parser = protocol())]
    pub(crate) protocol: Option<Protocol>,

    /// The working directory, where the model runs
    #[arg(long, value_name = "PATH", value_hint = ValueHint::DirPath)]
    pub(crate) path: Option<String>,

    /// Run commands with sh -c, each as one line
    #[arg(long)]
    pub(crate) shell: bool,

    /// A variable of its environment
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) env: Vec<Variable>,

    /// Words in front of its commands, split as a shell does
    #[arg(long, value_name = "WORDS")]
    pub(crate) launcher: Option<Words>,

    /// The launcher's processes are elsewhere, such as those of kubectl exec
    #[arg(long)]
    pub(crate) launcher_remote: bool,

    /// The command that trains: words split as a shell does, or with --shell the line
    #[arg(long, value_name = "WORDS")]
    pub(crate) train_command: Option<String>,

    /// Line that the process prints when it is ready
    #[arg(long, value_name = "LINE", allow_hyphen_values = true)]
    pub(crate) ready_token: Option<String>,

    /// Line that begins a request and a reply
    #[arg(long, value_name = "LINE", allow_hyphen_values = true)]
    pub(crate) start_token: Option<String>,

    /// Line that ends a request and a reply
    #[arg(long, value_name = "LINE", allow_hyphen_values = true)]
    pub(crate) stop_token: Option<String>,

    /// Line that asks the process to exit
    #[arg(long, value_name = "LINE", allow_hyphen_values = true)]
    pub(crate) exit_token: Option<String>,

    /// Maximum duration of a run, such as 30s, 10m or none
    #[arg(long, value_name = "TIME")]
    pub(crate) timeout: Option<Bound>,

    /// Maximum duration of a training
    #[arg(long, value_name = "TIME")]
    pub(crate) train_timeout: Option<Bound>,

    /// Element type of weights that its training writes without a header, such as f32
    #[arg(long, value_name = "DTYPE", value_parser = dtype())]
    pub(crate) weights_dtype: Option<Dtype>,

    /// Number of elements of such weights in each dimension, such as 3x4
    #[arg(long, value_name = "SHAPE")]
    pub(crate) weights_shape: Option<Shape>,

    /// Make the weights of each training the current ones
    #[arg(long)]
    pub(crate) promote: bool,

    /// Maximum time until the ready token
    #[arg(long, value_name = "TIME")]
    pub(crate) ready_timeout: Option<Bound>,

    /// Time between TERM and KILL
    #[arg(long, value_name = "TIME")]
    pub(crate) grace: Option<Bound>,

    /// Leave children that have left its process group running when it ends
    #[arg(long)]
    pub(crate) leave_children: bool,

    #[command(flatten)]
    pub(crate) process: ProcessFlags,
}

/// Arguments of `mer server add`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServerAddArgs {
    /// Its name
    #[arg(value_name = "NEW-NAME")]
    pub(crate) name: String,

    /// SSH destination: a host, an address ([::1]:22), or an alias of the SSH configuration
    ///
    /// Without it the server is this machine, under another name and with its own launcher.
    #[arg(value_name = "[USER@]HOST[:PORT]")]
    pub(crate) destination: Option<Destination>,

    #[command(flatten)]
    pub(crate) flags: ServerFlags,
}

/// Arguments of `mer server set`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServerSetArgs {
    /// Its name
    #[arg(value_name = "NAME")]
    pub(crate) name: String,

    /// SSH destination; a user or port that is not given stays as it is
    #[arg(value_name = "[USER@]HOST[:PORT]")]
    pub(crate) destination: Option<Destination>,

    #[command(flatten)]
    pub(crate) flags: ServerFlags,

    /// Remove this key of the registry file, such as port
    #[arg(long, value_name = "KEY")]
    pub(crate) unset: Vec<String>,
}

/// Parameters of a server. No flag takes a password: every user of the machine can see command lines.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ServerFlags {
    /// The user name there
    #[arg(long, value_name = "USER")]
    pub(crate) user: Option<String>,

    /// The TCP port
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,

    /// The private key
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) identity: Option<String>,

    /// The file of accepted host keys
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) known_hosts: Option<String>,

    /// Hosts to pass through, separated by commas
    #[arg(long, value_name = "HOSTS")]
    pub(crate) jump: Option<String>,

    /// Words in front of every command that runs there, split as a shell does
    #[arg(long, value_name = "WORDS")]
    pub(crate) launcher: Option<Words>,

    /// The launcher's processes are elsewhere, such as those of kubectl exec
    #[arg(long)]
    pub(crate) launcher_remote: bool,

    /// The variable that holds the password
    #[arg(long, value_name = "VARIABLE")]
    pub(crate) password_env: Option<String>,

    /// The file whose first line is the password
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) password_file: Option<String>,

    /// The command whose first line of output is the password; words split as a shell does
    #[arg(long, value_name = "WORDS")]
    pub(crate) password_command: Option<Words>,

    /// Maximum time to connect
    #[arg(long, value_name = "TIME")]
    pub(crate) connect_timeout: Option<Bound>,

    /// Maximum time to authenticate
    #[arg(long, value_name = "TIME")]
    pub(crate) auth_timeout: Option<Bound>,

    /// Time between keepalive messages
    #[arg(long, value_name = "TIME")]
    pub(crate) keepalive_interval: Option<Bound>,

    /// Unanswered keepalives after which the connection counts as lost
    #[arg(long, value_name = "COUNT")]
    pub(crate) keepalive_count: Option<u32>,

    /// Time without contact to mer after which processes there are ended
    #[arg(long, value_name = "TIME")]
    pub(crate) orphan_after: Option<Bound>,

    /// Maximum number of connections at once
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_sessions: Option<u32>,

    /// The folder there for weights
    #[arg(long, value_name = "DIR")]
    pub(crate) cache_dir: Option<String>,

    /// Maximum size of that folder
    #[arg(long, value_name = "SIZE")]
    pub(crate) cache_limit: Option<Size>,

    /// What it has, such as slots=4 or gpu=0,1 (a single name: gpu=0,); may be repeated
    #[arg(long = "resource", value_name = "RESOURCE=COUNT|NAMES")]
    pub(crate) resources: Vec<Resource>,

    /// The name of its machine: servers with the same one share what they have
    #[arg(long, value_name = "NAME")]
    pub(crate) pool: Option<String>,

    #[command(flatten)]
    pub(crate) slurm: SlurmFlags,
}

/// Arguments of `mer model remove` and `mer server remove`.
#[derive(Debug, Clone, Args)]
pub(crate) struct RemoveArgs {
    /// Its name
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}

fn protocol() -> impl TypedValueParser<Value = Protocol> {
    const ALL: [Protocol; 3] = [Protocol::Oneshot, Protocol::Lines, Protocol::Token];
    PossibleValuesParser::new(ALL.map(|protocol| protocol.to_string()))
        .map(|name| ALL.into_iter().find(|protocol| protocol.to_string() == name).unwrap_or_default())
}
