//! What the linker is told of the static binary. docs/building.md has what it saves.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

/// Tables for unwinding, which std and C bring with them whatever the profile says.
const NO_TABLES: &str = "SECTIONS { /DISCARD/ : { *(.eh_frame .eh_frame_hdr .gcc_except_table .gcc_except_table.*) } }\n\
                         INSERT BEFORE .text;\n";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var("CARGO_CFG_TARGET_ENV").as_deref() != Ok("musl") {
        return Ok(());
    }
    // A linker that does not know it says so and goes on. musl does since 1.2.4, and Rust's own since 1.93.
    println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    if is_dist(&out) {
        let script = out.join("no-tables.ld");
        fs::write(&script, NO_TABLES)?;
        println!("cargo::rustc-link-arg-bins=-Wl,--no-eh-frame-hdr,-T,{}", script.display());
    }
    Ok(())
}

/// Whether this is the profile in which a panic aborts. Cargo tells build scripts its name in this path only
/// (`…/dist/build/mer-…/out`), and nothing of how it panics.
fn is_dist(out: &Path) -> bool {
    out.ancestors().nth(3).and_then(Path::file_name).is_some_and(|name| name == "dist")
}
