//! Edits that do not know of each other (C1 to C19).

use driftless_engine::Choice;
use driftless_testkit::World;

use crate::{outcome, settle, settled, two_with};

/// C1
#[test]
fn concurrent_edits_show_one_version_and_keep_the_other() {
    assert_eq!(settle("base a=1; here a=2; there a=3"), "a=3 | also 2");
}

/// C2
#[test]
fn an_edit_beats_a_deletion() {
    assert_eq!(settle("base a=1; here a=2; there rm a"), "a=2");
    assert_eq!(settle("base a=1; here rm a; there a=2"), "a=2");
}

/// C3
#[test]
fn an_edit_under_the_old_name_lands_at_the_new_one() {
    assert_eq!(settle("base a=1; here mv a b; there a=2"), "b=2");
    // The old directory may be brought back for the edit before it moves on.
    let shown = settle("base mkdir d; base d/a=1; here mv d e; there d/a=2");
    assert!(["e/; e/a=2", "d/; e/; e/a=2"].contains(&&*shown), "{shown}");
}

/// C3, C16: whether an edit is read before or after it is heard what was done
/// elsewhere to the file makes no difference.
#[test]
fn an_edit_that_is_read_late_combines_with_a_rename_or_a_mode_all_the_same() {
    type Act = fn(&mut World);
    let elsewhere: [(Act, &str); 2] = [
        (|world| world.rename(0, "a", "b"), "b=2"),
        (|world| world.set_mode(0, "a", 0o600), "a=2 (600)"),
    ];
    for (act, expected) in elsewhere {
        for pause_ms in (0..60).step_by(4) {
            let mut world = two_with("a", "1");
            world.disconnect(0, 1);
            act(&mut world);
            world.wait(1_000);
            world.write_unnoticed(1, "a", "2");
            world.connect(0, 1);
            world.wait(pause_ms);
            world.scan(1);
            assert_eq!(outcome(&mut world), expected, "after {pause_ms} ms");
        }
    }
}

/// C4
#[test]
fn two_renames_of_one_file_lose_neither_name_nor_content() {
    assert_eq!(settle("base a=1; here mv a b; there mv a c"), "b=1; c=1");
    assert_eq!(settle("base a=1; here mv a b; there mv a c; third mv a d"), "b=1; c=1; d=1");
    assert_eq!(
        settle("base mkdir d; base d/a=1; here mv d e; there mv d f"),
        "e/; e/a=1; f/; f/a=1"
    );
    // Where two names take over an edit, one of them is enough.
    let shown = settle("base a=1; here mv a b; there mv a c; third a=2");
    assert!(["b=2; c=1", "b=1; c=2", "b=2; c=2"].contains(&&*shown), "{shown}");
}

/// C5
#[test]
fn a_deleted_directory_revives_for_what_is_made_in_it() {
    assert_eq!(settle("base mkdir d; base d/a=1; here rm d; there d/b=2"), "d/; d/b=2");
    assert_eq!(
        settle("base mkdir d; here rm d; there mkdir d/e; there d/e/b=2"),
        "d/; d/e/; d/e/b=2"
    );
}

/// C6
#[test]
fn a_directory_keeps_its_name_against_a_file() {
    assert_eq!(settle("here a=1; there mkdir a; there a/b=2"), "a/ | also 1; a/b=2");
    assert_eq!(
        settle("base a=1; here a=2; there rm a; there mkdir a; there a/b=3"),
        "a/ | also 2; a/b=3"
    );
}

/// C7
#[test]
fn directories_moved_into_each_other_make_no_cycle() {
    assert_eq!(
        settle("base mkdir a; base a/x=1; base mkdir b; base b/y=2; here mv b a/b; there mv a b/a"),
        "a/; a/b/; a/b/y=2; b/; b/a/; b/a/x=1"
    );
}

/// C9, C10: names that differ are two names, however alike they look. Where a
/// disk cannot hold both, that is for the disk's adapter to say.
#[test]
fn names_that_look_alike_are_kept_apart_byte_for_byte() {
    assert_eq!(settle("here Test=1; there test=2"), "Test=1; test=2");
    let (composed, decomposed) = ("caf\u{e9}", "cafe\u{301}");
    assert_eq!(
        settle(&format!("here {composed}=1; there {decomposed}=2")),
        format!("{decomposed}=2; {composed}=1")
    );
}

/// C11
#[test]
fn swapped_files_are_swapped_everywhere() {
    assert_eq!(settle("base a=1; base b=2; here swap a b"), "a=2; b=1");
    assert_eq!(
        settle("base mkdir a; base mkdir b; base a/x=1; base b/y=2; here swap a b"),
        "a/; a/y=2; b/; b/x=1"
    );
}

/// C12
#[test]
fn a_file_that_takes_anothers_name_holds_its_own_content() {
    assert_eq!(settle("base foo=1; base bar=2; here rm foo; here mv bar foo"), "foo=2");
    assert_eq!(settle("base foo=1; base bar=2; here mv bar foo"), "foo=2");
}

/// C13, I8
#[test]
fn equal_content_is_no_conflict() {
    assert_eq!(settle("here a=1; there a=1"), "a=1");
    assert_eq!(settle("base a=0; here a=1; there a=1; third a=1"), "a=1");
}

/// C14
#[test]
fn a_file_made_where_another_arrives_stays_as_a_conflict() {
    let mut world = World::new(2, 2);
    world.write(0, "a", "theirs");
    // The other device has heard of it, but does not have it yet.
    while world.status(1).is_none_or(|status| status.totals.need_files == 0) {
        world.wait(1);
    }
    world.write(1, "a", "mine");
    settled(world.settle());
    let shown = world.shows(0);
    assert!(
        shown.contains("mine") && shown.contains("theirs") && shown.contains("also"),
        "{shown}"
    );
}

/// C16
#[test]
fn two_deletions_or_a_touch_and_an_edit_are_no_conflict() {
    assert_eq!(settle("base a=1; here rm a; there rm a"), "");
    assert_eq!(settle("base a=1; here chmod 600 a; there a=2"), "a=2 (600)");
    assert_eq!(settle("base a=1; here a=2; there chmod 600 a; third chmod 600 a"), "a=2 (600)");
}

/// C18
#[test]
fn a_conflict_of_three_shows_one_and_keeps_two() {
    assert_eq!(settle("base a=0; here a=1; there a=2; third a=3"), "a=2 | also 3, 1");
}

/// C15: a link is data, whatever it points to.
#[test]
fn a_directory_replaced_by_a_link_leaves_the_links_target_alone() {
    assert_eq!(
        settle("base mkdir d; base d/a=1; base mkdir t; base t/b=2; here rm d; here ln d t"),
        "d->t; t/; t/b=2"
    );
}

#[test]
fn files_and_directories_take_each_others_place() {
    assert_eq!(settle("base mkdir d; base d/a=1; here rm d; here d=2"), "d=2");
    assert_eq!(settle("base d=1; here rm d; here mkdir d; here d/a=2"), "d/; d/a=2");
}

/// An ordinary edit dominates only the head that it was made on, even where
/// the other side of the conflict is the editor's own.
#[test]
fn an_edit_of_the_shown_version_leaves_the_conflict_open() {
    for editor in 0..2 {
        let mut world = World::new(3, 2);
        world.part();
        world.write(0, "a", "one");
        world.write(1, "a", "another");
        let before = outcome(&mut world);
        let (shown, other) = before.split_once(" | also ").expect("a conflict");
        world.write(editor, "a", "edited");
        assert_eq!(outcome(&mut world), format!("a=edited | also {other}"), "after {shown}");
    }
}

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

/// The content of a choice lives in the store of heads, so that a crash right
/// after the choice does not lose it.
#[test]
fn a_choice_of_something_new_outlives_a_crash() {
    let mut world = conflict();
    world.resolve_with(0, "a.txt", "merged");
    world.wait(3);
    world.cut_power(0);
    assert_eq!(outcome(&mut world), "a.txt=merged");
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
