//! A panic is a bug in MER: one sentence, where to report it, and code 70.

use std::panic::{self, PanicHookInfo};

use mer_core::{ExitCode, escaped, redacted};

use crate::ui;

/// Installs the hook. A panic on any thread ends the process: a half-dead `mer` would be worse than a dead one, and its
/// watcher ends what it had started.
pub(crate) fn install() {
    panic::set_hook(Box::new(|info| {
        ui::emergency(&report(info));
        #[expect(clippy::exit, reason = "a panic has no caller to return a code to")]
        std::process::exit(i32::from(ExitCode::BUG));
    }));
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
        where_to_report(),
    )
}

const fn where_to_report() -> &'static str {
    if env!("CARGO_PKG_REPOSITORY").is_empty() {
        "in the issue tracker of the place you got MER from"
    } else {
        concat!("at ", env!("CARGO_PKG_REPOSITORY"))
    }
}
