//! Names of the database and of this program, which decide which resident is meant.

use std::path::{Path, PathBuf};

use mer_dal::DbUrl;

/// Variables of PostgreSQL that choose the database, where its URL does not.
const CHOOSING: [&str; 5] = ["PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGSERVICE"];

/// Returns the canonical URL of a database with its user, which names the resident; none if no other process can open it.
pub(crate) fn database_identity(settings: &mer_dal::Settings) -> Option<String> {
    let user = settings.server.username.as_deref().unwrap_or_default();
    let chosen = CHOOSING.iter().filter_map(|name| Some(format!(" {name}={}", settings.server.variables.get(*name)?)));
    match &settings.url {
        DbUrl::Memory => None,
        DbUrl::Embedded(folder) => Some(format!("surrealkv://{}", canonical(folder).display())),
        // The password is left out.
        url => Some(format!("{url} {user}{}", chosen.collect::<String>())),
    }
}

/// Resolves the links in a path, of which the last parts may not exist yet.
fn canonical(path: &Path) -> PathBuf {
    for ancestor in path.ancestors() {
        if let (Ok(found), Ok(rest)) = (ancestor.canonicalize(), path.strip_prefix(ancestor)) {
            return found.join(rest);
        }
    }
    path.to_owned()
}

/// Returns the path of this program. The link survives an upgrade of the file underneath. An empty root folder may have no
/// /proc: then the file is found by the name that it was called by.
pub(crate) fn own_program() -> PathBuf {
    let link = PathBuf::from("/proc/self/exe");
    if link.exists() { link } else { called_as().unwrap_or(link) }
}

fn called_as() -> Option<PathBuf> {
    let word = PathBuf::from(std::env::args_os().next()?);
    if word.components().count() > 1 {
        return std::path::absolute(word).ok();
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(&word)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(url: &str, user: Option<&str>) -> Option<String> {
        let mut settings = mer_dal::Settings::new(DbUrl::parse(url, Path::new("/d")).expect(url));
        settings.server.username = user.map(str::to_owned);
        database_identity(&settings)
    }

    #[test]
    fn the_user_and_the_folder_itself_make_the_database() {
        assert_eq!(identity("mem://", None), None);
        assert_ne!(identity("ws://h", Some("a")), identity("ws://h", Some("b")));
        assert_eq!(identity("postgres://u:secret@h/d", None), identity("postgres://u:other@h/d", None));
        let base = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(base.path().join("real")).expect("a folder");
        std::os::unix::fs::symlink(base.path().join("real"), base.path().join("link")).expect("a link");
        let of = |name: &str| identity(&format!("surrealkv://{}/{name}/data/db", base.path().display()), None);
        assert_eq!(of("real"), of("link"));
        assert_ne!(of("real"), of("other"));
    }
}
