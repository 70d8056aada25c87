//! Comments and documents in plain English.

use crate::{assert_none, source::comments, texts};

/// Pronouns that do not name the person or program. Each is in two parts, so that this file is no fault.
const VAGUE: [(&str, &str); 6] =
    [("wh", "o"), ("who", "ever"), ("who", "m"), ("some", "body"), ("no", "body"), ("any", "body")];

/// Words that a comment must not begin with: its first sentence would refer to something that has not been read yet.
const BEGINNINGS: [&str; 3] = ["That", "Of", "So"];

/// Texts beside which such a word is a name, as of the user in a list of users.
const NAMES: [&str; 1] = ["/etc/passwd"];

/// The faults of a text whose lines are given with their numbers; a gap in the numbers begins a new paragraph.
fn faults(path: &str, lines: &[(usize, &str)]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut previous = 0;
    for &(number, line) in lines {
        let prose = without_code(line);
        let words: Vec<&str> =
            prose.split(|c: char| !c.is_alphanumeric() && c != '\'').filter(|w| !w.is_empty()).collect();
        let vague = words.iter().find(|word| {
            let word = word.to_lowercase();
            VAGUE.iter().any(|(one, two)| word.strip_suffix("'s").unwrap_or(&word) == format!("{one}{two}"))
        });
        if let Some(word) = vague.filter(|_| !NAMES.iter().any(|name| line.contains(name))) {
            faults.push(format!("{path}:{number}: `{word}`: {}", line.trim()));
        }
        let begins = previous + 1 != number || line.trim_start().starts_with(['-', '*', '#']);
        let first = words.first().filter(|word| {
            begins && BEGINNINGS.contains(word) && prose.trim_start_matches(['-', '*', '#', ' ']).starts_with(*word)
        });
        if let Some(word) = first {
            faults.push(format!("{path}:{number}: begins with `{word}`: {}", line.trim()));
        }
        previous = number;
    }
    faults
}

/// The line with blanks in place of what stands between backticks.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join(" ")
}

/// The comments of a script or a Nix file.
fn hash_comments(text: &str) -> Vec<(usize, &str)> {
    // A `#` within a word or within quotes begins no comment.
    let begins = |line: &str, at: usize| {
        let before = &line[..at];
        let is_quoted = before.matches(['"', '\'']).count() % 2 == 1;
        !is_quoted && (before.is_empty() || before.ends_with(char::is_whitespace))
    };
    let lines = text.lines().enumerate().filter(|(_, line)| !line.starts_with("#!"));
    lines
        .filter_map(|(at, line)| {
            let (begin, _) = line.match_indices('#').find(|(at, _)| begins(line, *at))?;
            Some((at + 1, line[begin..].trim_start_matches(['#', ' '])))
        })
        .collect()
}

/// The prose of a document: no code blocks, no empty lines.
fn prose(text: &str) -> Vec<(usize, &str)> {
    let mut in_code = false;
    let mut lines = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if !in_code && !line.trim().is_empty() {
            lines.push((at + 1, line));
        }
    }
    lines
}

/// The faults of one file; none where it is of another kind.
fn of_file(path: &str, text: &str) -> Vec<String> {
    let name = path.rsplit('/').next().unwrap_or(path);
    if path.ends_with(".rs") {
        let comments = comments(text);
        let lines =
            comments.lines().enumerate().map(|(at, line)| (at + 1, line.trim().trim_start_matches(['/', '!', ' '])));
        return faults(path, &lines.filter(|(_, line)| !line.is_empty()).collect::<Vec<_>>());
    }
    let is_script = text.starts_with("#!") || text.starts_with("# shellcheck");
    if path.ends_with(".nix") || path.ends_with(".sh") || path.ends_with(".toml") || name == "Dockerfile" || is_script {
        return faults(path, &hash_comments(text));
    }
    if path.ends_with(".md") {
        return faults(path, &prose(text));
    }
    Vec::new()
}

#[test]
fn comments_and_documents_are_in_plain_english() {
    let found: Vec<String> = texts("").iter().flat_map(|(path, text)| of_file(path, text)).collect();
    assert_none(&found, &format!("{} faults of style in comments and documents (CONTRIBUTING.md)", found.len()));
}

#[test]
fn nothing_in_the_documents_is_still_to_be_measured() {
    // Assembled at run time, so that this file is no fault.
    let phrase = ["not", "measured", "yet"].join(" ");
    let mut found = Vec::new();
    for (path, text) in texts("").iter().filter(|(path, _)| path.ends_with(".md")) {
        let lines = text.lines().enumerate().filter(|(_, line)| line.contains(&phrase));
        found.extend(lines.map(|(at, line)| format!("{path}:{}: {line}", at + 1)));
    }
    assert_none(&found, "measure it, or leave the row out");
}

#[test]
fn the_rule_of_plain_english_finds_what_it_is_for() {
    let vague: Vec<String> = VAGUE.iter().map(|(one, two)| format!("{one}{two}")).collect();
    let (who, nobody) = (&vague[0], &vague[4]);
    let rust = format!(
        "/// Returns it to {who} asked.\nfn a() {{ b(\"{nobody}\") }} // `{nobody}` is a user\n\n// So it is.\n// So be it.\n"
    );
    let found = of_file("a.rs", &rust);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("a.rs:1: `who`") && found[1].starts_with("a.rs:4: begins with `So`"), "{found:?}");
    let script = format!("#!/bin/sh\n# Of course.\necho \"# {nobody}\" # {nobody}\n");
    assert_eq!(of_file("a", &script).len(), 2, "{:?}", of_file("a", &script));
    let page = format!("{who}\n\n```\n{nobody}\n```\n- That is it.\nThat is a second line of it.\n");
    assert_eq!(of_file("a.md", &page).len(), 2, "{:?}", of_file("a.md", &page));
}
