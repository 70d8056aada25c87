//! From a model's parameters to the process that is started.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    path::PathBuf,
};

use mer_core::{Access, Bound, Command, ConnType, Kind, Protocol, RunSpec, WeightsVersion};

use crate::{CallerEnvironment, Placement, SchedulerError, caller_environment::environment};

/// What is to be started for one request. `timeout` overrides the model's own.
pub(crate) fn run_spec(
    placement: &Placement,
    access: &Access,
    caller: &CallerEnvironment,
    timeout: Option<Bound>,
) -> Result<RunSpec, SchedulerError> {
    let params = &placement.params;
    let (key, command) = match access.kind {
        Kind::Train => ("trainCommand", &params.train_command),
        _ => ("inferenceCommand", &params.inference_command),
    };
    let no_command =
        || SchedulerError::NoCommand { model: access.model.clone(), server: placement.server.clone(), key };
    let command = command.as_ref().ok_or_else(no_command)?;
    let mut argv = placement.conn.launcher.clone().unwrap_or_default();
    argv.extend(params.launcher.iter().flatten().cloned());
    match command {
        Command::Argv(words) if words.is_empty() => return Err(no_command()),
        Command::Argv(words) => argv.extend(words.iter().cloned()),
        Command::Line(line) => argv.extend(["sh".to_owned(), "-c".to_owned(), line.clone()]),
    }
    // Another machine has an environment of its own, and folders of its own.
    let is_here = placement.conn_type == ConnType::Local;
    let given = if is_here { caller.public() } else { BTreeMap::new() };
    let env = environment(given, &access.model, params, access);
    let mut bounds = params.bounds();
    if access.kind == Kind::Train {
        bounds.timeout = params.train_timeout.unwrap_or(Bound::Never);
    }
    if let Some(timeout) = timeout {
        bounds.timeout = timeout;
    }
    Ok(RunSpec {
        argv,
        cwd: params.model_path.as_deref().map(|path| match is_here {
            true => expand_home(path, caller.variables()),
            false => PathBuf::from(path),
        }),
        protocol: if access.kind == Kind::Train { Protocol::Oneshot } else { params.protocol() },
        tokens: params.tokens(),
        bounds,
        env,
        leave_children: params.leave_children.unwrap_or(false),
    })
}

/// The variable that holds the path of a model's weights.
const PATH_OF_WEIGHTS: &str = "MER_WEIGHTS";

/// Says which weights a process works with, to the log and to the process. Where they lie is known when they are there:
/// until then their hash stands for the path, so that a process with other weights is another one.
pub(crate) fn name_weights(version: &WeightsVersion, access: &mut Access, spec: &mut RunSpec) {
    // The log of a training has the version that it makes; that one names what it was made from.
    if access.kind != Kind::Train {
        access.weights_version = Some(version.version);
        access.weights_sha256 = Some(version.sha256.clone());
    }
    place_weights(version.sha256.clone().into(), spec);
    spec.env.insert("MER_WEIGHTS_VERSION".into(), version.version.to_string().into());
}

/// Says where the weights lie.
pub(crate) fn place_weights(path: OsString, spec: &mut RunSpec) {
    spec.env.insert(PATH_OF_WEIGHTS.into(), path);
}

/// `~` and `~/x` are the home folder's; everything else stays as it is.
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
    use mer_core::{ConnParams, ModelParams};

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
        let spec = run_spec(&placement, &access(), &CallerEnvironment::default(), None).expect("a spec");
        assert_eq!(spec.argv, ["nice", "conda", "run", "python3", "m.py"]);
    }

    #[test]
    fn another_machine_has_its_own_environment_and_home() {
        let here = placement(r#"{"inferenceCommand":["m"],"modelPath":"~/m","env":{"OMP_NUM_THREADS":"2"}}"#);
        let there = Placement { server: "gpu1".to_owned(), conn_type: ConnType::Ssh, ..here };
        let env = ["PATH", "HOME", "LANG"].map(|name| (name.into(), "/here".into()));
        let spec = run_spec(&there, &access(), &CallerEnvironment::new(env.into(), []), None).expect("a spec");
        let names: Vec<&OsString> = spec.env.keys().collect();
        assert_eq!(names, ["MER_ATTEMPT", "MER_MODEL", "MER_REQUEST_UID", "OMP_NUM_THREADS", "PYTHONUNBUFFERED"]);
        assert_eq!(spec.cwd, Some(PathBuf::from("~/m")));
        assert_eq!(spec.argv, ["nice", "m"]);
    }

    #[test]
    fn a_shell_runs_only_a_line_that_asked_for_it() {
        let placement = placement(r#"{"inferenceCommand":"sort | uniq","shell":true}"#);
        let spec = run_spec(&placement, &access(), &CallerEnvironment::default(), None).expect("a spec");
        assert_eq!(spec.argv, ["nice", "sh", "-c", "sort | uniq"]);
    }

    #[test]
    fn the_callers_timeout_beats_the_models() {
        let placement = placement(r#"{"inferenceCommand":["a"],"timeout":"30s"}"#);
        let spec = |timeout| {
            run_spec(&placement, &access(), &CallerEnvironment::default(), timeout).expect("a spec").bounds.timeout
        };
        assert_eq!(spec(None), Bound::secs(30));
        assert_eq!(spec(Some(Bound::secs(1))), Bound::secs(1));
    }

    #[test]
    fn training_without_a_command_says_so() {
        let placement = placement(r#"{"inferenceCommand":["a"]}"#);
        let access = Access { kind: Kind::Train, ..access() };
        let error = run_spec(&placement, &access, &CallerEnvironment::default(), None).expect_err("no trainCommand");
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
