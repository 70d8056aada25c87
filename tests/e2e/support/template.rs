//! The data folder that most tests copy: migrated, with the models of `models.toml`.

use std::{
    fs,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::OnceLock,
};

use super::TestEnv;

/// Registry file of the tests.
pub(crate) const MODELS: &str = include_str!("../models.toml");

/// Copies the template to `to`.
pub(super) fn copy_to(to: &Path) {
    copy(template(), to);
}

/// Returns the template, made on the first call. A static is never dropped, so the templates of ended test processes are
/// removed here.
fn template() -> &'static Path {
    static TEMPLATE: OnceLock<PathBuf> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let prefix = format!("mer-e2e-{}-", rustix::process::getuid().as_raw());
        for entry in fs::read_dir(std::env::temp_dir()).expect("temp dir").flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let pid = name.strip_prefix(&prefix).and_then(|pid| pid.parse::<u32>().ok());
            if pid.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
                // Another test process may remove it at the same time.
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        let folder = std::env::temp_dir().join(format!("{prefix}{}", std::process::id()));
        let env = TestEnv::new();
        env.apply(MODELS);
        copy(&env.path("data/mer"), &folder);
        folder
    })
}

fn copy(from: &Path, to: &Path) {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(to).expect("folder");
    for entry in fs::read_dir(from).expect("folder") {
        let entry = entry.expect("entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("type").is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).expect("file");
        }
    }
    let mode = fs::metadata(from).expect("folder").permissions().mode();
    fs::set_permissions(to, fs::Permissions::from_mode(mode)).expect("mode");
}
