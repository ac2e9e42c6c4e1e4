//! The `.rpm`: its specification, and having `rpmbuild` make it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::contents::{files, lay_out};
use super::{Family, Input, MAINTAINER, RELEASE, description, empty, fill, run_to_end, say};

/// Directories that nobody else has files in.
const OWN: [&str; 2] = ["/usr/share/doc/driftless", "/usr/share/licenses/driftless"];

/// Makes the package and gives its path.
pub(super) fn make(input: &Input<'_>) -> anyhow::Result<PathBuf> {
    let stage = lay_out(input, Family::Rpm)?;
    let place = input.place.join("rpmbuild");
    empty(&place)?;
    let specification = place.join("driftless.spec");
    fs::write(&specification, specify(input, &stage)?)?;
    let version = env!("CARGO_PKG_VERSION");
    let name = format!("driftless-{version}-{RELEASE}.{}.rpm", std::env::consts::ARCH);
    run_to_end(
        Command::new("rpmbuild")
            .args(["-bb", "--quiet"])
            .args(["--define", &format!("_topdir {}", place.display())])
            .args(["--define", &format!("_rpmdir {}", input.place.display())])
            .args(["--define", &format!("_build_name_fmt {name}")])
            .arg(&specification)
            .env("SOURCE_DATE_EPOCH", input.epoch.to_string()),
        "rpmbuild",
    )?;
    Ok(input.place.join(name))
}

/// The files in a package, as paths from the root.
pub(super) fn list(rpm: &Path) -> anyhow::Result<BTreeSet<String>> {
    let format = "[%{FILEMODES:perms} %{FILENAMES}\\n]";
    let lines = say(Command::new("rpm").args(["-qp", "--queryformat", format]).arg(rpm), "rpm")?;
    let paths = lines.lines().filter(|line| !line.starts_with('d'));
    let paths = paths.filter_map(|line| line.split_once(" /"));
    Ok(paths.map(|(_, path)| path.to_owned()).collect())
}

fn specify(input: &Input<'_>, stage: &Path) -> anyhow::Result<String> {
    let (summary, description) = description(input.root)?;
    let mut lines = vec!["%defattr(-,root,root)".to_owned()];
    lines.extend(OWN.map(|directory| format!("%dir {directory}")));
    lines.extend(files(stage)?.iter().map(|file| format!("/{}", file.display())));
    fill(
        input.root,
        "driftless.spec.in",
        &[
            ("version", env!("CARGO_PKG_VERSION")),
            ("release", RELEASE),
            ("license", env!("CARGO_PKG_LICENSE")),
            ("maintainer", MAINTAINER),
            ("homepage", env!("CARGO_PKG_REPOSITORY")),
            ("summary", &summary),
            ("description", &description),
            ("stage", &stage.display().to_string()),
            ("files", &lines.join("\n")),
        ],
    )
}
