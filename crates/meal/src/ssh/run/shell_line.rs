//! The line that the remote wrapper reads and runs: see [`crate::ssh::session::wrapper`].

use std::ffi::OsString;

use mer_core::RunSpec;

use crate::{StartError, exit_marker::marker_start, run::check_strings, ssh::session::GuardFolder};

/// The wrapper's answers before the program starts. All have the same length, so that no output of the program is
/// read with them.
pub(super) const STARTED: &[u8] = b"=ok\n";
pub(super) const NOT_FOUND: &[u8] = b"=nf\n";
pub(super) const NOT_EXECUTABLE: &[u8] = b"=nx\n";
pub(super) const NO_DIRECTORY: &[u8] = b"=cd\n";
/// The group could not be put into the folder of the watchdog, and nothing was started.
pub(super) const NOT_GUARDED: &[u8] = b"=ng\n";

/// The environment of a remote process. It comes from the registry, so that it is valid UTF-8.
fn texts(spec: &RunSpec) -> Result<Vec<(&str, &str)>, StartError> {
    let bad = |name: &OsString| StartError::BadString { name: name.to_string_lossy().escape_debug().to_string() };
    let pairs = spec.env.iter().map(|(name, value)| name.to_str().zip(value.to_str()).ok_or_else(|| bad(name)));
    pairs.collect()
}

/// The line that runs the program, and reports its exit status by a marker with this word.
///
/// With a folder of the watchdog and a name, the group is put into the folder first.
pub(in crate::ssh) fn exec(
    spec: &RunSpec,
    mark: &str,
    guard: Option<(&GuardFolder, &str)>,
) -> Result<String, StartError> {
    let Prepared { program, env, mut line } = prepare(spec)?;
    if let Some((folder, name)) = guard {
        line.push_str(&format!("mer_w {} {} {name}; ", quote(&folder.path), folder.pid));
    }
    line.push_str(&format!("mer_k={}; mer_r", marker_start(mark)));
    let foreign = env.iter().filter(|(name, _)| !is_identifier(name));
    let assignments: Vec<_> = foreign.map(|(name, value)| quote(&format!("{name}={value}"))).collect();
    if !assignments.is_empty() {
        line.push_str(" env");
    }
    for word in assignments.into_iter().chain([program]).chain(spec.argv[1..].iter().map(|arg| quote(arg))) {
        line.push(' ');
        line.push_str(&word);
    }
    line.push('\n');
    Ok(line)
}

/// The line that prints the path of the program.
pub(in crate::ssh) fn path_query(spec: &RunSpec) -> Result<String, StartError> {
    let Prepared { program, mut line, .. } = prepare(spec)?;
    line.push_str(&format!("echo =ok; command -v {program}\n"));
    Ok(line)
}

/// The parts of the line before the program.
struct Prepared<'a> {
    /// The program, quoted for the shell.
    program: String,
    env: Vec<(&'a str, &'a str)>,
    /// Sets environment and working directory, and checks that the program exists.
    line: String,
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
fn quote(word: &str) -> String {
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
