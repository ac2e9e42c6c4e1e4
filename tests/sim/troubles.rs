//! Bad disks, closed lids, torn saves, and work that is overtaken.

use driftless_testkit::{Ailment, World};

use crate::{outcome, settled, two_with, until_it_needs};

/// D1, D2, D4, D6, D7: what ails a disk deletes nothing elsewhere, changes
/// nothing here, and is over when it is over.
#[test]
fn an_ill_disk_spreads_nothing_and_catches_up() {
    for ailment in [Ailment::Full, Ailment::ReadOnly, Ailment::Failing, Ailment::Gone] {
        let mut world = two_with("kept", "1");
        world.write(0, "changed", "old");
        settled(world.settle());
        world.ail(1, Some(ailment));
        world.write(0, "changed", "new");
        world.write(0, "more", "2");
        for _ in 0..6 {
            world.scan(0);
            world.scan(1);
            world.wait(10_000);
        }
        assert_eq!(world.shows(0), "changed=new; kept=1; more=2", "{ailment:?}");
        if ailment != Ailment::Failing {
            assert!(!world.shows(1).contains("more"), "{ailment:?}");
        }
        assert_eq!(outcome(&mut world), "changed=new; kept=1; more=2", "{ailment:?}");
    }
}

/// N5
#[test]
fn a_device_that_slept_for_hours_goes_on_where_it_was() {
    let mut world = two_with("a", "1");
    world.write(0, "a", "2");
    world.write(1, "b", "3");
    world.wait(20);
    world.sleep(1, 8 * 3_600_000);
    world.write(0, "c", "4");
    world.wait(3_600_000);
    assert_eq!(world.shows(1), "a=1; b=3", "it is asleep");
    world.wait(8 * 3_600_000);
    assert_eq!(outcome(&mut world), "a=2; b=3; c=4");
}

/// N7: an index can be ahead of what its device still has, and behind it.
#[test]
fn what_is_overtaken_before_it_is_fetched_is_never_missed() {
    for pause_ms in (0..60).step_by(3) {
        let mut world = two_with("a", "1");
        world.write(0, "a", "2");
        until_it_needs(&mut world, 1, 0);
        world.write(0, "a", "3");
        world.wait(pause_ms);
        world.rename(0, "a", "b");
        assert_eq!(outcome(&mut world), "b=3", "after {pause_ms} ms");
        assert!(world.conflicts(1).is_empty());
    }
}

/// C19: what is on its way into a directory follows it to its new name.
#[test]
fn a_directory_renamed_while_others_pull_strands_nothing() {
    for pause_ms in (20..140).step_by(10) {
        let mut world = World::new(32, 3);
        world.make_directory(0, "d");
        for number in 0..12 {
            world.write(0, &format!("d/{number:02}"), &format!("content {number}"));
        }
        world.scan(0);
        world.wait(pause_ms);
        world.rename(0, "d", "e");
        let shown = outcome(&mut world);
        assert_eq!(shown.matches("e/").count(), 13, "after {pause_ms} ms: {shown}");
        assert_eq!(shown.matches("content").count(), 12, "after {pause_ms} ms: {shown}");
        assert!(!shown.contains("d/"), "after {pause_ms} ms: {shown}");
    }
}

/// P5, I1, I2: a save that was never safe may be lost in part; what everybody
/// had before is not, wherever the power goes.
#[test]
fn a_torn_save_takes_no_earlier_version_with_it() {
    for after_ms in (0..90).step_by(3) {
        let mut world = two_with("a", "the old version");
        world.write(1, "a", "a new one, not yet safe");
        world.wait(after_ms);
        world.cut_power(1);
        settled(world.settle());
        let has_old = |device: usize| {
            world.shows(device).contains("the old version")
                || world.keeps_in_history(device, "the old version")
        };
        assert!(has_old(0), "after {after_ms} ms");
    }
}

/// D9, I17: what a disk changed of itself is found by reading it, and goes
/// nowhere, crash or not, before a person says which version is right.
#[test]
fn what_rotted_goes_nowhere_until_a_person_decides() {
    for (keeps, right, wrong) in [(true, "g00d", "good"), (false, "good", "g00d")] {
        let mut world = two_with("a", "good");
        let counts = |world: &World| {
            let problems = |device| world.status(device).map(|status| status.problems.len());
            (problems(0), problems(1))
        };
        world.rot(1, "a", "g00d");
        settled(world.rest());
        assert_eq!(counts(&world), (Some(0), Some(0)), "nothing is seen of it");
        world.scrub(1);
        settled(world.rest());
        assert_eq!(counts(&world), (Some(0), Some(1)));
        let lacking = world.status(0).map(|status| status.lacking);
        let lacking = lacking.iter().flatten().map(|(_, files, _)| *files).collect::<Vec<_>>();
        assert_eq!(lacking, [1], "it counts as a copy no more");
        world.crash(1);
        world.start(1);
        world.write(0, "b", "life goes on");
        settled(world.rest());
        assert_eq!(counts(&world), (Some(0), Some(1)));
        assert_eq!(world.shows(0), "a=good; b=life goes on");
        assert_eq!(world.shows(1), "a=g00d; b=life goes on");
        if keeps {
            world.keep_rotten(1);
        } else {
            world.revert(1);
        }
        assert_eq!(outcome(&mut world), format!("a={right}; b=life goes on"));
        assert!(world.keeps_in_history(usize::from(!keeps), wrong));
        assert_eq!(counts(&world), (Some(0), Some(0)));
    }
}

/// P14: what was displaced when the power went is in the tree or in history,
/// whatever name it had just then.
#[test]
fn what_is_displaced_when_the_power_goes_is_found_again() {
    for after_ms in (0..160).step_by(4) {
        let mut world = two_with("a", "old");
        world.write(0, "a", "new");
        world.scan(0);
        world.wait(after_ms);
        world.cut_power(1);
        world.start(1);
        let is_kept = world.shows(1).contains("old") || world.keeps_in_history(1, "old");
        assert!(is_kept, "after {after_ms} ms");
    }
}

/// I10, P9: whoever has an old index says nothing before its new epoch, even
/// where it has made new versions meanwhile.
#[test]
fn no_version_means_two_things_after_an_index_was_put_back() {
    for pause_ms in (0..3000).step_by(150) {
        let mut world = two_with("a", "1");
        world.back_up_index(0);
        world.write(0, "a", "2");
        settled(world.settle());
        world.restore_index(0);
        world.write(0, "a", "3");
        world.wait(pause_ms);
        world.write(0, "b", "4");
        // The old index does not know what the edit was made on: no guess is made.
        let shown = outcome(&mut world);
        let is_kept = ["a=3; b=4", "a=3 | also 2; b=4", "a=2 | also 3; b=4"].contains(&&*shown);
        assert!(is_kept, "{pause_ms} ms: {shown}");
    }
}
