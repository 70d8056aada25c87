//! What is shown while a batch runs.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use mer_batch::{Event, Progress};
use mer_core::escaped;
use serde_json::json;

use crate::{
    cli::ProgressArg,
    ui::{Format, ProgressLine, Ui, write_stderr},
};

/// Maximum number of failed items that are told.
const MAX_TOLD: u64 = 10;
/// Time between two lines of JSON.
const INTERVAL: Duration = Duration::from_secs(1);

/// Shows how far a batch is.
#[derive(Debug)]
pub(super) struct Display {
    ui: Ui,
    mode: ProgressArg,
    /// Whether a field identifies items.
    has_ids: bool,
    line: Option<ProgressLine>,
    told: AtomicU64,
    /// Whether an answer did not fit into the format of the results.
    has_unfit: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last_line: Option<Instant>,
    running: u64,
    /// What parts wait for.
    waits_for: Option<String>,
}

impl Display {
    /// `has_file`: results do not go to standard output. On a terminal they would be mixed with the line otherwise.
    pub(super) fn new(ui: Ui, mode: ProgressArg, has_file: bool, has_ids: bool) -> Self {
        let line = (mode == ProgressArg::Auto && (has_file || !ui.out_is_terminal())).then(|| ui.progress_line());
        Self {
            ui,
            mode,
            has_ids,
            line: line.flatten(),
            told: AtomicU64::new(0),
            has_unfit: AtomicBool::new(false),
            state: Mutex::default(),
        }
    }

    /// Shows what has happened.
    pub(super) fn show(&self, event: Event) {
        match event {
            Event::Progress(progress) => self.progress(&progress),
            Event::CarriageReturn { line } => self.warn(&format!(
                "line {line} ends with a carriage return, which belongs to its item; `tr -d '\\r'` removes all of them"
            )),
            Event::ItemFailed { id, line, message, is_unfit } => {
                self.has_unfit.fetch_or(is_unfit, Ordering::Relaxed);
                let told = self.told.fetch_add(1, Ordering::Relaxed);
                if told < MAX_TOLD {
                    // A fault of the input names its place already.
                    let place = if message.starts_with("line ") { String::new() } else { format!("line {line}: ") };
                    let item = if self.has_ids { format!("`{id}`: ") } else { String::new() };
                    self.warn(&format!("{item}{place}{message}"));
                } else if told == MAX_TOLD {
                    self.warn("further failed items are not told here; `--errors FILE` gets all of them");
                }
            }
            Event::Waiting { message } => self.warn(&format!("no server can be reached, trying again: {message}")),
            _ => {}
        }
    }

    /// Takes note of what parts wait for; nothing once they have it.
    pub(super) fn wait(&self, waits_for: Option<String>) {
        self.state().waits_for = waits_for;
    }

    /// Says that nothing new is started.
    pub(super) fn finishing(&self) {
        let running = self.state().running;
        // It is known as of the last report, which may be older than what runs.
        let what = if running > 0 { format!("the {running} that run") } else { "what runs".to_owned() };
        self.warn(&format!("finishing {what}; Ctrl-C once more ends the batch at once"));
    }

    /// Writes the progress as JSON, if that is asked for.
    pub(super) fn last(&self, progress: &Progress) {
        if self.mode == ProgressArg::Json {
            write_json(progress);
        }
    }

    /// Whether an answer did not fit into the format of the results.
    pub(super) fn has_unfit(&self) -> bool {
        self.has_unfit.load(Ordering::Relaxed)
    }

    /// Erases the line.
    pub(super) fn clear(&self) {
        self.line.iter().for_each(ProgressLine::clear);
    }

    fn progress(&self, progress: &Progress) {
        let mut state = self.state();
        state.running = progress.running;
        match (self.mode, &self.line) {
            (ProgressArg::Json, _) => {
                let now = Instant::now();
                if state.last_line.is_none_or(|last| now.duration_since(last) >= INTERVAL) {
                    state.last_line = Some(now);
                    write_json(progress);
                }
            }
            (_, Some(line)) => line.show(|| line_of(progress, state.waits_for.as_deref())),
            _ => {}
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that is called with the lock held panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a warning; programs that read JSON and cron do not get it.
    fn warn(&self, message: &str) {
        if self.ui.format() == Format::Text {
            write_stderr(&format!("mer: warning: {}\n", escaped(message)));
        }
    }
}

/// Returns the progress as a line for people.
fn line_of(progress: &Progress, waits_for: Option<&str>) -> String {
    let Progress { total, succeeded, failed, rate, left, servers, .. } = progress;
    let done = succeeded + failed;
    let mut line = total.map_or_else(|| done.to_string(), |total| format!("{done} of {total}"));
    if *failed > 0 {
        line.push_str(&format!(", {failed} failed"));
    }
    line.push_str(&format!(", {rate:.1}/s"));
    if let Some(left) = left {
        line.push_str(&format!(", {} left", in_words(*left)));
    }
    if servers.len() > 1 {
        let each = servers.iter().map(|(name, count)| format!("{name} {}", count.succeeded + count.failed));
        line.push_str(&format!(" ({})", each.collect::<Vec<_>>().join(", ")));
    }
    if let Some(waits_for) = waits_for {
        line.push_str(&format!("; {waits_for}"));
    }
    line
}

/// Returns a duration in its two greatest units.
pub(super) fn in_words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{:.1} s", duration.as_secs_f64()),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// Returns the counts as JSON.
pub(super) fn counts(progress: &Progress) -> serde_json::Value {
    let Progress { total, succeeded, failed, kept, running, rate, left, servers, .. } = progress;
    let each = |(name, count): (&String, &mer_batch::ServerProgress)| {
        (name.clone(), json!({ "succeeded": count.succeeded, "failed": count.failed }))
    };
    let servers: serde_json::Map<_, _> = servers.iter().map(each).collect();
    json!({
        "total": total,
        "succeeded": succeeded,
        "failed": failed,
        "kept": kept,
        "running": running,
        "rate": (rate * 10.0).round() / 10.0,
        "leftSeconds": left.map(|left| left.as_secs()),
        "servers": servers,
    })
}

fn write_json(progress: &Progress) {
    let mut object = json!({ "message_type": "batch_progress" });
    if let (Some(object), serde_json::Value::Object(counts)) = (object.as_object_mut(), counts(progress)) {
        object.extend(counts);
    }
    write_stderr(&format!("{object}\n"));
}
