//! Packages of PyPI, installed once into the cache folder that `tests/run` has too.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use mer_testkit::require;

/// A Python with packages.
pub(crate) struct Python {
    program: PathBuf,
    /// Folder of the packages.
    pub(crate) packages: PathBuf,
}

impl Python {
    /// Returns a Python with these packages of PyPI, such as `duckdb==2.0.1`, which are installed first if they are not yet;
    /// `--no-deps` among them leaves out their dependencies. Where they cannot be installed, the test is reported as skipped.
    pub(crate) fn with(packages: &[&str]) -> Option<Self> {
        let Some(program) = require::program("python3", &[]) else {
            require::missing("python3", "packages of PyPI are read by it");
            return None;
        };
        match installed(&program, packages) {
            Ok(packages) => Some(Self { program, packages }),
            // Not every machine that runs tests can reach PyPI.
            Err(why) => {
                require::unavailable(&packages.join(" "), &why);
                None
            }
        }
    }

    /// Returns the command that runs a script with these packages.
    pub(crate) fn script(&self, script: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("-B").arg(script).env("PYTHONPATH", &self.packages);
        command
    }
}

/// Returns the folder with these packages for this Python.
fn installed(python: &Path, packages: &[&str]) -> Result<PathBuf, String> {
    let tag = output(Command::new(python).args(["-c", "import sys; print(sys.implementation.cache_tag)"]))?;
    let names: Vec<&str> = packages.iter().copied().filter(|name| !name.starts_with("--")).collect();
    let name = format!("pypi-{}-{}", tag.trim(), names.join("-").replace("==", "-"));
    let cache = cache();
    let folder = cache.join(&name);
    if folder.is_dir() {
        return Ok(folder);
    }
    let told = |error: std::io::Error| format!("`{}`: {error}", cache.display());
    fs::create_dir_all(&cache).map_err(told)?;
    let scratch = tempfile::Builder::new().prefix(&format!("{name}.")).tempdir_in(&cache).map_err(told)?;
    let target = scratch.path().join("packages");
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile", "--only-binary=:all:"]);
    output(pip.arg("--target").arg(&target).args(packages))?;
    match fs::rename(&target, &folder) {
        // Another test run was faster.
        Err(_) if folder.is_dir() => Ok(folder),
        renamed => renamed.map(|()| folder).map_err(told),
    }
}

/// Returns the cache folder of `tests/lib.sh`.
fn cache() -> PathBuf {
    let variable = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache")));
    let other = || env::temp_dir().join(format!("cache-{}", rustix::process::getuid().as_raw()));
    home.unwrap_or_else(other).join("mer")
}

fn output(command: &mut Command) -> Result<String, String> {
    let ran = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    if ran.status.success() {
        return Ok(String::from_utf8_lossy(&ran.stdout).into_owned());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&ran.stderr).trim()))
}
