//! Going through the files for one host.

use std::path::{Path, PathBuf};

use super::{Settings, pattern::matches_list, words::words};

/// Files that include files, as deep as OpenSSH lets them.
const DEEPEST: usize = 16;

/// Where the files come from: a test has them in memory.
pub(in crate::ssh) trait Files {
    /// The text of a file, if it is there.
    fn read(&self, path: &Path) -> Option<String>;
    /// The files that a pattern of `Include` means, sorted by name.
    fn expand(&self, pattern: &str) -> Vec<PathBuf>;
}

/// Whom the settings are for.
#[derive(Debug, Clone, Copy)]
struct Asked<'a> {
    alias: &'a str,
    /// The user that the registry names, if it does.
    user: Option<&'a str>,
    local_user: Option<&'a str>,
}

/// What the files, in their order, say about `alias`.
pub(in crate::ssh) fn settings_for(
    files: &dyn Files,
    roots: &[PathBuf],
    alias: &str,
    user: Option<&str>,
    local_user: Option<&str>,
) -> Settings {
    let asked = Asked { alias, user, local_user };
    let mut settings = Settings::default();
    for root in roots {
        file(files, root, asked, true, 0, &mut settings);
    }
    settings
}

fn file(files: &dyn Files, path: &Path, asked: Asked<'_>, within: bool, depth: usize, settings: &mut Settings) {
    if depth > DEEPEST {
        settings.warn(format!("`{}`: `Include` goes too deep", path.display()));
        return;
    }
    let Some(text) = files.read(path) else { return };
    let mut active = within;
    for (index, line) in text.lines().enumerate() {
        let Some((keyword, args)) = words(line) else { continue };
        let place = format!("`{}` line {}", path.display(), index + 1);
        match keyword.as_str() {
            "host" => active = within && matches_list(args.iter().map(String::as_str), asked.alias),
            "match" => active = within && is_match(&args, asked, settings, &place),
            "include" if active => {
                for pattern in &args {
                    for included in files.expand(pattern) {
                        file(files, &included, asked, true, depth + 1, settings);
                    }
                }
            }
            "include" => {}
            _ if active => settings.set(&keyword, &args, &place),
            _ => {}
        }
    }
}

/// Whether all criteria of a `Match` line hold. One that we cannot judge does not, and is said.
fn is_match(args: &[String], asked: Asked<'_>, settings: &mut Settings, place: &str) -> bool {
    let mut words = args.iter().map(String::as_str);
    let mut holds = true;
    while let Some(word) = words.next() {
        let (negated, word) = word.strip_prefix('!').map_or((false, word), |word| (true, word));
        let (criterion, attached) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
        let criterion = criterion.to_ascii_lowercase();
        let one = match criterion.as_str() {
            "all" => true,
            "host" | "originalhost" | "user" | "localuser" => {
                let Some(list) = attached.or_else(|| words.next()) else { return false };
                let host = settings.host_name.as_deref().unwrap_or("%h").replace("%h", asked.alias).to_lowercase();
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
                    settings.warn(format!("{place}: `Match {criterion}` is not supported; its block is not used"));
                }
                return false;
            }
        };
        holds &= one != negated;
    }
    holds
}
