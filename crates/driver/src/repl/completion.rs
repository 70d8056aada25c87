//! Completion: verbs, flags and their values from the grammar, models and servers from whoever knows them.

use clap::{Arg, Command};

/// Who knows the names of models and servers. Asked on the reader's thread, while a person waits: it must answer quickly or with nothing.
pub(crate) trait Names: Send {
    /// The models.
    fn models(&self) -> Vec<String>;
    /// The servers.
    fn servers(&self) -> Vec<String>;
    /// Models with weights that an alias names: `iris@current`, `iris:3`.
    fn weights(&self) -> Vec<String>;
}

/// What may stand where the cursor is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Offer {
    /// One of these words, from this byte on.
    Words(usize, Vec<String>),
    /// A file, from this byte on.
    File(usize),
}

/// What may complete a command line up to the cursor. `grammar` must have been built.
pub(super) fn complete(grammar: &Command, names: &dyn Names, line: &str) -> Offer {
    let start = line.rfind(char::is_whitespace).map_or(0, |at| at + 1);
    let (before, word) = line.split_at(start);
    let (start, word) = match word.strip_prefix('/') {
        Some(rest) if before.trim().is_empty() => (start + 1, rest),
        _ => (start, word),
    };
    let mut words: Vec<&str> = before.split_whitespace().collect();
    if let Some(first) = words.first_mut() {
        *first = first.strip_prefix('/').unwrap_or(first);
    }
    if words.first() == Some(&"mer") {
        words.remove(0);
    }
    let at = walk(grammar, &words);
    let candidates = match at.flag {
        Some(flag) => return values(&at, flag, names, start, word),
        None if word.starts_with('-') => flags(at.command),
        None if at.command.has_subcommands() => verbs(at.command),
        None => match at.command.get_positionals().nth(at.positional) {
            Some(argument) => return values(&at, argument, names, start, word),
            None => Vec::new(),
        },
    };
    words_from(start, word, candidates)
}

/// Where a line has led to.
struct At<'a> {
    command: &'a Command,
    /// The name of the group that the command belongs to.
    group: &'a str,
    /// A flag that waits for its value.
    flag: Option<&'a Arg>,
    /// How many positional arguments there are already.
    positional: usize,
}

fn walk<'a>(grammar: &'a Command, words: &[&str]) -> At<'a> {
    let mut at = At { command: grammar, group: "", flag: None, positional: 0 };
    for word in words {
        if at.flag.take().is_some() {
        } else if word.starts_with('-') {
            let takes_value = |arg: &&Arg| arg.get_action().takes_values() && is_spelled(arg, word);
            at.flag = at.command.get_arguments().find(takes_value);
        } else if let Some(sub) = at.command.find_subcommand(word) {
            at = At { command: sub, group: at.command.get_name(), flag: None, positional: 0 };
        } else {
            at.positional += 1;
        }
    }
    at
}

fn is_spelled(arg: &Arg, word: &str) -> bool {
    let long = word.strip_prefix("--").is_some_and(|name| arg.get_long() == Some(name));
    let short = word.strip_prefix('-').is_some_and(|name| arg.get_short().is_some_and(|c| name == c.to_string()));
    long || short
}

fn values(at: &At<'_>, argument: &Arg, names: &dyn Names, start: usize, word: &str) -> Offer {
    let kind = argument.get_value_names().and_then(|names| names.first()).map(|name| name.as_str()).unwrap_or_default();
    let candidates = match (kind, at.group, argument.get_long()) {
        ("MODEL", ..) if word.contains([':', '@']) && takes_weights(at.command) => names.weights(),
        ("MODEL[:VERSION|@ALIAS]" | "MODEL:VERSION", ..) if word.contains([':', '@']) => names.weights(),
        ("MODEL" | "MODEL[:VERSION|@ALIAS]" | "MODEL:VERSION", ..) | ("NAME", "model", None) => names.models(),
        ("NAME", _, Some("server" | "on")) | ("NAME", "server", None) => names.servers(),
        ("FILE" | "FILE|-" | "DIR" | "PATH", ..) => return Offer::File(start),
        ("INPUT|@FILE|-", ..) if word.starts_with('@') => return Offer::File(start + 1),
        _ => argument.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect(),
    };
    words_from(start, word, candidates)
}

/// Whether a model's name may have a version or an alias behind it.
fn takes_weights(command: &Command) -> bool {
    matches!(command.get_name(), "run" | "use")
}

fn verbs(command: &Command) -> Vec<String> {
    let subs = command.get_subcommands().filter(|sub| !sub.is_hide_set());
    subs.map(|sub| sub.get_name().to_owned()).collect()
}

fn flags(command: &Command) -> Vec<String> {
    let arguments = command.get_arguments().filter(|arg| !arg.is_hide_set());
    arguments.filter_map(|arg| arg.get_long()).map(|long| format!("--{long}")).collect()
}

fn words_from(start: usize, word: &str, mut candidates: Vec<String>) -> Offer {
    candidates.retain(|candidate| candidate.starts_with(word));
    candidates.sort_unstable();
    Offer::Words(start, candidates)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Known;

    impl Names for Known {
        fn models(&self) -> Vec<String> {
            ["iris", "echo", "iris2"].map(str::to_owned).into()
        }
        fn servers(&self) -> Vec<String> {
            ["local", "gpu1"].map(str::to_owned).into()
        }
        fn weights(&self) -> Vec<String> {
            ["iris@current", "iris@old", "iris:3"].map(str::to_owned).into()
        }
    }

    fn offer(line: &str) -> Offer {
        let mut grammar = crate::cli::command();
        grammar.build();
        complete(&grammar, &Known, line)
    }

    fn words(line: &str) -> Vec<String> {
        match offer(line) {
            Offer::Words(start, words) => {
                assert!(words.iter().all(|word| word.starts_with(line[start..].trim_start_matches('/'))));
                words
            }
            Offer::File(_) => panic!("`{line}` wants a file"),
        }
    }

    #[test]
    fn verbs_and_flags_come_from_the_grammar() {
        assert_eq!(words("ver"), ["version"]);
        assert_eq!(words("/ver"), ["version"]);
        assert_eq!(words("mer --json ver"), ["version"]);
        assert_eq!(words("model p"), ["ping"]);
        assert!(words("").contains(&"run".to_owned()));
        assert_eq!(words("run iris x --ti"), ["--timeout"]);
        assert!(words("log list --").contains(&"--json".to_owned()));
        assert_eq!(words("completions z"), ["zsh"]);
        assert_eq!(words("--log-format "), ["json", "text"]);
    }

    #[test]
    fn names_come_where_a_name_belongs() {
        assert_eq!(words("run ir"), ["iris", "iris2"]);
        assert_eq!(words("execute --timeout 5s e"), ["echo"]);
        assert_eq!(words("use "), ["echo", "iris", "iris2"]);
        assert_eq!(words("model show i"), ["iris", "iris2"]);
        assert_eq!(words("server show g"), ["gpu1"]);
        assert_eq!(words("run iris --server "), ["gpu1", "local"]);
        assert_eq!(words("model set i"), ["iris", "iris2"]);
        assert_eq!(words("model set iris --on g"), ["gpu1"]);
        assert_eq!(words("server remove l"), ["local"]);
        assert!(words("model add i").is_empty());
        assert_eq!(words("model add new --server gpu1 --protocol l"), ["lines"]);
        assert_eq!(words("log list --model e"), ["echo"]);
        assert_eq!(words("run iris@"), ["iris@current", "iris@old"]);
        assert_eq!(words("use iris:"), ["iris:3"]);
        assert_eq!(words("weights show iris@o"), ["iris@old"]);
        assert!(words("weights put iris@").is_empty());
        assert!(words("run iris x").is_empty());
        assert!(words("run iris 1 ").is_empty());
    }

    #[test]
    fn files_come_where_a_file_belongs() {
        assert_eq!(offer("apply re"), Offer::File(6));
        assert_eq!(offer("run iris @flo"), Offer::File(10));
        assert_eq!(offer("run iris -o "), Offer::File(12));
        assert_eq!(offer("model add m --path mo"), Offer::File(19));
        assert_eq!(offer("server add s h --identity ~/"), Offer::File(26));
    }

    /// Every argument that clap knows to be a path completes as one.
    #[test]
    fn every_path_completes() {
        let mut grammar = crate::cli::command();
        grammar.build();
        let mut commands = vec![(&grammar, String::new())];
        let mut seen = 0;
        while let Some((command, line)) = commands.pop() {
            let is_path = |arg: &&Arg| {
                use clap::ValueHint::{DirPath, FilePath};
                matches!(arg.get_value_hint(), FilePath | DirPath) && arg.get_long().is_some()
            };
            for arg in command.get_arguments().filter(is_path) {
                let typed = format!("{line}--{} x", arg.get_long().unwrap_or_default());
                assert_eq!(complete(&grammar, &Known, &typed), Offer::File(typed.len() - 1), "{typed}");
                seen += 1;
            }
            let subs = command.get_subcommands().filter(|sub| sub.get_name() != "help");
            commands.extend(subs.map(|sub| (sub, format!("{line}{} ", sub.get_name()))));
        }
        assert!(seen > 5, "{seen} paths");
    }
}
