//! No two files of a crate use each other, neither directly nor through others.

use crate::{
    assert_none,
    imports::{Crate, circles},
    rust,
    source::{is_test, shipped},
};

/// The crates of the workspace by their folder name.
fn crates() -> Vec<String> {
    let entries = std::fs::read_dir(crate::root().join("crates")).expect("crates");
    let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn no_two_files_use_each_other() {
    let mut faults = Vec::new();
    for name in crates() {
        let below = format!("crates/{name}/src/");
        let files = rust(below.trim_end_matches('/')).into_iter().filter(|(path, _)| !is_test(path));
        let files: Vec<_> = files.map(|(path, text)| (path[below.len()..].to_owned(), shipped(&text))).collect();
        faults.extend(circles(&Crate::new(&files).edges()).into_iter().map(|circle| format!("{name}: {circle}")));
    }
    assert_none(&faults, &format!("{} circles between files, those of each crate the shortest first", faults.len()));
}
