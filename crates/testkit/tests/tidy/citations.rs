//! Comments, test names and documents cite only what a reader of this repository can open.

use crate::{assert_none, source::comments, texts};

/// Beginnings of citations of missing documents. Each is in two parts, so that this file is no fault.
const NOT_HERE: [(&str, &str); 6] =
    [("FIE", "LD,"), ("FIE", "LD.md"), ("FIE", "LD SSH"), ("PROD", "UCT.md"), ("moon", "shot"), ("not", "es/")];

/// The citations in a file of what is not here.
fn faults(path: &str, text: &str) -> Vec<String> {
    let is_rust = path.ends_with(".rs");
    let prose = if is_rust { comments(text) } else { text.to_owned() };
    let mut faults = Vec::new();
    for (at, line) in prose.lines().enumerate() {
        let cited = NOT_HERE.iter().map(|(one, two)| format!("{one}{two}"));
        faults.extend(cited.filter(|cited| line.contains(cited)).map(|cited| format!("{path}:{}: `{cited}`", at + 1)));
    }
    let numbered =
        |line: &&str| line.split_once("fn field_").is_some_and(|(_, name)| name.contains(|c: char| c.is_ascii_digit()));
    let names = text.lines().enumerate().filter(|(_, line)| is_rust && numbered(line));
    faults.extend(
        names.map(|(at, line)| format!("{path}:{}: a case is called after what it is: {}", at + 1, line.trim())),
    );
    faults
}

#[test]
fn only_what_is_here_is_cited() {
    let found: Vec<String> = texts("").iter().flat_map(|(path, text)| faults(path, text)).collect();
    assert_none(&found, "citations of documents that are not in the repository");
}

#[test]
fn a_citation_of_what_is_not_here_is_found() {
    let cited: Vec<String> = NOT_HERE.iter().map(|(one, two)| format!("{one}{two}")).collect();
    let rust = format!("/// {} 9: a closed window.\nfn a() {{}}\nfn {}ssh_9() {{}}\n", cited[0], "field_");
    assert_eq!(faults("a.rs", &rust).len(), 2, "{:?}", faults("a.rs", &rust));
    assert_eq!(faults("a.md", &format!("See {}.\n", cited[3])).len(), 1);
    assert!(faults("a.sql", "DEFINE FIELD uid ON Models;\n").is_empty());
}
