//! Words and lines for a POSIX shell.

use std::ffi::OsString;

use mer_core::RunSpec;

use crate::{StartError, run::check_strings};

/// Functions that check a program: `mer_c` by its name and `mer_f` by its path. They print `=nf` or `=nx` and end the shell if
/// it cannot be started.
pub(crate) const CHECKS: &str = "mer_c() { command -v \"$1\" >/dev/null 2>&1 || { echo =nf; exit 127; }; }; \
     mer_f() { [ -e \"$1\" ] || { echo =nf; exit 127; }; [ -f \"$1\" ] && [ -x \"$1\" ] || { echo =nx; exit 126; }; }; ";

/// The environment of a process. It comes from the registry, so that it is valid UTF-8.
fn texts(spec: &RunSpec) -> Result<Vec<(&str, &str)>, StartError> {
    let bad = |name: &OsString| StartError::BadString { name: name.to_string_lossy().escape_debug().to_string() };
    let pairs = spec.env.iter().map(|(name, value)| name.to_str().zip(value.to_str()).ok_or_else(|| bad(name)));
    pairs.collect()
}

/// The parts of a line that runs a program.
pub(crate) struct Prepared<'a> {
    /// The program, quoted for the shell.
    pub(crate) program: String,
    env: Vec<(&'a str, &'a str)>,
    /// Sets environment and working directory, and checks that the program exists ([`CHECKS`]).
    pub(crate) line: String,
}

impl<'a> Prepared<'a> {
    /// Returns the parts for a run.
    ///
    /// # Errors
    /// The command is empty, or a text cannot be passed to a program.
    pub(crate) fn new(spec: &'a RunSpec) -> Result<Self, StartError> {
        prepare(spec)
    }

    /// Returns the program and its arguments as words of the shell, each after a space. Variables whose names no shell accepts
    /// are set by `env`.
    pub(crate) fn words(&self, spec: &RunSpec) -> String {
        let foreign = self.env.iter().filter(|(name, _)| !is_identifier(name));
        let assignments: Vec<_> = foreign.map(|(name, value)| quote(&format!("{name}={value}"))).collect();
        let env = (!assignments.is_empty()).then(|| "env".to_owned());
        let arguments = spec.argv.iter().skip(1).map(|argument| quote(argument));
        let words = env.into_iter().chain(assignments).chain([self.program.clone()]).chain(arguments);
        words.fold(String::new(), |line, word| format!("{line} {word}"))
    }
}

fn prepare(spec: &RunSpec) -> Result<Prepared<'_>, StartError> {
    let program = spec.argv.first().filter(|program| !program.is_empty()).ok_or(StartError::NoCommand)?;
    check_strings(spec)?;
    let mut line = String::new();
    let env = texts(spec)?;
    let words = || spec.argv.iter().map(String::as_str).chain(env.iter().flat_map(|(name, value)| [*name, *value]));
    let cwd = spec.cwd.as_ref().map(|cwd| cwd.to_string_lossy().into_owned());
    // The line must not contain a newline: a variable stands for it.
    if words().chain(cwd.as_deref()).any(|text| text.contains('\n')) {
        line.push_str("mer_n=$(printf '\\n.'); mer_n=${mer_n%.}; ");
    }
    for (name, value) in env.iter().filter(|(name, _)| is_identifier(name)) {
        line.push_str(&format!("export {name}={}; ", quote(value)));
    }
    if let Some(cwd) = &cwd {
        line.push_str(&format!("CDPATH= cd -- {} >/dev/null 2>&1 || {{ echo =cd; exit 126; }}; ", directory(cwd)));
    }
    let quoted = quote(program);
    let check = if program.contains('/') { "mer_f" } else { "mer_c" };
    line.push_str(&format!("{check} {quoted}; "));
    Ok(Prepared { program: quoted, env, line })
}

/// Quotes a word for a POSIX shell.
pub(crate) fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    let mut out = String::with_capacity(word.len() + 2);
    out.push('\'');
    for c in word.chars() {
        match c {
            '\'' => out.push_str("'\\''"),
            '\n' => out.push_str("'\"$mer_n\"'"),
            _ => out.push(c),
        }
    }
    out.push('\'');
    out
}

/// Quotes a path; `~` is the remote home.
fn directory(path: &str) -> String {
    match path.strip_prefix('~') {
        Some("" | "/") => "\"$HOME\"".to_owned(),
        Some(rest) if rest.starts_with('/') => format!("\"$HOME\"{}", quote(rest)),
        _ => quote(path),
    }
}

fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{directory, quote};

    #[test]
    fn any_name_survives_a_shell() {
        let names = [
            "",
            "a b",
            "it's",
            "a\"b",
            "a&b;c|d",
            "$HOME `id` $(id)",
            "a\nb\n",
            "\\n",
            "*?[x]",
            "~",
            "-n",
            "é\u{1f600}",
            "!!",
            "#x",
        ];
        for name in names {
            let script = format!("mer_n=$(printf '\\n.'); mer_n=${{mer_n%.}}; printf %s {}", quote(name));
            assert!(!script.contains('\n'), "{script}");
            let out = Command::new("sh").args(["-c", &script]).output().expect("sh");
            assert_eq!(String::from_utf8_lossy(&out.stdout), name, "{script}");
        }
    }

    #[test]
    fn the_home_of_a_directory_is_the_one_over_there() {
        assert_eq!(directory("~"), "\"$HOME\"");
        assert_eq!(directory("~/a b"), "\"$HOME\"'/a b'");
        assert_eq!(directory("/a/~"), "'/a/~'");
        assert_eq!(directory("~user/x"), "'~user/x'");
    }
}
