//! How long a save takes to be readable on the other device.

use std::fs;
use std::time::{Duration, Instant};

use crate::harness::{Scratch, check, settle, settle_equal, two_devices, until_every};

const SAVES: usize = 20;

/// A save of a lone file takes at most so long, however slow the machine is.
const AT_MOST: Duration = Duration::from_secs(1);

#[test]
fn a_lone_save_is_readable_on_the_other_device_within_a_second() {
    let scratch = Scratch::new();
    let (ada, bob) = two_devices(&scratch);
    fs::write(ada.path("notes").join("letter.txt"), "Dear Bob").unwrap();
    settle_equal("notes", &[&ada, &bob]);
    let mut took: Vec<Duration> = (0..SAVES)
        .map(|number| {
            // A lone save: nothing else is going on.
            settle("notes", &[&ada, &bob]);
            let (from, to) = if number % 2 == 0 { (&ada, &bob) } else { (&bob, &ada) };
            let text = format!("Dear Bob, this is save {number}");
            // As editors save: beside it, then over it.
            let beside = from.path("notes").join("letter.txt~");
            fs::write(&beside, &text).unwrap();
            let saved = Instant::now();
            fs::rename(&beside, from.path("notes").join("letter.txt")).unwrap();
            let copy = to.path("notes").join("letter.txt");
            until_every(Duration::from_millis(1), 10 * AT_MOST, "the save arrives", || {
                let found = fs::read_to_string(&copy).unwrap_or_default();
                check(found == text, || found)
            });
            saved.elapsed()
        })
        .collect();
    took.sort();
    let (median, worst) = (took[SAVES / 2], took[SAVES - 1]);
    println!("saves: p50 {median:?}, max {worst:?}");
    settle_equal("notes", &[&ada, &bob]);
    assert!(worst < AT_MOST, "p50 {median:?}, max {worst:?}");
}
