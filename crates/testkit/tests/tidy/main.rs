//! Rules of the repository: crate graph, layers, circles, sizes, names, English, commits, and documents that stay true.

mod circles;
mod citations;
mod commits;
mod crate_graph;
mod english;
mod imports;
mod layers;
mod names;
mod references;
mod reliability;
mod sizes;
mod source;
mod units;
mod where_things_live;

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Returns the root of the repository.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("crates/testkit lies two folders down").to_path_buf()
}

/// Returns the text of a file, by its path in the repository.
fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("`{path}`: {error}"))
}

/// Returns every text file below a folder as (path in the repository, text), without build output.
fn texts(below: &str) -> Vec<(String, String)> {
    let root = root();
    let mut folders = vec![root.join(below)];
    let mut texts = Vec::new();
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("`{}`: {error}", folder.display()));
        for path in entries.map(|entry| entry.expect("an entry").path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path.is_symlink() || ["target", "result", ".git"].contains(&name.as_ref()) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                let path = path.strip_prefix(&root).expect("below the root").to_string_lossy().into_owned();
                texts.push((path, text));
            }
        }
    }
    texts.sort();
    texts
}

/// Returns the Rust files below a folder.
fn rust(below: &str) -> Vec<(String, String)> {
    texts(below).into_iter().filter(|(path, _)| path.ends_with(".rs")).collect()
}

/// Fails with all faults at once.
fn assert_none(faults: &[String], rule: &str) {
    assert!(faults.is_empty(), "{rule}:\n  {}\n", faults.join("\n  "));
}
