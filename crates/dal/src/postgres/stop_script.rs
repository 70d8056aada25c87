//! Ends a script on the server that no call waits for any more.

use std::time::Duration;

use sqlx::query;
use tokio::time::{sleep, timeout};

use super::{
    PostgresStore,
    connect::Purpose,
    script_session::{SHORT, ServerProcess},
};

/// Bound on waiting for the end of a script, and the pause between two checks.
const END: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(20);

impl PostgresStore {
    /// Ends the script that a call was running when its future was dropped: the connection is closed by then, which a
    /// server notices late or not at all. Uses a separate connection, with the rights of the same user.
    pub(crate) async fn stop_script(&self) {
        let Some(process) = self.server().take_script() else { return };
        if timeout(END, self.stop(&process)).await.is_err() {
            tracing::warn!(pid = process.pid, "the server still runs the script: `pg_terminate_backend` ends it");
        }
    }

    async fn stop(&self, process: &ServerProcess) {
        const END_IT: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE pid = $1 AND backend_start::text = $2";
        const RUNS: &str = "SELECT 1 FROM pg_stat_activity WHERE pid = $1 AND backend_start::text = $2";
        let ask = |text: &'static str| query(text).persistent(false).bind(process.pid).bind(&process.started);
        let ending = async {
            let mut connection =
                self.server().connect(Purpose::short(SHORT)).await.map_err(|error| error.to_string())?;
            let connection = &mut connection.raw;
            ask(END_IT).execute(&mut *connection).await.map_err(|error| error.to_string())?;
            while ask(RUNS).fetch_optional(&mut *connection).await.map_err(|error| error.to_string())?.is_some() {
                sleep(PAUSE).await;
            }
            Ok::<(), String>(())
        };
        if let Err(error) = ending.await {
            tracing::warn!(pid = process.pid, error, "the script could not be ended on the server");
        }
    }
}
