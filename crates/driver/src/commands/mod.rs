//! The commands, one file each.

mod attach;
mod batch;
mod change;
mod completions;
mod config_show;
mod detach;
mod detached_end;
mod detached_runs;
mod doctor;
mod drain;
mod example_model;
mod export;
mod fetch;
mod hooks;
mod import;
mod keep_hint;
mod kept_processes;
mod load;
mod log;
mod migrate;
mod model;
mod owner;
mod ps;
mod registry_fields;
mod report;
mod run;
mod run_failure;
mod run_output;
mod serve;
mod server;
mod server_ping;
mod stop;
mod train;
mod version;
mod wait;
mod weights;
mod with_artefacts;

pub(crate) use completions::completions;
pub(crate) use config_show::config_show;
pub(crate) use doctor::cannot_begin;
pub(crate) use example_model::example_model;
pub(crate) use hooks::Ended;
pub(crate) use owner::owner;
pub(crate) use run::run;
pub(crate) use version::version;

use mer_core::AccessKind;

use self::hooks::{Subject, with_hooks};
use crate::{
    app::App,
    cli::{CommandLine, ModelVerb, ServerVerb, Verb},
    errors::CliError,
    io::Origin,
    ui::Ui,
};

/// Does what needs the database. Gives the exit code. A signal ends it.
///
/// # Errors
/// What went wrong, with its exit code. `Verb`s that the REPL or the start deal with are usage errors here.
pub(crate) async fn execute(
    app: &App,
    verb: &Verb,
    command_line: &CommandLine,
    ui: Ui,
    origin: Origin,
) -> Result<u8, CliError> {
    app.set_ui(ui);
    // Each command is on the heap: together they would not fit on a small stack (`ulimit -s`).
    // A run handles signals itself, as its model must end with it.
    match verb {
        Verb::Run(args) => {
            let subject = Subject { model: &args.request.model, kind: Some(AccessKind::Infer) };
            let work = async |ended: &mut Ended| {
                let input = app.input(args.request.input()?, origin, args.request.timeout).await?;
                Box::pin(run(app, args, input, (ui, origin), ended)).await
            };
            return Box::pin(with_hooks(app, (&args.hooks, subject), ui, work)).await;
        }
        Verb::Batch(args) => {
            let subject = Subject { model: &args.model, kind: None };
            let work =
                async |ended: &mut Ended| Box::pin(batch::batch(app, args, ui, (command_line, origin), ended)).await;
            return Box::pin(with_hooks(app, (&args.hooks, subject), ui, work)).await;
        }
        Verb::Train(args) => {
            let subject = Subject { model: &args.request.model, kind: Some(AccessKind::Train) };
            let work = async |ended: &mut Ended| {
                let input = app.input(args.request.input()?, origin, args.request.timeout).await?;
                Box::pin(train::train(app, args, input, (ui, command_line), ended)).await
            };
            return Box::pin(with_hooks(app, (&args.hooks, subject), ui, work)).await;
        }
        // It handles signals itself, as the run goes on.
        Verb::Attach(args) => return Box::pin(attach::attach(app, args, ui)).await,
        Verb::Wait(args) => return Box::pin(wait::wait(app, args, ui)).await,
        // Ends with its models.
        Verb::Serve(args) => return Box::pin(serve::serve(app, args, ui)).await,
        Verb::Model(verb @ (ModelVerb::List | ModelVerb::Show(_) | ModelVerb::Ping(_))) => {
            return Box::pin(model::model(app, verb, ui)).await;
        }
        // A migration too, as it ends the script on the server.
        Verb::Migrate(verb) => return Box::pin(migrate::execute(app, verb, ui)).await,
        _ => {}
    }
    let work = async {
        match verb {
            Verb::Model(ModelVerb::Add(args)) => Box::pin(change::add_model(app, args, ui, command_line)).await?,
            Verb::Model(ModelVerb::Set(args)) => Box::pin(change::set_model(app, args, ui, command_line)).await?,
            Verb::Model(ModelVerb::Remove(args)) => Box::pin(change::remove_model(app, args, ui, command_line)).await?,
            Verb::Server(ServerVerb::Add(args)) => Box::pin(change::add_server(app, args, ui, command_line)).await?,
            Verb::Server(ServerVerb::Set(args)) => Box::pin(change::set_server(app, args, ui, command_line)).await?,
            Verb::Server(ServerVerb::Remove(args)) => {
                Box::pin(change::remove_server(app, args, ui, command_line)).await?;
            }
            Verb::Server(verb) => Box::pin(server::server(app, verb, ui)).await?,
            Verb::Weights(verb) => Box::pin(weights::weights(app, verb, ui, command_line, origin)).await?,
            Verb::Log(verb) => {
                app.runtime.collect_detached().await;
                Box::pin(log::log(app, verb, ui)).await?;
            }
            Verb::Apply(args) => Box::pin(change::apply(app, args, ui, command_line, origin)).await?,
            Verb::Export(args) => Box::pin(export::export(app, args, ui)).await?,
            Verb::Report(args) => Box::pin(report::report(app, args, ui)).await?,
            Verb::Import(args) => Box::pin(import::import(app, args, ui, command_line, origin)).await?,
            Verb::Ps => Box::pin(ps::ps(app, ui)).await?,
            Verb::Fetch(args) => Box::pin(fetch::fetch(app, args, ui)).await?,
            Verb::Load(args) => load::load(app, args, ui).await?,
            Verb::Stop(args) => Box::pin(stop::stop(app, args, ui)).await?,
            Verb::InternalDrain => drain::drain(app).await?,
            Verb::Doctor(args) => Box::pin(doctor::doctor(app, *args, ui)).await?,
            Verb::Version => version(ui)?,
            Verb::Completions(args) => completions(args, ui)?,
            Verb::ExampleModel(_) => return Err(not_here("example-model", "`mer example-model NAME` in a shell")),
            Verb::Repl => return Err(not_here("repl", "`mer repl` in a shell; you may be in it already")),
            Verb::Use(_) => return Err(not_here("use", "`mer repl`, or a script piped to `mer`")),
            Verb::InternalOwner => return Err(not_here("internal-owner", "it is for startStopScripts")),
            Verb::Run(_)
            | Verb::Train(_)
            | Verb::Batch(_)
            | Verb::Attach(_)
            | Verb::Wait(_)
            | Verb::Serve(_)
            | Verb::Model(_)
            | Verb::Migrate(_)
            | Verb::Config(_)
            | Verb::Quit => {}
        }
        if changes_registry(verb) {
            app.engine.tell_registry_change().await;
        }
        Ok(0)
    };
    app.signals.unless_ended(work).await
}

/// Whether a command may have changed models or servers.
const fn changes_registry(verb: &Verb) -> bool {
    match verb {
        Verb::Model(verb) => matches!(verb, ModelVerb::Add(_) | ModelVerb::Set(_) | ModelVerb::Remove(_)),
        Verb::Server(verb) => matches!(verb, ServerVerb::Add(_) | ServerVerb::Set(_) | ServerVerb::Remove(_)),
        Verb::Apply(_) | Verb::Import(_) => true,
        _ => false,
    }
}

fn not_here(verb: &str, instead: &str) -> CliError {
    CliError::usage(format!("`{verb}` means nothing here")).hint(instead)
}
