//! Every input of the fuzzing corpus, held to what fuzzing holds it to.
//!
//! Needs neither libFuzzer nor nightly Rust. `DRIFTLESS_WRITE_SEEDS=1` writes the
//! seeds anew after a format has grown; inputs named `found-*` broke something
//! once, and stay.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

// Otherwise a crate of its own, outside this workspace.
#[allow(unreachable_pub, reason = "public to the programs that libFuzzer runs")]
#[path = "../../fuzz/src/lib.rs"]
mod fuzz;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus")
}

/// H1, H3, H6, H8, P7, I14: every decoder keeps its promises for known inputs.
#[test]
fn no_input_of_the_corpus_breaks_a_decoder() {
    let mut broken = Vec::new();
    for (target, _) in fuzz::TARGETS {
        let inputs = fs::read_dir(corpus().join(target)).unwrap();
        let mut paths: Vec<_> = inputs.map(|input| input.unwrap().path()).collect();
        paths.sort();
        for path in &paths {
            let bytes = fs::read(path).unwrap();
            if std::panic::catch_unwind(|| fuzz::run(target, &bytes)).is_err() {
                broken.push(path.clone());
            }
        }
        assert!((1..=50).contains(&paths.len()), "{target} has {} inputs", paths.len());
    }
    assert!(broken.is_empty(), "decoders broke their promises for {broken:#?}");
}

/// H3, I14: what costs a device little to send costs little to refuse.
#[test]
fn the_largest_frames_of_empty_parts_are_refused_before_they_take_memory() {
    const PARTS: usize = (1 << 19) - 16;
    for frame in fuzz::seeds::floods(PARTS) {
        fuzz::run("frame", &frame);
    }
    for header in fuzz::seeds::request_floods(PARTS) {
        fuzz::run("request", &header);
    }
}

#[test]
fn the_corpus_has_the_seeds_and_nothing_of_other_targets() {
    let write = std::env::var_os("DRIFTLESS_WRITE_SEEDS").is_some();
    for (target, name, bytes) in fuzz::seeds::all() {
        let path = corpus().join(target).join(name);
        if write {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &bytes).unwrap();
        }
        let found = fs::read(&path).unwrap_or_default();
        assert!(found == bytes, "{} is not as made; write the seeds anew", path.display());
    }
    let targets: BTreeSet<_> = fuzz::TARGETS.iter().map(|(name, _)| name.to_string()).collect();
    let names = fs::read_dir(corpus()).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(names.collect::<BTreeSet<_>>(), targets);
}
