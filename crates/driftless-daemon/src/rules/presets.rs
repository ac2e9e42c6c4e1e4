//! Names for sets of rules that most people want.
//!
//! Only what a program made, and can make again, and what means nothing on
//! another device. A name that people give to things of their own is in none,
//! however many programs use it: to leave out too little costs disk, too much
//! costs a person's files their second copy.

use std::path::Path;

use driftless_control::api::IgnorePreset;
use driftless_fs::survey::has;

/// How many directories in a directory are looked into for what suggests a preset.
const LOOK_INTO: usize = 100;

/// A set of rules.
pub(crate) struct Preset {
    pub(crate) id: &'static str,
    label: &'static str,
    pub(crate) patterns: &'static [&'static str],
    /// Files and directories that make it wise; it is always wise where there are none.
    signs: &'static [&'static str],
}

const PRESETS: &[Preset] = &[
    Preset {
        id: "system-clutter",
        label: "Clutter of operating systems",
        patterns: &[
            ".DS_Store",
            "._*",
            ".AppleDouble/",
            ".Spotlight-V100/",
            ".Trashes/",
            ".fseventsd/",
            "Thumbs.db",
            "ehthumbs.db",
            "desktop.ini",
            "$RECYCLE.BIN/",
            "System Volume Information/",
            ".Trash-*/",
            ".directory",
            ".nfs????????????????????????",
            ".fuse_hidden*",
            "lost+found/",
        ],
        signs: &[],
    },
    Preset {
        id: "temporary-files",
        label: "Temporary files of editors and office programs",
        patterns: &[
            "*~",
            ".*.sw[a-p]",
            ".#*",
            "\\#*#",
            ".~lock.*#",
            "~$*",
            ".goutputstream-*",
            ".kate-swp",
            "*.kate-swp",
        ],
        signs: &[],
    },
    Preset {
        id: "unfinished-downloads",
        label: "Downloads that are not finished",
        patterns: &["*.crdownload", "*.part", "*.partial", "*.opdownload", "*.download/"],
        signs: &[],
    },
    Preset {
        id: "build-outputs",
        label: "Build outputs and installed dependencies",
        patterns: &[
            "node_modules/",
            "target/debug/",
            "target/release/",
            "target/CACHEDIR.TAG",
            ".gradle/",
            ".next/",
            ".nuxt/",
            ".svelte-kit/",
            ".dart_tool/",
            ".terraform/",
            ".tox/",
            ".venv/",
            "*.egg-info/",
            "cmake-build-*/",
            "CMakeFiles/",
            "*.o",
            "*.class",
        ],
        signs: &[
            "Cargo.toml",
            "package.json",
            "node_modules",
            "build.gradle",
            "build.gradle.kts",
            "pom.xml",
            "CMakeLists.txt",
            "Makefile",
            "pyproject.toml",
            "setup.py",
            "requirements.txt",
            "pubspec.yaml",
            ".venv",
        ],
    },
    Preset {
        id: "caches",
        label: "Caches",
        patterns: &[
            ".cache/",
            "__pycache__/",
            "*.py[co]",
            ".pytest_cache/",
            ".mypy_cache/",
            ".ruff_cache/",
            ".parcel-cache/",
            ".turbo/",
            ".sass-cache/",
            ".eslintcache",
            ".npm/",
        ],
        signs: &[
            ".cache",
            "__pycache__",
            ".npm",
            "package.json",
            "pyproject.toml",
            "setup.py",
            "requirements.txt",
        ],
    },
];

/// The preset of this ID.
pub(crate) fn find(id: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.id == id)
}

/// All presets, with those suggested that fit `directory`.
///
/// Looks at names in the directory and in those directly below it.
pub(crate) fn list(directory: Option<&Path>) -> Vec<IgnorePreset> {
    let looked_into = directory.map(places).unwrap_or_default();
    let is_sign = |sign: &&str| looked_into.iter().any(|place| has(place, sign));
    let shown = |preset: &Preset| IgnorePreset {
        id: preset.id.to_owned(),
        label: preset.label.to_owned(),
        patterns: preset.patterns.iter().map(|pattern| (*pattern).to_owned()).collect(),
        suggested: preset.signs.is_empty() || preset.signs.iter().any(is_sign),
    };
    PRESETS.iter().map(shown).collect()
}

/// The directory itself and some of those in it.
fn places(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut places = vec![directory.to_owned()];
    let inside = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let directories = inside.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    places.extend(directories.map(|entry| entry.path()).take(LOOK_INTO));
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_is_a_rule_and_every_name_is_one_word() {
        for preset in PRESETS {
            assert!(preset.id.chars().all(|c| c.is_ascii_lowercase() || c == '-'));
            assert_ne!(preset.id, super::super::PATTERNS);
            for pattern in preset.patterns {
                driftless_fs::ignore::check_rule(pattern).unwrap();
            }
        }
    }

    #[test]
    fn what_a_directory_holds_suggests_what_to_leave_out() {
        let directory = tempfile::tempdir().unwrap();
        let suggested = || -> Vec<String> {
            let presets = list(Some(directory.path())).into_iter();
            presets.filter(|preset| preset.suggested).map(|preset| preset.id).collect()
        };
        assert_eq!(suggested(), ["system-clutter", "temporary-files", "unfinished-downloads"]);
        std::fs::create_dir(directory.path().join("project")).unwrap();
        std::fs::write(directory.path().join("project/Cargo.toml"), "").unwrap();
        assert_eq!(suggested().last().unwrap(), "build-outputs");
        std::fs::create_dir(directory.path().join("__pycache__")).unwrap();
        assert_eq!(suggested().last().unwrap(), "caches");
    }
}
