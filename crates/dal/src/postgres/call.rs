//! Calls to the server: each takes a connection, is bounded, and is repeated if that may help.

use std::{pin::pin, time::Duration};

use sqlx::{Error, PgConnection};
use tokio::time::timeout;

use super::{
    error::{ErrorClass, boxed, classify},
    lock_holder,
    pool::{Held, PostgresServer},
};
use crate::{DalError, retry::Conflicts};

/// Number of times that a call reconnects. An idle connection may be found dead once without any harm; more than that
/// is a server in trouble.
const RECONNECTS: u32 = 3;

/// How much later than the server we stop a call: the server's own error says more.
const GRACE: Duration = Duration::from_secs(2);

/// Evaluates an expression that uses a connection, until it has a result. It may be evaluated several times.
macro_rules! call {
    ($server:expr, $operation:expr, |$connection:ident| $work:expr) => {
        $crate::postgres::call::call!($server, $operation, false, |$connection| $work)
    };
    ($server:expr, $operation:expr, $transaction:expr, |$connection:ident| $work:expr) => {{
        let mut call = $crate::postgres::call::Call::new($server, $operation, $transaction);
        loop {
            let mut held = call.begin().await?;
            let outcome = match &mut held {
                Err(_) => None,
                Ok(held) => {
                    let $connection: &mut sqlx::PgConnection = &mut held.connection.raw;
                    call.bounded(async { $work }).await
                }
            };
            if let Some(answer) = call.end(held, outcome).await? {
                break answer;
            }
        }
    }};
}
pub(super) use call;

/// A call and the state of its attempts.
pub(super) struct Call<'a> {
    server: &'a PostgresServer,
    operation: &'static str,
    transaction: bool,
    conflicts: Conflicts,
    reconnects: u32,
    /// Session that held a lock which the last attempt waited for.
    holder: Option<String>,
}

impl<'a> Call<'a> {
    pub(super) fn new(server: &'a PostgresServer, operation: &'static str, transaction: bool) -> Self {
        Self { server, operation, transaction, conflicts: Conflicts::new(operation), reconnects: 0, holder: None }
    }

    /// Returns the bound on one attempt.
    fn bound(&self) -> Duration {
        self.server.call_bound() + GRACE
    }

    /// Runs one attempt within its bound; returns `None` if that ran out.
    pub(super) async fn bounded<T>(
        &mut self,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Option<Result<T, Error>> {
        self.holder = None;
        watched(self.server, self.bound(), work, &mut self.holder).await
    }

    /// Takes a connection, and begins a transaction if there is to be one; the inner error is that of beginning it.
    pub(super) async fn begin(&mut self) -> Result<Result<Held, Error>, DalError> {
        let mut held = self.server.take(self.operation).await?;
        if self.in_transaction(&held)
            && let Err(error) = self.short(&mut held.connection.raw, "BEGIN").await
        {
            return Ok(Err(error));
        }
        Ok(Ok(held))
    }

    /// Evaluates the outcome of an attempt: returns the result, `None` for another attempt, or the error of the call.
    pub(super) async fn end<T>(
        &mut self,
        held: Result<Held, Error>,
        outcome: Option<Result<T, Error>>,
    ) -> Result<Option<T>, DalError> {
        let mut held = match held {
            Ok(held) => held,
            Err(error) => return self.after(error, None).await,
        };
        let in_transaction = self.in_transaction(&held);
        match outcome {
            // Through a pooler only our own bound applies, also to locks.
            None if self.holder.is_some() => Err(self.locked()),
            None => Err(self.late()),
            Some(Ok(answer)) => {
                if in_transaction && let Err(error) = self.short(&mut held.connection.raw, "COMMIT").await {
                    return self.after(error, None).await;
                }
                self.server.give_back(held);
                Ok(Some(answer))
            }
            Some(Err(error)) => {
                let alive = error.as_database_error().is_some() && classify(&error) != ErrorClass::Lost;
                let rolled_back =
                    alive && (!in_transaction || self.short(&mut held.connection.raw, "ROLLBACK").await.is_ok());
                self.after(error, rolled_back.then_some(held)).await
            }
        }
    }

    /// Decides after an error whether there is another attempt. Gives back the connection if it can still be used.
    async fn after<T>(&mut self, error: Error, held: Option<Held>) -> Result<Option<T>, DalError> {
        let user = held.as_ref().map(|held| held.connection.target.user.clone()).unwrap_or_default();
        if let Some(held) = held {
            self.server.give_back(held);
        }
        match classify(&error) {
            ErrorClass::Conflict => {
                self.conflicts.pause(boxed(error)).await?;
                Ok(None)
            }
            ErrorClass::Lost | ErrorClass::NotReady => {
                self.server.forget();
                self.reconnects += 1;
                if self.reconnects > RECONNECTS {
                    let (operation, database) = (self.operation, self.server.name());
                    return Err(DalError::Lost { operation, database, source: boxed(error) });
                }
                tracing::debug!(operation = self.operation, error = %boxed(error), "the connection was lost");
                Ok(None)
            }
            ErrorClass::Late => Err(self.late()),
            ErrorClass::Locked => Err(self.locked()),
            _ => Err(failed(self.server, self.operation, user, error)),
        }
    }

    fn locked(&mut self) -> DalError {
        let (database, holder) = (self.server.name(), self.holder.take());
        DalError::Locked { operation: self.operation, database, holder, waited: self.server.wait }
    }

    fn late(&self) -> DalError {
        let waited = self.server.call_bound();
        DalError::Late { operation: self.operation, database: self.server.name(), waited }
    }

    /// Returns whether the call is a transaction. Through a pooler every call is one: the pooler switches connections
    /// between transactions only.
    fn in_transaction(&self, held: &Held) -> bool {
        self.transaction || !held.connection.target.statement_cache
    }

    async fn short(&self, connection: &mut PgConnection, statement: &'static str) -> Result<(), Error> {
        let bound = self.bound();
        match timeout(bound, sqlx::raw_sql(statement).execute(connection)).await {
            Ok(outcome) => outcome.map(|_| ()),
            Err(_) => Err(Error::Io(std::io::ErrorKind::TimedOut.into())),
        }
    }
}

/// Awaits work on a connection within a bound. If it waits for a lock of another session, `holder` names that session.
pub(super) async fn watched<T>(
    server: &PostgresServer,
    bound: Duration,
    work: impl Future<Output = T>,
    holder: &mut Option<String>,
) -> Option<T> {
    let mut work = pin!(work);
    let done = async {
        tokio::select! {
            biased;
            done = &mut work => done,
            found = lock_holder::of_awaited_lock(server) => {
                *holder = Some(found);
                work.await
            }
        }
    };
    timeout(bound, done).await.ok()
}

/// Returns the error of a call that another attempt would not mend.
pub(super) fn failed(server: &PostgresServer, operation: &'static str, user: String, error: Error) -> DalError {
    let database = server.name();
    match classify(&error) {
        ErrorClass::Lost | ErrorClass::NotReady => DalError::Lost { operation, database, source: boxed(error) },
        ErrorClass::Late => DalError::Late { operation, database, waited: server.call_bound() },
        ErrorClass::Locked => DalError::Locked { operation, database, holder: None, waited: server.wait },
        ErrorClass::Short => DalError::Short { operation, database, source: boxed(error) },
        ErrorClass::Rights => DalError::Rights { operation, database, user, source: boxed(error) },
        ErrorClass::NoSchema => DalError::NoSchema { database },
        ErrorClass::Value => DalError::Value { operation, sure: true, source: boxed(error) },
        ErrorClass::PerhapsValue => DalError::Value { operation, sure: false, source: boxed(error) },
        _ => DalError::Query { operation, source: boxed(error) },
    }
}
