//! Whole clusters in one process under a simulated clock: what driftless
//! guarantees, scenario by scenario and at random.
//!
//! The scripts are those of [`driftless_testkit::settle`]. A failing seed
//! prints how to replay it; `DRIFTLESS_SIM_TRACE=1` tells all that happens.

mod choices;
mod concurrent;
mod faults;
mod folders;
mod policies;
mod sqlite;
mod sweep;
mod troubles;

use driftless_testkit::{Failure, World};

/// What every device shows after a script.
fn settle(script: &str) -> String {
    driftless_testkit::settle(script).unwrap_or_else(|failure| panic!("{script}\n{failure}"))
}

/// What the first device shows once the world has settled, which all then do.
fn outcome(world: &mut World) -> String {
    settled(world.settle());
    world.shows(0)
}

/// Two devices that both have a file.
fn two_with(name: &str, text: &str) -> World {
    let mut world = World::new(11, 2);
    world.write(0, name, text);
    settled(world.settle());
    world
}

/// Waits until a device has heard of what another one wrote, and does not have it yet.
fn until_it_needs(world: &mut World, device: usize, writer: usize) {
    // The watcher may have said nothing.
    world.scan(writer);
    let needs =
        |world: &World| world.status(device).is_some_and(|status| status.totals.need_files > 0);
    let is_heard = (0..10_000).any(|_| {
        world.wait(1);
        needs(world)
    });
    assert!(is_heard, "{device} never hears of it");
}

fn settled(result: Result<(), Failure>) {
    result.unwrap_or_else(|failure| panic!("{failure}"));
}
