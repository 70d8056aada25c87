//! An open PostgreSQL database.

use std::sync::Arc;

use sqlx::{Postgres, QueryBuilder, postgres::PgArguments, query::Query};

use super::pool::PostgresServer;
use crate::DalError;

/// A database on a server.
#[derive(Debug, Clone)]
pub(crate) struct PostgresStore(Arc<PostgresServer>);

impl PostgresStore {
    /// Connects to a server, unless there is a connection already.
    pub(crate) async fn on_server(server: &Arc<PostgresServer>) -> Result<Self, DalError> {
        let held = server.take("open it").await?;
        server.give_back(held);
        Ok(Self(Arc::clone(server)))
    }

    pub(super) fn server(&self) -> &Arc<PostgresServer> {
        &self.0
    }

    /// Makes a query, whose statement the server keeps prepared unless connections go through a pooler.
    pub(super) fn query<'q>(&self, sql: &'static str) -> Query<'q, Postgres, PgArguments> {
        sqlx::query(sql).persistent(self.0.keeps_statements())
    }

    /// Makes a query of which there are several forms.
    pub(super) fn built<'q>(&self, query: &'q mut QueryBuilder<Postgres>) -> Query<'q, Postgres, PgArguments> {
        query.build().persistent(self.0.keeps_statements())
    }
}
