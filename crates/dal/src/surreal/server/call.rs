//! One call to the server: a connection for it, a bound, and another try where that may help.

use std::{
    borrow::Cow,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use surrealdb::{Error, IndexedResults, types::Variables};
use tokio::{
    sync::Mutex,
    time::{sleep, timeout},
};

use super::{
    SurrealUrl,
    connection::{self, Connection},
    connection_params::ConnectionParams,
};
use crate::{
    DalError, ServerSettings, Settings,
    location::{Location, host_and_port},
    surreal::{
        error::{ErrorClass, classify},
        query::{Failure, outcome},
    },
};

/// How often a lost connection is made again for one call.
const RECONNECTS: u32 = 3;

/// How long an answer may be awaited before it is looked whether the server is there at all: the client library leaves
/// a call without an answer for as long as a server that took leave in good order stays away.
const LOOK: Duration = Duration::from_secs(1);

/// One database on a server, for the life of the process.
#[derive(Debug)]
pub(crate) struct SurrealServer {
    url: SurrealUrl,
    /// The URL as messages show it.
    name: String,
    pub(super) target: ConnectionParams,
    journal: PathBuf,
    pub(super) settings: ServerSettings,
    pub(super) wait: Duration,
    connection: Mutex<Option<Arc<Connection>>>,
    keeps_writes: AtomicBool,
}

/// What became of one try.
enum Tried {
    Answer(Result<IndexedResults, Failure>),
    Lost(crate::BoxError),
}

impl SurrealServer {
    pub(crate) fn new(url: &SurrealUrl, journal: &Path, settings: &Settings) -> Self {
        let target = ConnectionParams::of(url, &settings.server);
        if target.tls && target.tls_insecure {
            tracing::warn!(database = %url, "the server's certificate is not verified: whoever is on the way may read along");
        }
        Self {
            name: url.to_string(),
            url: url.clone(),
            target,
            journal: journal.to_path_buf(),
            settings: settings.server.clone(),
            wait: settings.wait,
            connection: Mutex::default(),
            keeps_writes: AtomicBool::new(false),
        }
    }

    /// Connects, unless there is a connection already.
    pub(in crate::surreal) async fn check_connection(&self) -> Result<(), DalError> {
        self.connection().await.map(drop)
    }

    pub(crate) fn journal_dir(&self) -> &Path {
        &self.journal
    }

    /// Where the database is. A server has no name of its own that a copy would not have.
    pub(crate) fn location(&self) -> Location {
        let ConnectionParams { host, port, namespace, database, .. } = &self.target;
        Location::at(format!("ws://{}/{namespace}/{database}", host_and_port(host, *port)))
    }

    /// The URL as messages show it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Namespace and database in it.
    pub(crate) fn namespace_and_database(&self) -> (String, String) {
        (self.target.namespace.clone(), self.target.database.clone())
    }

    /// The user as messages show them.
    pub(crate) fn user(&self) -> String {
        self.target.shown_user()
    }

    /// Whether what this user writes without an error is there.
    pub(crate) fn keeps_writes(&self) -> bool {
        self.keeps_writes.load(Ordering::Relaxed)
    }

    /// Runs statements that may be run twice.
    pub(in crate::surreal) async fn send(
        &self,
        operation: &'static str,
        text: Cow<'static, str>,
        variables: Variables,
    ) -> Result<Result<IndexedResults, Failure>, DalError> {
        self.bounded(operation, text, variables, self.settings.call_timeout, RECONNECTS).await
    }

    /// Runs a script. Whether one that was cut off has been applied is to be looked up by whoever has the lock next.
    pub(in crate::surreal) async fn send_once(
        &self,
        operation: &'static str,
        text: Cow<'static, str>,
        variables: Variables,
    ) -> Result<Result<IndexedResults, Failure>, DalError> {
        // An idle connection that is dead already is found so before it matters.
        self.send("look at the server", "RETURN 1;".into(), Variables::new()).await?.ok();
        self.bounded(operation, text, variables, self.settings.script_timeout, 0).await
    }

    async fn bounded(
        &self,
        operation: &'static str,
        text: Cow<'static, str>,
        variables: Variables,
        bound: Duration,
        reconnects: u32,
    ) -> Result<Result<IndexedResults, Failure>, DalError> {
        let (mut lost, mut signed_in_again) = (0, reconnects == 0);
        loop {
            let (connection, fresh) = self.connection().await?;
            let late = || DalError::Late { operation, database: self.name.clone(), waited: bound };
            let trying = self.attempt(&connection, text.clone(), variables.clone());
            let Ok(tried) = timeout(bound, trying).await else {
                self.forget(&connection).await;
                return Err(late());
            };
            let source = match tried {
                Tried::Lost(source) => source,
                Tried::Answer(Ok(results)) => return Ok(Ok(results)),
                Tried::Answer(Err(failure)) => match classify(&failure.error) {
                    ErrorClass::Lost => (*failure.error).into(),
                    ErrorClass::Late => return Err(late()),
                    // The library may have connected again behind our back, and found nobody signed in any more.
                    ErrorClass::Rights | ErrorClass::Refused if !fresh && !signed_in_again => {
                        signed_in_again = true;
                        self.forget(&connection).await;
                        continue;
                    }
                    _ => return Ok(Err(failure)),
                },
            };
            self.forget(&connection).await;
            lost += 1;
            if lost > reconnects {
                return Err(DalError::Lost { operation, database: self.name.clone(), source });
            }
            tracing::debug!(operation, error = %source, "the connection was lost");
        }
    }

    async fn attempt(&self, connection: &Connection, text: Cow<'static, str>, variables: Variables) -> Tried {
        let asking = async {
            let answer: Result<IndexedResults, Error> = connection.db.query(text).bind(variables).await;
            Tried::Answer(outcome(answer))
        };
        let watching = async {
            loop {
                sleep(LOOK).await;
                if let Ok(Err(error)) = timeout(LOOK, connection::probe(&self.target)).await
                    && error.kind() == std::io::ErrorKind::ConnectionRefused
                {
                    return Tried::Lost(error.into());
                }
            }
        };
        tokio::select! {
            biased;
            tried = asking => tried,
            tried = watching => tried,
        }
    }

    /// The connection, and whether it was made just now.
    async fn connection(&self) -> Result<(Arc<Connection>, bool), DalError> {
        let mut held = self.connection.lock().await;
        if let Some(connection) = &*held {
            return Ok((Arc::clone(connection), false));
        }
        let connection = connection::connect(&self.target, &self.url, self.wait).await?;
        self.keeps_writes.store(connection.keeps_writes, Ordering::Relaxed);
        *held = Some(Arc::clone(&connection));
        Ok((connection, true))
    }

    /// Lets a connection go, unless another call has put a new one in its place already.
    async fn forget(&self, connection: &Arc<Connection>) {
        let mut held = self.connection.lock().await;
        if held.as_ref().is_some_and(|held| Arc::ptr_eq(held, connection)) {
            *held = None;
        }
    }
}
