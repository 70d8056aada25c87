//! From the filters of a command line to those of the database.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use mer_core::{Selector, Which};
use mer_dal::AccessFilter;
use mer_service::weights;

use crate::{
    app::App,
    cli::{LogFilterArgs, selector},
    errors::CliError,
    ui::Ui,
};

/// How long ago an access may have begun where no index leads to it, unless the command line says otherwise.
const LATELY: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Returns the time zone in which times are read and shown.
pub(crate) fn time_zone(app: &App, utc: bool) -> TimeZone {
    if is_utc(app, utc) { TimeZone::UTC } else { TimeZone::system() }
}

/// Whether times are read and shown in UTC. `utc` is the flag of the command line.
pub(super) const fn is_utc(app: &App, utc: bool) -> bool {
    utc || app.settings.utc
}

/// Checks the values of `--since` and `--until`.
///
/// # Errors
/// The end is before the beginning (64).
pub(crate) fn check_order(since: Timestamp, until: Timestamp) -> Result<(), CliError> {
    if until < since {
        return Err(CliError::usage(format!("`--until` is {until}, before `--since`, which is {since}")));
    }
    Ok(())
}

/// Returns the filter of a command that looks at the whole log.
///
/// # Errors
/// The model has no such version, a time does not exist, or the end is before the beginning (64).
pub(super) async fn whole(app: &App, args: &LogFilterArgs) -> Result<AccessFilter, CliError> {
    let selector = args.model.as_deref().map(selector).transpose()?;
    let (now, zone) = (Timestamp::now(), time_zone(app, args.utc));
    let since = args.since.map(|since| since.timestamp(now, &zone)).transpose()?;
    let until = args.until.map(|until| until.timestamp(now, &zone)).transpose()?;
    if let (Some(since), Some(until)) = (since, until) {
        check_order(since, until)?;
    }
    let filter = AccessFilter { since, until, ..args.filter()? };
    let version = match &selector {
        Some(Selector { which: Which::Version(version), .. }) => Some(*version),
        // The version that the alias means now.
        Some(named @ Selector { which: Which::Alias(_), .. }) => {
            Some(weights::version(&app.runtime, named).await?.version.version)
        }
        _ => None,
    };
    Ok(AccessFilter { model: selector.map(|selector| selector.model), version, ..filter })
}

/// As [`whole`], but where no index leads to the accesses, only those of the last days, and a note says so.
///
/// # Errors
/// As [`whole`].
pub(super) async fn recent(app: &App, args: &LogFilterArgs, ui: Ui) -> Result<AccessFilter, CliError> {
    let filter = whole(app, args).await?;
    let dialect = app.runtime.database().settings().url.dialect();
    if filter.since.is_some() || !filter.scans(dialect) {
        return Ok(filter);
    }
    let until = filter.until.unwrap_or_else(Timestamp::now);
    ui.note("no index has these filters: only the last 7 days are searched; `--since` searches further back");
    Ok(AccessFilter { since: until.checked_sub(LATELY).ok(), ..filter })
}
