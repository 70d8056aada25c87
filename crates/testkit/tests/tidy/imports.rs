//! Which files of a crate use which: the `use` declarations and the paths in the code, resolved to files.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A module's path within its crate.
type ModulePath = Vec<String>;

/// For each file the files that it uses, each with a path by which it does.
pub(crate) type Edges<'a> = BTreeMap<&'a str, BTreeMap<&'a str, String>>;

/// The shipped source files of a crate.
pub(crate) struct Crate {
    modules: BTreeMap<ModulePath, Module>,
}

struct Module {
    file: String,
    /// The code without `use` declarations.
    body: String,
    imports: Vec<Import>,
}

/// One name that a `use` declaration brings into a module.
#[derive(Debug, PartialEq, Eq)]
struct Import {
    path: Vec<String>,
    /// The name within the module; `*` for all names.
    name: String,
    is_public: bool,
}

impl Crate {
    /// Reads `files` as (path below `src/`, shipped code).
    pub(crate) fn new(files: &[(String, String)]) -> Self {
        let module = |(file, code): &(String, String)| {
            let (imports, body) = split_imports(code);
            Some((module_path(file)?, Module { file: file.clone(), body, imports }))
        };
        Self { modules: files.iter().filter_map(module).collect() }
    }

    /// For each file the files that it uses.
    pub(crate) fn edges(&self) -> Edges<'_> {
        let mut edges = Edges::new();
        for (here, module) in &self.modules {
            let used = edges.entry(&module.file).or_default();
            // A re-export is no use, unless the module works with the name itself.
            let imports = module.imports.iter().filter(|i| !i.is_public || has_word(&module.body, &i.name));
            // A module that is imported is used where the code names one of its items.
            let items =
                imports.filter(|i| !self.absolute(here, &i.path).is_some_and(|p| self.modules.contains_key(&p)));
            let imported = items.map(|import| import.path.clone());
            let named = paths(&module.body).into_iter().map(|path| self.expanded(here, path));
            for path in imported.chain(named) {
                // A module may use what it lies in: the two are a tree, and no circle.
                let used_file = self.file_of(here, &path, 0).filter(|file| !self.is_within(here, file));
                if let Some(file) = used_file {
                    used.entry(file).or_insert_with(|| path.join("::"));
                }
            }
        }
        edges
    }

    /// Whether a module is, or lies in, the one of this file.
    fn is_within(&self, here: &[String], file: &str) -> bool {
        (0..=here.len()).any(|at| self.modules.get(&here[..at]).is_some_and(|module| module.file == file))
    }

    /// Replaces a first name that is imported as a module by the path of that module.
    fn expanded(&self, here: &[String], path: Vec<String>) -> Vec<String> {
        let imports = &self.modules[here].imports;
        match imports.iter().find(|import| import.name == path[0]) {
            Some(import) => [&import.path[..], &path[1..]].concat(),
            None => path,
        }
    }

    /// The file that defines what a path names; none for what lies outside of the crate.
    fn file_of(&self, here: &[String], path: &[String], depth: usize) -> Option<&str> {
        let path = self.absolute(here, path)?;
        let (at, module) = (0..=path.len()).rev().find_map(|at| Some((at, self.modules.get(&path[..at])?)))?;
        let Some(item) = path.get(at).filter(|_| depth < 16) else { return Some(&module.file) };
        // A name that the module only hands on is the file's that defines it.
        let named = module.imports.iter().find(|import| import.name == *item);
        let mut handed_on = named.into_iter().chain(module.imports.iter().filter(|import| import.name == "*"));
        let origin = handed_on.find_map(|import| {
            let source = match import.name.as_str() {
                "*" => [&import.path[..], std::slice::from_ref(item)].concat(),
                _ => import.path.clone(),
            };
            let file = self.file_of(&path[..at], &source, depth + 1)?;
            let defines = import.name != "*" || self.modules.values().any(|m| m.file == file && m.defines(item));
            defines.then_some(file)
        });
        Some(origin.unwrap_or(&module.file))
    }

    /// The path from the root of the crate.
    fn absolute(&self, here: &[String], path: &[String]) -> Option<ModulePath> {
        let mut at = here.to_vec();
        match path.first()?.as_str() {
            "crate" => return Some(path[1..].to_vec()),
            "self" => return Some([&at[..], &path[1..]].concat()),
            "super" => {}
            _ => {
                at.push(path[0].clone());
                return self.modules.contains_key(&at).then(|| [&at[..], &path[1..]].concat());
            }
        }
        let ups = path.iter().take_while(|name| *name == "super").count();
        at.truncate(at.len().checked_sub(ups)?);
        Some([&at[..], &path[ups..]].concat())
    }
}

impl Module {
    fn defines(&self, item: &str) -> bool {
        ["struct", "enum", "trait", "fn", "type", "const", "static", "macro_rules!"]
            .iter()
            .any(|kind| has_word(&self.body, &format!("{kind} {item}")))
    }
}

/// `a/b.rs` and `a/b/mod.rs` are the module `a::b`; `lib.rs` is the root. A binary is no module of the
/// library.
fn module_path(file: &str) -> Option<ModulePath> {
    let path = file.strip_suffix(".rs")?;
    let path = path.strip_suffix("/mod").unwrap_or(path);
    match path {
        "lib" => Some(Vec::new()),
        _ if path == "main" || path.starts_with("bin/") => None,
        _ => Some(path.split('/').map(str::to_owned).collect()),
    }
}

/// The shortest circle through each file that lies on one, without repetitions, with the paths that make it.
pub(crate) fn circles(edges: &Edges) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut circles = Vec::new();
    for start in edges.keys() {
        let Some(way) = shortest_circle(edges, start) else { continue };
        let mut members = way.clone();
        members.sort_unstable();
        if seen.insert(members) {
            let targets = way.iter().skip(1).chain([start]);
            let steps = way.iter().zip(targets).map(|(from, to)| format!("{from} -({})-> ", edges[from][to]));
            circles.push(steps.collect::<String>() + start);
        }
    }
    circles.sort_by_key(|circle| circle.matches(")-> ").count());
    circles
}

/// The shortest way from a file back to itself.
fn shortest_circle<'a>(edges: &Edges<'a>, start: &'a str) -> Option<Vec<&'a str>> {
    let mut ways = VecDeque::from([vec![start]]);
    let mut reached = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        for next in edges.get(way.last().copied()?).into_iter().flat_map(BTreeMap::keys) {
            if *next == start {
                return Some(way);
            }
            if reached.insert(*next) {
                ways.push_back([&way[..], &[next]].concat());
            }
        }
    }
    None
}

/// Takes the `use` declarations out of the code.
fn split_imports(code: &str) -> (Vec<Import>, String) {
    let (mut imports, mut body) = (Vec::new(), String::new());
    let mut rest = code;
    while let Some(at) = word_at(rest, "use") {
        let length = rest[at..].find(';').map_or(rest.len() - at, |length| length + 1);
        let line_begin = rest[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let is_public = rest[line_begin..at].trim_start().starts_with("pub");
        let declaration = rest[at + "use".len()..at + length].trim_end_matches(';');
        read_tree(&[], declaration.trim(), is_public, &mut imports);
        body += &rest[..at];
        rest = &rest[at + length..];
    }
    (imports, body + rest)
}

/// Reads a tree of a `use` declaration, such as `a::{b, c as d}`.
fn read_tree(prefix: &[String], tree: &str, is_public: bool, imports: &mut Vec<Import>) {
    if let Some((head, group)) = tree.split_once('{') {
        let mut path = prefix.to_vec();
        path.extend(head.split("::").map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned));
        for part in split_group(group.trim_end().strip_suffix('}').unwrap_or(group)) {
            read_tree(&path, part, is_public, imports);
        }
        return;
    }
    let (path, alias) = tree.split_once(" as ").map_or((tree, None), |(path, alias)| (path, Some(alias.trim())));
    let mut names: Vec<String> = path.split("::").map(|name| name.trim().to_owned()).collect();
    if !prefix.is_empty() && names == ["self"] {
        names.clear();
    }
    let mut path = [prefix, &names].concat();
    let Some(name) = alias.map(str::to_owned).or_else(|| path.last().cloned()).filter(|name| !name.is_empty()) else {
        return;
    };
    if name == "*" {
        path.pop();
    }
    imports.push(Import { path, name, is_public });
}

/// The parts of a group at its commas, leaving inner groups whole.
fn split_group(group: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut begin) = (Vec::new(), 0_usize, 0);
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(group[begin..at].trim());
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(group[begin..].trim());
    parts.retain(|part| !part.is_empty());
    parts
}

/// The paths of two names or more in the code.
fn paths(code: &str) -> BTreeSet<Vec<String>> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let words = code.split(|c| !is_name(c)).filter(|word| word.contains("::") && !word.starts_with("::"));
    let names =
        words.map(|word| word.split("::").map(str::to_owned).filter(|name| !name.is_empty()).collect::<Vec<_>>());
    names.filter(|names| names.len() > 1).collect()
}

/// Whether the code has this word, not as a part of a longer one.
pub(crate) fn has_word(code: &str, word: &str) -> bool {
    word_at(code, word).is_some()
}

fn word_at(code: &str, word: &str) -> Option<usize> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = code.match_indices(word).map(|(at, _)| at);
    found.find(|at| !code[..*at].ends_with(is_name) && !code[at + word.len()..].starts_with(is_name))
}

#[cfg(test)]
fn sample(files: &[(&str, &str)]) -> Vec<String> {
    let files: Vec<_> = files.iter().map(|(path, code)| ((*path).to_owned(), (*code).to_owned())).collect();
    circles(&Crate::new(&files).edges())
}

#[test]
fn a_circle_is_found_through_tables_of_contents_and_paths() {
    let toc = ("a/mod.rs", "mod one;\nmod two;\npub use one::{One, first as renamed};\npub(crate) use two::*;\n");
    let lib = ("lib.rs", "mod a;\npub use a::One;\n");
    let found = sample(&[
        lib,
        toc,
        ("a/one.rs", "use super::Two;\npub struct One(Two);\npub fn first() {}\n"),
        ("a/two.rs", "pub struct Two;\nfn f() { crate::a::renamed(); }\n"),
    ]);
    assert_eq!(found, ["a/one.rs -(super::Two)-> a/two.rs -(crate::a::renamed)-> a/one.rs"]);
    let shared =
        ("a/mod.rs", "mod one;\nmod two;\npub use one::One;\npub struct Shared;\nfn f() -> One { one::make() }\n");
    let found = sample(&[
        lib,
        shared,
        ("a/one.rs", "use crate::a::two;\npub struct One(two::Two);\npub fn make() {}\n"),
        ("a/two.rs", "pub struct Two(super::One);\n"),
    ]);
    assert_eq!(found, ["a/one.rs -(crate::a::two::Two)-> a/two.rs -(super::One)-> a/one.rs"]);
    let none = sample(&[lib, shared, ("a/one.rs", "use super::Shared;\npub struct One(Shared);\npub fn make() {}\n")]);
    assert_eq!(none, Vec::<String>::new(), "a module and the one it lies in are a tree");
    let none = sample(&[
        lib,
        toc,
        ("a/one.rs", "use super::{self as parent, Two};\nuse std::fmt;\npub struct One(Two);\npub fn first() {}\n"),
        ("a/two.rs", "pub struct Two;\n"),
    ]);
    assert_eq!(none, Vec::<String>::new());
}
