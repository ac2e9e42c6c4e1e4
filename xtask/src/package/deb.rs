//! The `.deb`: what it says of itself, and having `dpkg-deb` make it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use super::contents::{files, lay_out};
use super::{Family, Input, MAINTAINER, RELEASE, description, empty, fill, run_to_end, say};

/// Makes the package and gives its path.
pub(super) fn make(input: &Input<'_>) -> anyhow::Result<PathBuf> {
    let stage = lay_out(input, Family::Deb)?;
    let architecture = say(Command::new("dpkg").arg("--print-architecture"), "dpkg")?;
    let architecture = architecture.trim();
    let control = control(input, &stage, architecture)?;
    let names = files(&stage)?;
    let sums = say(Command::new("md5sum").current_dir(&stage).args(names), "md5sum")?;
    let about = stage.join("DEBIAN");
    fs::create_dir(&about)?;
    fs::write(about.join("control"), control)?;
    fs::write(about.join("md5sums"), sums)?;
    let name = format!("driftless_{}-{RELEASE}_{architecture}.deb", env!("CARGO_PKG_VERSION"));
    let deb = input.place.join(name);
    run_to_end(
        Command::new("dpkg-deb")
            .args(["--root-owner-group", "-Zxz", "--build"])
            .args([&stage, &deb])
            .env("SOURCE_DATE_EPOCH", input.epoch.to_string()),
        "dpkg-deb",
    )?;
    Ok(deb)
}

/// The files in a package, as paths from the root.
pub(super) fn list(deb: &Path) -> anyhow::Result<BTreeSet<String>> {
    let lines = say(Command::new("dpkg-deb").arg("--contents").arg(deb), "dpkg-deb")?;
    let paths = lines.lines().filter(|line| !line.starts_with('d'));
    let paths = paths.filter_map(|line| line.split_once(" ./"));
    Ok(paths.map(|(_, path)| path.to_owned()).collect())
}

fn control(input: &Input<'_>, stage: &Path, architecture: &str) -> anyhow::Result<String> {
    let mut bytes = 0;
    for file in files(stage)? {
        // As a file system does, whole blocks of 1 KiB.
        bytes += stage.join(file).metadata()?.len().next_multiple_of(1024);
    }
    let (summary, description) = description(input.root)?;
    let description: Vec<String> = description
        .lines()
        .map(|line| if line.is_empty() { " .".to_owned() } else { format!(" {line}") })
        .collect();
    fill(
        input.root,
        "control.in",
        &[
            ("version", env!("CARGO_PKG_VERSION")),
            ("release", RELEASE),
            ("arch", architecture),
            ("maintainer", MAINTAINER),
            ("installed_kib", &(bytes / 1024).to_string()),
            ("depends", &depends(input, stage)?),
            ("homepage", env!("CARGO_PKG_REPOSITORY")),
            ("summary", &summary),
            ("description", &description.join("\n")),
        ],
    )
}

/// The packages that have the libraries which the programs need.
fn depends(input: &Input<'_>, stage: &Path) -> anyhow::Result<String> {
    // It reads the control file of a source package, and takes nothing from it.
    let source = input.place.join("shlibdeps");
    empty(&source.join("debian"))?;
    fs::write(
        source.join("debian/control"),
        "Source: driftless\n\nPackage: driftless\nArchitecture: any\n",
    )?;
    let mut find = Command::new("dpkg-shlibdeps");
    find.current_dir(&source).arg("-O");
    for program in ["driftless", "driftless-desktop"] {
        find.arg("-e").arg(stage.join("usr/bin").join(program));
    }
    let said = say(&mut find, "dpkg-shlibdeps")?;
    let depends = said.trim().strip_prefix("shlibs:Depends=");
    depends.map(str::to_owned).context("dpkg-shlibdeps found no libraries")
}
