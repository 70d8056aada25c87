//! Shows how far weights are on their way to a server.

use mer_scheduler::{DeliveryEvent, DeliveryObserver};

use crate::ui::Ui;

/// Shows the progress, if there is a terminal to show it on.
pub(in crate::commands) fn progress(ui: Ui) -> Option<DeliveryObserver> {
    let line = ui.progress_line()?;
    Some(DeliveryObserver::new(move |event| match event {
        DeliveryEvent::Transferred { version, server, bytes } => {
            line.show(|| format!("bringing {version} to {server}: {} of {} MiB", bytes >> 20, version.bytes >> 20));
        }
        DeliveryEvent::Over => line.clear(),
        _ => {}
    }))
}
