//! W7 and W8: starting with files that are the same already, looking through them, and having nothing to do.

use std::time::{Duration, Instant};

use super::Work;
use super::device::{Device, until};
use super::lab::{Lab, SMALL_BYTES};
use super::report::{Figures, Row};
use super::subject::Subject as _;
use super::tree::Files;

/// How long a daemon is left alone before its idleness is measured.
const CALMS_DOWN: Duration = Duration::from_secs(3);

pub(super) fn run(lab: &mut Lab, works: &[Work]) -> anyhow::Result<()> {
    let files = lab.sizes.resting_files;
    let (mut pair, _place) = lab.pair()?;
    pair.other.start()?;
    let empty = pair.other.usage()?.memory_bytes;
    Files { numbers: 0..files, sizes: SMALL_BYTES, is_source: false }.write(&pair.here())?;
    rustix::fs::sync();
    pair.bring()?;
    pair.stop()?;

    pair.other.start()?;
    until("the other device has looked through its files", || pair.other.is_synced(0))?;
    let begun = Instant::now();
    pair.one.start()?;
    until("the folder is up to date", || pair.one.is_synced(0))?;
    let start = figures(&pair.one, begun, 0.0)?;
    pair.until_synced()?;
    let connected_s = begun.elapsed().as_secs_f64();
    let (before, begun) = (pair.one.usage()?.cpu_s, Instant::now());
    pair.one.settle()?;
    let rescan = figures(&pair.one, begun, before)?;

    let mut add = |work: &'static str, what: String, figures: Figures| {
        let figures = figures.into_iter().chain([("files", files as f64)]).collect();
        lab.report.add(Row { work, what, program: "driftless", figures });
    };
    if works.contains(&Work::W7) {
        let mut start = start;
        start.insert("same_on_both_s", connected_s);
        add("w7", format!("start, {files} files"), start);
        add("w7", format!("rescan, {files} files"), rescan);
    }
    if works.contains(&Work::W8) {
        std::thread::sleep(CALMS_DOWN);
        let (before, begun) = (pair.one.usage()?.cpu_s, Instant::now());
        std::thread::sleep(lab.sizes.idle);
        let mut idle = figures(&pair.one, begun, before)?;
        let held = idle["memory_mb"] * 1e6 - empty as f64;
        idle.insert("memory_bytes_per_file", held / files as f64);
        let seconds = lab.sizes.idle.as_secs();
        let row = ("w8", format!("idle for {seconds} s, {files} files"));
        let figures = idle.into_iter().chain([("files", files as f64)]).collect();
        lab.report.add(Row { work: row.0, what: row.1, program: "driftless", figures });
    }
    pair.stop()
}

/// What one daemon has used since some time.
fn figures(device: &Device, begun: Instant, cpu_s: f64) -> anyhow::Result<Figures> {
    let wall_s = begun.elapsed().as_secs_f64();
    let usage = device.usage()?;
    let figures = [
        ("wall_s", wall_s),
        ("cpu_s", usage.cpu_s - cpu_s),
        ("memory_mb", usage.memory_bytes as f64 / 1e6),
        ("peak_mb", usage.peak_bytes as f64 / 1e6),
    ];
    Ok(figures.into_iter().collect())
}
