//! The table of all settings.

/// The type of a setting's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    /// Any text.
    Text,
    /// A folder or file. `~/` is the home; a relative path begins at the folder of its settings file, or at the working
    /// directory.
    Path,
    /// Yes or no.
    Switch,
    /// A duration, or `none`.
    Bound,
    /// A number of bytes.
    Size,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A database, as `--db` takes it.
    DbUrl,
    /// Resources of a machine: a table in a file, `slots=4 gpu=0,1` elsewhere.
    Resources,
    /// A name of letters, digits, `_` and `-`.
    Name,
}

impl Type {
    /// Describes the expected value, for messages.
    pub(crate) fn expected(self) -> String {
        match self {
            Self::Text => "a text".to_owned(),
            Self::Path => "a path".to_owned(),
            Self::Switch => "true or false".to_owned(),
            Self::Bound => "a duration such as 500ms, 30s, 10m, 2h, 1d, or none".to_owned(),
            Self::Size => "a size such as 500MB or 16GiB".to_owned(),
            Self::Choice(words) => format!("one of {}", words.join(", ")),
            Self::Resources => {
                "a table such as { slots = 4, gpu = [\"0\", \"1\"] }, or the text slots=4 gpu=0,1".to_owned()
            }
            Self::Name => "a name of letters, digits, `_` and `-`".to_owned(),
            Self::DbUrl => "embedded, surrealkv://PATH, mem://, ws://…, wss://…, postgres://…".to_owned(),
        }
    }
}

/// The default of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Default {
    /// No value.
    None,
    /// This value.
    Fixed(&'static str),
    /// A value that depends on the environment; the text describes it.
    FromEnvironment(&'static str),
}

/// One setting.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting {
    /// Name in settings files. The variable is `MER_` and this name in capitals.
    pub(crate) name: &'static str,
    /// Type of the value.
    pub(crate) kind: Type,
    /// Value if nothing is set.
    pub(crate) default: Default,
    /// Other variables that set it; the variable `MER_…` wins over them.
    pub(crate) variables: &'static [&'static str],
    /// The flag that sets it.
    #[cfg_attr(not(test), expect(dead_code, reason = "the reference is made by a test"))]
    pub(crate) flag: Option<&'static str>,
    /// Whether the value is never shown.
    pub(crate) secret: bool,
    /// Whether it describes the machine, so that the working folder cannot set it.
    pub(crate) of_machine: bool,
    /// Description for the reference.
    #[cfg_attr(not(test), expect(dead_code, reason = "the reference is made by a test"))]
    pub(crate) doc: &'static str,
}

impl Setting {
    /// Returns its variable: `MER_DATA_DIR` for `dataDir`.
    pub(crate) fn variable(&self) -> String {
        let mut variable = "MER_".to_owned();
        for c in self.name.chars() {
            if c.is_ascii_uppercase() {
                variable.push('_');
            }
            variable.push(c.to_ascii_uppercase());
        }
        variable
    }

    /// Returns all its variables; the first that is set wins.
    pub(crate) fn all_variables(&self) -> Vec<String> {
        std::iter::once(self.variable()).chain(self.variables.iter().map(|name| (*name).to_owned())).collect()
    }
}

const PLAIN: Setting = Setting {
    name: "",
    kind: Type::Text,
    default: Default::None,
    variables: &[],
    flag: None,
    secret: false,
    of_machine: false,
    doc: "",
};

/// All settings, in the order in which they are shown.
pub(crate) const SETTINGS: &[Setting] = &[
    Setting {
        name: "db",
        kind: Type::DbUrl,
        default: Default::Fixed("embedded"),
        variables: &["DB_CONNECTION_URL"],
        flag: Some("--db"),
        doc: "The database. Credentials inside the URL win over the four settings below.",
        ..PLAIN
    },
    Setting {
        name: "dataDir",
        kind: Type::Path,
        default: Default::FromEnvironment("$XDG_DATA_HOME/mer, ~/.local/share/mer, or /var/lib/mer without a home"),
        flag: Some("--data-dir"),
        doc: "The folder of the embedded database and of the journal of accesses.",
        ..PLAIN
    },
    Setting {
        name: "stateDir",
        kind: Type::Path,
        default: Default::FromEnvironment("$XDG_STATE_HOME/mer, ~/.local/state/mer, or dataDir without a home"),
        doc: "The folder of the REPL's history.",
        ..PLAIN
    },
    Setting {
        name: "cacheDir",
        kind: Type::Path,
        default: Default::FromEnvironment("$XDG_CACHE_HOME/mer, ~/.cache/mer, or cache in dataDir without a home"),
        doc: "The folder of weights that were delivered to models. It may be emptied while no model runs.",
        ..PLAIN
    },
    Setting {
        name: "cacheLimit",
        kind: Type::Size,
        default: Default::Fixed("16GiB"),
        doc: "Maximum size of the weights in cacheDir, and on a server without a limit: the least recently used go first.",
        ..PLAIN
    },
    Setting {
        name: "dbWait",
        kind: Type::Bound,
        default: Default::Fixed("30s"),
        flag: Some("--db-wait"),
        doc: "How long to wait for a database that is busy or unreachable.",
        ..PLAIN
    },
    Setting {
        name: "driverDbUsername",
        variables: &["DRIVER_DB_USERNAME"],
        doc: "The database user of every command but `mer migrate`.",
        ..PLAIN
    },
    Setting {
        name: "driverDbPassword",
        variables: &["DRIVER_DB_PASSWORD"],
        secret: true,
        doc: "That user's password.",
        ..PLAIN
    },
    Setting {
        name: "migrationsDbUsername",
        variables: &["MIGRATIONS_DB_USERNAME"],
        doc: "The database user of `mer migrate`.",
        ..PLAIN
    },
    Setting {
        name: "migrationsDbPassword",
        variables: &["MIGRATIONS_DB_PASSWORD"],
        secret: true,
        doc: "That user's password.",
        ..PLAIN
    },
    Setting {
        name: "allowModelServerRuntimeChanges",
        kind: Type::Switch,
        default: Default::Fixed("false"),
        variables: &["ALLOW_MODEL_SERVER_RUNTIME_CHANGES"],
        flag: Some("--allow-model-server-runtime-changes"),
        doc: "Whether commands may add, change and remove models and servers.",
        ..PLAIN
    },
    Setting {
        name: "hashes",
        kind: Type::Switch,
        default: Default::Fixed("true"),
        flag: Some("--no-hash"),
        doc: "Whether the log keeps the sha256 of each input and output.",
        ..PLAIN
    },
    Setting {
        name: "serve",
        kind: Type::Switch,
        default: Default::Fixed("true"),
        flag: Some("--no-serve"),
        doc: "Whether `mer run` uses a resident, and starts one for a model with a `keepalive`.",
        ..PLAIN
    },
    Setting {
        name: "runtimeDir",
        kind: Type::Path,
        default: Default::FromEnvironment("/run/user/UID/mer, or /tmp/mer-UID"),
        of_machine: true,
        doc: "The folder of the resident's socket and of locks for resources. Not read from the working folder.",
        ..PLAIN
    },
    Setting {
        name: "resources",
        kind: Type::Resources,
        of_machine: true,
        doc: "What this machine has: the resources of the server `local`. Not read from the working folder.",
        ..PLAIN
    },
    Setting {
        name: "pool",
        kind: Type::Name,
        of_machine: true,
        doc: "The name of this machine, which it shares with servers of that `pool`. Not read from the working folder.",
        ..PLAIN
    },
    Setting {
        name: "output",
        kind: Type::Choice(&["text", "json", "quiet"]),
        default: Default::Fixed("text"),
        flag: Some("--json, --quiet"),
        doc: "The output format: for people, programs, or cron.",
        ..PLAIN
    },
    Setting {
        name: "utc",
        kind: Type::Switch,
        default: Default::Fixed("false"),
        flag: Some("--utc"),
        doc: "Whether `mer log` reads times in UTC, and lists on a terminal show them so, and not in the time zone of the machine (`TZ`).",
        ..PLAIN
    },
    Setting {
        name: "noInput",
        kind: Type::Switch,
        default: Default::Fixed("false"),
        flag: Some("--no-input"),
        doc: "Whether questions are never asked. Without a terminal they are not asked either.",
        ..PLAIN
    },
    Setting {
        name: "log",
        variables: &["RUST_LOG"],
        flag: Some("-v, -vv"),
        doc: "What is logged to stderr: directives such as `debug` or `warn,mer_dal=debug`. Warnings by default.",
        ..PLAIN
    },
    Setting {
        name: "logFormat",
        kind: Type::Choice(&["text", "json"]),
        default: Default::Fixed("text"),
        flag: Some("--log-format"),
        doc: "How diagnostics on stderr are written.",
        ..PLAIN
    },
];

/// Variables that begin with `MER_` and are no settings: the name of a settings file, the pager, and those that MER sets for models (a
/// model may call `mer`).
pub(crate) const OTHER_VARIABLES: &[&str] = &[
    CONFIG_VARIABLE,
    "MER_PAGER",
    "MER_MODEL",
    "MER_WEIGHTS",
    "MER_WEIGHTS_VERSION",
    "MER_WEIGHTS_OUT",
    "MER_REQUEST_UID",
    "MER_ATTEMPT",
    mer_meal::WATCH_VARIABLE,
];

/// The variable that names a settings file, as `--config` does.
pub(crate) const CONFIG_VARIABLE: &str = "MER_CONFIG";

/// Returns the setting of this name.
pub(crate) fn setting(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}
