//! The table "Where things live" of docs/ARCHITECTURE.md leads to what it names.

use crate::{assert_none, imports::has_word, read, root};

/// What the table must have, each by words of its first column.
const CONCERNS: [&str; 12] = [
    "retry of write conflicts",
    "host key decision",
    "exit code of a failure",
    "redaction",
    "journal format",
    "how a model is killed",
    "settings precedence",
    "SQL of the log list",
    "chunking of weights",
    "completion in the REPL",
    "pool of kept processes",
    "delivery of weights over SSH",
];

/// A row: what, path, item.
type Row<'a> = [&'a str; 3];

/// The rows of the table, without its head.
fn rows(page: &str) -> Vec<Row<'_>> {
    let section = page.split("\n## Where things live\n").nth(1).unwrap_or_default();
    let section = section.split("\n## ").next().unwrap_or_default();
    let lines = section.lines().filter(|line| line.starts_with("| ")).filter(|line| !line.starts_with("| what "));
    lines
        .map(|line| {
            let mut cells = line.split('|').skip(1).map(|cell| cell.trim().trim_matches('`'));
            [(); 3].map(|()| cells.next().unwrap_or_default())
        })
        .collect()
}

/// What is wrong with the table; `text_of` gives the text of a file, if there is one.
fn faults(page: &str, text_of: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let rows = rows(page);
    let mut faults = Vec::new();
    for [what, path, item] in &rows {
        match text_of(path) {
            None => faults.push(format!("{what}: `{path}` does not exist")),
            Some(text) if item.is_empty() || !has_word(&text, item) => {
                faults.push(format!("{what}: `{path}` has no `{item}`"));
            }
            Some(_) => {}
        }
    }
    let missing = CONCERNS.iter().filter(|concern| !rows.iter().any(|[what, ..]| what.starts_with(*concern)));
    faults.extend(missing.map(|concern| format!("{concern}: has no row `| what | path | item |`")));
    faults
}

#[test]
fn each_row_names_a_file_and_an_item_in_it() {
    let text_of = |path: &str| root().join(path).is_file().then(|| read(path));
    assert_none(&faults(&read("docs/ARCHITECTURE.md"), text_of), "\"Where things live\" in docs/ARCHITECTURE.md");
}

#[test]
fn a_row_that_leads_nowhere_is_a_fault() {
    let mut page = String::from("\n## Where things live\n\n| what | path | item |\n|---|---|---|\n");
    for concern in CONCERNS {
        page += &format!("| {concern} | `a.rs` | `Item` |\n");
    }
    let text_of = |path: &str| (path == "a.rs").then(|| "struct Item;".to_owned());
    assert_eq!(faults(&page, text_of), Vec::<String>::new());
    let bad = page.replacen("`a.rs`", "`b.rs`", 1).replacen("| redaction | `a.rs` | `Item` |\n", "", 1);
    assert_eq!(faults(&bad, text_of).len(), 2);
    assert_eq!(faults(&page.replace("`Item`", "`Items`"), text_of).len(), CONCERNS.len());
    assert_eq!(faults("", text_of).len(), CONCERNS.len());
}
