//! Starts a `mer` process: picks the program by the name it was called by, parses the line, loads settings, and runs the command.

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
    config::{Environment, Loaded, load},
    engine::{close_descriptors_of_caller, leave_starter},
    errors::{CliError, finish},
    io::Origin,
    logging::{self, Logging},
    panic_hook,
    shell::host,
    stack,
    ui::{self, Format, Ui},
};

/// Runs the command of this process; returns its exit code.
#[must_use]
pub fn main_impl() -> ExitCode {
    panic_hook::install();
    unblock();
    let words: Vec<OsString> = std::env::args_os().collect();
    leave_starter(&words);
    close_descriptors_of_caller(&words);
    clear_owner_umask();
    if words.get(1).is_some_and(|word| word == WATCHER_VERB) {
        return mer_meal::watcher_main();
    }
    // The database's libraries register this too. With a single thread the kernel does it at once; with several it waits for
    // all processors, which takes 10 to 20 ms.
    let _ = membarrier(MembarrierCommand::RegisterPrivateExpedited);
    ExitCode::from(run(words))
}

/// Removes the owner's bits from the umask, so that the owner can use every file that MER and the database engine create,
/// whatever umask was inherited. The bits for others stay, also for models.
fn clear_owner_umask() {
    const OWNER: u32 = 0o700;
    let inherited = umask(Mode::from_raw_mode(0o077));
    umask(inherited.difference(Mode::from_raw_mode(OWNER)));
}

/// Memory that every command needs, in bytes. With less, an allocation may fail in the middle of a command, which aborts the
/// process.
const MIN_MEMORY: usize = 24 << 20;

/// Checks that there is enough memory.
///
/// # Errors
/// There is not (75).
fn check_memory() -> Result<(), CliError> {
    let reserved = Vec::<u8>::new().try_reserve_exact(MIN_MEMORY);
    reserved
        .map_err(|_| CliError::io("there is too little memory to begin", io::Error::from(io::ErrorKind::OutOfMemory)))
}

fn run(words: Vec<OsString>) -> u8 {
    let environment = Environment::of_this_process();
    let words = expand_program_name(words);
    let early = if wants_json(&words) { Format::Json } else { Format::Text };
    let mut ui = Ui::new(early, environment.no_color());
    ui::set_pager(environment.pager(), environment.less_flags());
    let outcome = stack::with_enough(|| run_line(words, &environment, &mut ui)).flatten();
    finish(outcome, ui)
}

/// Inserts the verb that the name of the program implies: `mer-migrations` is `mer migrate`, `mer-driver` is `mer`.
fn expand_program_name(mut words: Vec<OsString>) -> Vec<OsString> {
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

fn run_line(words: Vec<OsString>, environment: &Environment, ui: &mut Ui) -> Result<u8, CliError> {
    let cli = match parse(words)? {
        Parsed::Command(cli) => *cli,
        Parsed::Help { plain, styled } => {
            let text = if ui.colour_out() { styled } else { plain };
            return ui.data(text.as_bytes()).map(|()| 0);
        }
    };
    *ui = ui.with_format(cli.global.format().unwrap_or_default()).with_wide(cli.global.wide);
    match &cli.verb {
        Some(Verb::Version) => return commands::version(*ui).map(|()| 0),
        Some(Verb::Completions(args)) => return commands::completions(args, *ui).map(|()| 0),
        Some(Verb::ExampleModel(args)) => return Ok(commands::example_model(args)),
        _ => {}
    }
    check_memory()?;
    clock::check()?;
    // Other processes of the same user, such as a model, must not read passwords in the environment and memory of this one.
    // Child processes are not affected. If the kernel refuses, nothing changes.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let doctor = matches!(cli.verb, Some(Verb::Doctor(_)));
    let loaded = match load(environment, &cli.global.settings(), cli.global.config.as_deref()) {
        // `doctor` reports it as a finding.
        Err(error) if doctor => return commands::cannot_begin(&error, *ui).map(|()| 0),
        loaded => loaded?,
    };
    *ui = ui.with_format(loaded.settings.output).with_utc(loaded.settings.utc);
    start_logging(&cli, &loaded, *ui)?;
    match cli.verb {
        Some(Verb::Config(_)) => commands::config_show(&loaded, *ui).map(|()| 0),
        Some(Verb::InternalOwner) => commands::owner(&loaded, *ui).map(|()| 0),
        Some(Verb::Use(_)) => Err(CliError::usage("`use` is a command of the REPL and of scripts")),
        Some(Verb::Quit) => Ok(0),
        None | Some(Verb::Repl) => with_app(loaded, environment, async |app| Box::pin(host(app, *ui)).await),
        Some(verb) => {
            let outcome = with_app(loaded, environment, async |app| {
                // On the heap, because the stack may be small (`ulimit -s`).
                let outcome = Box::pin(commands::execute(app, &verb, &cli.command_line, *ui, Origin::Shell)).await;
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

/// Creates the runtime and the state of commands, runs `work`, and ends warm models.
fn with_app(
    loaded: Loaded,
    environment: &Environment,
    work: impl AsyncFnOnce(&App) -> Result<u8, CliError>,
) -> Result<u8, CliError> {
    // A single thread, so that no request waits for another to wake up. Blocking work has its own threads.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CliError::io("cannot start the runtime", error))?;
    let result = runtime.block_on(async {
        let app = App::new(loaded, environment)?;
        let result = work(&app).await;
        app.stop().await;
        result
    });
    ui::stop_asking();
    // A thread that still waits for a lock or a terminal must not delay the end.
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
        let words = expand_program_name(line.split(' ').map(OsString::from).collect());
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
        assert_eq!(expand_program_name(Vec::new()), ["mer"]);
    }
}
