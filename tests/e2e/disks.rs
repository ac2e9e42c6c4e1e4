//! Disks that are full or cannot be written.

use std::fs;
use std::path::Path;

use crate::harness::{Device, Mount, Scratch, introduce, settle_equal, share};

/// Ada on a real disk; Bob's folder on a file system of 6 MiB.
fn devices(scratch: &Scratch) -> Option<(Device, Device, Mount)> {
    let (mut ada, mut bob) = (Device::new(scratch, "ada"), Device::new(scratch, "bob"));
    let mount = Mount::new(&bob.path("notes"), 6)?;
    introduce(&ada, &bob);
    share("notes", &[&ada, &bob]);
    fs::write(ada.path("notes").join("edited"), "as it was").unwrap();
    ada.start();
    bob.start();
    settle_equal("notes", &[&ada, &bob]);
    Some((ada, bob, mount))
}

fn fill(path: &Path, bytes: usize) {
    let mut content = vec![0; bytes];
    let name = path.as_os_str().as_encoded_bytes();
    blake3::Hasher::new().update(name).finalize_xof().fill(&mut content);
    fs::write(path, content).unwrap();
}

/// D1: what does not fit waits, what is there stays whole, and space lets it go on.
#[test]
fn d1_a_full_disk_makes_the_folder_wait_and_freed_space_lets_it_go_on() {
    let scratch = Scratch::new();
    let Some((ada, bob, mount)) = devices(&scratch) else { return };
    let (here, there) = (ada.path("notes"), bob.path("notes"));
    fill(&here.join("1 fits"), 2 << 20);
    settle_equal("notes", &[&ada, &bob]);
    fill(&here.join("2 does not"), 5 << 20);
    fill(&here.join("3 nor small ones"), 3 << 20);
    let problem = bob.has_problem("notes", "disk-full");
    assert!(problem["message"].as_str().unwrap().contains("full"), "{problem}");
    let folder = bob.folder("notes");
    assert_ne!(folder["state"], "up-to-date", "{folder}");
    for name in ["2 does not", "3 nor small ones"] {
        let size = fs::metadata(there.join(name)).map(|metadata| metadata.len());
        let whole = fs::metadata(here.join(name)).unwrap().len();
        assert!(size.as_ref().is_err() || size.as_ref().is_ok_and(|size| *size == whole), "{name}");
    }
    let first = fs::read(there.join("1 fits")).unwrap();
    assert_eq!(first, fs::read(here.join("1 fits")).unwrap());

    // Ada makes room: one of the large files goes, and the others fit.
    fs::remove_file(here.join("2 does not")).unwrap();
    bob.reaches("notes", "up-to-date");
    settle_equal("notes", &[&ada, &bob]);
    assert_eq!(bob.folder("notes")["problems"], serde_json::json!([]));
    drop(bob);
    drop(mount);
}

/// D4: a file system that turns read-only is a state, not a deletion or an error without end.
#[test]
fn d4_a_disk_that_turns_read_only_is_reported_and_goes_on_when_it_can_be_written() {
    let scratch = Scratch::new();
    let Some((ada, bob, mount)) = devices(&scratch) else { return };
    mount.set_read_only(true);
    fs::write(ada.path("notes").join("edited"), "edited by ada").unwrap();
    fs::write(ada.path("notes").join("new"), "new").unwrap();
    bob.has_problem("notes", "read-only");
    assert_eq!(fs::read(bob.path("notes").join("edited")).unwrap(), b"as it was");
    assert_eq!(fs::read(ada.path("notes").join("edited")).unwrap(), b"edited by ada");
    mount.set_read_only(false);
    bob.reaches("notes", "up-to-date");
    settle_equal("notes", &[&ada, &bob]);
    drop(bob);
    drop(mount);
}
