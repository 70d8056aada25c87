//! Databases through `mer-dal`, for states that no command makes.

use mer_core::Access;
use mer_dal::{Database, DbUrl, Session, Settings};

use super::{BOUND, TestEnv};

/// Works with one session and closes it. The URL `embedded` is the database of the environment.
pub(crate) fn with_session(env: &TestEnv, url: &str, work: impl AsyncFnOnce(Session) -> Session) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    runtime.block_on(async {
        let url = DbUrl::parse(url, &env.path("data/mer")).expect("url");
        let database = Database::new(Settings { wait: BOUND, ..Settings::new(url) });
        let session = work(database.session().await.expect("session")).await;
        session.close().await.expect("closed");
    });
}

/// Records accesses in a database.
pub(crate) fn record(env: &TestEnv, url: &str, accesses: &[Access]) {
    with_session(env, url, async |mut session| {
        for some in accesses.chunks(1000) {
            session.record(some).await.expect("recorded");
            session = session.renew().await.expect("session");
        }
        session
    });
}
