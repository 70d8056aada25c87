//! The reference of settings (`docs/reference/settings.md`), generated from the table.

use std::fmt::Write;

use super::schema::{Default, SETTINGS};

/// The text above the table.
pub(super) const INTRODUCTION: &str = "\
Layers, the lowest precedence first: defaults, `/etc/mer/mer.toml`, `$XDG_CONFIG_HOME/mer/mer.toml`, `./mer.toml`, `./.env`, the
environment, flags. `--config FILE` (or `MER_CONFIG`) names one file that replaces the three files; `--no-dotenv` ignores `./.env`. A
setting has the same name in every file; an unknown name is an error. An empty variable counts as not set. `mer config show` prints
each value and its origin. This page is generated from the table in `crates/driver/src/config/schema.rs`.

Settings files that another user can write to are ignored with a warning. A database URL in `./mer.toml` or `./.env` is never combined
with credentials from elsewhere. [security.md](../security.md) has the reasons and the details.

A line of `./.env` is `NAME=value`, `export NAME=value`, or a comment. Values may be quoted. Between `'…'` every character is literal;
between `\"…\"` `\\n`, `\\r`, `\\t`, `\\\"`, `\\\\`, `\\$` and a backslash before a backtick are escapes. A quoted value may have several lines. An
unquoted value ends at a blank followed by `#`. Nothing is expanded. A line with a variable that is not one of MER's may have any form;
a line with a variable of MER's that cannot be parsed is an error. A URL with a control character, and a path with a line end or a NUL
byte, are errors in every layer. `startStopScripts` read the file through `mer`.
";

/// Returns the table as Markdown.
pub(super) fn reference() -> String {
    let mut text = String::from("| setting | variables | flag | default | value |\n|---|---|---|---|---|\n");
    for setting in SETTINGS {
        let variables: Vec<String> = setting.all_variables().iter().map(|name| format!("`{name}`")).collect();
        let flag = setting.flag.map(|flag| format!("`{flag}`")).unwrap_or_default();
        let default = match setting.default {
            Default::None => String::new(),
            Default::Fixed(value) => format!("`{value}`"),
            Default::FromEnvironment(description) => description.to_owned(),
        };
        let secret = if setting.secret { " Never shown." } else { "" };
        let _ = writeln!(
            text,
            "| `{}` | {} | {flag} | {default} | {}: {}{secret} |",
            setting.name,
            variables.join(", "),
            setting.kind.expected(),
            setting.doc,
        );
    }
    text
}
