//! How a `mer` process begins: which of its names it was called by, what needs no settings, and the rest.

use std::{ffi::OsString, path::Path, process::ExitCode};

use crate::{
    cli::{Cli, Parsed, Verb, parse, wants_json},
    commands,
    config::{Loaded, Surroundings, load},
    error::{CliError, Kind},
    logging::{self, Logging},
    panic_hook,
    ui::{Format, Ui},
};

/// What the watcher is called by: `mer` starts itself under this name beside the first model it starts.
pub(crate) const WATCHER: &str = "internal-watcher";

/// The whole command.
#[must_use]
pub fn main_impl() -> ExitCode {
    panic_hook::install();
    ExitCode::from(run(std::env::args_os().collect()))
}

fn run(words: Vec<OsString>) -> u8 {
    if words.get(1).is_some_and(|word| word == WATCHER) {
        return watcher();
    }
    let around = Surroundings::of_this_process();
    let words = by_name(words);
    let early = if wants_json(&words) { Format::Json } else { Format::Text };
    let mut ui = Ui::new(early, around.no_color());
    let outcome = begin(words, &around, &mut ui);
    finish(outcome, ui)
}

/// Tells of a failure and turns the outcome into an exit code.
pub(crate) fn finish(outcome: Result<u8, CliError>, ui: Ui) -> u8 {
    outcome.unwrap_or_else(|error| {
        ui.error(&error);
        error.code()
    })
}

/// Called `mer-migrations`, it is `mer migrate`; called `mer-driver`, it is `mer`.
fn by_name(mut words: Vec<OsString>) -> Vec<OsString> {
    let name = words.first().and_then(|word| Path::new(word).file_name()).map(OsString::from);
    let migrations = name.is_some_and(|name| name == "mer-migrations");
    let itself = ["migrate", "version", "--version", "-V"];
    let spelled_out = words.get(1).is_some_and(|word| itself.iter().any(|known| word == *known));
    if words.is_empty() {
        words.push("mer".into());
    }
    if migrations && !spelled_out {
        words.insert(1, "migrate".into());
    }
    words
}

fn begin(words: Vec<OsString>, around: &Surroundings, ui: &mut Ui) -> Result<u8, CliError> {
    let cli = match parse(words)? {
        Parsed::Command(cli) => *cli,
        Parsed::Tell { plain, styled } => {
            let text = if ui.colour_out() { styled } else { plain };
            return ui.data(text.as_bytes()).map(|()| 0);
        }
    };
    *ui = ui.with_format(cli.global.format().unwrap_or_default());
    match &cli.verb {
        Some(Verb::Version) => return commands::version(*ui).map(|()| 0),
        Some(Verb::Completions(args)) => return commands::completions(args, *ui).map(|()| 0),
        Some(Verb::ExampleModel(_)) => return Err(unfinished()),
        _ => {}
    }
    let loaded = load(around, &cli.global.settings(), cli.global.config.as_deref())?;
    *ui = ui.with_format(loaded.settings.output);
    start_logging(&cli, &loaded, *ui)?;
    match cli.verb {
        Some(Verb::Config(_)) => commands::config_show(&loaded, *ui).map(|()| 0),
        Some(Verb::Use(_)) => Err(CliError::usage("`use` is a command of the REPL and of scripts")),
        Some(Verb::Quit) => Ok(0),
        _ => Err(unfinished()),
    }
}

fn start_logging(cli: &Cli, loaded: &Loaded, ui: Ui) -> Result<(), CliError> {
    logging::init(&Logging {
        verbosity: cli.global.verbose,
        directives: loaded.settings.log.clone(),
        quiet: ui.format() == Format::Quiet,
        format: loaded.settings.log_format,
        colour: ui.colour_err(),
    })?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    Ok(())
}

/// The watcher's own `main`.
fn watcher() -> u8 {
    Kind::Bug.code()
}

fn unfinished() -> CliError {
    CliError::new(Kind::Bug, "this command is not connected yet")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(line: &str) -> String {
        let words = by_name(line.split(' ').map(OsString::from).collect());
        words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_name_it_is_called_by_chooses_the_program() {
        assert_eq!(named("/usr/bin/mer-migrations"), "/usr/bin/mer-migrations migrate");
        assert_eq!(named("mer-migrations status --json"), "mer-migrations migrate status --json");
        assert_eq!(named("mer-migrations --db mem://"), "mer-migrations migrate --db mem://");
        assert_eq!(named("mer-migrations version"), "mer-migrations version");
        assert_eq!(named("mer-migrations --version"), "mer-migrations --version");
        assert_eq!(named("mer-driver run x"), "mer-driver run x");
        assert_eq!(by_name(Vec::new()), ["mer"]);
    }
}
