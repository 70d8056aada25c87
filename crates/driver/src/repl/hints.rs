//! Hints of a failure, written for the prompt of the REPL.

use crate::errors::CliError;

/// Rewrites hints so that they can be typed into the REPL: `mer` is left out there, and a flag that only counts when `mer`
/// starts is named as such. `allowed` says whether this REPL may change models and servers.
pub(crate) fn hints_as_lines(error: CliError, allowed: bool) -> CliError {
    const ALLOW: [&str; 2] = ["mer --allow-model-server-runtime-changes ", "mer --allow-changes "];
    error.with_hints(|hint| {
        if let Some(flag) = ALLOW.iter().find(|flag| hint.contains(**flag)) {
            if allowed {
                return hint.replace(flag, "");
            }
            let line = hint.replace(flag, "");
            let line = line.strip_prefix('`').and_then(|line| line.strip_suffix('`')).unwrap_or(&line);
            return format!("leave with `quit`, start `{}`, and say: {line}", flag.trim_end());
        }
        if hint.contains("`mer --help`") {
            return hint.replace("`mer --help`", "`help`");
        }
        let hint = hint.strip_prefix("mer ").filter(|rest| !rest.starts_with('-')).unwrap_or(hint);
        let mut text = String::with_capacity(hint.len());
        let mut rest = hint;
        while let Some((before, behind)) = rest.split_once("`mer ") {
            text.push_str(before);
            text.push_str(if behind.starts_with("--") { "`mer " } else { "`" });
            rest = behind;
        }
        text + rest
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_at_a_prompt_are_lines_for_it() {
        let hint = |hint: &str, allowed| {
            hints_as_lines(CliError::usage("x").hint(hint), allowed).hints().first().cloned().expect("a hint")
        };
        assert_eq!(hint("`mer model list` shows all there are", false), "`model list` shows all there are");
        assert_eq!(hint("mer model set m -- x", false), "model set m -- x");
        for flag in ["--db", "--allow-model-server-runtime-changes"] {
            let start = format!("start with it: `mer {flag}`");
            assert_eq!(hint(&start, false), start);
        }
        assert_eq!(hint("`mer --help` shows how it is written", false), "`help` shows how it is written");
        let allow = "mer --allow-model-server-runtime-changes model add m -- x";
        assert_eq!(hint(allow, true), "model add m -- x");
        assert_eq!(
            hint(allow, false),
            "leave with `quit`, start `mer --allow-model-server-runtime-changes`, and say: model add m -- x"
        );
    }
}
