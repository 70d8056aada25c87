//! Databases on servers.

use std::process::Command;

use mer_testkit::{postgres, surreal_server};

use super::{MODELS, Ran, TestEnv, run};

/// A PostgreSQL or SurrealDB server, which a test may kill.
pub(crate) enum Server {
    Postgres(postgres::Server),
    Surreal(surreal_server::Server),
}

impl Server {
    /// Starts one server of each installed kind.
    pub(crate) fn each() -> impl Iterator<Item = Self> {
        let kinds: [fn() -> Option<Self>; 2] =
            [|| postgres::Server::start().map(Self::Postgres), || surreal_server::Server::start().map(Self::Surreal)];
        kinds.into_iter().filter_map(|start| start())
    }

    /// Makes a database and returns its URL.
    pub(crate) fn new_database(&self) -> String {
        match self {
            Self::Postgres(server) => server.url(&server.database()),
            Self::Surreal(server) => server.url(&server.database()),
        }
    }

    /// Kills the server with SIGKILL.
    pub(crate) fn kill(&mut self) {
        match self {
            Self::Postgres(server) => server.kill(),
            Self::Surreal(server) => server.kill(),
        }
    }

    pub(crate) fn start_again(&mut self) {
        match self {
            Self::Postgres(server) => server.start_again(),
            Self::Surreal(server) => server.start_again(),
        }
    }
}

/// An environment whose database is on a server.
pub(crate) struct OnServer {
    pub(crate) env: TestEnv,
    pub(crate) url: String,
}

impl OnServer {
    pub(crate) fn new(url: String) -> Self {
        Self { env: TestEnv::new(), url }
    }

    /// Makes an environment and migrates the database of this URL.
    #[track_caller]
    pub(crate) fn migrated(url: String) -> Self {
        let place = Self::new(url);
        place.mer(["migrate", "--quiet"]).ok();
        place
    }

    /// The same in a new database of the shared PostgreSQL server. Returns the database's name too.
    #[track_caller]
    pub(crate) fn on_postgres() -> Option<(&'static postgres::Server, String, Self)> {
        let server = postgres::shared()?;
        let database = server.database();
        let place = Self::migrated(server.url(&database));
        Some((server, database, place))
    }

    /// The same with the models of `models.toml`.
    #[track_caller]
    pub(crate) fn with_models(url: String) -> Self {
        let place = Self::migrated(url);
        place.apply(MODELS);
        place
    }

    /// Makes an environment with the URL of its embedded database.
    pub(crate) fn embedded() -> Self {
        let env = TestEnv::new();
        let url = format!("surrealkv://{}", env.path("data/mer/db").display());
        Self { env, url }
    }

    /// Applies a registry file.
    #[track_caller]
    pub(crate) fn apply(&self, text: impl AsRef<[u8]>) {
        self.env.file("work/models.toml", text);
        self.mer(["apply", "models.toml", "--allow-changes", "--quiet"]).ok();
    }

    pub(crate) fn with<const N: usize>(&self, args: [&str; N]) -> Command {
        self.with_args(&args)
    }

    pub(crate) fn with_args(&self, args: &[&str]) -> Command {
        let mut command = self.env.with_args(args);
        command.env("DB_CONNECTION_URL", &self.url);
        command
    }

    /// Runs `mer` with the words of a line as its arguments.
    #[track_caller]
    pub(crate) fn mer_line(&self, line: &str) -> Ran {
        let words: Vec<&str> = line.split_whitespace().collect();
        self.mer_args(&words)
    }

    #[track_caller]
    pub(crate) fn mer_args(&self, args: &[&str]) -> Ran {
        run(self.with_args(args))
    }

    #[track_caller]
    pub(crate) fn mer<const N: usize>(&self, args: [&str; N]) -> Ran {
        self.env.mer_on(&self.url, args)
    }
}

/// Makes a database on each shared server and returns their URLs.
pub(crate) fn shared_databases() -> Vec<String> {
    let postgres = postgres::shared().map(|server| server.url(&server.database()));
    let surreal = surreal_server::shared().map(|server| server.url(&server.database()));
    postgres.into_iter().chain(surreal).collect()
}

/// Runs one of two statements, in SQL or SurrealQL by the kind of the URL, and returns the answer.
#[track_caller]
pub(crate) fn sql(url: &str, postgres: &str, surreal: &str) -> String {
    let name = database_name(url);
    if url.starts_with("postgres") {
        return postgres::shared().expect("a server").sql(name, postgres);
    }
    surreal_server::shared().expect("a server").sql(name, surreal)[0].to_string()
}

/// Returns the uid of a database.
#[track_caller]
pub(crate) fn database_uid(url: &str) -> String {
    let uid = sql(url, r#"SELECT "uid" FROM "DatabaseIdentity""#, "RETURN <string> DatabaseIdentity:this.uid;");
    uid.trim_matches(|letter: char| !letter.is_ascii_hexdigit()).to_owned()
}

/// Returns the name of the database in a URL.
pub(crate) fn database_name(url: &str) -> &str {
    let name = url.rsplit('/').next().expect("a name");
    name.split('?').next().expect("a name")
}
