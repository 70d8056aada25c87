//! Builds the specification of a process from the parameters of its model.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    path::PathBuf,
};

use mer_core::{Access, AccessKind, Bound, Command, ModelParams, Protocol, RunSpec, WeightsVersion};

use crate::{CallerEnvironment, Requester, SchedulerError, placement::Placement};

/// Returns what is started for a request. `timeout` overrides the model's own. On this machine, a process for a `requester` is
/// started in its folder, and finds programs and libraries as it does.
pub(crate) fn run_spec(
    placement: &Placement,
    access: &Access,
    caller: &CallerEnvironment,
    requester: Option<&Requester>,
    timeout: Option<Bound>,
) -> Result<RunSpec, SchedulerError> {
    let params = &placement.params;
    let (key, command) = match access.kind {
        AccessKind::Train => ("trainCommand", &params.train_command),
        _ => ("inferenceCommand", &params.inference_command),
    };
    let no_command =
        || SchedulerError::NoCommand { model: access.model.clone(), server: placement.server.clone(), key };
    let command = command.as_ref().ok_or_else(no_command)?;
    // One that is remote is called by the executor.
    let mut argv = placement.launchers().beside;
    match command {
        Command::Argv(words) if words.is_empty() => return Err(no_command()),
        Command::Argv(words) => argv.extend(words.iter().cloned()),
        Command::Line(line) => argv.extend(["sh".to_owned(), "-c".to_owned(), line.clone()]),
    }
    // On another machine, environment and home folder are those of that machine.
    let is_local = placement.starts_here();
    let mut base = if is_local { caller.public() } else { BTreeMap::new() };
    let requester = requester.filter(|_| is_local);
    if let Some(requester) = requester {
        take_search_paths(&requester.environment.public(), &mut base);
    }
    let env = environment(base, &access.model, params, access);
    let mut bounds = params.bounds();
    if access.kind == AccessKind::Train {
        bounds.timeout = params.train_timeout.unwrap_or(Bound::Never);
    }
    if let Some(timeout) = timeout {
        bounds.timeout = timeout;
    }
    Ok(RunSpec {
        argv,
        cwd: working_folder(params, is_local, caller, requester),
        protocol: if access.kind == AccessKind::Train { Protocol::Oneshot } else { params.protocol() },
        tokens: params.tokens(),
        bounds,
        env,
        leave_children: params.leave_children.unwrap_or(false),
    })
}

/// Variables that say where programs and libraries are found. A process on this machine has them from its requester.
const SEARCH_PATHS: [&str; 6] =
    ["PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "VIRTUAL_ENV", "CONDA_PREFIX", "CUDA_VISIBLE_DEVICES"];

fn take_search_paths(from: &BTreeMap<OsString, OsString>, env: &mut BTreeMap<OsString, OsString>) {
    for name in SEARCH_PATHS {
        match from.get(OsStr::new(name)) {
            Some(value) => env.insert(name.into(), value.clone()),
            None => env.remove(OsStr::new(name)),
        };
    }
}

/// Returns the working folder of a process. A relative one is below the folder of the requester.
fn working_folder(
    params: &ModelParams,
    is_local: bool,
    caller: &CallerEnvironment,
    requester: Option<&Requester>,
) -> Option<PathBuf> {
    let folder = params.model_path.as_deref().map(|path| match is_local {
        true => expand_home(path, caller.variables()),
        false => PathBuf::from(path),
    });
    match requester {
        Some(requester) => Some(folder.map_or_else(|| requester.folder.clone(), |path| requester.folder.join(path))),
        None => folder,
    }
}

/// Returns the environment of a process: the variables of the caller, those of the model, and MER's own.
///
/// A process that stays up serves many requests, so it gets the name of its model but no request id.
pub(crate) fn environment(
    base: BTreeMap<OsString, OsString>,
    model: &str,
    params: &ModelParams,
    access: &Access,
) -> BTreeMap<OsString, OsString> {
    let mut env = base;
    env.entry("PYTHONUNBUFFERED".into()).or_insert_with(|| "1".into());
    env.extend(params.env.iter().map(|(name, value)| (name.into(), value.into())));
    let mut set = |name: &str, value: String| env.insert(name.into(), value.into());
    set("MER_MODEL", model.to_owned());
    if params.protocol() == Protocol::Oneshot || access.kind == AccessKind::Train {
        set("MER_REQUEST_UID", access.request_uid.to_string());
        set("MER_ATTEMPT", access.attempt.to_string());
    }
    env
}

/// Variable that holds the path of a model's weights.
const WEIGHTS_PATH_VARIABLE: &str = "MER_WEIGHTS";

/// Sets the version of the weights in the access and in the process's environment. Their path is known only after delivery;
/// until then their hash takes its place, so that processes with different weights have different specifications.
pub(crate) fn name_weights(version: &WeightsVersion, access: &mut Access, spec: &mut RunSpec) {
    // The access of a training has the version that it makes. That version names its parent.
    if access.kind != AccessKind::Train {
        access.weights_version = Some(version.version);
        access.weights_sha256 = Some(version.sha256.clone());
    }
    set_weights_path(version.sha256.clone().into(), spec);
    spec.env.insert("MER_WEIGHTS_VERSION".into(), version.version.to_string().into());
}

/// Sets the path of the weights in the process's environment.
pub(crate) fn set_weights_path(path: OsString, spec: &mut RunSpec) {
    spec.env.insert(WEIGHTS_PATH_VARIABLE.into(), path);
}

/// Expands `~` and `~/x` to the home folder; other paths stay as they are.
fn expand_home(path: &str, env: &BTreeMap<OsString, OsString>) -> PathBuf {
    let home = || env.get(OsStr::new("HOME")).filter(|home| !home.is_empty()).map(PathBuf::from);
    match path.strip_prefix('~') {
        Some("") => home().unwrap_or_else(|| PathBuf::from(path)),
        Some(rest) if rest.starts_with('/') => match home() {
            Some(home) => home.join(rest.trim_start_matches('/')),
            None => PathBuf::from(path),
        },
        _ => PathBuf::from(path),
    }
}

#[cfg(test)]
mod tests {
    use mer_core::{ConnParams, ConnType};

    use super::*;
    use crate::outcome::tests::access;

    fn placement(json: &str) -> Placement {
        let params: ModelParams = serde_json::from_str(json).expect("parameters");
        let conn = ConnParams { launcher: Some(vec!["nice".to_owned()]), ..ConnParams::default() };
        Placement { server: "local".to_owned(), conn_type: ConnType::Local, conn, params }
    }

    #[test]
    fn launchers_stand_in_front_the_servers_first() {
        let placement = placement(r#"{"inferenceCommand":["python3","m.py"],"launcher":["conda","run"]}"#);
        let spec = run_spec(&placement, &access(), &CallerEnvironment::default(), None, None).expect("a spec");
        assert_eq!(spec.argv, ["nice", "conda", "run", "python3", "m.py"]);
    }

    #[test]
    fn another_machine_has_its_own_environment_and_home() {
        let here = placement(r#"{"inferenceCommand":["m"],"modelPath":"~/m","env":{"OMP_NUM_THREADS":"2"}}"#);
        let there = Placement { server: "gpu1".to_owned(), conn_type: ConnType::Ssh, ..here };
        let env = ["PATH", "HOME", "LANG"].map(|name| (name.into(), "/here".into()));
        let spec = run_spec(&there, &access(), &CallerEnvironment::new(env.into(), []), None, None).expect("a spec");
        let names: Vec<&OsString> = spec.env.keys().collect();
        assert_eq!(names, ["MER_ATTEMPT", "MER_MODEL", "MER_REQUEST_UID", "OMP_NUM_THREADS", "PYTHONUNBUFFERED"]);
        assert_eq!(spec.cwd, Some(PathBuf::from("~/m")));
        assert_eq!(spec.argv, ["nice", "m"]);
    }

    #[test]
    fn a_shell_runs_only_a_line_that_asked_for_it() {
        let placement = placement(r#"{"inferenceCommand":"sort | uniq","shell":true}"#);
        let spec = run_spec(&placement, &access(), &CallerEnvironment::default(), None, None).expect("a spec");
        assert_eq!(spec.argv, ["nice", "sh", "-c", "sort | uniq"]);
    }

    #[test]
    fn the_callers_timeout_beats_the_models() {
        let placement = placement(r#"{"inferenceCommand":["a"],"timeout":"30s"}"#);
        let spec = |timeout| {
            run_spec(&placement, &access(), &CallerEnvironment::default(), None, timeout)
                .expect("a spec")
                .bounds
                .timeout
        };
        assert_eq!(spec(None), Bound::secs(30));
        assert_eq!(spec(Some(Bound::secs(1))), Bound::secs(1));
    }

    #[test]
    fn training_without_a_command_says_so() {
        let placement = placement(r#"{"inferenceCommand":["a"]}"#);
        let access = Access { kind: AccessKind::Train, ..access() };
        let error =
            run_spec(&placement, &access, &CallerEnvironment::default(), None, None).expect_err("no trainCommand");
        assert!(error.to_string().contains("trainCommand"), "{error}");
    }

    #[test]
    fn a_tilde_is_the_home_folder() {
        let env = BTreeMap::from([("HOME".into(), "/h/ada".into())]);
        for (path, expected) in
            [("~", "/h/ada"), ("~/m", "/h/ada/m"), ("/m/~", "/m/~"), ("~bob/m", "~bob/m"), ("m", "m")]
        {
            assert_eq!(expand_home(path, &env), PathBuf::from(expected));
        }
    }
}
