//! How cost grows with files, bytes, folders and devices: a series for each.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::ensure;

use super::device::{Device, until};
use super::growth::Series;
use super::lab::{Lab, SMALL_BYTES};
use super::network::Network;
use super::subject::{FOLDER, Pair, Subject as _};
use super::tree::{Files, Random, nth, write_large};

/// How many single edits are timed, of which the middle one counts.
const EDITS: u64 = 5;

/// For how long folders have nothing to do.
const IDLE: Duration = Duration::from_secs(5);

const MB: f64 = 1e6;

/// Bytes that an edit leaves in a file.
const EDIT_BYTES: usize = 2000;

fn since_s(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64()
}

/// Writes the files that are not there yet up to `upto`, while nothing runs, and brings them over.
/// Returns how long that took for each of them, in microseconds.
fn grow(pair: &mut Pair, from: u64, upto: u64) -> anyhow::Result<f64> {
    let files = Files { numbers: from..upto, sizes: SMALL_BYTES, is_source: false };
    files.write(&pair.here())?;
    rustix::fs::sync();
    pair.other.start()?;
    let begun = Instant::now();
    pair.bring()?;
    Ok(since_s(begun) / (upto - from).max(1) as f64 * 1e6)
}

/// Starting, looking through all files, one edit, memory and the database, by the number of files.
pub(super) fn files(lab: &mut Lab) -> anyhow::Result<()> {
    let (mut pair, _place) = lab.pair()?;
    let mut series = Series::new("files", "files");
    let mut from = 0;
    for upto in lab.sizes.grown.clone() {
        let sync_us = grow(&mut pair, from, upto)?;
        pair.stop()?;
        let begun = Instant::now();
        pair.one.start()?;
        until("the folder is up to date", || pair.one.is_synced(0))?;
        let start_s = since_s(begun);
        let usage = pair.one.usage()?;
        let begun = Instant::now();
        pair.one.settle()?;
        let rescan_s = since_s(begun);
        pair.other.start()?;
        pair.until_synced()?;
        let edit_ms = edit_ms(&pair, upto)?;
        let costs = [
            ("start s", start_s),
            ("start CPU s", usage.cpu_s),
            ("rescan s", rescan_s),
            ("one edit ms", edit_ms),
            ("memory MB", usage.memory_bytes as f64 / MB),
            ("database MB", pair.one.database_bytes()? as f64 / MB),
            ("one more file µs", sync_us),
        ];
        series.add(upto as f64, &costs);
        pair.stop()?;
        from = upto;
    }
    lab.report.series.push(series);
    Ok(())
}

/// How long the middle one of a few edits takes, in milliseconds.
fn edit_ms(pair: &Pair, files: u64) -> anyhow::Result<f64> {
    let mut random = Random::new(files + 3);
    let mut took = Vec::new();
    for _ in 0..EDITS {
        std::thread::sleep(Duration::from_millis(200));
        let number = random.below(files);
        let (here, there) = (nth(&pair.here(), number), nth(&pair.there(), number));
        took.push(save_ms(&here, &there, &random.bytes(EDIT_BYTES))?);
    }
    took.sort_by(f64::total_cmp);
    Ok(took[took.len() / 2])
}

/// From a save here until it is read there, in milliseconds.
fn save_ms(here: &Path, there: &Path, text: &[u8]) -> anyhow::Result<f64> {
    fs::write(here, text)?;
    let saved = Instant::now();
    until("a save arrives", || Ok(fs::read(there).is_ok_and(|found| found == text)))?;
    Ok(since_s(saved) * 1e3)
}

/// Catching up after one file in a hundred changed while a device was off.
pub(super) fn offline(lab: &mut Lab) -> anyhow::Result<()> {
    let (mut pair, _place) = lab.pair()?;
    let mut series = Series::new("offline", "files, of which 1 % changed");
    let mut from = 0;
    for upto in lab.sizes.grown.clone() {
        grow(&mut pair, from, upto)?;
        pair.other.stop()?;
        let mut random = Random::new(upto + 1);
        for number in (0..upto).step_by(100) {
            fs::write(nth(&pair.here(), number), random.bytes(EDIT_BYTES))?;
        }
        pair.one.settle()?;
        rustix::fs::sync();
        let (sent, cpu_s, begun) = (pair.traffic()?.bytes, pair.cpu_s()?, Instant::now());
        pair.other.start()?;
        pair.until_synced()?;
        let took_s = since_s(begun);
        let wire = pair.traffic()?.bytes - sent;
        let changed = upto.div_ceil(100) * EDIT_BYTES as u64;
        let costs = [
            ("caught up s", took_s),
            ("CPU s", pair.cpu_s()? - cpu_s),
            ("wire KB", wire as f64 / 1e3),
            ("wire KB beyond content", (wire as f64 - changed as f64) / 1e3),
        ];
        series.add(upto as f64, &costs);
        pair.stop()?;
        from = upto;
    }
    lab.report.series.push(series);
    Ok(())
}

/// One changed block of a file that is mostly holes.
pub(super) fn sparse(lab: &mut Lab) -> anyhow::Result<()> {
    let mut series = Series::new("sparse", "bytes");
    for size in lab.sizes.sparse.clone() {
        let (mut pair, _place) = lab.pair()?;
        let (here, there) = (pair.here().join("disk.img"), pair.there().join("disk.img"));
        // Something at the beginning, in the middle and at the end.
        write_large(&here, 1 << 20)?;
        let file = OpenOptions::new().write(true).open(&here)?;
        file.set_len(size)?;
        let mut random = Random::new(size | 1);
        for at in [size / 2, size - (1 << 20)] {
            file.write_all_at(&random.bytes(1 << 20), at)?;
        }
        drop(file);
        rustix::fs::sync();
        pair.other.start()?;
        let begun = Instant::now();
        pair.bring()?;
        let first_s = since_s(begun);
        let blocks = fs::metadata(&there)?.blocks() * 512;
        ensure!(blocks < 100 << 20, "a file with holes has come without them: {blocks} bytes");
        let (sent, cpu_s, begun) = (pair.traffic()?.bytes, pair.cpu_s()?, Instant::now());
        let (at, block) = (size / 2 + 300_000, random.bytes(4096));
        // Closed again at once: a file that is open for writing may have more to come.
        OpenOptions::new().write(true).open(&here)?.write_all_at(&block, at)?;
        let changed = fs::metadata(&here)?;
        until("the block arrives", || {
            let there = fs::metadata(&there)?;
            Ok((there.mtime(), there.mtime_nsec()) == (changed.mtime(), changed.mtime_nsec()))
        })?;
        let (edit_s, cpu_s) = (since_s(begun), pair.cpu_s()? - cpu_s);
        let wire = pair.traffic()?.bytes - sent;
        let mut found = vec![0; block.len()];
        OpenOptions::new().read(true).open(&there)?.read_exact_at(&mut found, at)?;
        ensure!(found == block, "the changed block is not there");
        let peak = pair.one.usage()?.peak_bytes.max(pair.other.usage()?.peak_bytes);
        let costs = [
            ("first sync s", first_s),
            ("one block s", edit_s),
            ("one block CPU s", cpu_s),
            ("one block wire KB", wire as f64 / 1e3),
            ("peak memory MB", peak as f64 / MB),
        ];
        series.add(size as f64, &costs);
        pair.stop()?;
    }
    lab.report.series.push(series);
    Ok(())
}

/// Folders of ten files each.
pub(super) fn folders(lab: &mut Lab) -> anyhow::Result<()> {
    let mut series = Series::new("folders", "folders");
    for count in lab.sizes.folders.clone() {
        let (mut pair, _place) = lab.pair()?;
        let files = Files { numbers: 0..10, sizes: SMALL_BYTES, is_source: false };
        files.write(&pair.here())?;
        for number in 1..count {
            let folder = format!("bench{number}");
            pair.one.adds(&folder, &[&pair.other])?;
            pair.other.adds(&folder, &[&pair.one])?;
            files.write(&pair.one.folder(&folder))?;
        }
        pair.start()?;
        let edit_ms = edit_ms(&pair, 10)?;
        pair.one.stop()?;
        let begun = Instant::now();
        pair.one.start()?;
        until("all folders are up to date", || pair.one.is_synced(0))?;
        let start_s = since_s(begun);
        pair.until_synced()?;
        std::thread::sleep(IDLE);
        let before = pair.one.usage()?;
        std::thread::sleep(IDLE);
        let usage = pair.one.usage()?;
        let costs = [
            ("start s", start_s),
            ("one edit ms", edit_ms),
            ("idle CPU ms/s", (usage.cpu_s - before.cpu_s) * 1e3 / IDLE.as_secs_f64()),
            ("memory MB", usage.memory_bytes as f64 / MB),
        ];
        series.add(count as f64, &costs);
        pair.stop()?;
    }
    lab.report.series.push(series);
    Ok(())
}

/// Several devices on one folder, of which one has something that all others want.
pub(super) fn swarm(lab: &mut Lab) -> anyhow::Result<()> {
    let mut series = Series::new("swarm", "devices that want it");
    for count in lab.sizes.devices.clone() {
        let (network, place) = (Rc::new(Network::new(count)?), lab.scratch()?);
        let device = |number| Device::new(&lab.program, &network, place.path(), number);
        let mut devices: Vec<Device> = (0..count).map(device).collect::<anyhow::Result<_>>()?;
        for (number, device) in devices.iter().enumerate() {
            let others = devices.iter().enumerate().filter(|(other, _)| *other != number);
            let others: Vec<&Device> = others.map(|(_, other)| other).collect();
            others.iter().try_for_each(|other| device.knows(other))?;
            device.adds(FOLDER, &others)?;
        }
        write_large(&devices[0].folder(FOLDER).join("wanted.bin"), lab.sizes.swarm_bytes)?;
        rustix::fs::sync();
        for device in devices.iter_mut().skip(1) {
            device.start()?;
        }
        for device in &devices[1..] {
            until("the devices have found each other", || device.is_synced(count - 2))?;
        }
        let sent = network.traffic()?;
        let begun = Instant::now();
        devices[0].start()?;
        for device in &devices {
            until("a device has everything", || {
                Ok(device.status()?.folders[0].files == 1 && device.is_synced(count - 1)?)
            })?;
        }
        let took_s = since_s(begun);
        let now = network.traffic()?;
        let mut costs =
            vec![("all have it s", took_s), ("wire MB", (now.bytes - sent.bytes) as f64 / MB)];
        if let (Some(now), Some(before)) = (now.first_sent_bytes, sent.first_sent_bytes) {
            costs.push(("first device sent MB", (now - before) as f64 / MB));
        }
        let mut cpu_s = 0.0;
        for device in &mut devices {
            cpu_s += device.usage()?.cpu_s;
            device.stop()?;
        }
        costs.push(("CPU s", cpu_s));
        series.add((count - 1) as f64, &costs);
    }
    lab.report.series.push(series);
    Ok(())
}
