//! `mer server add|set|remove`.

use std::collections::BTreeMap;

use mer_core::{ConnParams, ConnType, Registry, ServerSpec, SlurmParams};
use mer_service::registry::{self, unset};

use super::{change, print_differences, put::put, taken};
use crate::{
    app::App,
    cli::{
        CommandLine, Destination, RemoveArgs, Resource, ServerAddArgs, ServerFlags, ServerSetArgs, SlurmFlags, Words,
    },
    errors::CliError,
    ui::Ui,
};

/// Registers a server.
pub(in crate::commands) async fn add(
    app: &App,
    args: &ServerAddArgs,
    ui: Ui,
    command_line: &CommandLine,
) -> Result<(), CliError> {
    change(app, ui, command_line, |known| {
        if known.servers.contains_key(&args.name) {
            return Err(taken("server", &args.name, command_line));
        }
        let mut spec = ServerSpec::default();
        set_params(&mut spec, args.destination.as_ref(), &args.flags)?;
        Ok(only(&args.name, spec))
    })
    .await
}

/// Changes what is named of a server.
pub(in crate::commands) async fn set(
    app: &App,
    args: &ServerSetArgs,
    ui: Ui,
    command_line: &CommandLine,
) -> Result<(), CliError> {
    change(app, ui, command_line, |known| {
        let mut spec = known.servers.get(&args.name).ok_or_else(|| unknown(known, &args.name))?.clone();
        let keys: Vec<&str> = ConnParams::KEYS.iter().copied().filter(|key| *key != "connType").collect();
        for key in &args.unset {
            spec = unset(&spec, key, &keys)?;
        }
        set_params(&mut spec, args.destination.as_ref(), &args.flags)?;
        Ok(only(&args.name, spec))
    })
    .await
}

/// Removes a server that no model names.
pub(in crate::commands) async fn remove(
    app: &App,
    args: &RemoveArgs,
    ui: Ui,
    command_line: &CommandLine,
) -> Result<(), CliError> {
    app.check_changes_allowed(command_line)?;
    print_differences(&[registry::remove_server(&app.runtime, &args.name).await?], ui)
}

fn only(name: &str, spec: ServerSpec) -> Registry {
    Registry { servers: BTreeMap::from([(name.to_owned(), spec)]), ..Registry::default() }
}

fn unknown(known: &Registry, name: &str) -> CliError {
    CliError::not_found("server", name, known.servers.keys().map(String::as_str))
}

fn set_params(spec: &mut ServerSpec, destination: Option<&Destination>, flags: &ServerFlags) -> Result<(), CliError> {
    let params = &mut spec.params;
    let is_cluster = spec.conn_type == ConnType::Slurm || flags.slurm.asks_for_cluster();
    if is_cluster {
        spec.conn_type = ConnType::Slurm;
    }
    if let Some(Destination { user, host, port }) = destination {
        if !is_cluster {
            spec.conn_type = ConnType::Ssh;
        }
        params.host = Some(host.clone());
        put(&mut params.user, user.as_ref());
        put(&mut params.port, port.as_ref());
        for (named, flag) in
            [(user.is_some() && flags.user.is_some(), "--user"), (port.is_some() && flags.port.is_some(), "--port")]
        {
            if named {
                return Err(CliError::usage(format!("`{flag}` and `[USER@]HOST[:PORT]` cannot be used together")));
            }
        }
    }
    put(&mut params.launcher, flags.launcher.as_ref().map(|Words(words)| words));
    if flags.launcher_remote {
        params.launcher_remote = Some(true);
    }
    let before = params.only_by_ssh();
    put(&mut params.user, flags.user.as_ref());
    put(&mut params.port, flags.port.as_ref());
    put(&mut params.identity_file, flags.identity.as_ref());
    put(&mut params.known_hosts, flags.known_hosts.as_ref());
    put(&mut params.proxy_jump, flags.jump.as_ref());
    put(&mut params.password_env, flags.password_env.as_ref());
    put(&mut params.password_file, flags.password_file.as_ref());
    put(&mut params.password_command, flags.password_command.as_ref().map(|Words(words)| words));
    put(&mut params.connect_timeout, flags.connect_timeout.as_ref());
    put(&mut params.auth_timeout, flags.auth_timeout.as_ref());
    put(&mut params.keepalive_interval, flags.keepalive_interval.as_ref());
    put(&mut params.keepalive_count, flags.keepalive_count.as_ref());
    put(&mut params.orphan_after, flags.orphan_after.as_ref());
    put(&mut params.max_sessions, flags.max_sessions.as_ref());
    put(&mut params.cache_dir, flags.cache_dir.as_ref());
    put(&mut params.cache_limit, flags.cache_limit.as_ref());
    if spec.conn_type == ConnType::Local && params.only_by_ssh() != before {
        return Err(CliError::usage("that is for a server that is reached by SSH, and needs its host")
            .hint("`mer server add NAME [USER@]HOST[:PORT] …`"));
    }
    for Resource { resource, amount } in &flags.resources {
        params.resources.insert(resource.clone(), amount.clone());
    }
    put(&mut params.pool, flags.pool.as_ref());
    put_slurm(&mut params.slurm, &flags.slurm);
    Ok(())
}

fn put_slurm(params: &mut SlurmParams, flags: &SlurmFlags) {
    put(&mut params.partition, flags.partition.as_ref());
    put(&mut params.account, flags.account.as_ref());
    put(&mut params.qos, flags.qos.as_ref());
    put(&mut params.gres, flags.gres.as_ref());
    put(&mut params.time, flags.time.as_ref());
    put(&mut params.cpus_per_task, flags.cpus_per_task.as_ref());
    put(&mut params.mem, flags.mem.as_ref());
    put(&mut params.extra_options, flags.extra.as_ref().map(|Words(words)| words));
}
