//! Edits that do not know of each other (C1 to C19).

use driftless_testkit::World;

use crate::{outcome, settle, settled, two_with, until_it_needs};

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
    until_it_needs(&mut world, 1, 0);
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
