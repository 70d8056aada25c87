//! Shows how far weights are on their way to a server.

use mer_scheduler::{Progress, Step};

use crate::ui::Ui;

/// Shows the progress, if there is a terminal to show it on.
pub(in crate::commands) fn progress(ui: Ui) -> Option<Progress> {
    let line = ui.progress_line()?;
    Some(Progress::new(move |step| match step {
        Step::Brought { version, server, bytes } => {
            line.show(|| format!("bringing {version} to {server}: {} of {} MiB", bytes >> 20, version.bytes >> 20));
        }
        Step::Over => line.clear(),
        _ => {}
    }))
}
