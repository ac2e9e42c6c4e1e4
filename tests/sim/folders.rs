//! Ways of sharing: in a line, one way only, and with the brake on.

use driftless_core::brake::Brake;
use driftless_engine::Mode;
use driftless_testkit::World;

use crate::{outcome, settled, until_it_needs};

#[test]
fn two_devices_that_never_meet_agree_through_a_third() {
    let mut world = World::new(21, 3);
    world.estrange(0, 2);
    world.write(0, "a", "1");
    world.write(2, "b", "2");
    world.write(0, "c", "3");
    world.write(2, "c", "4");
    let shown = outcome(&mut world);
    assert!(shown.starts_with("a=1; b=2; c=") && shown.contains("also"), "{shown}");
    world.resolve(2, "c", World::made_by(0));
    world.remove(0, "b");
    assert_eq!(outcome(&mut world), "a=1; c=3");
}

#[test]
fn a_send_only_device_takes_nothing_and_can_make_its_state_win() {
    let mut world = World::with_modes(22, &[Mode::SendOnly, Mode::SendReceive]);
    world.write(0, "a", "1");
    settled(world.rest());
    world.write(1, "a", "2");
    world.write(1, "b", "3");
    settled(world.rest());
    assert_eq!(world.shows(0), "a=1");
    assert_eq!(world.shows(1), "a=2; b=3");
    world.override_others(0);
    assert_eq!(outcome(&mut world), "a=1");
    assert!(world.keeps_in_history(1, "2") && world.keeps_in_history(1, "3"));
}

/// C13: the mode is as much its own as the content is.
#[test]
fn a_send_only_device_that_has_the_same_with_another_mode_sends_its_mode() {
    let mut world = World::with_modes(30, &[Mode::SendOnly, Mode::SendReceive]);
    world.write(1, "a", "1");
    settled(world.rest());
    world.write(0, "a", "1");
    world.set_mode(0, "a", 0o600);
    settled(world.rest());
    assert_eq!((world.shows(0), world.shows(1)), ("a=1 (600)".into(), "a=1 (600)".into()));
    assert_eq!(outcome(&mut world), "a=1 (600)");
}

#[test]
fn a_receive_only_device_keeps_its_changes_to_itself_until_they_are_taken_back() {
    let mut world = World::with_modes(23, &[Mode::SendReceive, Mode::ReceiveOnly]);
    world.write(0, "a", "1");
    world.write(0, "b", "2");
    settled(world.rest());
    world.write(1, "a", "mine");
    world.write(1, "new", "mine too");
    world.remove(1, "b");
    settled(world.rest());
    assert_eq!(world.shows(0), "a=1; b=2");
    assert_eq!(world.shows(1), "a=mine; new=mine too");
    world.revert(1);
    assert_eq!(outcome(&mut world), "a=1; b=2");
    assert!(world.keeps_in_history(1, "mine") && world.keeps_in_history(1, "mine too"));
}

/// I6, N9: the others forget a deletion without the device that was removed,
/// which therefore comes back as a new one does.
#[test]
fn a_device_that_was_removed_and_is_back_agrees_with_the_others() {
    let mut world = World::new(25, 3);
    world.write(0, "gone", "1");
    world.write(1, "kept", "2");
    settled(world.settle());
    world.expel(2, true);
    world.remove(0, "gone");
    world.write(1, "kept", "3");
    for _ in 0..5 {
        world.connect_all();
        world.scan(0);
        world.scan(1);
        world.wait(10_000);
    }
    assert_eq!(world.shows(1), "kept=3");
    assert_eq!(outcome(&mut world), "gone=1; kept=3");
}

/// I8: nor is an edit that it has not heard of a conflict with what it was made on.
#[test]
fn what_is_written_anew_for_a_device_that_is_back_follows_on_what_it_did() {
    let mut world = World::new(31, 3);
    world.write(1, "a", "1");
    settled(world.settle());
    world.expel(0, true);
    world.write(2, "a", "2");
    for _ in 0..5 {
        world.connect_all();
        world.scan(2);
        world.wait(10_000);
    }
    assert_eq!(world.shows(1), "a=2");
    world.part();
    world.write(1, "a", "3");
    world.scan(1);
    world.wait(10_000);
    world.expel(0, false);
    world.part();
    world.connect(0, 1);
    world.wait(10_000);
    world.connect(1, 2);
    world.wait(10_000);
    assert_eq!(world.shows(2), "a=3");
    assert_eq!(outcome(&mut world), "a=3");
}

/// I17, N9: nor does it wait for what the others have done away with.
#[test]
fn a_device_that_was_removed_needs_nothing_that_is_gone() {
    let mut world = World::new(26, 2);
    world.write(1, "a", "1");
    until_it_needs(&mut world, 0, 1);
    world.expel(0, true);
    world.remove(1, "a");
    for _ in 0..5 {
        world.scan(1);
        world.wait(10_000);
    }
    assert_eq!(outcome(&mut world), "");
}

/// C17: a rule that comes and goes deletes nothing, and what is deleted while
/// it covers it is not waited for.
#[test]
fn what_was_deleted_while_it_was_ignored_is_gone_or_back() {
    let mut world = World::new(27, 2);
    world.write(0, "a", "1");
    settled(world.settle());
    world.ignore(0, Some("a"));
    world.remove(0, "a");
    world.scan(0);
    world.wait(60_000);
    assert_eq!(world.shows(1), "a=1", "it is not deleted for the other");
    assert_eq!(outcome(&mut world), "a=1");

    let mut world = World::new(28, 2);
    world.write(1, "e", "1");
    until_it_needs(&mut world, 0, 1);
    world.part();
    world.ignore(1, Some("e"));
    world.remove(1, "e");
    world.scan(1);
    world.wait(60_000);
    assert_eq!(outcome(&mut world), "");
}

/// H13
#[test]
fn a_mass_deletion_is_held_until_someone_confirms_it() {
    let mut world = World::new(24, 2);
    world.configure(1, |config| {
        config.brake = Some(Brake { at_least: 5, percent: 40, at_most: 1000 });
    });
    world.write(0, "kept", "1");
    world.make_directory(0, "d");
    for number in 0..12 {
        world.write(0, &format!("d/{number}"), &number.to_string());
    }
    settled(world.settle());
    world.remove(0, "d");
    world.scan(0);
    world.wait(60_000);
    let held = world.status(1).and_then(|status| status.held_back);
    assert_eq!(held.map(|held| held.deletions), Some(12));
    assert_eq!(world.shows(1).matches('=').count(), 13, "nothing is gone yet");
    world.confirm(1);
    assert_eq!(outcome(&mut world), "kept=1");
    assert!(world.keeps_in_history(1, "7"));
}

/// H13: a program that saves one file again and again changes one file.
#[test]
fn a_file_that_is_rewritten_all_the_time_is_no_mass_change() {
    let mut world = World::new(29, 2);
    world.configure(1, |config| {
        config.brake = Some(Brake { at_least: 3, percent: 40, at_most: 1000 });
    });
    for name in ["a", "b", "c", "d", "e"] {
        world.write(0, name, "at first");
    }
    settled(world.settle());
    let mut rewrite = |name, text: &str| {
        world.write(0, name, text);
        world.scan(0);
        world.wait(10_000);
        let held = world.status(1).is_some_and(|status| status.held_back.is_some());
        (held, world.shows(1))
    };
    for save in 0..12 {
        let text = format!("save {save}");
        let shown = format!("a={text}; b=at first; c=at first; d=at first; e=at first");
        assert_eq!(rewrite("a", &text), (false, shown));
    }
    let shown = "a=save 11; b=encrypted; c=at first; d=at first; e=at first".to_owned();
    assert_eq!(rewrite("b", "encrypted"), (false, shown.clone()));
    assert_eq!(rewrite("c", "encrypted"), (true, shown), "too much within ten minutes");
}
