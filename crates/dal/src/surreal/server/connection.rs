//! Connects to a server.

use std::{
    future::IntoFuture as _,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use surrealdb::{
    Error, Surreal,
    engine::any::Any,
    opt::{
        Config, WebsocketConfig,
        auth::{Database, Namespace, Record, Root},
    },
    types::{ErrorDetails, NotFoundError, Object, Value},
};
use tokio::{
    net::TcpStream,
    runtime::{Builder, Runtime},
    time::{sleep, timeout},
};

use super::{SurrealUrl, connection_params::ConnectionParams, tcp_nodelay, tls};
use crate::{
    AuthLevel, BoxError, DalError, retry,
    surreal::error::{ErrorClass, classify},
};

/// How long a server may refuse connections because it restarts.
const RESTART: Duration = Duration::from_secs(3);

/// Maximum size of an answer in bytes. Requests have a few MiB at most, far below the server's own limit of 128 MiB.
const LONGEST_ANSWER: usize = 1 << 30;

/// Changes nothing, and fails without the right to edit. The server silently drops writes of a VIEWER or a record user,
/// and has no other way to query that right.
const EDIT: &str = "REMOVE TABLE IF EXISTS `mer: no such table`;";

/// A connection on which the user is signed in.
///
/// The client library has a task for it that reconnects for ever. So each connection has a runtime of its own, which
/// ends with the connection and takes that task with it.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) db: Surreal<Any>,
    /// Whether writes that report no error are stored. If not, they must be read back.
    pub(super) keeps_writes: bool,
    runtime: Option<Runtime>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Checks that a server listens.
pub(super) async fn probe(target: &ConnectionParams) -> io::Result<()> {
    TcpStream::connect((target.host.as_str(), target.port)).await.map(drop)
}

/// Connects within the wait.
pub(super) async fn connect(
    target: &ConnectionParams,
    url: &SurrealUrl,
    wait: Duration,
) -> Result<Arc<Connection>, DalError> {
    let begun = Instant::now();
    let mut lost = 0;
    loop {
        // One long attempt instead of short ones: a server that is slow to sign in would become slower by repeated
        // attempts.
        let bound = wait.saturating_sub(begun.elapsed()).max(Duration::from_millis(100));
        let stopped = match timeout(bound, once(target, url)).await {
            Ok(Ok(connection)) => return Ok(Arc::new(connection)),
            Ok(Err(stopped)) => stopped,
            Err(_) => {
                let text = format!("no connection within {:.1} s", bound.as_secs_f64());
                Stopped::For(unreachable(url, io::Error::new(io::ErrorKind::TimedOut, text)))
            }
        };
        let error = match stopped {
            Stopped::For(error) => return Err(error),
            Stopped::Away(error) => error,
        };
        lost += 1;
        let pause = retry::pause(lost) * 5;
        if begun.elapsed() + pause >= wait.min(RESTART) {
            return Err(unreachable(url, error));
        }
        tracing::debug!(database = %url, %error, "the server is away; trying again");
        sleep(pause).await;
    }
}

enum Stopped {
    /// No server listens; it may be restarting.
    Away(io::Error),
    /// Another attempt would not help.
    For(DalError),
}

fn unreachable(url: &SurrealUrl, source: impl Into<BoxError>) -> DalError {
    DalError::Unreachable { database: url.to_string(), source: source.into() }
}

async fn once(target: &ConnectionParams, url: &SurrealUrl) -> Result<Connection, Stopped> {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if let Err(error) = probe(target).await {
        return Err(match error.kind() {
            ConnectionRefused | ConnectionReset | ConnectionAborted => Stopped::Away(error),
            _ => Stopped::For(unreachable(url, error)),
        });
    }
    let websocket = WebsocketConfig::new().max_message_size(LONGEST_ANSWER);
    let config = Config::new().websocket(websocket).map_err(|error| Stopped::For(unreachable(url, error)))?;
    let config = if target.tls {
        // The file of certificate authorities is a setting, as with PostgreSQL, so the error is one of the URL.
        let wrong = |error: BoxError| Stopped::For(DalError::Url { url: url.to_string(), reason: error.to_string() });
        config.rustls(tls::config(target.tls_ca.as_deref(), target.tls_insecure).map_err(wrong)?)
    } else {
        config
    };
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("mer-surreal")
        .enable_all()
        .build()
        .map_err(|source| Stopped::For(DalError::Thread { source }))?;
    // From here on the runtime is shut down whatever happens.
    let mut ending = Ending(Some(runtime));
    let address = format!("{}://{}:{}", if target.tls { "wss" } else { "ws" }, url.bracketed_host(), target.port);
    let opening = surrealdb::engine::any::connect((address, config)).into_future();
    let task = ending.0.as_ref().map(|runtime| runtime.spawn(opening));
    let opened = match task {
        Some(task) => {
            tcp_nodelay::off_while(target.port, task).await.map_err(|error| Stopped::For(unreachable(url, error)))?
        }
        None => return Err(Stopped::For(DalError::Gone { operation: "connect" })),
    };
    let db = match opened {
        Ok(db) => db,
        // The server may have gone since it was probed.
        Err(error) if is_away(&error) => return Err(Stopped::Away(io::Error::other(error))),
        Err(error) => return Err(Stopped::For(unreachable(url, error))),
    };
    sign_in(&db, target, url).await?;
    match db.use_ns(&target.namespace).use_db(&target.database).await {
        Ok(_) => {}
        // `mer migrate` creates them; until then the database is empty.
        Err(error) if is_missing_database(&error) => {}
        Err(error) => return Err(stopped(error, target, url)),
    }
    let keeps_writes = db.query(EDIT).await.and_then(|answer| answer.check()).is_ok();
    Ok(Connection { db, keeps_writes, runtime: ending.0.take() })
}

/// Shuts a runtime down in the background, because it must not be dropped on a thread of another runtime.
struct Ending(Option<Runtime>);

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Signs in at the level at which the user is defined.
async fn sign_in(db: &Surreal<Any>, target: &ConnectionParams, url: &SurrealUrl) -> Result<(), Stopped> {
    let Some(user) = &target.user else { return Ok(()) };
    let mut refused = None;
    for &level in &target.levels {
        match sign_in_as(db, target, user, level).await {
            Ok(()) => return Ok(()),
            Err(error) if classify(&error) == ErrorClass::Lost => return Err(stopped(error, target, url)),
            // The error of the last level is reported: the one with the most rights.
            Err(error) => refused = Some(error),
        }
    }
    match refused {
        Some(error) => Err(stopped(error, target, url)),
        None => Ok(()),
    }
}

async fn sign_in_as(db: &Surreal<Any>, target: &ConnectionParams, user: &str, level: AuthLevel) -> Result<(), Error> {
    let username = user.to_owned();
    let password = target.password.as_ref().map_or("", |password| password.reveal()).to_owned();
    let (namespace, database) = (target.namespace.clone(), target.database.clone());
    let signed: Result<_, Error> = match level {
        AuthLevel::Root => db.signin(Root { username, password }).await,
        AuthLevel::Namespace => db.signin(Namespace { namespace, username, password }).await,
        AuthLevel::Database => db.signin(Database { namespace, database, username, password }).await,
        AuthLevel::Record => {
            let mut params = Object::new();
            params.insert("user", username);
            params.insert("pass", password);
            let access = target.access.clone().unwrap_or_default();
            db.signin(Record { namespace, database, access, params: Value::Object(params) }).await
        }
    };
    signed.map(drop)
}

fn stopped(error: Error, target: &ConnectionParams, url: &SurrealUrl) -> Stopped {
    let (database, user) = (url.to_string(), target.shown_user());
    match classify(&error) {
        ErrorClass::Lost => Stopped::Away(io::Error::other(error)),
        ErrorClass::Rights => {
            Stopped::For(DalError::Rights { operation: "connect", database, user, source: error.into() })
        }
        // Servers report a refused sign-in by various errors.
        _ => Stopped::For(DalError::Refused { database, user, source: error.into() }),
    }
}

fn is_missing_database(error: &Error) -> bool {
    matches!(
        error.details(),
        ErrorDetails::NotFound(Some(NotFoundError::Namespace { .. } | NotFoundError::Database { .. }))
    )
}

/// Returns whether the server was away; the library reports that as text only.
fn is_away(error: &Error) -> bool {
    let text = error.message();
    ["Connection refused", "Connection reset", "os error 104", "os error 111", "Handshake not finished"]
        .iter()
        .any(|word| text.contains(word))
}
