//! Statistics of the log.

use mer_dal::{AccessFilter, Session, StatsBy, StatsReader, StatsRow};

use super::query::PAGE;
use crate::{error::ServiceError, runtime::Runtime, small_pages::SmallPages};

/// Returns the statistics of all accesses of a filter. The journal is drained first. An embedded database is closed and opened
/// again meanwhile, so that other processes get it in between.
///
/// # Errors
/// The database cannot be read.
pub async fn stats(runtime: &Runtime, filter: AccessFilter, by: StatsBy) -> Result<Vec<StatsRow>, ServiceError> {
    let _small = SmallPages::only();
    let mut reader = StatsReader::new(filter, by);
    let mut session = runtime.session_drained().await?;
    loop {
        let read = read(&mut reader, &session).await;
        session.close().await?;
        read?;
        if reader.is_over() {
            return Ok(reader.finish());
        }
        session = runtime.another_session().await?;
    }
}

/// Reads for as long as the session may last.
async fn read(reader: &mut StatsReader, session: &Session) -> Result<(), ServiceError> {
    while !reader.is_over() {
        reader.next(session, PAGE).await?;
        if session.should_yield() {
            break;
        }
    }
    Ok(())
}
