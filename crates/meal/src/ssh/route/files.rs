//! The local files: the configuration, what it includes, and known_hosts.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::expand::{Expand, from_home, variables};
use crate::ssh::{
    SshEnvironment,
    config::{ConfigOwner, Files, Settings, matches_glob},
};

/// The configuration files, in their order.
pub(super) fn config_files(environment: &SshEnvironment) -> Vec<(PathBuf, ConfigOwner)> {
    let own = environment.folder.as_ref().map(|folder| (folder.join("config"), ConfigOwner::User));
    let system = environment.system_folder.as_ref().map(|folder| (folder.join("ssh_config"), ConfigOwner::System));
    own.into_iter().chain(system).collect()
}

/// The known_hosts files of a host.
pub(super) struct KnownHosts {
    pub(super) files: Vec<PathBuf>,
    /// Where new keys are recorded: the user's first file.
    pub(super) record_in: Option<PathBuf>,
}

/// Returns the known_hosts files. `registry` is the file that the registry names: for the target it replaces the
/// user's files; for a jump host it is added to them, because the registry names none for it.
pub(super) fn known_hosts(
    registry: Option<&str>,
    target: bool,
    settings: &Settings,
    expand: &Expand<'_>,
) -> Result<KnownHosts, String> {
    let environment = expand.environment;
    let none = |list: &[String]| list.iter().any(|file| file.eq_ignore_ascii_case("none"));
    let paths = |list: &[String]| list.iter().map(|file| expand.path(file)).collect::<Result<Vec<_>, _>>();
    let usual = |folder: &Option<PathBuf>, name: &str| {
        let both = [name.to_owned(), format!("{name}2")];
        folder.iter().flat_map(|folder| both.iter().map(|name| folder.join(name))).collect::<Vec<_>>()
    };
    let mut files = match registry {
        Some(file) => vec![expand.path(file)?],
        None => Vec::new(),
    };
    if registry.is_none() || !target {
        files.extend(match &settings.user_known_hosts {
            Some(list) if none(list) => Vec::new(),
            Some(list) => paths(list)?,
            None => usual(&environment.folder, "known_hosts"),
        });
    }
    let record_in = files.first().cloned();
    files.extend(match &settings.global_known_hosts {
        Some(list) if none(list) => Vec::new(),
        Some(list) => paths(list)?,
        None => usual(&environment.system_folder, "ssh_known_hosts"),
    });
    Ok(KnownHosts { files, record_in })
}

/// Reads local files.
pub(super) struct LocalFiles<'a> {
    pub(super) environment: &'a SshEnvironment,
}

impl Files for LocalFiles<'_> {
    fn read(&self, path: &Path, of: ConfigOwner) -> Result<Option<String>, String> {
        let Ok(found) = fs::metadata(path) else { return Ok(None) };
        if !found.is_file() {
            return Ok(None);
        }
        // The file names programs to run. OpenSSH has the same rule.
        if of == ConfigOwner::User && (found.mode() & 0o022 != 0 || !is_trusted(found.uid())) {
            return Err("it belongs to another user, or others may write to it; `chmod go-w` fixes that".to_owned());
        }
        Ok(mer_files::read_external_lossy(path).ok())
    }

    fn expand(&self, pattern: &str, of: ConfigOwner) -> Vec<PathBuf> {
        let named = variables(self.environment, pattern).and_then(|pattern| from_home(self.environment, &pattern));
        let Ok(path) = named else { return Vec::new() };
        let folder = match of {
            ConfigOwner::User => &self.environment.folder,
            ConfigOwner::System => &self.environment.system_folder,
        };
        let folder = folder.as_deref().unwrap_or(Path::new("/"));
        let mut found = vec![PathBuf::new()];
        // `join` with an absolute path returns that path.
        for part in folder.join(path).components() {
            let name = part.as_os_str().to_string_lossy();
            found = if name.contains(['*', '?', '[']) {
                found.iter().flat_map(|folder| entries(folder, &name)).collect()
            } else {
                found.iter().map(|folder| folder.join(part)).collect()
            };
        }
        found
    }
}

fn is_trusted(owner: u32) -> bool {
    owner == 0 || owner == rustix::process::getuid().as_raw()
}

fn entries(folder: &Path, pattern: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let hidden = |name: &str| name.starts_with('.') && !pattern.starts_with('.');
    let mut names: Vec<_> = names.filter(|name| matches_glob(pattern, name) && !hidden(name)).collect();
    names.sort();
    names.into_iter().map(|name| folder.join(name)).collect()
}
