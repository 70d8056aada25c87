//! Going through the files for one host.

use std::path::{Path, PathBuf};

use super::{Settings, line::parse_line, pattern::matches_list};

/// Files that include files, as deep as OpenSSH lets them.
const DEEPEST: usize = 16;

/// Where the files come from: a test has them in memory.
pub(in crate::ssh) trait Files {
    /// The text of a file, if it is there. Where it is and must not be used: why.
    fn read(&self, path: &Path, of: Owner) -> Result<Option<String>, String>;
    /// The files that a pattern of `Include` means, sorted by name.
    fn expand(&self, pattern: &str, of: Owner) -> Vec<PathBuf>;
}

/// Whose configuration a file is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ssh) enum Owner {
    /// The user's: its names are relative to `~/.ssh`.
    User,
    /// The machine's: its names are relative to `/etc/ssh`.
    System,
}

/// Whom the settings are for.
#[derive(Debug, Clone, Copy)]
struct Asked<'a> {
    alias: &'a str,
    /// The user that the registry names, if it does.
    user: Option<&'a str>,
    local_user: Option<&'a str>,
    /// Whether the files are gone through once more: see [`settings_for`].
    last: bool,
}

/// A file that is being read.
#[derive(Debug, Clone, Copy)]
struct At<'a> {
    path: &'a Path,
    of: Owner,
    depth: usize,
}

/// What the files, in their order, say about `alias`. `Match final` asks for a second round, in which it holds.
pub(in crate::ssh) fn settings_for(
    files: &dyn Files,
    roots: &[(PathBuf, Owner)],
    alias: &str,
    user: Option<&str>,
    local_user: Option<&str>,
) -> Settings {
    let mut settings = Settings::default();
    let mut again = false;
    for last in [false, true] {
        let asked = Asked { alias, user, local_user, last };
        if last && !again {
            break;
        }
        for (path, of) in roots {
            file(files, At { path, of: *of, depth: 0 }, asked, &mut again, &mut settings);
        }
    }
    settings
}

fn file(files: &dyn Files, at: At<'_>, asked: Asked<'_>, again: &mut bool, settings: &mut Settings) {
    if at.depth > DEEPEST {
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
                // The second round asks for what the first made of the name.
                let named = host_name(settings, asked).filter(|_| asked.last);
                let named = named.unwrap_or_else(|| asked.alias.to_owned());
                active = matches_list(line.args.iter().map(String::as_str), &named);
            }
            "match" => active = is_match(&line.args, asked, again, settings, &location),
            "include" if active => {
                for pattern in &line.args {
                    for included in files.expand(pattern, at.of) {
                        let at = At { path: &included, of: at.of, depth: at.depth + 1 };
                        file(files, at, asked, again, settings);
                    }
                }
            }
            "include" => {}
            // Distributions send `LANG LC_*`: a model would depend on the locale of the one that calls it.
            "sendenv" if at.of == Owner::System => {}
            _ if active => settings.set(&line, &location),
            _ => {}
        }
    }
}

/// `HostName`, as far as it is known by now.
fn host_name(settings: &Settings, asked: Asked<'_>) -> Option<String> {
    let parts = settings.host_name.as_deref()?.split("%%");
    Some(parts.map(|part| part.replace("%h", asked.alias)).collect::<Vec<_>>().join("%"))
}

/// Whether all criteria of a `Match` line hold. One that we cannot judge does not, and is said.
fn is_match(args: &[String], asked: Asked<'_>, again: &mut bool, settings: &mut Settings, location: &str) -> bool {
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
                asked.last
            }
            // Names are not made canonical.
            "canonical" => false,
            "host" | "originalhost" | "user" | "localuser" => {
                let Some(list) = attached.or_else(|| words.next()) else { return false };
                let host = host_name(settings, asked).unwrap_or_else(|| asked.alias.to_owned()).to_lowercase();
                let text = match criterion.as_str() {
                    "host" => host.as_str(),
                    "originalhost" => asked.alias,
                    "user" => asked.user.or(settings.user.as_deref()).or(asked.local_user).unwrap_or_default(),
                    _ => asked.local_user.unwrap_or_default(),
                };
                matches_list(list.split(','), text)
            }
            _ => {
                // Said only where the rest of the line does not already rule it out.
                if holds {
                    settings.warn(format!("{location}: `Match {criterion}` is not supported; its block is not used"));
                }
                return false;
            }
        };
        holds &= one != negated;
    }
    holds
}
