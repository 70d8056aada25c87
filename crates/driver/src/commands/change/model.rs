//! `mer model add|set|remove`.

use std::collections::BTreeMap;

use mer_core::{Command, ModelParams, ModelSpec, Registry};
use mer_dal::DalError;
use mer_service::{
    ServiceError,
    registry::{self, require_server, unset},
};

use super::{change, print_differences, process::set_process, put::put, taken};
use crate::{
    app::App,
    cli::{CommandLine, ModelAddArgs, ModelFlags, ModelSetArgs, RemoveArgs, Shape, Words},
    errors::CliError,
    ui::Ui,
};

/// Registers a model.
pub(in crate::commands) async fn add(
    app: &App,
    args: &ModelAddArgs,
    ui: Ui,
    command_line: &CommandLine,
) -> Result<(), CliError> {
    change(app, ui, command_line, |known| {
        if known.models.contains_key(&args.name) {
            return Err(taken("model", &args.name, command_line));
        }
        let mut spec = ModelSpec::default();
        set_servers(&mut spec, &args.flags, known)?;
        set_params(&mut spec.params, &ModelParams::default(), &args.flags, &args.command)?;
        Ok(only(&args.name, spec))
    })
    .await
}

/// Changes what is named of a model.
pub(in crate::commands) async fn set(
    app: &App,
    args: &ModelSetArgs,
    ui: Ui,
    command_line: &CommandLine,
) -> Result<(), CliError> {
    change(app, ui, command_line, |known| {
        let spec = known.models.get(&args.name).ok_or_else(|| unknown(known, &args.name))?;
        if let Some(server) = &args.on {
            require_server(known, server)?;
        }
        Ok(only(&args.name, changed(spec, args, known)?))
    })
    .await
}

fn changed(spec: &ModelSpec, args: &ModelSetArgs, known: &Registry) -> Result<ModelSpec, CliError> {
    let mut spec = spec.clone();
    let Some(server) = &args.on else {
        let keys: Vec<&str> = ModelSpec::OWN_KEYS.iter().chain(ModelParams::KEYS).copied().collect();
        for key in &args.unset {
            spec = unset(&spec, key, &keys)?;
        }
        set_servers(&mut spec, &args.flags, known)?;
        set_params(&mut spec.params, &ModelParams::default(), &args.flags, &args.command)?;
        return Ok(spec);
    };
    let mut over = spec.on.remove(server).unwrap_or_default();
    for key in &args.unset {
        over = unset(&over, key, ModelParams::KEYS)?;
    }
    set_params(&mut over, &spec.params, &args.flags, &args.command)?;
    if over != ModelParams::default() {
        spec.on.insert(server.clone(), over);
    }
    Ok(spec)
}

/// Removes a model.
pub(in crate::commands) async fn remove(
    app: &App,
    args: &RemoveArgs,
    ui: Ui,
    command_line: &CommandLine,
) -> Result<(), CliError> {
    app.check_changes_allowed(command_line)?;
    let name = &args.name;
    match registry::remove_model(&app.runtime, name).await {
        Ok(removed) => print_differences(&[removed], ui),
        Err(ServiceError::Dal(error @ DalError::HasWeights { .. })) => {
            let allowed = if command_line.allows_changes() { "--allow-changes " } else { "" };
            Err(CliError::classified(error)
                .hint(format!("`mer {allowed}weights remove {name}:VERSION` removes one"))
                .hint(format!("`mer weights list {name}` shows which there are")))
        }
        Err(error) => Err(error.into()),
    }
}

fn only(name: &str, spec: ModelSpec) -> Registry {
    Registry { models: BTreeMap::from([(name.to_owned(), spec)]), ..Registry::default() }
}

fn unknown(known: &Registry, name: &str) -> CliError {
    CliError::not_found("model", name, known.models.keys().map(String::as_str))
}

fn set_servers(spec: &mut ModelSpec, flags: &ModelFlags, known: &Registry) -> Result<(), CliError> {
    flags.servers.iter().try_for_each(|server| require_server(known, server))?;
    if !flags.servers.is_empty() {
        spec.servers.clone_from(&flags.servers);
    }
    Ok(())
}

/// Sets what flags and command name. `below` is what these parameters are laid over.
fn set_params(
    params: &mut ModelParams,
    below: &ModelParams,
    flags: &ModelFlags,
    command: &[String],
) -> Result<(), CliError> {
    let ModelFlags { servers: _, protocol, path, shell, env, launcher, train_command, .. } = flags;
    if *shell {
        params.shell = Some(true);
    }
    let shell = params.shell.or(below.shell).unwrap_or(false);
    if let Some(protocol) = protocol {
        params.protocol = Some(*protocol);
    }
    match command {
        [] => {}
        [line] if shell => params.inference_command = Some(Command::Line(line.clone())),
        argv if !shell => params.inference_command = Some(Command::Argv(argv.to_vec())),
        _ => {
            return Err(CliError::usage("with `shell` the command is one line for `sh -c`")
                .hint("put quotes around it: `-- 'a | b'`"));
        }
    }
    if let Some(text) = train_command {
        params.train_command = Some(if shell { Command::Line(text.clone()) } else { Command::Argv(split(text)?) });
    }
    for variable in env {
        params.env.insert(variable.name.clone(), variable.value.clone());
    }
    if let Some(Words(words)) = launcher {
        params.launcher = Some(words.clone());
    }
    if flags.launcher_remote {
        params.launcher_remote = Some(true);
    }
    put(&mut params.model_path, path.as_ref());
    put(&mut params.ready_token, flags.ready_token.as_ref());
    put(&mut params.start_token, flags.start_token.as_ref());
    put(&mut params.stop_token, flags.stop_token.as_ref());
    put(&mut params.exit_token, flags.exit_token.as_ref());
    put(&mut params.timeout, flags.timeout.as_ref());
    put(&mut params.train_timeout, flags.train_timeout.as_ref());
    put(&mut params.weights_dtype, flags.weights_dtype.as_ref());
    put(&mut params.weights_shape, flags.weights_shape.as_ref().map(|Shape(lengths)| lengths));
    if flags.promote {
        params.promote = Some(true);
    }
    put(&mut params.ready_timeout, flags.ready_timeout.as_ref());
    put(&mut params.grace, flags.grace.as_ref());
    if flags.leave_children {
        params.leave_children = Some(true);
    }
    set_process(params, &flags.process);
    Ok(())
}

fn split(text: &str) -> Result<Vec<String>, CliError> {
    let wrong =
        |error| CliError::usage(format!("the value `{text}` of `--train-command` is not valid")).caused_by(error);
    text.parse::<Words>().map(|Words(words)| words).map_err(wrong)
}
