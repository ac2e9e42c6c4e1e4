//! Crashes, lost and old indexes, bad clocks and long absences.

use driftless_testkit::World;

use crate::{outcome, settled, two_with, until_it_needs};

/// P3, P13, P1: wherever a crash falls, the rescan adopts what is there.
#[test]
fn a_crash_at_any_moment_of_taking_over_a_change_leaves_no_conflict() {
    for after_ms in (0..120).step_by(5) {
        for power in [false, true] {
            let mut world = two_with("a", "old");
            world.write(0, "a", "new");
            world.scan(0);
            world.wait(after_ms);
            if power {
                world.cut_power(1);
            } else {
                world.crash(1);
            }
            assert_eq!(outcome(&mut world), "a=new", "after {after_ms} ms, power cut: {power}");
            assert!(world.keeps_in_history(1, "old"));
        }
    }
}

/// P3: what a crash leaves in the tree is no edit of this device, even if it
/// was superseded while it was on its way there.
#[test]
fn a_crash_while_an_overtaken_version_lands_leaves_no_conflict() {
    for pause_ms in (0..80).step_by(4) {
        for after_ms in (0..60).step_by(3) {
            let mut world = two_with("a", "old");
            for text in ["newer", "newest"] {
                world.write(0, "a", text);
                world.write(0, "b", text);
                world.scan(0);
                world.wait(if text == "newer" { pause_ms } else { after_ms });
            }
            world.crash(1);
            let shown = outcome(&mut world);
            assert_eq!(shown, "a=newest; b=newest", "after {pause_ms} and {after_ms} ms");
        }
    }
}

/// P3: nor if it got there by a rename.
#[test]
fn a_crash_while_an_overtaken_rename_lands_leaves_no_conflict() {
    for pause_ms in (30..130).step_by(2) {
        for after_ms in 0..60 {
            let mut world = two_with("a", "old");
            world.rename(0, "a", "b");
            world.scan(0);
            world.wait(pause_ms);
            world.crash(1);
            world.wait(after_ms);
            world.write(0, "b", "new");
            world.scan(0);
            let shown = outcome(&mut world);
            assert_eq!(shown, "b=new", "after {pause_ms} and {after_ms} ms");
        }
    }
}

/// I17: a deletion that is heard of during the first look after a crash leaves
/// nothing to be waited for once the tree was read.
#[test]
fn a_deletion_that_is_heard_of_while_looking_after_a_crash_is_done() {
    let needed = |world: &World| world.status(1).map_or(0, |status| status.totals.need_files);
    let mut heard = 0;
    for after_ms in (0..200).step_by(2) {
        let mut world = World::new(11, 2);
        for number in 0..30 {
            world.write(0, &format!("m {number}"), "old");
        }
        settled(world.settle());
        for number in 0..30 {
            world.write(0, &format!("a {number}"), &format!("new {number}"));
        }
        until_it_needs(&mut world, 1, 0);
        world.crash(1);
        for number in 0..30 {
            world.remove(0, &format!("a {number}"));
        }
        world.scan(0);
        world.wait(after_ms);
        world.start(1);
        world.connect_all();
        world.wait(20);
        heard += usize::from(needed(&world) > 0);
        world.wait(10_000);
        assert_eq!(needed(&world), 0, "after {after_ms} ms: {}", world.shows(1));
    }
    assert!(heard > 0, "some deletions are heard of before all is looked at");
}

/// P6
#[test]
fn what_was_not_fetched_yet_is_not_deleted_after_a_power_cut() {
    let mut amiss = 0;
    for after_ms in (20..200).step_by(5) {
        let mut world = World::new(12, 2);
        for number in 0..20 {
            world.write(0, &format!("file {number}"), &format!("content {number}"));
        }
        world.scan(0);
        world.wait(after_ms);
        world.cut_power(1);
        amiss += usize::from((1..20).contains(&world.shows(1).matches("content").count()));
        let shown = outcome(&mut world);
        assert_eq!(shown.matches("content").count(), 20, "after {after_ms} ms: {shown}");
    }
    assert!(amiss > 0, "some cuts fall in the middle");
}

/// P8
#[test]
fn a_lost_index_makes_a_conflict_only_where_contents_differ() {
    let mut world = two_with("same", "1");
    world.write(0, "differs", "1");
    settled(world.settle());
    world.part();
    world.write(0, "differs", "2");
    world.scan(0);
    world.wait(1000);
    world.lose_index(1);
    let shown = outcome(&mut world);
    let expected = ["differs=1 | also 2; same=1", "differs=2 | also 1; same=1"];
    assert!(expected.contains(&&*shown), "{shown}");
}

/// P9, I10: what the old index said anew, before it heard of its age, is not
/// taken for what it had said before.
#[test]
fn an_old_index_takes_a_new_epoch_and_loses_nothing() {
    let mut world = two_with("a", "1");
    world.back_up_index(0);
    for (name, text) in [("b", "2"), ("a", "3")] {
        world.write(0, name, text);
        settled(world.settle());
    }
    world.part();
    world.restore_index(0);
    world.write(0, "c", "4");
    world.write(0, "d", "5");
    world.wait(1000);
    world.crash(0);
    assert_eq!(outcome(&mut world), "a=3; b=2; c=4; d=5");
}

/// P9: an old index that had said nothing new is noticed by what it had
/// acknowledged, so that it forgets what everyone else has.
#[test]
fn an_old_index_of_a_listener_brings_nothing_deleted_back() {
    let mut world = World::new(14, 2);
    world.write(0, "gone", "1");
    until_it_needs(&mut world, 1, 0);
    world.back_up_index(1);
    settled(world.settle());
    world.remove(0, "gone");
    settled(world.settle());
    settled(world.settle());
    world.restore_index(1);
    assert_eq!(outcome(&mut world), "");
}

/// A path that everyone has forgotten and someone makes again is no earlier
/// version of itself.
#[test]
fn a_forgotten_deletion_does_not_hide_a_new_file() {
    let mut world = two_with("a", "1");
    for text in ["2", "3"] {
        world.write(0, "a", text);
        settled(world.settle());
    }
    world.remove(0, "a");
    settled(world.settle());
    settled(world.settle());
    world.write(0, "a", "again");
    assert_eq!(outcome(&mut world), "a=again");
}

/// N6
#[test]
fn a_clock_that_is_years_off_decides_nothing() {
    const TEN_YEARS_MS: i64 = 10 * 365 * 86_400_000;
    let mut world = two_with("a", "1");
    world.shift_clock(0, TEN_YEARS_MS);
    world.shift_clock(1, -TEN_YEARS_MS);
    world.write(0, "a", "2");
    settled(world.settle());
    world.write(1, "a", "3");
    assert_eq!(outcome(&mut world), "a=3");
}

/// N9
#[test]
fn a_long_absent_device_resurrects_nothing() {
    let mut world = World::new(13, 3);
    world.write(0, "gone", "1");
    world.write(0, "kept", "2");
    settled(world.settle());
    world.crash(2);
    world.remove(0, "gone");
    world.write(1, "kept", "3");
    for _ in 0..5 {
        world.scan(0);
        world.scan(1);
        world.wait(3_600_000);
    }
    assert_eq!(outcome(&mut world), "kept=3");
}

/// F7
#[test]
fn an_edit_that_puts_the_time_back_is_noticed() {
    let mut world = two_with("a", "1");
    world.write_unnoticed(0, "a", "2");
    assert_eq!(outcome(&mut world), "a=2");
}

/// N2, I15
#[test]
fn connections_that_come_and_go_change_no_outcome() {
    let mut world = two_with("a", "1");
    world.write(0, "a", "2");
    world.write(1, "b", "3");
    for round in 0..40 {
        world.wait(round % 7);
        world.disconnect(0, 1);
        world.wait(round % 3);
        world.connect(0, 1);
    }
    assert_eq!(outcome(&mut world), "a=2; b=3");
}
