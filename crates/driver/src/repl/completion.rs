//! Completion: verbs, flags and their values from the grammar; names of models and servers from the registry.

use clap::{Arg, Command};

/// Names of models and servers. Called on the line editor's thread while a person waits: an implementation must be fast, and
/// returns nothing if it cannot be.
pub(crate) trait Names: Send {
    /// Returns the models.
    fn models(&self) -> Vec<String>;
    /// Returns the servers.
    fn servers(&self) -> Vec<String>;
    /// Returns models with a version or an alias of their weights: `iris@current`, `iris:3`.
    fn weights(&self) -> Vec<String>;
}

/// Completions of a line at the cursor.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Completion {
    /// One of these words, beginning at this byte.
    Words(usize, Vec<String>),
    /// The path of a file, beginning at this byte.
    File(usize),
}

/// Completes a command line that ends at the cursor. `grammar` must have been built.
pub(super) fn complete(grammar: &Command, names: &dyn Names, line: &str) -> Completion {
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
    let context = context_of(grammar, &words);
    let candidates = match context.flag {
        Some(flag) => return values(&context, flag, names, start, word),
        None if word.starts_with('-') => flags(context.command),
        None if context.command.has_subcommands() => verbs(context.command),
        None => match context.command.get_positionals().nth(context.positionals) {
            Some(argument) => return values(&context, argument, names, start, word),
            None => Vec::new(),
        },
    };
    words_from(start, word, candidates)
}

/// The part of the grammar that the words before the cursor lead to.
struct CursorContext<'a> {
    command: &'a Command,
    /// Name of the group that the command belongs to.
    group: &'a str,
    /// The flag whose value comes next.
    flag: Option<&'a Arg>,
    /// Number of positional arguments before the cursor.
    positionals: usize,
}

fn context_of<'a>(grammar: &'a Command, words: &[&str]) -> CursorContext<'a> {
    let mut context = CursorContext { command: grammar, group: "", flag: None, positionals: 0 };
    for word in words {
        if context.flag.take().is_some() {
        } else if word.starts_with('-') {
            let takes_value = |arg: &&Arg| arg.get_action().takes_values() && is_spelled(arg, word);
            context.flag = context.command.get_arguments().find(takes_value);
        } else if let Some(sub) = context.command.find_subcommand(word) {
            context = CursorContext { command: sub, group: context.command.get_name(), flag: None, positionals: 0 };
        } else {
            context.positionals += 1;
        }
    }
    context
}

fn is_spelled(arg: &Arg, word: &str) -> bool {
    let long = word.strip_prefix("--").is_some_and(|name| arg.get_long() == Some(name));
    let short = word.strip_prefix('-').is_some_and(|name| arg.get_short().is_some_and(|c| name == c.to_string()));
    long || short
}

fn values(context: &CursorContext<'_>, argument: &Arg, names: &dyn Names, start: usize, word: &str) -> Completion {
    let kind = argument.get_value_names().and_then(|names| names.first()).map(|name| name.as_str()).unwrap_or_default();
    let candidates = match (kind, context.group, argument.get_long()) {
        ("MODEL", ..) if word.contains([':', '@']) && takes_weights(context.command) => names.weights(),
        ("MODEL[:VERSION|@ALIAS]" | "MODEL:VERSION", ..) if word.contains([':', '@']) => names.weights(),
        ("MODEL" | "MODEL[:VERSION|@ALIAS]" | "MODEL:VERSION", ..) | ("NAME", "model", None) => names.models(),
        ("NAME", _, Some("server" | "on")) | ("NAME", "server", None) => names.servers(),
        ("FILE" | "FILE|-" | "DIR" | "PATH", ..) => return Completion::File(start),
        ("INPUT|@FILE|-", ..) if word.starts_with('@') => return Completion::File(start + 1),
        _ => argument.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect(),
    };
    words_from(start, word, candidates)
}

/// Whether the command takes a version or an alias behind the model's name.
fn takes_weights(command: &Command) -> bool {
    matches!(command.get_name(), "run" | "batch" | "use")
}

fn verbs(command: &Command) -> Vec<String> {
    let subs = command.get_subcommands().filter(|sub| !sub.is_hide_set());
    subs.map(|sub| sub.get_name().to_owned()).collect()
}

fn flags(command: &Command) -> Vec<String> {
    let arguments = command.get_arguments().filter(|arg| !arg.is_hide_set());
    arguments.filter_map(|arg| arg.get_long()).map(|long| format!("--{long}")).collect()
}

fn words_from(start: usize, word: &str, mut candidates: Vec<String>) -> Completion {
    candidates.retain(|candidate| candidate.starts_with(word));
    candidates.sort_unstable();
    Completion::Words(start, candidates)
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

    fn completion(line: &str) -> Completion {
        let mut grammar = crate::cli::command();
        grammar.build();
        complete(&grammar, &Known, line)
    }

    fn words(line: &str) -> Vec<String> {
        match completion(line) {
            Completion::Words(start, words) => {
                assert!(words.iter().all(|word| word.starts_with(line[start..].trim_start_matches('/'))));
                words
            }
            Completion::File(_) => panic!("`{line}` wants a file"),
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
        assert_eq!(words("batch ir"), ["iris", "iris2"]);
        assert_eq!(words("batch iris@o"), ["iris@old"]);
        assert_eq!(words("batch iris f --progress "), ["auto", "json", "none"]);
        assert_eq!(words("weights show iris@o"), ["iris@old"]);
        assert!(words("weights put iris@").is_empty());
        assert!(words("run iris x").is_empty());
        assert!(words("run iris 1 ").is_empty());
    }

    #[test]
    fn files_come_where_a_file_belongs() {
        assert_eq!(completion("apply re"), Completion::File(6));
        assert_eq!(completion("run iris @flo"), Completion::File(10));
        assert_eq!(completion("run iris -o "), Completion::File(12));
        assert_eq!(completion("batch iris flo"), Completion::File(11));
        assert_eq!(completion("model add m --path mo"), Completion::File(19));
        assert_eq!(completion("server add s h --identity ~/"), Completion::File(26));
    }

    /// Every argument with clap's hint for a path completes as a path.
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
                let input = format!("{line}--{} x", arg.get_long().unwrap_or_default());
                assert_eq!(complete(&grammar, &Known, &input), Completion::File(input.len() - 1), "{input}");
                seen += 1;
            }
            let subs = command.get_subcommands().filter(|sub| sub.get_name() != "help");
            commands.extend(subs.map(|sub| (sub, format!("{line}{} ", sub.get_name()))));
        }
        assert!(seen > 5, "{seen} paths");
    }
}
