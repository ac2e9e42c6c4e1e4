//! W1 to W6: bringing files over, editing and renaming them, and how long a save takes.
//!
//! All but the last can be had of other programs, too. What arrived is compared byte by byte, outside of the time.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::ensure;

use super::device::until;
use super::lab::{Lab, SMALL_BYTES, measured};
use super::network::Network;
use super::report::{Figures, Row};
use super::rsync::Rsync;
use super::subject::{Pair, Subject};
use super::tree::{Files, Random, assert_same, count, nth, write_large};
use super::{Program, Work};

/// The one file of W1 and W4.
const FILE: &str = "large.bin";

/// What is written at each of many places, in bytes.
const EDIT_BYTES: usize = 4096;
const EDITS: u64 = 100;

/// What is appended, in bytes.
const APPENDED_BYTES: usize = 10 << 20;

/// What each file of a renamed directory has, in bytes.
const RENAMED_BYTES: std::ops::Range<u64> = 100_000..110_000;

/// A save happens so long after the one before, at least and at most, in milliseconds.
const PAUSE_MS: std::ops::Range<u64> = 20..120;

/// One workload of one program; all its steps, each a row.
pub(super) fn run(lab: &mut Lab, work: Work, program: Program) -> anyhow::Result<()> {
    let (network, place) = (Rc::new(Network::new(2)?), lab.scratch()?);
    let mut subject: Box<dyn Subject> = match program {
        Program::Driftless => Box::new(Pair::new(&lab.program, &network, place.path())?),
        Program::Rsync => Box::new(Rsync::new(&network, place.path(), false)?),
        Program::RsyncFsync => Box::new(Rsync::new(&network, place.path(), true)?),
    };
    let subject = subject.as_mut();
    match work {
        Work::W1 => large(lab, subject),
        Work::W2 => small(lab, subject),
        Work::W3 => source(lab, subject),
        Work::W4 => edits(lab, subject),
        Work::W5 => rename(lab, subject),
        _ => saves(lab, subject),
    }
}

/// What was brought over, for the row.
struct Extent {
    files: u64,
    bytes: u64,
}

fn add(lab: &mut Lab, what: (&'static str, &str), subject: &dyn Subject, figures: Figures) {
    let (work, what) = (what.0, what.1.to_owned());
    lab.report.add(Row { work, what, program: subject.name(), figures });
}

/// Brings what is here over for the first time.
fn first(subject: &mut dyn Subject, extent: &Extent) -> anyhow::Result<Figures> {
    subject.prepare()?;
    let mut figures = measured(subject, |subject| subject.bring())?;
    assert_same(&subject.here(), &subject.there())?;
    figures.extend([("files", extent.files as f64), ("bytes", extent.bytes as f64)]);
    Ok(figures)
}

fn large(lab: &mut Lab, subject: &mut dyn Subject) -> anyhow::Result<()> {
    let bytes = lab.sizes.large_bytes;
    write_large(&subject.here().join(FILE), bytes)?;
    let mut figures = first(subject, &Extent { files: 1, bytes })?;
    figures.insert("mb_per_s", bytes as f64 / 1e6 / figures["wall_s"]);
    add(lab, ("w1", &format!("{} MiB, one file", bytes >> 20)), subject, figures);
    Ok(())
}

fn small(lab: &mut Lab, subject: &mut dyn Subject) -> anyhow::Result<()> {
    let files = lab.sizes.small_files;
    let tree = Files { numbers: 0..files, sizes: SMALL_BYTES, is_source: false };
    let bytes = tree.write(&subject.here())?;
    let mut figures = first(subject, &Extent { files, bytes })?;
    figures.insert("files_per_s", files as f64 / figures["wall_s"]);
    add(lab, ("w2", &format!("{files} small files")), subject, figures);
    Ok(())
}

fn source(lab: &mut Lab, subject: &mut dyn Subject) -> anyhow::Result<()> {
    let files = lab.sizes.source_files;
    let tree = Files { numbers: 0..files, sizes: 1_000..26_000, is_source: true };
    let bytes = tree.write(&subject.here())?;
    let figures = first(subject, &Extent { files, bytes })?;
    add(lab, ("w3", &format!("{files} source files")), subject, figures);
    Ok(())
}

/// Whether a file has arrived as it is here, going by size and time.
fn has_arrived(here: &Path, there: &Path) -> bool {
    let (Ok(here), Ok(there)) = (fs::metadata(here), fs::metadata(there)) else { return false };
    let key = |it: &fs::Metadata| (it.len(), it.mtime(), it.mtime_nsec());
    key(&here) == key(&there)
}

fn edits(lab: &mut Lab, subject: &mut dyn Subject) -> anyhow::Result<()> {
    let bytes = lab.sizes.edited_bytes;
    let (here, there) = (subject.here().join(FILE), subject.there().join(FILE));
    write_large(&here, bytes)?;
    first(subject, &Extent { files: 1, bytes })?;
    // As editors do: the new file is written beside and renamed; only then does time begin.
    let beside = subject.here().with_file_name("beside");
    let mut new = File::create(&beside)?;
    new.write_all(b"!")?;
    std::io::copy(&mut File::open(&here)?, &mut new)?;
    new.sync_all()?;
    edit(lab, subject, "a byte in front", |_| Ok(fs::rename(&beside, &here)?))?;
    edit(lab, subject, "100 x 4 KiB", |random| {
        let file = OpenOptions::new().write(true).open(&here)?;
        for _ in 0..EDITS {
            let at = random.below(bytes - EDIT_BYTES as u64);
            file.write_all_at(&random.bytes(EDIT_BYTES), at)?;
        }
        Ok(())
    })?;
    edit(lab, subject, "10 MiB appended", |random| {
        let appended = random.bytes(APPENDED_BYTES);
        Ok(OpenOptions::new().append(true).open(&here)?.write_all(&appended)?)
    })?;
    ensure!(has_arrived(&here, &there), "the edits are not there");
    Ok(())
}

fn edit(
    lab: &mut Lab,
    subject: &mut dyn Subject,
    what: &str,
    change: impl FnOnce(&mut Random) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let (here, there) = (subject.here().join(FILE), subject.there().join(FILE));
    let figures = measured(subject, |subject| {
        change(&mut Random::new(what.len() as u64))?;
        subject.follow(&mut || has_arrived(&here, &there))
    })?;
    assert_same(&subject.here(), &subject.there())?;
    add(lab, ("w4", what), subject, figures);
    Ok(())
}

fn rename(lab: &mut Lab, subject: &mut dyn Subject) -> anyhow::Result<()> {
    let files = lab.sizes.renamed_files;
    let (here, there) = (subject.here(), subject.there());
    let tree = Files { numbers: 0..files, sizes: RENAMED_BYTES, is_source: false };
    let bytes = tree.write(&here.join("before"))?;
    first(subject, &Extent { files, bytes })?;
    let figures = measured(subject, |subject| {
        fs::rename(here.join("before"), here.join("after"))?;
        subject
            .follow(&mut || !there.join("before").exists() && count(&there.join("after")) == files)
    })?;
    assert_same(&here, &there)?;
    add(lab, ("w5", &format!("{files} files, {} MB", bytes / 1_000_000)), subject, figures);
    Ok(())
}

/// From the end of a save to the moment that the other device reads it.
fn saves(lab: &mut Lab, subject: &mut dyn Subject) -> anyhow::Result<()> {
    let files = lab.sizes.source_files;
    let tree = Files { numbers: 0..files, sizes: 1_000..26_000, is_source: true };
    let bytes = tree.write(&subject.here())?;
    first(subject, &Extent { files, bytes })?;
    let mut took_ms = Vec::new();
    let mut random = Random::new(6);
    let mut figures = measured(subject, |subject| {
        for _ in 0..lab.sizes.saves {
            let pause_ms = PAUSE_MS.start + random.below(PAUSE_MS.end - PAUSE_MS.start);
            std::thread::sleep(Duration::from_millis(pause_ms));
            let number = random.below(files);
            let text = random.bytes(EDIT_BYTES);
            fs::write(nth(&subject.here(), number), &text)?;
            let saved = Instant::now();
            let copy = nth(&subject.there(), number);
            while fs::read(&copy).is_ok_and(|found| found != text) {
                ensure!(saved.elapsed() < super::device::PATIENCE, "a save does not arrive");
                std::thread::sleep(Duration::from_micros(500));
            }
            took_ms.push(saved.elapsed().as_secs_f64() * 1e3);
        }
        Ok(())
    })?;
    took_ms.sort_by(f64::total_cmp);
    let at = |percent: usize| took_ms[(took_ms.len() * percent / 100).min(took_ms.len() - 1)];
    figures.extend([("p50_ms", at(50)), ("p99_ms", at(99)), ("files", took_ms.len() as f64)]);
    until("the last save is everywhere", || {
        Ok(assert_same(&subject.here(), &subject.there()).is_ok())
    })?;
    add(lab, ("w6", &format!("{} saves", lab.sizes.saves)), subject, figures);
    Ok(())
}
