//! Calls to the server: each uses the connection, is bounded, and is repeated if that may help.

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

/// Number of times that a call reconnects.
const RECONNECTS: u32 = 3;

/// Time without an answer after which the server is probed: if a server shut down in good order, the client library
/// leaves the call without an answer until the server is back.
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

/// Outcome of one attempt.
enum Tried {
    Answer(Result<IndexedResults, Failure>),
    Lost(crate::BoxError),
}

impl SurrealServer {
    pub(crate) fn new(url: &SurrealUrl, journal: &Path, settings: &Settings) -> Self {
        let target = ConnectionParams::of(url, &settings.server);
        if target.tls && target.tls_insecure {
            tracing::warn!(database = %url, "the server's certificate is not verified: others on the network may read the traffic");
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

    /// Returns the location of the database. A server has no identifier that a copy would not have too.
    pub(crate) fn location(&self) -> Location {
        let ConnectionParams { host, port, namespace, database, .. } = &self.target;
        Location::at(format!("ws://{}/{namespace}/{database}", host_and_port(host, *port)))
    }

    /// The URL as messages show it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the namespace and the database in it.
    pub(crate) fn namespace_and_database(&self) -> (String, String) {
        (self.target.namespace.clone(), self.target.database.clone())
    }

    /// Returns the user for messages.
    pub(crate) fn user(&self) -> String {
        self.target.shown_user()
    }

    /// Returns whether writes of this user that report no error are stored.
    pub(crate) fn keeps_writes(&self) -> bool {
        self.keeps_writes.load(Ordering::Relaxed)
    }

    /// Runs statements, which may run twice.
    pub(in crate::surreal) async fn send(
        &self,
        operation: &'static str,
        text: Cow<'static, str>,
        variables: Variables,
    ) -> Result<Result<IndexedResults, Failure>, DalError> {
        self.bounded(operation, text, variables, self.settings.call_timeout, RECONNECTS).await
    }

    /// Runs a script, once. The next holder of the migration lock reads whether a script that was cut off has been
    /// applied.
    pub(in crate::surreal) async fn send_once(
        &self,
        operation: &'static str,
        text: Cow<'static, str>,
        variables: Variables,
    ) -> Result<Result<IndexedResults, Failure>, DalError> {
        // Finds out whether an idle connection is dead before the script is sent.
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
                    // The library may have connected again by itself, without signing in.
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

    /// Returns the connection, and whether it was made just now.
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

    /// Drops a connection, unless another call has replaced it already.
    async fn forget(&self, connection: &Arc<Connection>) {
        let mut held = self.connection.lock().await;
        if held.as_ref().is_some_and(|held| Arc::ptr_eq(held, connection)) {
            *held = None;
        }
    }
}
