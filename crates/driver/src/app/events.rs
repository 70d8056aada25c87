//! Tells the user what the service reports: waits on the terminal, warnings in the diagnostics.

use std::sync::{Mutex, PoisonError};

use mer_core::{Bound, with_causes};
use mer_dal::{DalError, DrainReport};
use mer_service::{Activity, ActivityGuard, Event, EventSink};

use crate::ui::{Ui, WaitNotice, counted};

/// The events of the command at hand. Nothing is shown before there is one.
#[derive(Debug)]
pub(crate) struct UiEvents {
    ui: Mutex<Option<Ui>>,
    database: String,
    db_wait: Bound,
}

impl UiEvents {
    /// `database` as it may be shown.
    pub(super) fn new(database: String, db_wait: Bound) -> Self {
        Self { ui: Mutex::default(), database, db_wait }
    }

    /// Sets where output of the command at hand goes.
    pub(super) fn set_ui(&self, ui: Ui) {
        *self.ui.lock().unwrap_or_else(PoisonError::into_inner) = Some(ui);
    }

    pub(super) fn ui(&self) -> Option<Ui> {
        *self.ui.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows a wait until what it returns is dropped, if there is a person to see it.
    pub(super) fn show_wait(&self, line: impl FnOnce() -> String) -> Option<WaitNotice> {
        self.ui()?.wait_notice(line)
    }

    fn line(&self, activity: Activity) -> String {
        let Self { database, db_wait, .. } = self;
        match activity {
            Activity::EndingModels => "waiting for models to end (at most their `grace`; Ctrl-C ends them)".to_owned(),
            Activity::MovingRecords => "moving the last records into the database (at most 2 s)".to_owned(),
            _ => {
                format!("waiting for the database `{database}` (at most {db_wait}: `--db-wait`; Ctrl-C ends the wait)")
            }
        }
    }
}

impl EventSink for UiEvents {
    fn begin(&self, activity: Activity) -> ActivityGuard {
        self.show_wait(|| self.line(activity)).map_or_else(ActivityGuard::none, ActivityGuard::new)
    }

    fn notify(&self, event: Event<'_>) {
        match event {
            Event::JournalDrained { report, stopped } => warn_of_journal(report, stopped),
            Event::SilentRunsLeft { error } => {
                tracing::warn!("runs that nobody hears of any more are listed as `started`: {}", with_causes(error));
            }
            Event::NewerDatabase { error } => tracing::warn!("{error}: what only that version knows is left out"),
            Event::UnimportableRecord { line, error } => {
                tracing::warn!("line {line} of the export is one that `mer import` refuses: {error}");
            }
            _ => {}
        }
    }
}

/// Warns of what is not in the database.
fn warn_of_journal(report: &DrainReport, stopped: Option<&DalError>) {
    if let Some(error) = stopped {
        tracing::warn!("what waits in the journal of this machine is not in the database yet: {}", with_causes(error));
    }
    for skipped in &report.skipped {
        tracing::warn!("the journal segment `{}` cannot be read: {}", skipped.path.display(), skipped.reason);
    }
    for place in &report.elsewhere {
        let (count, address) = (counted(place.segments as u64, "journal segment"), &place.address);
        tracing::warn!("{count} of this database, as it was at `{address}`, left alone: `mer doctor` says what to do");
    }
}
