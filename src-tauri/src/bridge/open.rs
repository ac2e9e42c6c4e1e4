//! What of a folder the desktop may be asked to open.
//!
//! Only what lies inside a folder, links followed. A directory opens in the file manager, a
//! document in its program. Whatever the desktop might run instead of showing it is shown in the
//! file manager: another device may have written it, and a click must never start a program.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// How much of a file is read to tell a program.
const HEAD_BYTES: usize = 1024;

/// Endings of what desktops run, install or mount rather than show.
const RUNNABLE: [&str; 44] = [
    "apk",
    "app",
    "appimage",
    "bash",
    "bat",
    "bin",
    "class",
    "cmd",
    "com",
    "command",
    "csh",
    "deb",
    "desktop",
    "directory",
    "exe",
    "fish",
    "flatpakref",
    "flatpakrepo",
    "hta",
    "img",
    "iso",
    "jar",
    "jnlp",
    "js",
    "ksh",
    "lnk",
    "lua",
    "msi",
    "out",
    "pl",
    "ps1",
    "py",
    "pyc",
    "pyw",
    "rb",
    "rpm",
    "run",
    "scr",
    "sh",
    "snap",
    "url",
    "vbs",
    "wsf",
    "zsh",
];

/// How the contents of programs begin.
const PROGRAMS: [&[u8]; 5] = [b"#!", b"\x7fELF", b"MZ", b"!<arch>", b"\xca\xfe\xba\xbe"];

/// Why something was not shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// It cannot be looked at, or is not there.
    #[error("cannot open {}: {source}", path.display())]
    Look {
        /// What was to be opened.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No folder holds it.
    #[error("{} is in no folder that driftless syncs", path.display())]
    Outside {
        /// What was to be opened.
        path: PathBuf,
    },
    /// The desktop has no program for it.
    #[error("the desktop cannot show {}: {source}", path.display())]
    Desktop {
        /// What was to be opened.
        path: PathBuf,
        /// What it said.
        source: Box<tauri_plugin_opener::Error>,
    },
}

/// What will be done about a path.
#[derive(Debug, PartialEq, Eq)]
enum Action {
    /// Handed to its program, or to the file manager if it is a directory.
    Open(PathBuf),
    /// Selected in the file manager.
    Reveal(PathBuf),
}

/// Opens `path` if it is a document or directory inside one of `roots`, and shows where it is otherwise.
///
/// # Errors
/// See [`OpenError`].
pub(crate) fn show(path: &Path, roots: Vec<PathBuf>, only_reveal: bool) -> Result<(), OpenError> {
    let action = decide(path, &roots, only_reveal)?;
    let failed = |error| OpenError::Desktop { path: path.to_owned(), source: Box::new(error) };
    match action {
        Action::Open(path) => tauri_plugin_opener::open_path(path, None::<&str>),
        Action::Reveal(path) => tauri_plugin_opener::reveal_item_in_dir(path),
    }
    .map_err(failed)
}

fn decide(path: &Path, roots: &[PathBuf], only_reveal: bool) -> Result<Action, OpenError> {
    let failed = |source| OpenError::Look { path: path.to_owned(), source };
    let real = path.canonicalize().map_err(failed)?;
    let mut roots = roots.iter().filter_map(|root| root.canonicalize().ok());
    if !roots.any(|root| real.starts_with(root)) {
        return Err(OpenError::Outside { path: path.to_owned() });
    }
    let metadata = fs::metadata(&real).map_err(failed)?;
    let opens =
        !only_reveal && (metadata.is_dir() || is_document(&real, &metadata).map_err(failed)?);
    Ok(if opens { Action::Open(real) } else { Action::Reveal(real) })
}

/// Whether showing is all that a desktop would do with it.
fn is_document(path: &Path, metadata: &fs::Metadata) -> io::Result<bool> {
    let ending = path.extension().and_then(OsStr::to_str).map(str::to_ascii_lowercase);
    let may_run = metadata.permissions().mode() & 0o111 != 0
        || ending.is_some_and(|ending| RUNNABLE.contains(&ending.as_str()));
    if !metadata.is_file() || may_run {
        return Ok(false);
    }
    let mut head = Vec::new();
    File::open(path)?.take(HEAD_BYTES as u64).read_to_end(&mut head)?;
    let is_program = PROGRAMS.iter().any(|begin| head.starts_with(begin));
    let is_launcher = head.windows(15).any(|part| part == b"[Desktop Entry]");
    Ok(!is_program && !is_launcher)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::{Action, OpenError, decide};

    #[test]
    fn documents_inside_a_folder_open_and_whatever_could_run_is_only_shown() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().canonicalize().unwrap().join("folder");
        fs::create_dir_all(root.join("trip")).unwrap();
        let roots = [root.clone()];
        let file = |name: &str, text: &str, mode: u32| {
            fs::write(root.join(name), text).unwrap();
            fs::set_permissions(root.join(name), fs::Permissions::from_mode(mode)).unwrap();
        };
        let opens = |name: &str| match decide(&root.join(name), &roots, false).unwrap() {
            Action::Open(_) => true,
            Action::Reveal(_) => false,
        };
        file("plan.odt", "words", 0o644);
        assert!(opens("plan.odt") && opens("trip") && opens(""));
        file("plan.pdf", "words", 0o755);
        file("setup.AppImage", "words", 0o644);
        file("photo.jpg", "[Desktop Entry]\nExec=rm -r x", 0o644);
        file("notes", "# a comment\n[Desktop Entry]\n", 0o644);
        file("report", "\x7fELF and so on", 0o644);
        file("do.txt", "#!/bin/sh\nrm -r x", 0o644);
        for name in ["plan.pdf", "setup.AppImage", "photo.jpg", "notes", "report", "do.txt"] {
            assert!(!opens(name), "{name}");
        }
        let shown = decide(&root.join("plan.odt"), &roots, true).unwrap();
        assert_eq!(shown, Action::Reveal(root.join("plan.odt")));
    }

    /// Neither a path nor a link leads out of a folder.
    #[test]
    fn nothing_outside_a_folder_is_opened() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("folder");
        fs::create_dir_all(&root).unwrap();
        fs::create_dir_all(place.path().join("folder-too")).unwrap();
        fs::write(place.path().join("secret"), "x").unwrap();
        symlink("../secret", root.join("link")).unwrap();
        let roots = [root.clone()];
        for path in ["../secret", "link", "../folder-too", ".."] {
            let refused = decide(&root.join(path), &roots, false).unwrap_err();
            assert!(matches!(refused, OpenError::Outside { .. }), "{path}: {refused}");
        }
        assert!(matches!(decide(&root.join("no"), &roots, false), Err(OpenError::Look { .. })));
    }
}
