//! The reference of settings (`docs/reference/settings.md`), generated from the table.

use std::fmt::Write;

use super::schema::{Default, SETTINGS};

/// The text above the table.
pub(super) const INTRODUCTION: &str = "\
Lowest first: defaults, `/etc/mer/mer.toml`, `$XDG_CONFIG_HOME/mer/mer.toml`, `./mer.toml`, `./.env`, the environment,
flags. `--config FILE` (or `MER_CONFIG`) names one file to read instead of the three; `--no-dotenv` ignores `./.env`. A setting
has the same name in every file; an unknown one is an error. An empty variable counts as not set. `mer config show` prints each
value and where it came from. This page is generated from the table in `crates/driver/src/config/schema.rs`.

Files at these paths that another user can write to are ignored with a warning. A database's URL in `./mer.toml` or `./.env`
is never joined with credentials from elsewhere. [security.md](../security.md) says why, and what counts.

A line of `./.env` is `NAME=value`, `export NAME=value`, or a comment. Values may be quoted: within `'…'` there are no escapes;
within `\"…\"` `\\n`, `\\r`, `\\t`, `\\\"`, `\\\\`, `\\$` and a backslash before a backtick are escapes; both may span several lines. Without quotes a
value ends at a blank with a `#` behind it. Nothing is expanded. A line that sets no variable of MER's may be anything; one
that names a variable of MER's and cannot be read is an error. A URL with a control character, and a path with a line end or
a NUL byte, are refused in every layer. `startStopScripts` read the file through `mer`.
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
