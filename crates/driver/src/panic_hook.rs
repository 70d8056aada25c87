//! Reports a panic, which is a bug in MER, and ends the process with code 70.

use std::panic::{self, PanicHookInfo};

use mer_core::{FailureKind, Shortage, escaped, redacted};

use crate::{
    errors::{ExitCode, shortage_hint},
    ui,
};

/// Installs the hook. A panic on any thread ends the whole process; the watcher then ends the models that it had started.
pub(crate) fn install() {
    panic::set_hook(Box::new(|info| {
        // Libraries panic if a thread cannot be started.
        let shortage = info.payload_as_str().and_then(Shortage::of_start_text);
        ui::write_stderr(&shortage.map_or_else(|| report(info), |shortage| shortage_report(shortage, info)));
        #[expect(clippy::exit, reason = "a panic has no caller to return a code to")]
        std::process::exit(i32::from(ExitCode::of(shortage.map_or(FailureKind::Bug, Shortage::failure_kind))));
    }));
}

fn shortage_report(shortage: Shortage, info: &PanicHookInfo<'_>) -> String {
    let what = info.payload_as_str().unwrap_or_default();
    format!(
        "error: there is not enough of this: {}\ncaused by: {what}\nhint: {}\n",
        shortage.what(),
        shortage_hint(shortage)
    )
}

fn report(info: &PanicHookInfo<'_>) -> String {
    let what = redacted(&escaped(info.payload_as_str().unwrap_or("no message")));
    let at = info.location().map(|at| format!(" ({}:{})", at.file(), at.line())).unwrap_or_default();
    let backtrace = match std::backtrace::Backtrace::capture() {
        trace if trace.status() == std::backtrace::BacktraceStatus::Captured => format!("{trace}\n"),
        _ => String::new(),
    };
    format!(
        "mer: this is a bug in MER {}: {what}{at}\n{backtrace}\
         hint: please report it, with the command you typed and this text, {}\n",
        env!("CARGO_PKG_VERSION"),
        issue_tracker(),
    )
}

const fn issue_tracker() -> &'static str {
    if env!("CARGO_PKG_REPOSITORY").is_empty() {
        "in the issue tracker of the place you got MER from"
    } else {
        concat!("at ", env!("CARGO_PKG_REPOSITORY"))
    }
}
