//! Sizes, names, versions and links.

use std::collections::BTreeMap;

use crate::{assert_none, read, root, rust, texts};

const LONGEST: usize = 600;

#[test]
fn no_source_file_is_too_long() {
    let files = [rust("crates"), rust("tests")].concat();
    let too_long: Vec<String> = files
        .iter()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > LONGEST)
        .map(|(path, lines)| format!("{path}: {lines} lines"))
        .collect();
    assert_none(&too_long, &format!("source files of more than {LONGEST} lines"));
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
    // Two databases, one numbered sequence.
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
fn no_path_of_somebodys_machine_is_written_down() {
    // Put together here, so that this file does not have them either.
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
