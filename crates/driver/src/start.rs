//! How a `mer` process begins: which of its names it was called by, what needs no settings, and the rest.

use std::{ffi::OsString, io, path::Path, process::ExitCode};

use mer_core::FailureKind;
use rustix::{
    fs::Mode,
    process::{DumpableBehavior, set_dumpable_behavior, umask},
    thread::{MembarrierCommand, membarrier},
};

use crate::{
    app::{App, WATCHER_VERB, unblock},
    cli::{Cli, Parsed, Verb, parse, wants_json},
    clock, commands,
    config::{Loaded, Surroundings, load},
    errors::{CliError, finish},
    io::Origin,
    logging::{self, Logging},
    panic_hook,
    shell::host,
    stack,
    ui::{self, Format, Ui},
};

/// The whole command.
#[must_use]
pub fn main_impl() -> ExitCode {
    panic_hook::install();
    unblock();
    let words: Vec<OsString> = std::env::args_os().collect();
    own_what_is_made();
    if words.get(1).is_some_and(|word| word == WATCHER_VERB) {
        return mer_meal::watcher_main();
    }
    // The database's libraries ask for this too. With one thread the kernel does it at once; with several it first waits for
    // all processors, which takes 10 to 20 ms.
    let _ = membarrier(MembarrierCommand::RegisterPrivateExpedited);
    ExitCode::from(run(words))
}

/// Takes the owner's part out of the umask: what this makes, and what the database engine makes, its owner can use, however
/// strange a umask was inherited. The parts for others stay, also for models.
fn own_what_is_made() {
    const OWNER: u32 = 0o700;
    let inherited = umask(Mode::from_raw_mode(0o077));
    umask(inherited.difference(Mode::from_raw_mode(OWNER)));
}

/// What every command needs, in one piece: where there is less, an allocation would fail somewhere in the middle of it, and
/// that is an abort.
const LEAST_MEMORY: usize = 24 << 20;

/// Whether there is enough of what cannot be missed gracefully later.
fn look_first() -> Result<(), CliError> {
    let room = Vec::<u8>::new().try_reserve_exact(LEAST_MEMORY);
    room.map_err(|_| CliError::io("there is too little memory to begin", io::Error::from(io::ErrorKind::OutOfMemory)))
}

fn run(words: Vec<OsString>) -> u8 {
    let around = Surroundings::of_this_process();
    let words = by_name(words);
    let early = if wants_json(&words) { Format::Json } else { Format::Text };
    let mut ui = Ui::new(early, around.no_color());
    let outcome = stack::with_enough(|| begin(words, &around, &mut ui)).flatten();
    finish(outcome, ui)
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
        Some(Verb::ExampleModel(args)) => return Ok(commands::example_model(args)),
        _ => {}
    }
    look_first()?;
    clock::check()?;
    // A process of the same user, such as a model, must not read the passwords that stand in this one's environment and
    // memory. What is started from here can be looked at again. Where the kernel refuses, it is as it was.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let doctor = matches!(cli.verb, Some(Verb::Doctor(_)));
    let loaded = match load(around, &cli.global.settings(), cli.global.config.as_deref()) {
        // That is what it is asked about.
        Err(error) if doctor => return commands::cannot_begin(&error, *ui).map(|()| 0),
        loaded => loaded?,
    };
    *ui = ui.with_format(loaded.settings.output);
    start_logging(&cli, &loaded, *ui)?;
    match cli.verb {
        Some(Verb::Config(_)) => commands::config_show(&loaded, *ui).map(|()| 0),
        Some(Verb::InternalOwner) => commands::owner(&loaded, *ui).map(|()| 0),
        Some(Verb::Use(_)) => Err(CliError::usage("`use` is a command of the REPL and of scripts")),
        Some(Verb::Quit) => Ok(0),
        None | Some(Verb::Repl) => with_app(loaded, around, async |app| Box::pin(host(app, *ui)).await),
        Some(verb) => {
            let outcome = with_app(loaded, around, async |app| {
                // On the heap: the stack may be a small one (`ulimit -s`).
                let outcome = Box::pin(commands::execute(app, &verb, &cli.typed, *ui, Origin::Shell)).await;
                outcome.map_err(|error| app.hinting_at_this_database(error))
            });
            match outcome {
                Err(error) if doctor && error.kind() == FailureKind::Config => {
                    commands::cannot_begin(&error, *ui).map(|()| 0)
                }
                outcome => outcome,
            }
        }
    }
}

/// Makes the runtime and what commands work with, does `work`, and ends what is kept warm.
fn with_app(
    loaded: Loaded,
    around: &Surroundings,
    work: impl AsyncFnOnce(&App) -> Result<u8, CliError>,
) -> Result<u8, CliError> {
    // One thread: a request hops over none on its way from a pipe to another. What blocks has threads of its own.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CliError::io("cannot start the runtime", error))?;
    let result = runtime.block_on(async {
        let app = App::new(loaded, &around.variables)?;
        let result = work(&app).await;
        app.stop().await;
        result
    });
    ui::stop_asking();
    // A thread that still waits for a lock or a terminal must not hold up the end.
    runtime.shutdown_background();
    result
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
