//! What a package holds: laying it out, and that it is what `packaging/files.txt` says.
//!
//! The list in the repository is what people review; a package that differs from it, in either
//! direction, is an error. How a package is made of the files is not decided here.

use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail, ensure};

use super::{Family, Input, MAINTAINER, RELEASE, empty, run_to_end, say};

/// The list of all files.
const LIST: &str = "packaging/files.txt";

/// Files of the repository, and where they are installed.
const COPIES: [(&str, &str); 5] = [
    ("packaging/driftless.desktop", "usr/share/applications/driftless.desktop"),
    (
        "packaging/io.github.driftless_sync.driftless.metainfo.xml",
        "usr/share/metainfo/io.github.driftless_sync.driftless.metainfo.xml",
    ),
    ("packaging/driftless.service", "usr/lib/systemd/user/driftless.service"),
    ("packaging/copyright", "usr/share/doc/driftless/copyright"),
    ("icons/driftless.svg", "usr/share/icons/hicolor/scalable/apps/driftless.svg"),
];

/// Licences that Debian has in a place of its own.
const LICENCES: [(&str, &str); 2] = [
    ("LICENSE-APACHE", "usr/share/licenses/driftless/LICENSE-APACHE"),
    ("LICENSE-MIT", "usr/share/licenses/driftless/LICENSE-MIT"),
];

/// Files of the repository that are installed compressed.
const COMPRESSED: [(&str, &str); 2] = [
    ("CHANGELOG.md", "usr/share/doc/driftless/changelog"),
    ("packaging/driftless-desktop.1", "usr/share/man/man1/driftless-desktop.1"),
];

const MANUAL: &str = "usr/share/man/man1";

/// Lays out what a package of this family holds and gives the place, the root of all.
pub(super) fn lay_out(input: &Input<'_>, family: Family) -> anyhow::Result<PathBuf> {
    let stage = input.place.join(format!("stage-{family:?}").to_lowercase());
    empty(&stage)?;
    for program in &input.programs {
        let name = program.file_name().context("a program has a name")?;
        let to = within(&stage, Path::new("usr/bin").join(name))?;
        fs::copy(program, &to).with_context(|| format!("there is no {}", program.display()))?;
        run_to_end(Command::new("strip").arg(&to), "strip")?;
        fs::set_permissions(&to, Permissions::from_mode(0o755))?;
    }
    for (from, to) in copies(input.root, family)? {
        fs::copy(input.root.join(&from), within(&stage, &to)?)
            .with_context(|| format!("cannot copy {}", from.display()))?;
    }
    for (from, to) in COMPRESSED {
        let to = within(&stage, to)?;
        fs::copy(input.root.join(from), &to)?;
        compress(&to)?;
    }
    write_generated(input, family, &stage)?;
    settle(&stage, SystemTime::UNIX_EPOCH + Duration::from_secs(input.epoch))?;
    Ok(stage)
}

/// Files that are installed as they are in the repository.
fn copies(root: &Path, family: Family) -> anyhow::Result<Vec<(PathBuf, PathBuf)>> {
    let licences = match family {
        Family::Deb => &[][..],
        Family::Rpm => &LICENCES[..],
    };
    let listed = COPIES.iter().chain(licences);
    let mut copies: Vec<(PathBuf, PathBuf)> =
        listed.map(|(from, to)| (from.into(), to.into())).collect();
    for size in fs::read_dir(root.join("icons/hicolor"))? {
        let icon = Path::new("hicolor").join(size?.file_name()).join("apps/driftless.png");
        copies.push((Path::new("icons").join(&icon), Path::new("usr/share/icons").join(&icon)));
    }
    Ok(copies)
}

/// Writes what the command line says of itself, and what a family wants besides.
fn write_generated(input: &Input<'_>, family: Family, stage: &Path) -> anyhow::Result<()> {
    let program = &input.programs[0];
    let pages = stage.join(MANUAL);
    run_to_end(Command::new(program).arg("man").arg(&pages), "driftless man")?;
    for page in fs::read_dir(&pages)? {
        let page = page?.path();
        if page.extension().is_some_and(|extension| extension != "gz") {
            compress(&page)?;
        }
    }
    for (shell, place) in completions(family) {
        let script = say(Command::new(program).args(["completions", shell]), "driftless")?;
        fs::write(within(stage, place)?, script)?;
    }
    if family == Family::Deb {
        let date = format!("@{}", input.epoch);
        let date = say(Command::new("date").args(["--utc", "-R", "--date", &date]), "date")?;
        let entry = format!(
            "driftless ({}-{RELEASE}) unstable; urgency=medium\n\n  * What changed is in changelog.gz.\n\n -- {MAINTAINER}  {date}",
            env!("CARGO_PKG_VERSION"),
        );
        let to = within(stage, "usr/share/doc/driftless/changelog.Debian")?;
        fs::write(&to, entry)?;
        compress(&to)?;
    }
    Ok(())
}

/// Where each shell looks for completions. Debian's zsh looks elsewhere than everybody's.
fn completions(family: Family) -> [(&'static str, &'static str); 3] {
    let zsh = match family {
        Family::Deb => "usr/share/zsh/vendor-completions/_driftless",
        Family::Rpm => "usr/share/zsh/site-functions/_driftless",
    };
    [
        ("bash", "usr/share/bash-completion/completions/driftless"),
        ("zsh", zsh),
        ("fish", "usr/share/fish/vendor_completions.d/driftless.fish"),
    ]
}

/// A path below `stage`, whose directory is there.
fn within(stage: &Path, path: impl AsRef<Path>) -> anyhow::Result<PathBuf> {
    let path = stage.join(path);
    fs::create_dir_all(path.parent().unwrap_or(stage))?;
    Ok(path)
}

/// Compresses a file in place, the same each time.
fn compress(file: &Path) -> anyhow::Result<()> {
    run_to_end(Command::new("gzip").args(["-9", "--no-name", "--force"]).arg(file), "gzip")
}

/// Gives everything below one time, and modes that the umask has no say in.
fn settle(path: &Path, time: SystemTime) -> anyhow::Result<()> {
    let is_directory = path.is_dir();
    if is_directory {
        for entry in fs::read_dir(path)? {
            settle(&entry?.path(), time)?;
        }
    }
    let is_program = path.parent().is_some_and(|parent| parent.ends_with("usr/bin"));
    let mode = if is_directory || is_program { 0o755 } else { 0o644 };
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    Ok(File::open(path)?.set_modified(time)?)
}

/// The files below a directory, as paths from there, sorted.
pub(super) fn files(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(next) = directories.pop() {
        for entry in fs::read_dir(next)? {
            let path = entry?.path();
            match path.is_dir() {
                true => directories.push(path),
                false => found.push(path.strip_prefix(directory)?.to_owned()),
            }
        }
    }
    found.sort();
    Ok(found)
}

/// What the list says that a package of this family holds.
pub(super) fn listed(root: &Path, family: Family) -> anyhow::Result<BTreeSet<String>> {
    let list = fs::read_to_string(root.join(LIST))?;
    let mut paths = BTreeSet::new();
    for line in list.lines() {
        let (path, only) = line.split_once(' ').unwrap_or((line, ""));
        let is_in = match only.trim() {
            "" => true,
            "deb" => family == Family::Deb,
            "rpm" => family == Family::Rpm,
            other => bail!("{LIST}: {other:?} is no family of packages"),
        };
        ensure!(!is_in || paths.insert(path.to_owned()), "{LIST} has {path} twice");
    }
    Ok(paths)
}

/// Checks that a package holds what is listed, and nothing else.
pub(super) fn compare(root: &Path, family: Family, held: &BTreeSet<String>) -> anyhow::Result<()> {
    let listed = listed(root, family)?;
    let missing = listed.difference(held).map(|path| format!("-{path}"));
    let unlisted = held.difference(&listed).map(|path| format!("+{path}"));
    let differences: Vec<String> = missing.chain(unlisted).collect();
    ensure!(
        differences.is_empty(),
        "the {family:?} holds other files than {LIST}:\n{}",
        differences.join("\n")
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    use super::{COMPRESSED, Family, completions, copies, files, listed};
    use crate::root;

    /// Runs a program that has nothing to say when all is well; passes where there is none.
    fn is_content(command: &mut Command) {
        let program = command.get_program().to_string_lossy().into_owned();
        let Ok(output) = command.output() else {
            return eprintln!("passed over: {program} is not installed");
        };
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{program}: {said}");
    }

    fn packaging(name: &str) -> PathBuf {
        root().join("packaging").join(name)
    }

    #[test]
    fn every_file_that_is_installed_is_listed_and_the_other_way_round() {
        for family in [Family::Deb, Family::Rpm] {
            let mut installed: BTreeSet<String> = copies(root(), family)
                .unwrap()
                .into_iter()
                .inspect(|(from, _)| assert!(root().join(from).is_file(), "{}", from.display()))
                .map(|(_, to)| to.to_string_lossy().into_owned())
                .collect();
            installed.extend(COMPRESSED.map(|(_, to)| format!("{to}.gz")));
            installed.extend(completions(family).map(|(_, to)| to.to_owned()));
            // What programs write is compared when a package is made; driftless-cli has its pages.
            let mut listed = listed(root(), family).unwrap();
            listed.retain(|path| {
                let is_page = path.contains("/man1/") && !path.contains("driftless-desktop");
                !is_page && !path.starts_with("usr/bin/") && !path.ends_with(".Debian.gz")
            });
            assert_eq!(listed, installed);
        }
    }

    #[test]
    fn menu_entry_software_page_and_manual_are_valid() {
        is_content(Command::new("desktop-file-validate").arg(packaging("driftless.desktop")));
        let page = packaging("io.github.driftless_sync.driftless.metainfo.xml");
        is_content(Command::new("appstreamcli").args(["validate", "--no-net"]).arg(page));
        let manual = packaging("driftless-desktop.1");
        is_content(Command::new("man").args(["--warnings", "--local-file"]).arg(manual));
    }

    #[test]
    fn the_service_is_one_that_systemd_takes() {
        let place = tempfile::tempdir().unwrap();
        let unit = std::fs::read_to_string(packaging("driftless.service")).unwrap();
        assert!(unit.contains("ExecStart=/usr/bin/driftless daemon\n"));
        // The program need not be installed here.
        let unit = unit.replace("/usr/bin/driftless daemon", "/bin/true");
        let file = place.path().join("driftless.service");
        std::fs::write(&file, unit).unwrap();
        let mut verify = Command::new("systemd-analyze");
        verify.args(["verify", "--user", "--man=no"]).arg(&file);
        verify.env("XDG_RUNTIME_DIR", place.path());
        // It warns of what it does not know, and goes on.
        let Ok(output) = verify.output() else {
            return eprintln!("passed over: systemd-analyze is not installed");
        };
        let said = String::from_utf8_lossy(&output.stderr);
        let ours: Vec<&str> =
            said.lines().filter(|line| line.contains("driftless.service")).collect();
        assert!(output.status.success() && ours.is_empty(), "{said}");
    }

    #[test]
    fn files_are_found_however_deep_they_lie() {
        let place = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(place.path().join("a/b")).unwrap();
        std::fs::write(place.path().join("a/b/c"), "").unwrap();
        assert_eq!(files(place.path()).unwrap(), [Path::new("a/b/c")]);
    }
}
