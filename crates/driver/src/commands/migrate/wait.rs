//! `mer migrate wait`.

use std::time::{Duration, Instant};

use mer_dal::DalError;
use mer_service::Activity;

use crate::{app::App, cli::WaitArgs, errors::CliError, ui::Ui};
use mer_core::FailureKind;

/// How long one try may take, and the pause before the next.
const TRY: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(100);

/// Waits until the database answers, whatever its schema is.
pub(super) async fn wait(app: &App, args: &WaitArgs, ui: Ui) -> Result<(), CliError> {
    let bound = args.timeout.unwrap_or(app.settings.db_wait).duration();
    let begun = Instant::now();
    let told = app.runtime.begin(Activity::Database);
    let left = || bound.map(|bound| bound.saturating_sub(begun.elapsed()));
    // An embedded database that nobody has used yet is made by whoever uses it.
    while app.runtime.database().is_there() {
        let error = match app.runtime.migrations_session_within(left().unwrap_or(TRY).min(TRY)).await {
            Ok(session) => {
                session.close().await?;
                break;
            }
            Err(error) => error,
        };
        let may_come = matches!(
            error,
            DalError::Unreachable { .. }
                | DalError::Lost { .. }
                | DalError::Late { .. }
                | DalError::NotReady { .. }
                | DalError::Short { .. }
                | DalError::Busy { .. }
        );
        if !may_come {
            return Err(error.into());
        }
        if let Some(bound) = bound
            && bound.saturating_sub(begun.elapsed()) <= PAUSE
        {
            let database = &app.runtime.database().settings().url;
            let told = format!("the database `{database}` did not answer within {:.1} s", bound.as_secs_f64());
            return Err(CliError::new(FailureKind::Busy, told).caused_by(error));
        }
        tokio::time::sleep(PAUSE).await;
    }
    drop(told);
    ui.note(&format!("the database answers, after {:.1} s", begun.elapsed().as_secs_f64()));
    Ok(())
}
