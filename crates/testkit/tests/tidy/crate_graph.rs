//! The crate graph, read from `cargo metadata`.

use std::{collections::BTreeSet, env, process::Command};

use crate::{assert_none, read, root};

/// Which crates a crate may depend on, by folder name. This is the rule; the block in the document is the picture.
/// `testkit` is left out: it may know everything, and the shipped crates must not know it.
const MAY_USE: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("files", &[]),
    ("dal", &["core", "files"]),
    ("meal", &["core", "files"]),
    ("migrations", &["core", "dal", "files"]),
    ("weights", &["core"]),
    ("batch", &["core", "files"]),
    ("report", &["core"]),
    ("scheduler", &["batch", "core", "dal", "files", "meal"]),
    ("service", &["batch", "core", "dal", "files", "meal", "migrations", "report", "scheduler", "weights"]),
    ("client", &["batch", "core", "files", "meal", "scheduler", "service"]),
    ("serve", &["batch", "client", "core", "files", "meal", "scheduler", "service"]),
    (
        "driver",
        &[
            "batch",
            "client",
            "core",
            "dal",
            "files",
            "meal",
            "migrations",
            "report",
            "scheduler",
            "serve",
            "service",
            "weights",
        ],
    ),
];

/// Returns every dependency (from, to) between crates of the workspace, without dev-dependencies.
fn edges() -> BTreeSet<(String, String)> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .expect("cargo metadata");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");

    let folder = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let mut edges = BTreeSet::new();
    for package in metadata["packages"].as_array().expect("packages") {
        let manifest = package["manifest_path"].as_str().expect("a path").trim_end_matches("/Cargo.toml");
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            if let (Some(path), true) = (dependency["path"].as_str(), dependency["kind"] != "dev") {
                edges.insert((folder(manifest), folder(path)));
            }
        }
    }
    assert!(!edges.is_empty(), "no edge was found");
    edges
}

#[test]
fn the_picture_in_the_document_is_true() {
    let mut drawn = String::from("```mermaid\ngraph TD\n");
    for (from, to) in edges() {
        drawn += &format!("  {from} --> {to}\n");
    }
    drawn += "```\n";
    assert!(
        read("docs/ARCHITECTURE.md").contains(&drawn),
        "the crate graph in docs/ARCHITECTURE.md is not the one of the Cargo.toml files. If the change is meant, paste:\n\n{drawn}"
    );
}

#[test]
fn no_crate_knows_what_lies_above_or_beside_it() {
    let mut faults = Vec::new();
    for (from, to) in edges() {
        if from == "testkit" {
            continue;
        }
        match MAY_USE.iter().find(|(name, _)| *name == from) {
            Some((_, allowed)) if allowed.contains(&to.as_str()) => {}
            Some(_) => faults.push(format!("`{from}` depends on `{to}`")),
            None => faults.push(format!("`{from}` is no crate that this test knows: give it a place in the layers")),
        }
    }
    assert_none(&faults, "dependencies that the layers forbid (docs/ARCHITECTURE.md)");
}
