//! Fails the build if a script breaks the rules, and reruns when scripts are added or changed.

use std::{env, fs, path::Path, process::ExitCode};

#[path = "src/rules.rs"]
mod rules;

fn main() -> ExitCode {
    let root = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
    let sql = Path::new(&root).join("../../sql");
    let mut problems = Vec::new();
    let mut names: Vec<Vec<String>> = Vec::new();
    for dialect in ["surreal", "postgres"] {
        let dir = sql.join(dialect);
        println!("cargo::rerun-if-changed={}", dir.display());
        match read(&dir) {
            Ok(found) => {
                problems.extend(rules::problems(found.iter().map(|(name, text)| (name.as_str(), text.as_str()))));
                names.push(found.into_iter().map(|(name, _)| name).filter(|name| !rules::is_hidden(name)).collect());
            }
            Err(error) => problems.push(format!("cannot read `{}`: {error}", dir.display())),
        }
    }
    if let [surreal, postgres] = &names[..] {
        problems.extend(rules::twins(surreal, postgres));
    }
    for problem in &problems {
        println!("cargo::error={problem}");
    }
    if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn read(dir: &Path) -> std::io::Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        println!("cargo::rerun-if-changed={}", path.display());
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        found.push((name, fs::read_to_string(&path)?));
    }
    found.sort_unstable();
    Ok(found)
}
