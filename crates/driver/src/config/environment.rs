//! The environment of the process. The only file here that asks the operating system, so that the rest can be tested without
//! it.

use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
};

use super::schema::Setting;
use crate::variables::Variables;

/// Ends at once if all fits, passes colour on, and leaves the text on the screen.
const DEFAULT_PAGER: &str = "less -FRX";

/// Environment variables, working directory, and the system's settings file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment {
    /// The environment variables.
    pub(crate) variables: Variables,
    /// The working directory; empty if it cannot be determined.
    pub(crate) cwd: PathBuf,
    /// The system's settings file.
    pub(crate) system_file: PathBuf,
}

impl Environment {
    /// Returns the environment of this process.
    pub(crate) fn of_this_process() -> Self {
        Self {
            variables: env::vars_os().collect(),
            cwd: env::current_dir().unwrap_or_default(),
            system_file: PathBuf::from("/etc/mer/mer.toml"),
        }
    }

    /// Whether all colour is switched off (`NO_COLOR`, or `TERM=dumb`).
    pub(crate) fn no_color(&self) -> bool {
        self.variables.get("NO_COLOR").is_some() || self.variables.get("TERM").is_some_and(|term| term == "dumb")
    }

    /// Returns the command that shows output which is taller than the terminal: `MER_PAGER`, else `PAGER`, else `less`. `None`
    /// where the first of them that is set is empty or `cat`, and on a terminal that cannot be controlled (`TERM=dumb`).
    pub(crate) fn pager(&self) -> Option<String> {
        let named = ["MER_PAGER", "PAGER"].iter().find_map(|name| self.variables.all().get(OsStr::new(name)));
        let line = named.map_or_else(|| DEFAULT_PAGER.to_owned(), |line| line.to_string_lossy().trim().to_owned());
        let is_dumb = self.variables.get("TERM").is_some_and(|term| term == "dumb");
        Some(line).filter(|line| !is_dumb && !line.is_empty() && line != "cat")
    }

    /// Returns the flags of `less` where its own variable does not have them: colour is shown, a short text needs no key, and what
    /// was read stays on the screen.
    pub(crate) fn less_flags(&self) -> Option<&'static str> {
        self.variables.get("LESS").is_none().then_some("FRX")
    }

    /// Returns the home folder, if there is one.
    pub(crate) fn home(&self) -> Option<PathBuf> {
        self.variables.home()
    }

    /// Returns the path of the user's settings file.
    pub(crate) fn user_file(&self) -> Option<PathBuf> {
        Some(self.folder("XDG_CONFIG_HOME", ".config")?.join("mer.toml"))
    }

    /// Returns the default of a setting that depends on the environment. `data_dir` is the value of `dataDir`.
    pub(crate) fn default_of(&self, setting: &Setting, data_dir: Option<&Path>) -> Option<PathBuf> {
        match setting.name {
            "dataDir" => {
                Some(self.folder("XDG_DATA_HOME", ".local/share").unwrap_or_else(|| PathBuf::from("/var/lib/mer")))
            }
            "stateDir" => self.folder("XDG_STATE_HOME", ".local/state").or_else(|| data_dir.map(Path::to_owned)),
            "cacheDir" => {
                self.folder("XDG_CACHE_HOME", ".cache").or_else(|| data_dir.map(|folder| folder.join("cache")))
            }
            _ => None,
        }
    }

    fn folder(&self, variable: &str, in_home: &str) -> Option<PathBuf> {
        let base = self.absolute(variable).or_else(|| self.home().map(|home| home.join(in_home)))?;
        Some(base.join("mer"))
    }

    /// Returns the folder in a variable. By the XDG rules a relative path is ignored.
    fn absolute(&self, variable: &str) -> Option<PathBuf> {
        self.variables.path(variable).filter(|path| path.is_absolute())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pager(variables: &[(&str, &str)]) -> Option<String> {
        Environment { variables: variables.iter().copied().collect(), ..Environment::default() }.pager()
    }

    #[test]
    fn the_pager_is_the_first_one_that_is_set() {
        assert_eq!(pager(&[]).as_deref(), Some("less -FRX"));
        assert_eq!(pager(&[("PAGER", "most")]).as_deref(), Some("most"));
        assert_eq!(pager(&[("PAGER", "most"), ("MER_PAGER", " less -S ")]).as_deref(), Some("less -S"));
        for none in ["", "cat", " "] {
            assert_eq!(pager(&[("PAGER", "most"), ("MER_PAGER", none)]), None);
            assert_eq!(pager(&[("PAGER", none)]), None);
        }
        assert_eq!(pager(&[("TERM", "dumb")]), None);
    }
}
