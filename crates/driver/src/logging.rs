//! Diagnostics: `tracing` on stderr, by default warnings only.

use std::fmt;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::{
    EnvFilter,
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

use crate::{
    errors::CliError,
    ui::{LogWriter, hide_status_line},
};

/// MER's crates: `-v` raises their level more than that of other libraries.
const OURS: &[&str] = &[
    "mer",
    "mer_batch",
    "mer_client",
    "mer_core",
    "mer_dal",
    "mer_files",
    "mer_meal",
    "mer_migrations",
    "mer_report",
    "mer_scheduler",
    "mer_serve",
    "mer_service",
    "mer_weights",
];

/// The format of diagnostics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// What is logged, and how.
#[derive(Debug, Clone, Default)]
pub(crate) struct Logging {
    /// Number of times that `-v` was given.
    pub(crate) verbosity: u8,
    /// Directives such as `mer_dal=debug`; ignored if `-v` was given.
    pub(crate) directives: Option<String>,
    /// Whether only errors are logged.
    pub(crate) quiet: bool,
    /// Text or JSON.
    pub(crate) format: LogFormat,
    /// Whether stderr may carry colour.
    pub(crate) colour: bool,
}

/// Starts logging; later calls have no effect.
///
/// # Errors
/// The directives cannot be parsed (78).
pub(crate) fn init(logging: &Logging) -> Result<(), CliError> {
    let filter = filter(logging)?;
    let json = logging.format == LogFormat::Json;
    // The brief form has no colour.
    let brief = !json && logging.verbosity == 0 && logging.directives.is_none();
    let stderr = LogWriter { json, colour: logging.colour && !json && !brief };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(move || {
        hide_status_line();
        stderr
    });
    let started = match (logging.format, logging.verbosity, &logging.directives) {
        (LogFormat::Json, ..) => builder.json().flatten_event(true).try_init(),
        (LogFormat::Text, 0, None) => builder.with_ansi(false).event_format(Brief).try_init(),
        (LogFormat::Text, ..) => builder.with_ansi(logging.colour).try_init(),
    };
    if let Err(error) = started {
        tracing::debug!(%error, "logging was already on");
    }
    Ok(())
}

fn filter(logging: &Logging) -> Result<EnvFilter, CliError> {
    let directives = match (logging.verbosity, &logging.directives) {
        (0, Some(directives)) => directives.clone(),
        // Warnings of libraries are left out: the failed call returns an error, which is reported once.
        (0, None) => ours("off", if logging.quiet { "error" } else { "warn" }),
        (1, _) => ours("warn", "info"),
        (2, _) => ours("info", "debug"),
        (_, _) => ours("debug", "trace"),
    };
    EnvFilter::builder().parse(&directives).map_err(|source| {
        CliError::config(format!("the setting `log` has directives that cannot be read: `{directives}`"))
            .caused_by(source)
            .hint("write for example `debug`, or `warn,mer_dal=debug`")
    })
}

fn ours(others: &str, level: &str) -> String {
    OURS.iter().fold(others.to_owned(), |directives, name| format!("{directives},{name}={level}"))
}

/// The form `mer: warning: …`, like other messages of the command, if no log was asked for.
struct Brief;

impl<S, N> FormatEvent<S, N> for Brief
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let level = match *event.metadata().level() {
            Level::ERROR => "error",
            Level::WARN => "warning",
            Level::INFO => "info",
            Level::DEBUG => "debug",
            Level::TRACE => "trace",
        };
        write!(writer, "mer: {level}: ")?;
        ctx.format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directives(logging: &Logging) -> String {
        filter(logging).expect("a filter").to_string()
    }

    #[test]
    fn warnings_only_unless_asked_for_more() {
        let plain = directives(&Logging::default());
        assert!(plain.contains("off") && plain.contains("mer_dal=warn"), "{plain}");
        let quiet = directives(&Logging { quiet: true, ..Logging::default() });
        assert!(quiet.contains("mer_dal=error") && !quiet.contains("warn"), "{quiet}");
        let asked = Logging { directives: Some("mer_dal=trace".to_owned()), ..Logging::default() };
        assert_eq!(directives(&asked), "mer_dal=trace");
        let verbose = directives(&Logging { verbosity: 1, ..asked });
        assert!(verbose.contains("mer_dal=info") && !verbose.contains("trace"), "{verbose}");
    }

    #[test]
    fn every_shipped_crate_is_one_of_ours() {
        let crates = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("crates");
        let entries = std::fs::read_dir(crates).expect("the folder").map(|entry| entry.expect("an entry").file_name());
        let names = entries.filter_map(|name| name.into_string().ok()).filter(|name| name != "testkit");
        let mut names: Vec<_> =
            names.map(|name| if name == "driver" { "mer".to_owned() } else { format!("mer_{name}") }).collect();
        names.sort();
        assert_eq!(names, OURS);
    }

    #[test]
    fn directives_that_cannot_be_read_are_refused() {
        let error = filter(&Logging { directives: Some("mer=loud".to_owned()), ..Logging::default() });
        assert_eq!(error.expect_err("refused").exit_code(), 78);
    }
}
