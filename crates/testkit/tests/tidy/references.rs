//! The reference pages are complete.

use std::process::Command;

use mer_core::{ConnParams, ModelParams, ModelSpec, Protocol, Tokens};

use crate::{assert_none, read, root};

/// Returns the texts between backticks in a page.
fn quoted(page: &str) -> Vec<&str> {
    page.split('`').skip(1).step_by(2).collect()
}

#[test]
fn every_exit_code_has_a_row() {
    let page = read("docs/reference/exit-codes.md");
    let source = read("crates/driver/src/errors/exit_code.rs");
    let codes =
        source.lines().filter_map(|line| line.trim().strip_prefix("pub(crate) const ")?.split(['=', ';']).nth(1));
    let missing: Vec<String> = codes
        .clone()
        .map(str::trim)
        .filter(|code| !page.contains(&format!("\n| {code} |")))
        .map(str::to_owned)
        .collect();
    assert!(codes.count() > 10, "the codes were not found");
    assert_none(&missing, "exit codes without a row in docs/reference/exit-codes.md");
}

#[test]
fn every_key_of_the_registry_file_is_explained() {
    let page = read("docs/reference/registry-file.md");
    let explained = quoted(&page);
    let keys = [ModelSpec::OWN_KEYS, ModelParams::KEYS, ConnParams::KEYS].concat();
    let missing: Vec<String> =
        keys.iter().filter(|key| !explained.contains(key)).map(|key| (*key).to_owned()).collect();
    assert_none(&missing, "keys that docs/reference/registry-file.md leaves out");
}

#[test]
fn every_protocol_and_its_marks_are_explained() {
    let page = read("docs/reference/protocols.md");
    let explained = quoted(&page);
    let protocols = [Protocol::Oneshot, Protocol::Lines, Protocol::Token].map(Protocol::name);
    let marks = [Tokens::READY, Tokens::START, Tokens::STOP, Tokens::EXIT];
    let missing: Vec<String> = [&protocols[..], &marks[..]]
        .concat()
        .iter()
        .filter(|word| !explained.contains(word))
        .map(|word| (*word).to_owned())
        .collect();
    assert_none(&missing, "what docs/reference/protocols.md leaves out");
}

#[test]
fn the_env_file_that_ships_sets_nothing_and_names_every_setting() {
    let (file, settings) = (read(".env"), read("docs/reference/settings.md"));
    let known = quoted(&settings);
    let mut faults = Vec::new();
    for line in file.lines().filter(|line| !line.is_empty()) {
        let Some(comment) = line.strip_prefix('#') else {
            faults.push(format!("is set: {line}"));
            continue;
        };
        // A comment has a blank after `#`, a variable has none.
        if let (false, Some((name, _))) = (comment.starts_with(' '), comment.split_once('='))
            && !known.contains(&name)
        {
            faults.push(format!("is no setting: {name}"));
        }
    }
    // Each row of the table begins with a setting and its variables.
    for row in settings.lines().filter(|line| line.starts_with("| `")) {
        let variables: Vec<&str> = quoted(row.split('|').nth(2).unwrap_or_default());
        let is_read = !row.contains("Not read from the working folder");
        if is_read != variables.iter().any(|name| file.contains(&format!("\n#{name}="))) {
            let what = if is_read { "leaves out" } else { "is not read for" };
            faults.push(format!("{what}: {}", variables.join(" or ")));
        }
    }
    assert_none(&faults, "`.env` is for reading: everything in it is commented out, and exists");
}

#[test]
fn the_drawings_are_made_from_what_is_there_now() {
    let check = Command::new(root().join("docs/assets/make")).arg("--check").output().expect("docs/assets/make");
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
}
