//! Disks that change what they hold and say nothing.

use std::fs;
use std::path::Path;

use crate::harness::{
    Mount, SOON, Scratch, check, content, settle, settle_equal, two_devices, until,
};

/// Changes a byte of `bytes` where they lie in the image of a disk that is not mounted.
fn rot(image: &Path, bytes: &[u8]) {
    let mut disk = fs::read(image).unwrap();
    let at = disk.windows(64).position(|window| window == &bytes[..64]).unwrap();
    disk[at + 32] ^= 1;
    fs::write(image, disk).unwrap();
}

/// D9, F7, I17: what a disk changed is found by reading everything again, and
/// goes nowhere before a person has decided.
#[test]
fn d9_rotten_bytes_are_found_and_not_passed_on_until_a_person_decides() {
    let scratch = Scratch::new();
    let Some(disk) = Mount::of_kind("ext4", &scratch.join("bob/notes"), 16) else { return };
    let image = scratch.join("bob/notes.image");
    let (ada, mut bob) = two_devices(&scratch);
    let (here, there) = (ada.path("notes"), bob.path("notes"));
    let (good, other) = (content("to be restored", 3_000), content("to be kept", 200_000));
    fs::write(here.join("restored"), &good).unwrap();
    fs::write(here.join("kept"), &other).unwrap();
    settle_equal("notes", &[&ada, &bob]);
    let clean = bob.json(&["folder", "scrub", "notes", "--json"]);
    assert_eq!((&clean["files"], &clean["corrupt"]), (&2.into(), &serde_json::json!([])));

    bob.stop();
    disk.unmount();
    disk.is_at_rest();
    rot(&image, &good);
    rot(&image, &other);
    disk.mount_again();
    bob.start();
    settle("notes", &[&ada, &bob]);
    let found = bob.json(&["folder", "scrub", "notes", "--json"]);
    assert_eq!(found["corrupt"], serde_json::json!(["kept", "restored"]), "{found}");
    bob.has_problem("notes", "corrupt");
    // Neither now nor after a restart does it go out.
    bob.stop();
    bob.start();
    bob.has_problem("notes", "corrupt");
    fs::write(here.join("meanwhile"), "life goes on").unwrap();
    until(SOON, "other files are synced", || {
        check(there.join("meanwhile").exists(), || "nothing yet".to_owned())
    });
    assert!(fs::read(here.join("restored")).unwrap() == good);
    assert!(fs::read(here.join("kept")).unwrap() == other);

    let rotten = fs::read(there.join("kept")).unwrap();
    assert!(rotten != other);
    bob.ok(&["folder", "keep", "notes", "kept"]);
    bob.ok(&["folder", "revert", "notes", "restored"]);
    settle_equal("notes", &[&ada, &bob]);
    assert!(fs::read(there.join("restored")).unwrap() == good);
    assert!(fs::read(here.join("kept")).unwrap() == rotten);
    assert_eq!(bob.history("notes", "restored").len(), 1);
    assert_eq!(ada.history("notes", "kept").len(), 1);
    assert_eq!(bob.folder("notes")["problems"], serde_json::json!([]));
    drop(bob);
    drop(disk);
}
