//! Global flags, which may stand before or after the verb.

use std::ffi::OsString;

use clap::{Args, ValueEnum};

use crate::{
    config::{FlagValue, NO_DOTENV},
    ui::Format,
};

/// Global flags that take a value, in every spelling. The search for the verb skips their values.
pub(super) const VALUE_FLAGS: &[&str] = &["--db", "--data-dir", "--db-wait", "--config", "--log-format"];

/// The flag that allows changes of models and servers.
pub(crate) const ALLOW_CHANGES: &str = "--allow-model-server-runtime-changes";

/// Flags of every command.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalArgs {
    /// The database: embedded, surrealkv://PATH, mem://, ws://…, wss://…, postgres://…
    #[arg(long, global = true, value_name = "URL", display_order = 100)]
    pub(crate) db: Option<String>,

    /// The folder of the embedded database and of the journal of accesses
    #[arg(long, global = true, value_name = "DIR", display_order = 101)]
    pub(crate) data_dir: Option<OsString>,

    /// How long to wait for a database that is busy or away, such as 30s
    #[arg(long, global = true, value_name = "TIME", display_order = 102)]
    pub(crate) db_wait: Option<String>,

    /// Read this settings file instead of those in /etc/mer, in the home and in the working directory
    #[arg(long, global = true, value_name = "FILE", display_order = 103)]
    pub(crate) config: Option<OsString>,

    /// Ignore ./.env
    #[arg(long, global = true, display_order = 103)]
    pub(crate) no_dotenv: bool,

    /// Allow commands that change which models and servers there are
    #[arg(long, global = true, alias = "allow-changes", display_order = 104)]
    pub(crate) allow_model_server_runtime_changes: bool,

    /// Write JSON, one object a line
    #[arg(long, global = true, display_order = 105)]
    pub(crate) json: bool,

    /// Write nothing on success but the model's output, or what --json asks for
    #[arg(short, long, global = true, display_order = 106)]
    pub(crate) quiet: bool,

    /// Show all columns of a table on a terminal, however narrow it is
    #[arg(long, global = true, display_order = 106)]
    pub(crate) wide: bool,

    /// Never ask questions
    #[arg(long, global = true, display_order = 107)]
    pub(crate) no_input: bool,

    /// Write more diagnostics to stderr; twice for more still
    #[arg(short, long, global = true, action = clap::ArgAction::Count, display_order = 108)]
    pub(crate) verbose: u8,

    /// How diagnostics on stderr are written
    #[arg(long, global = true, value_name = "FORMAT", display_order = 109)]
    pub(crate) log_format: Option<LogFormatArg>,
}

/// A value of `--log-format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormatArg {
    /// A line for people
    Text,
    /// A JSON object a line
    Json,
}

impl GlobalArgs {
    /// Returns the output format that a flag asks for. `--json` wins over `--quiet` in any order: it is quiet except for data.
    pub(crate) const fn format(&self) -> Option<Format> {
        match (self.json, self.quiet) {
            (true, _) => Some(Format::Json),
            (_, true) => Some(Format::Quiet),
            _ => None,
        }
    }

    /// Returns the settings that flags give: name of the setting, flag, value.
    pub(crate) fn settings(&self) -> Vec<FlagValue> {
        let mut values = Vec::new();
        let mut give = |name, flag, value: Option<OsString>| values.extend(value.map(|value| (name, flag, value)));
        give("db", "--db", self.db.clone().map(Into::into));
        give("dataDir", "--data-dir", self.data_dir.clone());
        give("", NO_DOTENV, self.no_dotenv.then(OsString::new));
        give("dbWait", "--db-wait", self.db_wait.clone().map(Into::into));
        let allow = self.allow_model_server_runtime_changes;
        give("allowModelServerRuntimeChanges", "--allow-model-server-runtime-changes", allow.then(|| "true".into()));
        match self.format() {
            Some(Format::Json) => give("output", "--json", Some("json".into())),
            Some(Format::Quiet) => give("output", "--quiet", Some("quiet".into())),
            Some(Format::Text) | None => {}
        }
        give("noInput", "--no-input", self.no_input.then(|| "true".into()));
        let log_format = self.log_format.map(|format| match format {
            LogFormatArg::Text => "text".into(),
            LogFormatArg::Json => "json".into(),
        });
        give("logFormat", "--log-format", log_format);
        values
    }

    /// Returns the given flags that only count when `mer` starts, and not on a line of the REPL or of a script.
    pub(crate) fn only_at_start(&self) -> Vec<&'static str> {
        [
            (self.db.is_some(), "--db"),
            (self.data_dir.is_some(), "--data-dir"),
            (self.db_wait.is_some(), "--db-wait"),
            (self.config.is_some(), "--config"),
            (self.no_dotenv, NO_DOTENV),
            (self.allow_model_server_runtime_changes, ALLOW_CHANGES),
            (self.verbose > 0, "--verbose"),
            (self.log_format.is_some(), "--log-format"),
        ]
        .into_iter()
        .filter_map(|(given, flag)| given.then_some(flag))
        .collect()
    }
}
