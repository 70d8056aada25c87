//! Reads the configuration files for one host.

use std::path::{Path, PathBuf};

use super::{Settings, line::parse_line, pattern::matches_list};

/// Maximum depth of `Include`, as in OpenSSH.
const MAX_DEPTH: usize = 16;

/// Access to the files; tests have them in memory.
pub(in crate::ssh) trait Files {
    /// The text of a file, or `None` if it does not exist. The error says why it must not be used.
    fn read(&self, path: &Path, of: ConfigOwner) -> Result<Option<String>, String>;
    /// The files that match a pattern of `Include`, sorted by name.
    fn expand(&self, pattern: &str, of: ConfigOwner) -> Vec<PathBuf>;
}

/// Which configuration a file belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ssh) enum ConfigOwner {
    /// The user's: relative names are below `~/.ssh`.
    User,
    /// The system's: relative names are below `/etc/ssh`.
    System,
}

/// The host and user that the settings are for.
#[derive(Debug, Clone, Copy)]
struct Query<'a> {
    alias: &'a str,
    /// The user from the registry.
    user: Option<&'a str>,
    local_user: Option<&'a str>,
    /// Whether this is the second round: see [`settings_for`].
    last: bool,
}

/// The file that is being read.
#[derive(Debug, Clone, Copy)]
struct CurrentFile<'a> {
    path: &'a Path,
    of: ConfigOwner,
    depth: usize,
}

/// Reads the settings for `alias` from the files, in their order. `Match final` requests a second round, in which it
/// matches.
pub(in crate::ssh) fn settings_for(
    files: &dyn Files,
    roots: &[(PathBuf, ConfigOwner)],
    alias: &str,
    user: Option<&str>,
    local_user: Option<&str>,
) -> Settings {
    let mut settings = Settings::default();
    let mut again = false;
    for last in [false, true] {
        let query = Query { alias, user, local_user, last };
        if last && !again {
            break;
        }
        for (path, of) in roots {
            file(files, CurrentFile { path, of: *of, depth: 0 }, query, &mut again, &mut settings);
        }
    }
    settings
}

fn file(files: &dyn Files, at: CurrentFile<'_>, query: Query<'_>, again: &mut bool, settings: &mut Settings) {
    if at.depth > MAX_DEPTH {
        settings.warn(format!("`{}`: `Include` goes too deep", at.path.display()));
        return;
    }
    let text = match files.read(at.path, at.of) {
        Ok(Some(text)) => text,
        Ok(None) => return,
        Err(reason) => {
            settings.warn(format!("`{}` is not used: {reason}", at.path.display()));
            return;
        }
    };
    let mut active = true;
    for (index, text) in text.lines().enumerate() {
        let Some(line) = parse_line(text) else { continue };
        let location = format!("`{}` line {}", at.path.display(), index + 1);
        match line.keyword.as_str() {
            "host" => {
                // The second round matches the name that the first one found.
                let named = host_name(settings, query).filter(|_| query.last);
                let named = named.unwrap_or_else(|| query.alias.to_owned());
                active = matches_list(line.args.iter().map(String::as_str), &named);
            }
            "match" => active = is_match(&line.args, query, again, settings, &location),
            "include" if active => {
                for pattern in &line.args {
                    for included in files.expand(pattern, at.of) {
                        let at = CurrentFile { path: &included, of: at.of, depth: at.depth + 1 };
                        file(files, at, query, again, settings);
                    }
                }
            }
            "include" => {}
            // Distributions set `SendEnv LANG LC_*`, which would make a model depend on the locale of its caller.
            "sendenv" if at.of == ConfigOwner::System => {}
            _ if active => settings.set(&line, &location),
            _ => {}
        }
    }
}

/// `HostName`, as far as it is known by now.
fn host_name(settings: &Settings, query: Query<'_>) -> Option<String> {
    let parts = settings.host_name.as_deref()?.split("%%");
    Some(parts.map(|part| part.replace("%h", query.alias)).collect::<Vec<_>>().join("%"))
}

/// Whether all criteria of a `Match` line hold. An unsupported criterion does not, and gives a warning.
fn is_match(args: &[String], query: Query<'_>, again: &mut bool, settings: &mut Settings, location: &str) -> bool {
    let mut words = args.iter().map(String::as_str);
    let mut holds = true;
    while let Some(word) = words.next() {
        let (negated, word) = word.strip_prefix('!').map_or((false, word), |word| (true, word));
        let (criterion, attached) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
        let criterion = criterion.to_ascii_lowercase();
        let one = match criterion.as_str() {
            "all" => true,
            "final" => {
                *again = true;
                query.last
            }
            // Host names are not canonicalized.
            "canonical" => false,
            "host" | "originalhost" | "user" | "localuser" => {
                let Some(list) = attached.or_else(|| words.next()) else { return false };
                let host = host_name(settings, query).unwrap_or_else(|| query.alias.to_owned()).to_lowercase();
                let text = match criterion.as_str() {
                    "host" => host.as_str(),
                    "originalhost" => query.alias,
                    "user" => query.user.or(settings.user.as_deref()).or(query.local_user).unwrap_or_default(),
                    _ => query.local_user.unwrap_or_default(),
                };
                matches_list(list.split(','), text)
            }
            _ => {
                // No warning if the line does not match anyway.
                if holds {
                    settings.warn(format!("{location}: `Match {criterion}` is not supported; its block is ignored"));
                }
                return false;
            }
        };
        holds &= one != negated;
    }
    holds
}
