//! The command line that puts by hand what a training wrote.

use std::path::Path;

use mer_core::{Model, WeightsFormat};

/// A training that made no version, as far as the command line needs it.
pub(super) struct Kept<'a> {
    /// What it wrote.
    pub(super) path: &'a Path,
    pub(super) model: &'a Model,
    pub(super) server: &'a str,
    /// Whether what it wrote is not what it was to be: then it is put as bytes of any kind.
    pub(super) is_wrong: bool,
    /// The version that the training went on from.
    pub(super) parent: Option<u64>,
    pub(super) note: Option<&'a str>,
}

/// Returns the hint; nothing where the path cannot be typed.
pub(super) fn put_line(kept: &Kept<'_>) -> Option<String> {
    let model = &kept.model.name;
    let path = shlex::try_quote(kept.path.to_str()?).ok()?;
    let flags = flags(kept);
    Some(if kept.path.is_dir() {
        format!("what it wrote is kept: `tar -cC {path} . | mer weights put {model} -{flags}` makes one file of it")
    } else {
        format!("what it wrote is kept: `mer weights put {model} {path}{flags}`")
    })
}

fn flags(kept: &Kept<'_>) -> String {
    let params = kept.model.spec.on_server(kept.server);
    let shape = params.weights_shape.as_deref();
    let shape = shape.map(|shape| shape.iter().map(u64::to_string).collect::<Vec<_>>().join("x"));
    let is_wrong = kept.is_wrong;
    let flags = [
        ("format", is_wrong.then(|| WeightsFormat::Raw.to_string())),
        ("dtype", params.weights_dtype.filter(|_| !is_wrong).map(|dtype| dtype.to_string())),
        ("shape", shape.filter(|_| !is_wrong)),
        ("parent", kept.parent.map(|parent| parent.to_string())),
        ("note", kept.note.map(str::to_owned)),
    ];
    let words = flags.iter().filter_map(|(name, value)| {
        let value = shlex::try_quote(value.as_deref()?).ok()?;
        Some(format!(" --{name} {value}"))
    });
    words.collect()
}
