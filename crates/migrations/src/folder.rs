//! Scripts of an organisation, in a folder.

use std::{fs, io, path::Path};

use mer_dal::Dialect;

use crate::{MigrationError, Script, Scripts, rules};

/// First number of own scripts; MER's scripts, also those of later versions, have smaller numbers.
pub(crate) const FIRST_OWN: u32 = 1000;

impl Scripts {
    /// Adds the scripts of a folder. If it has a subfolder named after the dialect (`postgres`, `surreal`), that one is
    /// read instead, so one folder can serve both kinds of database. Files that do not end in `.sql` are ignored.
    ///
    /// # Errors
    /// [`MigrationError::Folder`] where it cannot be read; [`MigrationError::Rules`] where a script breaks the rules that
    /// MER's own are held to, or has the number of one of them.
    pub fn with_folder(mut self, dir: &Path, dialect: Dialect) -> Result<Self, MigrationError> {
        let inside = dir.join(match dialect {
            Dialect::Postgres => "postgres",
            _ => "surreal",
        });
        let dir = if inside.is_dir() { inside } else { dir.to_path_buf() };
        let files = read(&dir)?;
        let mut problems = rules::problems(files.iter().map(|(name, text)| (name.as_str(), text.as_str())));
        for (name, text) in &files {
            let Some(script) = Script::new(name, text) else { continue };
            if let Some(taken) = self.list.iter().find(|other| !other.own && other.number == script.number) {
                problems.push(format!("`{name}` has the number of MER's `{}`", taken.file));
            } else if script.number < FIRST_OWN {
                tracing::warn!("`{name}`: a later MER may have a script of this number; own ones begin at {FIRST_OWN}");
            }
            self.list.push(Script { own: true, ..script });
        }
        if !problems.is_empty() {
            return Err(MigrationError::Rules { path: dir, problems });
        }
        self.list.sort_by_key(|script| script.number);
        self.with_own = true;
        Ok(self)
    }
}

fn read(dir: &Path) -> Result<Vec<(String, String)>, MigrationError> {
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |source: io::Error| MigrationError::Folder { path, source }
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed(dir))? {
        let path = entry.map_err(failed(dir))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.ends_with(".sql") && !rules::is_hidden(&name) {
            let text = mer_files::read_external_to_string(&path).map_err(failed(&path))?;
            found.push((name, text));
        }
    }
    found.sort_unstable();
    Ok(found)
}
