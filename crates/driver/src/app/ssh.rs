//! Makes executors for servers that are reached by SSH, with the keys and secrets of this machine.

use std::{
    collections::{BTreeMap, HashSet},
    ffi::OsString,
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use mer_core::{Bound, ConnParams, ConnType, ServerSpec};
use mer_meal::{Executor, LauncherConfig, SecretSource, SlurmConfig, SshConfig, SshEnvironment};
use mer_scheduler::{CallerEnvironment, DetachedHost, ExecutorFactory};

use super::secrets;
use crate::variables::Variables;

/// Default of `orphanAfter` for what is started to look at a server.
const LAUNCHER_ORPHAN_AFTER: Bound = Bound::secs(30);

/// Makes executors. Cheap to clone; the clones share warnings and passphrases.
#[derive(Clone)]
pub(crate) struct Ssh {
    places: SshEnvironment,
    secrets: SecretSource,
    given: Arc<CallerEnvironment>,
    /// Warnings that were given already.
    warned: Arc<Mutex<HashSet<String>>>,
}

impl Ssh {
    /// `settings_folder` stands for the home folder where there is none. `asks` is whether a person may be asked.
    pub(super) fn new(
        environment: &Variables,
        given: Arc<CallerEnvironment>,
        settings_folder: &Path,
        asks: bool,
    ) -> Self {
        let home = environment.home();
        let folder = home.as_ref().map_or_else(|| settings_folder.join("ssh"), |home| home.join(".ssh"));
        let places = SshEnvironment {
            home: home.clone(),
            folder: Some(folder),
            system_folder: Some(PathBuf::from("/etc/ssh")),
            user: mer_service::login_name(environment.all()),
            agent: environment.path("SSH_AUTH_SOCK"),
            variables: Arc::default(),
        };
        let secrets = secrets::source(Arc::clone(&given), home, asks);
        Self { places, secrets, given, warned: Arc::default() }
    }

    /// The executor of a server. Warns once of what the SSH configuration asks for and is not supported.
    pub(crate) fn executor(&self, server: &str, params: &ConnParams, accept_new: bool) -> Executor {
        // As for a model: no credentials of a database, and none of another server.
        let variables = Arc::new(texts(self.given.public()).collect());
        let executor = Executor::ssh(SshConfig {
            server: server.to_owned(),
            params: params.clone(),
            environment: SshEnvironment { variables, ..self.places.clone() },
            secrets: Some(Arc::clone(&self.secrets)),
            accept_new,
        });
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        for warning in executor.warnings() {
            if warned.insert(warning.clone()) {
                tracing::warn!("{warning}");
            }
        }
        executor
    }

    /// The machine that detached runs of a server are on. `executor` is that of the server.
    pub(super) fn detached_host(&self, name: &str, spec: &ServerSpec, executor: Executor) -> DetachedHost {
        let env = if spec.starts_here() { self.given.public() } else { BTreeMap::new() };
        let base = spec.params.cache_dir.clone().unwrap_or_default();
        DetachedHost::new(name.to_owned(), executor, env, base)
    }

    /// The executor of a server. `here` is that of this machine.
    pub(super) fn executor_of(&self, name: &str, spec: &ServerSpec, accept_new: bool, here: Executor) -> Executor {
        let params = &spec.params;
        if params.launcher_remote == Some(true)
            && let Some(words) = &params.launcher
        {
            let (beside, environment) = match spec.conn_type {
                ConnType::Local => (here, self.given.public()),
                _ => (self.executor(name, params, accept_new), BTreeMap::new()),
            };
            let (server, words) = (name.to_owned(), words.clone());
            let orphan_after = params.orphan_after.unwrap_or(LAUNCHER_ORPHAN_AFTER);
            return beside.behind(LauncherConfig { server, words, environment, orphan_after });
        }
        if spec.conn_type == ConnType::Local {
            return here;
        }
        if spec.conn_type != ConnType::Slurm {
            return self.executor(name, params, accept_new);
        }
        let (beside, environment) = match spec.starts_here() {
            true => (here, self.given.public()),
            false => (self.executor(name, params, accept_new), BTreeMap::new()),
        };
        let config = SlurmConfig { server: name.to_owned(), params: params.slurm.clone(), environment };
        Executor::slurm(&beside, config)
    }

    /// The same for the scheduler, where no unknown host key is accepted.
    pub(super) fn remote(&self) -> ExecutorFactory {
        let ssh = self.clone();
        ExecutorFactory::new(move |server, params| ssh.executor(server, params, false))
    }
}

/// The variables that are texts.
fn texts(variables: BTreeMap<OsString, OsString>) -> impl Iterator<Item = (String, String)> {
    variables.into_iter().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

impl fmt::Debug for Ssh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ssh").field("folder", &self.places.folder).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(variables: &[(&str, &str)]) -> SshEnvironment {
        let environment = variables.iter().copied().collect();
        Ssh::new(&environment, Arc::default(), Path::new("/etc/mer"), false).places
    }

    #[test]
    fn without_a_home_keys_lie_beside_the_settings() {
        let places = places(&[("SSH_AUTH_SOCK", ""), ("HOME", "")]);
        assert_eq!(places.folder.as_deref(), Some(Path::new("/etc/mer/ssh")));
        assert_eq!((places.home, places.agent), (None, None));
    }

    #[test]
    fn with_a_home_they_are_where_ssh_has_them() {
        let places = places(&[("SSH_AUTH_SOCK", "/run/agent"), ("HOME", "/h/ada"), ("USER", "ada")]);
        assert_eq!(places.folder.as_deref(), Some(Path::new("/h/ada/.ssh")));
        assert_eq!(places.agent.as_deref(), Some(Path::new("/run/agent")));
        assert_eq!(places.user, mer_service::login_name(Variables::from_iter([("USER", "ada")]).all()));
    }

    #[test]
    fn only_texts_are_variables_of_the_configuration() {
        use std::os::unix::ffi::OsStringExt;
        let odd = OsString::from_vec(vec![0xff]);
        let variables = [("ODD".into(), odd.clone()), (odd, "x".into()), ("KEYS".into(), "/k".into())].into();
        assert_eq!(texts(variables).collect::<Vec<_>>(), [("KEYS".to_owned(), "/k".to_owned())]);
    }
}
