//! Says how a model is kept, to a person that has waited for it.

use std::time::{Duration, SystemTime};

use mer_core::{Protocol, escaped};
use mer_scheduler::Outcome;

use crate::{app::App, ui::Ui};

/// Start of a model, in milliseconds, that is worth a word.
const LONG_START_MS: f64 = 2_000.0;
/// The least time between two such words.
const INTERVAL: Duration = Duration::from_secs(24 * 3600);
/// File in the state folder; its time is that of the last word.
const STAMP: &str = "keepalive-hint";

/// Says how the model is kept for the next call, if a person waited for its start. Said once a day at most.
pub(super) fn show(app: &App, outcome: &Outcome, is_here: bool, ui: Ui) {
    let access = &outcome.access;
    let stays_up = [Protocol::Lines, Protocol::Token].iter().any(|protocol| protocol.name() == access.protocol);
    let waited = access.start_ms.filter(|ms| *ms > LONG_START_MS);
    let (Some(waited), true) = (waited, is_here && stays_up && app.settings.serve) else {
        return;
    };
    if !ui.shows_status() || !outcome.succeeded() || !is_due(app) {
        return;
    }
    let model = &access.model;
    ui.note(&escaped(&format!(
        "`{model}` took {:.1} s to start; `mer --allow-changes model set {model} --keepalive 5m` keeps it for further calls",
        waited / 1_000.0
    )));
}

/// Whether the last word is a day old. Notes that there is one now.
fn is_due(app: &App) -> bool {
    let folder = &app.settings.state_dir;
    let stamp = folder.join(STAMP);
    let last = std::fs::symlink_metadata(&stamp).and_then(|found| found.modified());
    let now = SystemTime::now();
    if last.is_ok_and(|last| now.duration_since(last).is_ok_and(|passed| passed < INTERVAL)) {
        return false;
    }
    let written = mer_files::create_private_dir(folder).and_then(|()| mer_files::replace(&stamp, b""));
    // Without a stamp it would be said every time.
    written.is_ok()
}
