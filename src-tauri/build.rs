//! Says what the page may call, and where the page is.
//!
//! The page is built by `cargo xtask` into `ui/dist`. Where it was not, a page takes its place
//! that says how to build it, so that a fresh clone compiles without Node.

use std::path::{Path, PathBuf};

/// The commands of the bridge; nothing else of the shell can be called.
const COMMANDS: &[&str] = &["call", "subscribe", "unsubscribe", "pick", "open"];

const NO_PAGE: &str = "<!doctype html><title>driftless</title>\
    <p>This build has no user interface. <code>cargo xtask run</code> builds it.</p>";

fn main() {
    println!("cargo::rerun-if-changed=../ui/dist");
    if !Path::new("../ui/dist/index.html").is_file() {
        use_no_page();
    }
    let commands = tauri_build::AppManifest::new().commands(COMMANDS);
    let attributes = tauri_build::Attributes::new().app_manifest(commands);
    if let Err(error) = tauri_build::try_build(attributes) {
        println!("cargo::error={error:#}");
    }
}

fn use_no_page() {
    let out = std::env::var_os("OUT_DIR").map(PathBuf::from).unwrap_or_default();
    let pages = out.join("no-page");
    let made = std::fs::create_dir_all(&pages)
        .and_then(|()| std::fs::write(pages.join("index.html"), NO_PAGE));
    if let Err(error) = made {
        println!("cargo::error=cannot write {}: {error}", pages.display());
    }
    let config = serde_json::json!({ "build": { "frontendDist": pages } });
    println!("cargo::rustc-env=TAURI_CONFIG={config}");
}
