//! Policies that settle conflicts, alike and different on the devices (C21).

use driftless_core::{DeviceId, Policy};
use driftless_engine::Choice;
use driftless_testkit::World;

use crate::{outcome, settled};

const DAY_MS: i64 = 86_400_000;

/// Devices that wrote each a version of one file while apart, the first one
/// first and each a while after the one before, and follow these policies.
fn apart(policies: &[Policy]) -> World {
    let mut world = World::new(21, policies.len());
    settled(world.settle());
    world.part();
    for (device, policy) in policies.iter().enumerate() {
        world.follow(device, policy.clone());
        world.write(device, "a", &format!("by {device}"));
        world.wait(5_000);
        world.scan(device);
    }
    world
}

fn device(number: usize) -> Policy {
    match World::made_by(number) {
        Choice::Device(device) => Policy::Device(device),
        other => panic!("{other:?}"),
    }
}

/// What all devices show in the end, once each has heard of the others.
fn ends(world: &mut World) -> String {
    world.connect_all();
    outcome(world)
}

/// C21, N6
#[test]
fn the_newest_version_stays_whatever_the_clocks_say() {
    for skew_ms in [0, 3_000_000, -3_000_000, 3650 * DAY_MS, -3650 * DAY_MS] {
        let mut world = World::new(22, 2);
        world.shift_clock(1, skew_ms);
        settled(world.settle());
        world.part();
        for device in [1, 0] {
            world.follow(device, Policy::Newest);
            world.write(device, "a", &format!("by {device}"));
            world.wait(5_000);
            world.scan(device);
        }
        assert_eq!(ends(&mut world), "a=by 0", "off by {skew_ms} ms");
        assert!(world.keeps_in_history(1, "by 1"), "the loser is in history");
    }
}

/// C21: what was made at the same time, as far as clocks tell, is asked about.
#[test]
fn versions_that_were_made_at_once_are_left_to_a_person() {
    let mut world = World::new(23, 2);
    world.part();
    for device in [0, 1] {
        world.follow(device, Policy::Newest);
        world.write(device, "a", &format!("by {device}"));
        world.scan(device);
    }
    assert!(ends(&mut world).contains("| also"), "{}", world.shows(0));
}

/// C21
#[test]
fn a_device_that_goes_first_wins_and_the_others_are_kept_in_history() {
    let mut world = apart(&[device(1), device(1), device(1)]);
    assert_eq!(ends(&mut world), "a=by 1");
    assert!(world.keeps_in_history(0, "by 0") && world.keeps_in_history(2, "by 2"));
}

/// C21: what merges by itself is the same on all, whoever merges first.
#[test]
fn devices_that_merge_alike_end_alike() {
    let mut world = apart(&[Policy::Merge, Policy::Merge, Policy::Merge]);
    assert_eq!(ends(&mut world), "a=by 0+by 1+by 2");
    world.write(1, "a", "later");
    assert_eq!(outcome(&mut world), "a=later");
}

/// C21: they may settle it or leave it to a person, but they end, and alike.
#[test]
fn policies_that_contradict_each_other_end() {
    let command = |word: &str| Policy::Command(vec![word.to_owned()]);
    let newest = || Policy::Newest;
    let casts = [
        vec![device(0), device(1)],
        vec![command("x"), command("y")],
        vec![device(0), newest(), command("x")],
        vec![command("x"), command("y"), command("z"), device(3)],
        vec![device(1), device(0), newest(), Policy::Merge, Policy::Ask],
    ];
    for cast in casts {
        let mut world = apart(&cast);
        let shown = ends(&mut world);
        for device in 0..cast.len() {
            assert_eq!(world.shows(device), shown, "{cast:?}");
        }
        // And a person has the last word.
        world.resolve(0, "a", Choice::Shown);
        settled(world.settle());
        assert!(!world.shows(1).contains("| also"), "{cast:?}: {}", world.shows(1));
    }
}

/// C21, C20: whoever takes back what a policy did wants to decide it.
#[test]
fn a_policy_does_not_decide_again_what_was_taken_back() {
    let mut world = apart(&[device(1), device(1)]);
    assert_eq!(ends(&mut world), "a=by 1");
    world.reopen(0, "a", "by 1", &["by 0", "by 1"], &[]);
    assert_eq!(outcome(&mut world), "a=by 0 | also by 1");
    world.resolve(1, "a", Choice::Shown);
    assert_eq!(outcome(&mut world), "a=by 0");
}

/// C21: a policy that is chosen later settles what is open.
#[test]
fn a_new_policy_settles_what_is_open() {
    let mut world = apart(&[Policy::Ask, Policy::Ask]);
    assert!(ends(&mut world).contains("| also"));
    let unknown = Policy::Device(DeviceId::from_bytes([99; 32]));
    world.follow(0, unknown);
    assert!(outcome(&mut world).contains("| also"), "nobody knows that device");
    world.follow(0, device(0));
    assert_eq!(outcome(&mut world), "a=by 0");
}
