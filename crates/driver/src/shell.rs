//! Runs the commands of the REPL and of scripts.

use std::collections::BTreeSet;

use crate::{
    app::App,
    cli::{ALLOW_CHANGES, Cli, Input, RunArgs, Verb, selector},
    commands::{self, Ended},
    errors::{CliError, finish},
    io::{Origin, source},
    repl::{self, Dispatch, Names, Options},
    signal::Signal,
    ui::{Ui, stop_asking},
};

/// Reads lines to the end of the input and runs them. Returns the exit code.
///
/// # Errors
/// The terminal or standard input cannot be read.
pub(crate) async fn host(app: &App, ui: Ui) -> Result<u8, CliError> {
    let options = Options {
        history: Some(app.settings.state_dir.join("history")),
        banner: format!("mer {}: `help` for help, `quit` or Ctrl-D to leave", env!("CARGO_PKG_VERSION")),
        names: Box::new(SnapshotNames(app.runtime.database().clone())),
    };
    let hints_as_lines = repl::is_interactive();
    // A script goes on by itself.
    let ui = if hints_as_lines { ui } else { ui.without_pager() };
    repl::run(&mut Host { app, ui, hints_as_lines, ended_by: None }, options, ui).await
}

/// Runs the commands of one REPL or script.
struct Host<'a> {
    app: &'a App,
    ui: Ui,
    /// Whether hints are worded for the prompt of the REPL, and not for a shell.
    hints_as_lines: bool,
    ended_by: Option<Signal>,
}

impl Host<'_> {
    /// Prints a failure and remembers the signal that came meanwhile. Returns the exit code.
    fn finish(&mut self, result: Result<u8, CliError>, ui: Ui) -> u8 {
        self.ended_by = self.app.signals.take_last();
        stop_asking();
        let allowed = self.app.settings.allow_model_server_runtime_changes;
        let as_lines = |error| if self.hints_as_lines { repl::hints_as_lines(error, allowed) } else { error };
        finish(result.map_err(as_lines), ui)
    }
}

impl Dispatch for Host<'_> {
    async fn run(&mut self, cli: Cli) -> u8 {
        let ui = cli.global.format().map_or(self.ui, |format| self.ui.with_format(format)).with_wide(cli.global.wide);
        self.app.set_ui(ui);
        // Boxed, here and below: what is inside is deeper than the compiler looks.
        let result = Box::pin(command(self.app, &cli, ui)).await;
        self.app.signals.forget_keys_of_pager().await;
        self.finish(result, ui)
    }

    async fn input(&mut self, model: &str, text: &str) -> u8 {
        self.app.set_ui(self.ui);
        let result = match source(Input::Text(text.as_bytes().to_vec()), Origin::Line).await {
            Ok(source) => {
                let plain = RunArgs::plain(model);
                Box::pin(commands::run(self.app, &plain, source, (self.ui, Origin::Line), &mut Ended::default())).await
            }
            Err(error) => Err(error),
        };
        self.finish(result, self.ui)
    }

    async fn check_model(&mut self, name: &str) -> Result<(), CliError> {
        self.app.set_ui(self.ui);
        let view = self.app.runtime.view().await?;
        view.model(&selector(name)?.model)?;
        Ok(())
    }

    async fn signal(&mut self) -> Signal {
        let signal = self.app.signals.next().await;
        let _ = self.app.signals.take_last();
        signal
    }

    fn ended_by(&self) -> Option<Signal> {
        self.ended_by
    }
}

async fn command(app: &App, cli: &Cli, ui: Ui) -> Result<u8, CliError> {
    // A flag that this was started with may be repeated: a line for a shell works here too.
    let known = |flag: &&str| app.settings.allow_model_server_runtime_changes && *flag == ALLOW_CHANGES;
    if let Some(flag) = cli.global.only_at_start().into_iter().find(|flag| !known(flag)) {
        return Err(
            CliError::usage(format!("`{flag}` comes too late here")).hint(format!("start with it: `mer {flag}`"))
        );
    }
    match &cli.verb {
        Some(Verb::Config(_)) => commands::config_show(&app.loaded, ui).map(|()| 0),
        Some(verb) => {
            let command_line = cli.command_line.clone().started_with(app.loaded.database_flags());
            commands::execute(app, verb, &command_line, ui, Origin::Line).await
        }
        None => Ok(0),
    }
}

/// Names for completion, from the snapshot: that is quick, and an outdated one only makes a completion miss.
struct SnapshotNames(mer_dal::Database);

impl Names for SnapshotNames {
    fn models(&self) -> Vec<String> {
        let names = |snapshot: &mer_dal::Snapshot| snapshot.models.iter().map(|model| model.name.clone()).collect();
        self.0.snapshot().as_deref().map(names).unwrap_or_default()
    }

    fn servers(&self) -> Vec<String> {
        let names = |snapshot: &mer_dal::Snapshot| snapshot.servers.iter().map(|server| server.name.clone()).collect();
        self.0.snapshot().as_deref().map(names).unwrap_or_default()
    }

    fn weights(&self) -> Vec<String> {
        let snapshot = self.0.snapshot();
        let aliases = snapshot.iter().flat_map(|snapshot| &snapshot.weights);
        let aliases =
            aliases.flat_map(|(alias, version)| [format!("{}@{}", alias.model, alias.name), version.to_string()]);
        let versions = snapshot.iter().flat_map(|snapshot| &snapshot.versions).map(ToString::to_string);
        // A version may have several aliases, or none.
        aliases.chain(versions).collect::<BTreeSet<_>>().into_iter().collect()
    }
}
