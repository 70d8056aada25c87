//! `mer version`. Touches neither settings nor database: it is what scripts call to see whether `mer` is there.

use serde::Serialize;

use crate::{
    errors::CliError,
    ui::{Format, Ui},
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    name: &'static str,
    version: &'static str,
    features: Vec<&'static str>,
    target: String,
}

/// Prints the version.
pub(crate) fn version(ui: Ui) -> Result<(), CliError> {
    let version = Version {
        name: "mer",
        version: env!("CARGO_PKG_VERSION"),
        features: if cfg!(feature = "embedded") { vec!["embedded"] } else { Vec::new() },
        target: target(),
    };
    if ui.format() == Format::Json {
        return ui.json(&version);
    }
    let features = version.features.iter().map(|feature| format!(", {feature}")).collect::<String>();
    ui.data(format!("mer {} ({}{features})\n", version.version, version.target).as_bytes())
}

fn target() -> String {
    let libc = if cfg!(target_env = "musl") {
        "-musl"
    } else if cfg!(target_env = "gnu") {
        "-gnu"
    } else {
        ""
    };
    format!("{}-{}{libc}", std::env::consts::ARCH, std::env::consts::OS)
}
