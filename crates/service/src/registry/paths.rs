//! Makes paths of this machine absolute before they are registered: a model may be run from any folder.

use std::path::Path;

use mer_core::{LOCAL_SERVER, ModelSpec, Registry, ServerSpec};

use crate::error::ServiceError;

/// Makes the relative paths of a registry absolute, as far as they are paths of this machine: they begin in `folder`. What
/// `before` has already stays as it is there: it was not named anew. The folder of a model on a server that is reached by
/// SSH begins in the login's home over there, and stays so; where a model runs here too, its folder here is set apart.
///
/// # Errors
/// The folder's name is no text, and a registry holds texts.
pub(crate) fn settle(
    registry: &mut Registry,
    known: &Registry,
    before: Option<&Registry>,
    folder: &Path,
) -> Result<(), ServiceError> {
    for (name, server) in &mut registry.servers {
        let old = before.and_then(|before| before.servers.get(name)).map(|server| &server.params);
        let params = &mut server.params;
        let files = [
            (&mut params.identity_file, old.map(|old| &old.identity_file)),
            (&mut params.known_hosts, old.map(|old| &old.known_hosts)),
            (&mut params.password_file, old.map(|old| &old.password_file)),
        ];
        for (file, old) in files {
            if old != Some(&*file)
                && let Some(path) = relative(file.as_deref())
            {
                *file = Some(absolute(folder, path)?);
            }
        }
    }
    let starts_here = |name: &str| {
        let server = registry.servers.get(name).or_else(|| known.servers.get(name));
        server.map_or(name == LOCAL_SERVER, ServerSpec::starts_here)
    };
    let mut models = std::mem::take(&mut registry.models);
    for (name, model) in &mut models {
        let old = before.and_then(|before| before.models.get(name));
        let servers: Vec<String> = model.servers().into_iter().map(str::to_owned).collect();
        let elsewhere: Vec<String> =
            servers.into_iter().filter(|server| model.on_server(server).launcher_remote == Some(true)).collect();
        let is_here = |server: &str| starts_here(server) && !elsewhere.iter().any(|name| name == server);
        settle_model(model, old, is_here, folder)?;
    }
    registry.models = models;
    Ok(())
}

fn settle_model(
    model: &mut ModelSpec,
    old: Option<&ModelSpec>,
    is_here: impl Fn(&str) -> bool,
    folder: &Path,
) -> Result<(), ServiceError> {
    for (server, over) in model.on.iter_mut().filter(|(server, _)| is_here(server)) {
        let old = old.and_then(|old| old.on.get(server)).and_then(|over| over.model_path.as_deref());
        if let Some(path) = relative(over.model_path.as_deref()).filter(|path| old != Some(*path)) {
            over.model_path = Some(absolute(folder, path)?);
        }
    }
    let named_before = old.and_then(|old| old.params.model_path.as_deref());
    let path = relative(model.params.model_path.as_deref()).filter(|path| named_before != Some(*path));
    let Some(path) = path.map(|path| absolute(folder, path)).transpose()? else { return Ok(()) };
    let servers: Vec<String> = model.servers().into_iter().map(str::to_owned).collect();
    let (here, there): (Vec<String>, Vec<String>) = servers.into_iter().partition(|server| is_here(server));
    if there.is_empty() {
        model.params.model_path = Some(path);
        return Ok(());
    }
    for server in here {
        let over = model.on.entry(server.clone()).or_default();
        let old = old.and_then(|old| old.on.get(&server)).and_then(|over| over.model_path.as_ref());
        // One that was set apart before belongs to the path before.
        if over.model_path.is_none() || (old.is_some() && over.model_path.as_ref() == old) {
            over.model_path = Some(path.clone());
        }
    }
    Ok(())
}

/// The path, where it depends on the folder that one is in. `~` is a home, and `%` and `$` begin what SSH's configuration
/// expands.
fn relative(path: Option<&str>) -> Option<&str> {
    path.filter(|path| !path.is_empty() && !path.starts_with(['/', '~', '%', '$']) && *path != "none")
}

fn absolute(folder: &Path, path: &str) -> Result<String, ServiceError> {
    let whole = folder.join(path);
    let whole = std::path::absolute(&whole).unwrap_or(whole);
    let not_utf8 = |whole: std::ffi::OsString| ServiceError::PathNotUtf8 { path: whole.to_string_lossy().into_owned() };
    whole.into_os_string().into_string().map_err(not_utf8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry_file;

    fn registry(text: &str) -> Registry {
        registry_file::read(Path::new("r.toml"), text).expect(text).registry
    }

    fn settled(text: &str, before: Option<&str>) -> Registry {
        let mut wanted = registry(text);
        let before = before.map(registry);
        settle(&mut wanted, &before.clone().unwrap_or_default(), before.as_ref(), Path::new("/here")).expect("settled");
        wanted
    }

    const SERVERS: &str = "[servers.far]\nconnType = 'ssh'\nhost = 'h'\n[servers.near]\nconnType = 'local'\n";

    fn paths(models: &str, before: Option<&str>) -> (Option<String>, Option<String>, Option<String>) {
        let with_servers = |models: &str| format!("{SERVERS}{models}");
        let registry = settled(&with_servers(models), before.map(with_servers).as_deref());
        let model = &registry.models["m"];
        let on = |server: &str| model.on.get(server).and_then(|over| over.model_path.clone());
        (model.params.model_path.clone(), on("local"), on("far"))
    }

    #[test]
    fn files_of_a_server_are_this_machines() {
        let text = "[servers.far]\nconnType = 'ssh'\nhost = 'h'\nidentityFile = 'keys/id'\nknownHosts = './kh'\n\
                    passwordFile = '../pw'\ncacheDir = 'c'\n";
        let params = &settled(text, None).servers["far"].params;
        assert_eq!(params.identity_file.as_deref(), Some("/here/keys/id"));
        assert_eq!(params.known_hosts.as_deref(), Some("/here/kh"));
        assert_eq!(params.password_file.as_deref(), Some("/here/../pw"));
        assert_eq!(params.cache_dir.as_deref(), Some("c"), "a folder over there");
        for stays in ["~/id", "~ada/id", "/etc/id", "%d/id", "none"] {
            let text = format!("[servers.far]\nconnType = 'ssh'\nhost = 'h'\nidentityFile = '{stays}'\n");
            assert_eq!(settled(&text, None).servers["far"].params.identity_file.as_deref(), Some(stays));
        }
        assert_eq!(settled(text, Some(text)).servers["far"].params.identity_file.as_deref(), Some("keys/id"));
    }

    #[test]
    fn the_folder_of_a_model_is_absolute_where_it_is_this_machines() {
        let path = |text: &str| Some(text.to_owned());
        assert_eq!(paths("[models.m]\nmodelPath = '.'\n", None), (path("/here"), None, None));
        assert_eq!(paths("[models.m]\nservers = ['near']\nmodelPath = 'm'\n", None), (path("/here/m"), None, None));
        assert_eq!(paths("[models.m]\nservers = ['far']\nmodelPath = 'm'\n", None), (path("m"), None, None));
        let both = "[models.m]\nservers = ['local', 'far']\nmodelPath = 'm'\n";
        assert_eq!(paths(both, None), (path("m"), path("/here/m"), None));
        let apart = format!("{both}[models.m.on.local]\nmodelPath = 'x'\n[models.m.on.far]\nmodelPath = 'y'\n");
        assert_eq!(paths(&apart, None), (path("m"), path("/here/x"), path("y")));
        assert_eq!(paths("[models.m]\nmodelPath = '~/m'\n", None), (path("~/m"), None, None));
    }

    #[test]
    fn what_was_not_named_anew_stays() {
        let path = |text: &str| Some(text.to_owned());
        let old = "[models.m]\nmodelPath = 'm'\n";
        assert_eq!(paths("[models.m]\nmodelPath = 'm'\ntimeout = '3s'\n", Some(old)), (path("m"), None, None));
        assert_eq!(paths("[models.m]\nmodelPath = 'n'\n", Some(old)), (path("/here/n"), None, None));
        let apart =
            "[models.m]\nservers = ['local', 'far']\nmodelPath = 'm'\n[models.m.on.local]\nmodelPath = '/here/m'\n";
        let new = apart.replacen("modelPath = 'm'", "modelPath = 'n'", 1);
        assert_eq!(paths(&new, Some(apart)), (path("n"), path("/here/n"), None));
    }
}
