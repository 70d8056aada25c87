//! Names, versions and links.

use std::collections::BTreeMap;

use crate::{assert_none, read, root, rust, source::code, texts};

/// Names that do not describe the content of a file or a type.
const EMPTY_NAMES: [&str; 24] = [
    "told",
    "said",
    "turn",
    "room",
    "own",
    "alone",
    "recall",
    "stamp",
    "passing",
    "place",
    "places",
    "shown",
    "typed",
    "surroundings",
    "keep",
    "find",
    "word",
    "meaning",
    "remedy",
    "down",
    "out",
    "chan",
    "link",
    "crypto",
];

/// Returns the parts of a path, and the types and modules in the text, with such a name.
fn empty_names(path: &str, text: &str) -> Vec<String> {
    let is_empty = |name: &str| name == "code" || EMPTY_NAMES.contains(&name);
    let parts = path.split('/').map(|part| part.strip_suffix(".rs").unwrap_or(part));
    let mut faults: Vec<String> = parts.filter(|part| is_empty(part)).map(|part| format!("{path}: `{part}`")).collect();
    let code = code(text);
    let mut words = code.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty()).peekable();
    while let Some(kind) = words.next() {
        let is_definition = ["struct", "enum", "trait", "type", "union", "mod"].contains(&kind);
        if let Some(name) = words.peek().filter(|name| is_definition && is_empty(&name.to_lowercase())) {
            faults.push(format!("{path}: `{kind} {name}`"));
        }
    }
    faults
}

#[test]
fn files_and_types_are_named_after_what_they_hold() {
    let files = [rust("crates"), rust("tests")].concat();
    let faults: Vec<String> = files.iter().flat_map(|(path, text)| empty_names(path, text)).collect();
    assert_none(&faults, "names of files, modules and types that say nothing (CONTRIBUTING.md)");
}

#[test]
fn a_name_that_says_nothing_is_found() {
    let text = "mod chan;\npub struct Told<'a>(&'a str);\nenum Toll { Told }\n// struct Said\n";
    assert_eq!(empty_names("a/room/turn.rs", text).len(), 4, "{:?}", empty_names("a/room/turn.rs", text));
    assert!(empty_names("a/batch.rs", "struct Batch;").is_empty());
}

#[test]
fn scripts_are_named_by_number_and_purpose() {
    let mut faults = Vec::new();
    let mut folders: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for (path, text) in texts("sql") {
        let Some((folder, name)) = path.strip_prefix("sql/").and_then(|path| path.split_once('/')) else { continue };
        let parts = name.strip_suffix(".sql").and_then(|name| name.split_once('-'));
        let well_named = parts.is_some_and(|(number, name)| {
            number.len() >= 2
                && number.bytes().all(|b| b.is_ascii_digit())
                && name.starts_with(|c: char| c.is_ascii_uppercase())
                && name.bytes().all(|b| b.is_ascii_alphanumeric())
        });
        if !well_named {
            faults.push(format!("{path}: expected XX-NameOfTheScript.sql"));
        } else if text.trim().is_empty() {
            faults.push(format!("{path}: is empty"));
        } else if let Some((number, name)) = parts {
            let number = number.trim_start_matches('0').to_owned();
            if folders.entry(folder.to_owned()).or_default().insert(number, name.to_owned()).is_some() {
                faults.push(format!("{path}: its number is taken"));
            }
        }
    }
    assert!(!folders.is_empty() || !faults.is_empty(), "there is no script below `sql`");
    // Both databases have the same numbered sequence.
    if folders.values().any(|scripts| Some(scripts) != folders.values().next()) {
        faults.push(format!("the folders differ: {folders:?}"));
    }
    assert_none(&faults, "misnamed SQL scripts");
}

#[test]
fn the_changelog_has_this_version_once() {
    let version = env!("CARGO_PKG_VERSION");
    let headings = read("CHANGELOG.md").lines().filter(|line| line.starts_with(&format!("## {version}"))).count();
    assert_eq!(headings, 1, "CHANGELOG.md should have one heading `## {version} …`");
}

#[test]
fn no_path_of_one_machine_is_written_down() {
    // Assembled at run time, so that this file is no fault.
    let homes = ["/ro ot/", "/wo rk/", "/ho me/", "/Us ers/"].map(|path| path.replace(' ', ""));
    let mut faults = Vec::new();
    for (path, text) in texts("") {
        for (number, line) in text.lines().enumerate() {
            if homes.iter().any(|home| line.split(home).skip(1).any(|rest| rest.starts_with(char::is_alphanumeric))) {
                faults.push(format!("{path}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    assert_none(&faults, "absolute paths of one machine");
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut faults = Vec::new();
    for (path, text) in texts("") {
        if !path.ends_with(".md") {
            continue;
        }
        let folder = root().join(&path).parent().map(std::path::Path::to_path_buf).unwrap_or_default();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or_default();
            if !file.is_empty() && !file.contains("://") && !folder.join(file).exists() {
                faults.push(format!("{path}: {link}"));
            }
        }
    }
    assert_none(&faults, "dead links");
}
