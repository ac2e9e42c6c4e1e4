//! What people decide about conflicts, take back, and are warned of.

use std::collections::BTreeSet;

use driftless_engine::Choice;
use driftless_testkit::World;

use crate::{outcome, settled, two_with};

fn conflict() -> World {
    let mut world = World::new(4, 2);
    world.part();
    world.write(0, "a.txt", "one");
    world.write(1, "a.txt", "another");
    settled(world.settle());
    assert_eq!(world.conflicts(0).len(), 1);
    world
}

#[test]
fn a_choice_settles_every_device_and_keeps_what_it_rejects() {
    for (choice, kept, rejected) in
        [(World::made_by(0), "one", "another"), (World::made_by(1), "another", "one")]
    {
        let mut world = conflict();
        world.resolve(1, "a.txt", choice);
        assert_eq!(outcome(&mut world), format!("a.txt={kept}"));
        assert!((0..2).all(|device| world.keeps_in_history(device, rejected)));
    }
}

#[test]
fn keeping_both_gives_the_other_version_a_name_of_its_own() {
    let mut world = conflict();
    world.resolve(0, "a.txt", Choice::Both);
    let shown = outcome(&mut world);
    assert!(shown.contains("a.txt=") && shown.contains("a (from "), "{shown}");
    assert!(shown.contains("=one") && shown.contains("=another"), "{shown}");
    assert!(world.conflicts(1).is_empty());
}

/// The content of a choice is in the store of heads before it is written, so that a
/// crash at any moment leaves the open conflict, or what was chosen.
#[test]
fn a_choice_of_something_new_outlives_a_crash() {
    let mut outcomes = BTreeSet::new();
    for elapsed_ms in (0..60).step_by(4) {
        let mut world = conflict();
        let before = world.shows(0);
        world.resolve_with(0, "a.txt", "merged");
        world.wait(elapsed_ms);
        let is_taken = world.conflicts(0).is_empty();
        world.cut_power(0);
        let expected = if is_taken { "a.txt=merged" } else { &before };
        assert_eq!(outcome(&mut world), expected, "after {elapsed_ms} ms");
        outcomes.insert(is_taken);
    }
    assert_eq!(outcomes.len(), 2, "before and after the choice was taken");
}

/// Of what comes after a person looked, and before the choice is written, the person
/// has seen nothing.
#[test]
fn a_choice_is_only_taken_among_the_versions_that_were_seen() {
    let mut outcomes = BTreeSet::new();
    for elapsed_ms in (0..200).step_by(4) {
        for is_new in [true, false] {
            let mut world = conflict();
            let seen = world.seen(0, "a.txt");
            world.write(1, "a.txt", "edited meanwhile");
            world.scan(1);
            world.wait(elapsed_ms);
            let choice = match is_new {
                true => world.bring(0, "merged"),
                false => World::made_by(0),
            };
            world.resolve_among(0, "a.txt", choice, Some(seen));
            let shown = outcome(&mut world);
            assert!(shown.contains("edited meanwhile"), "after {elapsed_ms} ms: {shown}");
            let is_taken = !world.keeps_in_history(0, "merged");
            assert!(!is_new || is_taken == shown.contains("merged"), "{shown}");
            outcomes.insert((is_new, is_taken));
        }
    }
    assert!(outcomes.contains(&(true, true)) && outcomes.contains(&(true, false)), "{outcomes:?}");
}

/// A world in which device 1 has heard that `a` was changed on device 0, and has yet
/// to get it.
fn behind() -> World {
    let mut world = two_with("a", "old");
    world.write(0, "a", "new");
    world.scan(0);
    let is_behind = |world: &World| world.status(1).is_some_and(|one| one.totals.need_files > 0);
    for _ in 0..2000 {
        world.wait(1);
        if is_behind(&world) {
            world.part();
            assert!(world.shows(1) == "a=old", "it has heard of it and not got it");
            return world;
        }
    }
    unreachable!("device 1 never hears of it");
}

/// Whoever works on what is known to be out of date hears of it once.
#[test]
fn an_edit_of_what_is_known_to_be_out_of_date_is_warned_of() {
    let mut world = behind();
    for text in ["edited", "edited again"] {
        world.write(1, "a", text);
        world.scan(1);
        world.wait(5000);
    }
    assert_eq!(world.warnings(1), ["a by 0"]);
    let shown = outcome(&mut world);
    assert!(shown.contains(" | also ") && shown.contains("edited again"), "{shown}");

    let mut world = behind();
    world.remove(1, "a");
    world.scan(1);
    world.wait(5000);
    assert_eq!(world.warnings(1), ["a by 0, deleted"]);
    assert_eq!(outcome(&mut world), "a=new", "it is back");
    assert_eq!(world.warnings(0), [] as [&str; 0]);
}

/// Nobody is warned who does nothing to the content, or who did the newer thing.
#[test]
fn what_is_no_edit_of_an_old_version_is_not_warned_of() {
    let mut world = behind();
    world.set_mode(1, "a", 0o755);
    world.touch(1, "a");
    world.scan(1);
    world.wait(5000);
    assert_eq!(outcome(&mut world), "a=new (755)");
    let mut apart = two_with("a", "old");
    apart.part();
    for (device, text) in [(0, "one"), (1, "another")] {
        apart.write(device, "a", text);
        apart.scan(device);
    }
    apart.wait(5000);
    settled(apart.settle());
    let mut renamed = behind();
    renamed.rename(1, "a", "b");
    renamed.scan(1);
    renamed.wait(5000);
    assert_eq!(outcome(&mut renamed), "b=new");
    for world in [world, apart, renamed] {
        assert_eq!((world.warnings(0), world.warnings(1)), (&[][..], &[][..]));
    }
}

/// A conflict that was decided: how it looked before, what `a.txt` came to hold
/// then, and its sides, of which the first was shown.
fn decided(by: usize, choice: Choice) -> (World, String, String, [&'static str; 2]) {
    let mut world = conflict();
    let before = world.shows(0);
    let sides = match before.as_str() {
        "a.txt=one | also another" => ["one", "another"],
        "a.txt=another | also one" => ["another", "one"],
        _ => panic!("{before}"),
    };
    world.resolve(by, "a.txt", choice);
    let after = outcome(&mut world);
    let kept = after.split("; ").find_map(|shown| shown.strip_prefix("a.txt="));
    let kept = kept.unwrap_or_else(|| panic!("{after}")).to_owned();
    (world, before, kept, sides)
}

/// C20, however and wherever it was decided, and whoever takes that back.
#[test]
fn a_decision_that_is_taken_back_leaves_the_conflict_as_it_was() {
    for (by, back) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        for choice in [World::made_by(0), World::made_by(1), Choice::Both] {
            let (mut world, before, kept, sides) = decided(by, choice.clone());
            let shown = world.shows(0);
            let names = shown.split("; ").filter_map(|shown| Some(shown.split_once('=')?.0));
            let beside: Vec<_> = names.filter(|name| *name != "a.txt").collect();
            world.reopen(back, "a.txt", &kept, &sides, &beside);
            assert_eq!(outcome(&mut world), before, "{choice:?} by {by}, taken back by {back}");
            let other = world.least_shown(1 - back, "a.txt").expect("a conflict has versions");
            world.resolve(1 - back, "a.txt", other);
            assert_eq!(outcome(&mut world), format!("a.txt={}", sides[1]), "decided again");
        }
    }
}

#[test]
fn a_decision_is_taken_back_on_two_devices_at_once_and_beside_an_edit() {
    let (mut world, before, kept, sides) = decided(0, World::made_by(0));
    world.part();
    for device in 0..2 {
        world.reopen(device, "a.txt", &kept, &sides, &[]);
    }
    world.wait(100);
    world.connect_all();
    assert_eq!(outcome(&mut world), before);

    let (mut world, _, kept, sides) = decided(0, World::made_by(0));
    world.part();
    world.reopen(0, "a.txt", &kept, &sides, &[]);
    world.write(1, "a.txt", "edited meanwhile");
    world.wait(100);
    world.connect_all();
    let all = outcome(&mut world);
    assert!(["one", "another", "edited meanwhile"].iter().all(|text| all.contains(text)), "{all}");

    // What was changed since is not taken back.
    let (mut world, _, kept, sides) = decided(1, World::made_by(1));
    world.write(0, "a.txt", "edited since");
    assert_eq!(outcome(&mut world), "a.txt=edited since");
    world.reopen(1, "a.txt", &kept, &sides, &[]);
    assert_eq!(outcome(&mut world), "a.txt=edited since");
}

/// C20: what was not kept yet when the power went is as if it had not been taken back.
#[test]
fn a_crash_while_a_decision_is_taken_back_leaves_the_one_or_the_other() {
    for ms in [0, 1, 2, 3, 5, 8, 20] {
        for choice in [World::made_by(0), World::made_by(1)] {
            let (mut world, before, kept, sides) = decided(1, choice);
            world.reopen(0, "a.txt", &kept, &sides, &[]);
            world.wait(ms);
            world.cut_power(0);
            let after = outcome(&mut world);
            assert!(after == before || after == format!("a.txt={kept}"), "{after} after {ms} ms");
        }
    }
}

/// C20 in any order: three devices decide, take back, edit, part and lose power, and agree in the end.
#[test]
fn decisions_and_taking_them_back_in_any_order_lead_all_devices_to_the_same() {
    const TEXTS: [&str; 3] = ["one", "another", "a third"];
    let mut reopened = 0;
    for seed in 0..150 {
        let mut world = World::new(seed, 3);
        // xorshift64*, so that a seed tells the whole story.
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut below = |end: u64| {
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % end
        };
        world.part();
        for (device, text) in TEXTS.iter().enumerate() {
            world.write(device, "a.txt", text);
        }
        settled(world.settle());
        for _ in 0..12 {
            let device = below(3) as usize;
            match below(8) {
                0 | 1 => {
                    if let Some(choice) = world.least_shown(device, "a.txt") {
                        world.resolve(device, "a.txt", choice);
                    }
                }
                2 => world.resolve(device, "a.txt", World::made_by(below(3) as usize)),
                3..=5 => {
                    let shown = world.shows(device);
                    let now = shown.split("; ").find_map(|line| line.strip_prefix("a.txt="));
                    if let Some(now) = now.filter(|now| TEXTS.contains(now)) {
                        let first = below(3) as usize;
                        let sides = [TEXTS[first], TEXTS[(first + 1) % 3]];
                        world.reopen(device, "a.txt", now, &sides, &[]);
                        reopened += 1;
                    }
                }
                6 => world.part(),
                _ => world.cut_power(device),
            }
            world.wait(below(60));
            if below(3) == 0 {
                world.connect_all();
            }
        }
        world.connect_all();
        settled(world.settle());
        let all: Vec<_> = (0..3).map(|device| world.shows(device)).collect();
        assert!(all[0] == all[1] && all[1] == all[2], "seed {seed}: {all:?}");
    }
    assert!(reopened > 100, "only {reopened}");
}

/// What it keeps is nowhere else once a choice has superseded it.
#[test]
fn a_choice_waits_for_what_it_keeps_to_be_here() {
    let mut world = World::new(5, 2);
    world.part();
    world.write(0, "a", "one");
    world.write(1, "a", "another");
    world.connect_all();
    let mut decided = false;
    for _ in 0..2000 {
        world.wait(1);
        if !decided && !world.conflicts(0).is_empty() {
            world.resolve(0, "a", World::made_by(1));
            world.part();
            decided = true;
        }
    }
    assert!(decided);
    let shown = outcome(&mut world);
    assert!(shown.contains("one") && shown.contains("another"), "{shown}");
}

/// The store of heads keeps one copy of a content for all paths that need it.
#[test]
fn a_content_that_two_conflicts_share_is_kept_until_both_are_decided() {
    let mut world = World::new(6, 2);
    world.part();
    for name in ["a", "b"] {
        world.write(0, name, "the same in both");
        world.write(1, name, &format!("mine at {name}"));
    }
    settled(world.settle());
    world.resolve(0, "a", World::made_by(1));
    settled(world.settle());
    world.resolve(1, "b", World::made_by(0));
    assert_eq!(outcome(&mut world), "a=mine at a; b=the same in both");
}
