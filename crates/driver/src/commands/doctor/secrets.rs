//! Finds secrets that other users can read.

use std::{fs, os::unix::fs::PermissionsExt as _};

use mer_core::is_secret_name;

use super::Finding;
use crate::{app::App, errors::CliError};

const CHECK: &str = "secrets";

/// Finds passwords of servers in plain text, and what looks like a secret in a model's environment: both are in the database
/// and in every export.
pub(super) async fn in_registry(app: &App) -> Result<Vec<Finding>, CliError> {
    let view = app.runtime.view().await?;
    let mut findings = Vec::new();
    for server in view.servers.iter().filter(|server| server.spec.params.password.is_some()) {
        findings.push(Finding::warning(
            CHECK,
            format!("the password of server `{}` is in the database in plain text", server.name),
            "use a key, or one of passwordEnv, passwordFile, passwordCommand",
        ));
    }
    for model in &view.models {
        let on_servers = model.spec.on.values().flat_map(|params| params.env.keys());
        for variable in model.spec.params.env.keys().chain(on_servers).filter(|name| is_secret_name(name)) {
            findings.push(Finding::warning(
                CHECK,
                format!("model `{}` has the variable `{variable}` in the database in plain text", model.name),
                "let the model read it from a file of its own",
            ));
        }
    }
    Ok(findings)
}

/// Finds files with passwords that other users can read, and passwords on the command line.
pub(super) fn in_settings(app: &App) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (setting, origin) in app.loaded.secrets() {
        if origin.starts_with("flag ") {
            findings.push(Finding::warning(
                CHECK,
                format!("`{setting}` has a password on the command line, which every user of this machine can read"),
                "put it into `.env` or the environment",
            ));
        }
        // `FILE:LINE` or `FILE:LINE VARIABLE`.
        let Some((file, _)) = origin.rsplit_once(':') else { continue };
        let Ok(meta) = fs::metadata(file) else { continue };
        if meta.permissions().mode() & 0o077 != 0 {
            let detail = format!("`{file}` holds `{setting}` and can be read by others");
            findings.push(Finding::warning(CHECK, detail, format!("chmod 600 {file}")));
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok(CHECK, "none that others can read in the settings"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_like_secrets() {
        for (name, secret) in [("HF_TOKEN", true), ("dbPassword", true), ("OMP_NUM_THREADS", false), ("KEYS", false)] {
            assert_eq!(is_secret_name(name), secret, "{name}");
        }
    }
}
