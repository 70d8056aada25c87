//! Connects to a server.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use sqlx::{
    ConnectOptions as _, Error, PgConnection,
    postgres::{PgConnectOptions, PgSslMode},
};
use tokio::time::{sleep, timeout};

use super::{
    connection_params::{ConnectionParams, SslMode},
    error::{ErrorClass, boxed, classify, is_refused_connection},
    script_session,
};
use crate::{DalError, retry};

/// Oldest supported server, in the server's numbering: gen_random_uuid() is in core since then.
const LEAST_VERSION: u32 = 130_000;
const LEAST: &str = "13";

/// How long a server may refuse connections because it restarts. A server that is starting up and answers is waited for
/// as long as the caller waits.
const RESTART: Duration = Duration::from_secs(3);

/// Number of statements that a connection keeps prepared.
const STATEMENTS: usize = 50;

/// First version of the server that notices, while a statement runs, that its client is gone.
const LOOKS_FOR_CLIENT: u32 = 140_000;

/// Purpose of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Purpose {
    /// Bound on one statement, which the server enforces.
    pub(super) statement: Duration,
    /// Bound on waiting for a lock of another transaction.
    pub(super) lock: Duration,
    /// Whether statements run for long, and must end with this process however it ends.
    pub(super) script: bool,
}

impl Purpose {
    /// Short statements of MER itself.
    pub(super) const fn short(bound: Duration) -> Self {
        Self { statement: bound, lock: bound, script: false }
    }
}

/// Connects within the wait. `database` is the URL for messages.
pub(super) async fn connect(
    target: &ConnectionParams,
    database: &str,
    purpose: Purpose,
    wait: Duration,
) -> Result<PgConnection, DalError> {
    let options = options(target, purpose);
    let begun = Instant::now();
    let mut lost = 0;
    loop {
        let bound = target.connect_timeout.min(wait.saturating_sub(begun.elapsed()).max(Duration::from_millis(100)));
        let outcome = timeout(bound, options.connect()).await.unwrap_or_else(|_| Err(too_long(bound)));
        let error = match outcome {
            Ok(connection) => return ready(connection, target, purpose, database).await,
            Err(error) => error,
        };
        let patience = match classify(&error) {
            ErrorClass::NotReady => wait,
            _ if is_refused_connection(&error) => wait.min(RESTART),
            _ => Duration::ZERO,
        };
        lost += 1;
        // Up to half a second: many processes may be waiting for the same server.
        let pause = retry::pause(lost) * 5;
        if begun.elapsed() + pause >= patience {
            return Err(match classify(&error) {
                ErrorClass::NotReady => {
                    let (database, waited) = (database.to_owned(), begun.elapsed());
                    DalError::NotReady { database, waited, source: boxed(error) }
                }
                _ => failed(error, target, database),
            });
        }
        tracing::debug!(database, error = %boxed(error), "the server is away; trying again");
        sleep(pause).await;
    }
}

async fn ready(
    mut connection: PgConnection,
    target: &ConnectionParams,
    purpose: Purpose,
    database: &str,
) -> Result<PgConnection, DalError> {
    // A server that does not report its version is not PostgreSQL, but may be compatible.
    let version = connection.server_version_num();
    if let Some(found) = version.filter(|version| *version < LEAST_VERSION) {
        return Err(DalError::TooOld { database: database.to_owned(), found: format_version(found), least: LEAST });
    }
    let looks = version.is_some_and(|version| version >= LOOKS_FOR_CLIENT);
    // A pooler would keep the setting for other clients, and is itself the client that the server checks.
    if purpose.script && looks && target.statement_cache {
        script_session::look_for_client(&mut connection).await;
    }
    Ok(connection)
}

/// Formats a version: `90624` is 9.6.24, `150004` is 15.4.
fn format_version(version: u32) -> String {
    if version < 100_000 {
        format!("{}.{}.{}", version / 10_000, version / 100 % 100, version % 100)
    } else {
        format!("{}.{}", version / 10_000, version % 10_000)
    }
}

fn too_long(bound: Duration) -> Error {
    let text = format!("no connection within {:.1} s", bound.as_secs_f64());
    Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, text))
}

fn failed(error: Error, target: &ConnectionParams, database: &str) -> DalError {
    let database = database.to_owned();
    match classify(&error) {
        ErrorClass::Refused => DalError::Refused { database, user: target.user.clone(), source: boxed(error) },
        // The right CONNECT on the database.
        ErrorClass::Rights => {
            DalError::Rights { operation: "connect", database, user: target.user.clone(), source: boxed(error) }
        }
        ErrorClass::NoDatabase => DalError::NoDatabase { name: target.database.clone(), database },
        ErrorClass::Short => DalError::Short { operation: "connect", database, source: boxed(error) },
        _ => DalError::Unreachable { database, source: boxed(error) },
    }
}

/// Sets every option, because sqlx fills the others from the environment. (It still reads the PGSSL files if none are
/// named, and PGOPTIONS; the settings contain the same values.)
fn options(target: &ConnectionParams, purpose: Purpose) -> PgConnectOptions {
    let mut options = PgConnectOptions::new_without_pgpass()
        .port(target.port)
        .username(&target.user)
        .password(target.password.as_ref().map_or("", |password| password.reveal()))
        .database(&target.database)
        .application_name(&target.application)
        .ssl_mode(match target.ssl_mode {
            _ if target.is_socket() => PgSslMode::Disable,
            SslMode::Disable | SslMode::Allow => PgSslMode::Disable,
            SslMode::Prefer => PgSslMode::Prefer,
            SslMode::Require => PgSslMode::Require,
            SslMode::VerifyCa => PgSslMode::VerifyCa,
            SslMode::VerifyFull => PgSslMode::VerifyFull,
        })
        // The server's default is exact since version 12, and a pooler does not know the parameter.
        .extra_float_digits(None)
        .statement_cache_capacity(if target.statement_cache { STATEMENTS } else { 0 })
        .disable_statement_logging();
    options = if target.is_socket() {
        options.host("localhost").socket(Path::new(&target.host))
    } else {
        options.host(&target.host)
    };
    if let Some(file) = &target.ssl_root {
        options = options.ssl_root_cert(file);
    }
    if let (Some(cert), Some(key)) = (&target.ssl_cert, &target.ssl_key) {
        options = options.ssl_client_cert(cert).ssl_client_key(key);
    }
    // A pooler refuses parameters that it does not know; then only our own bounds apply.
    if target.statement_cache {
        let bounds = [("statement_timeout", purpose.statement), ("lock_timeout", purpose.lock)];
        options = options.options(bounds.map(|(name, bound)| (name, millis(bound))));
        if purpose.script {
            options = options.options(script_session::KEEPALIVE);
        }
    }
    if !target.options.is_empty() {
        options = options.options(target.options.iter().map(|(name, value)| (name, value)));
    }
    options
}

/// Formats a bound for the server, in milliseconds. Zero would mean no bound, and the maximum is 24 days.
fn millis(bound: Duration) -> String {
    bound.as_millis().clamp(1, i32::MAX.unsigned_abs().into()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_bound_is_given_as_none() {
        assert_eq!(millis(Duration::ZERO), "1");
        assert_eq!(millis(Duration::from_secs(2)), "2000");
        assert_eq!(millis(Duration::MAX), "2147483647");
    }

    #[test]
    fn versions_read_as_the_server_shows_them() {
        assert_eq!(format_version(90_624), "9.6.24");
        assert_eq!(format_version(120_004), "12.4");
    }
}
