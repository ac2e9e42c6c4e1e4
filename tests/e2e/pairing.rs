//! Devices on one network that find and get to know each other.

use std::fs;

use crate::harness::{
    Device, Lan, SOON, Scratch, check, connected, neighbours, settle_equal, until,
};

fn differing(code: &str) -> String {
    let number: u32 = code.replace(' ', "").parse().unwrap();
    format!("{:06}", (number + 1) % 1_000_000)
}

/// L6, L7, H10: who finds whom, what a wrong guess costs, and what a stranger learns.
#[test]
fn l7_devices_that_find_each_other_pair_by_a_code_that_one_wrong_guess_burns() {
    let Some(lan) = Lan::new(3) else { return };
    let scratch = Scratch::new();
    let [mut ada, mut bob, mut eve] = [("ada", 1), ("bob", 2), ("eve", 3)]
        .map(|(name, number)| Device::on_lan(&scratch, name, lan.namespace(number)));
    ada.start();
    bob.start();
    eve.start();

    let shown = ada.show_code();
    let code = shown.code.clone();
    let guess = bob.run(&["pair", &differing(&code)]);
    guess.failed(1);
    shown.finish().failed(1);
    bob.run(&["pair", &code]).failed(1);
    assert_eq!(ada.json(&["device", "list"]), serde_json::json!([]), "nobody is trusted");

    let shown = ada.show_code();
    bob.ok(&["pair", &shown.code]);
    let shown = shown.finish();
    assert_eq!(shown.code, Some(0), "{shown:?}");
    connected(&ada, &bob);

    fs::create_dir_all(ada.path("notes")).unwrap();
    fs::write(ada.path("notes").join("plan.txt"), "for us alone").unwrap();
    ada.add_folder("notes", &["bob"], &["--label", "Our notes"]);
    let offer = until(SOON, "bob is offered the folder", || {
        let offers = bob.json(&["folder", "offers"]);
        offers.as_array().unwrap().first().cloned().ok_or_else(|| bob.status().to_string())
    });
    assert_eq!((&offer["label"], &offer["device_name"]), (&"Our notes".into(), &"ada".into()));
    bob.ok(&["folder", "accept", "notes", bob.path("notes").to_str().unwrap()]);
    settle_equal("notes", &[&ada, &bob]);
    assert_eq!(fs::read(bob.path("notes").join("plan.txt")).unwrap(), b"for us alone");

    // A stranger that knows the folder's ID, and says that it shares it, still gets nothing.
    eve.ok(&["device", "add", ada.id(), "--name", "ada", "--address", "10.77.0.1:22100"]);
    eve.add_folder("notes", &["ada"], &[]);
    fs::write(ada.path("notes").join("later"), "still for us alone").unwrap();
    settle_equal("notes", &[&ada, &bob]);
    eve.ok(&["wait", "notes", "--timeout", "60"]);
    assert_eq!(eve.json(&["folder", "offers"]), serde_json::json!([]));
    assert!(!eve.is_connected_to(&ada));
    assert_eq!(fs::read_dir(eve.path("notes")).unwrap().count(), 1, "only .driftless");
    let known = ada.json(&["device", "list"]);
    assert_eq!(known.as_array().unwrap().len(), 1, "{known}");
}

/// N1, N2: a link that goes and comes back costs nobody a person's attention.
#[test]
fn n1_a_large_file_goes_on_where_a_broken_link_left_it_and_an_insertion_costs_little() {
    let Some(lan) = Lan::new(2) else { return };
    let scratch = Scratch::new();
    let (ada, bob) = neighbours(&scratch, &lan);

    let mut bytes = noise(64 << 20);
    let file = ada.path("notes").join("film.bin");
    let before = lan.received_bytes(2);
    fs::write(&file, &bytes).unwrap();
    until(SOON, "half of the file has come", || {
        let came = lan.received_bytes(2) - before;
        check(came > 20 << 20, || format!("{came} bytes"))
    });
    lan.set_plugged(2, false);
    until(SOON, "ada notices", || check(!ada.is_connected_to(&bob), || ada.status().to_string()));
    lan.set_plugged(2, true);
    settle_equal("notes", &[&ada, &bob]);
    let came = lan.received_bytes(2) - before;
    // What was on its way when the link broke may come twice.
    assert!(came < 90 << 20, "{came} bytes for 64 MiB");

    bytes.insert(20_000_000, b'!');
    let before = lan.received_bytes(2);
    fs::write(&file, &bytes).unwrap();
    settle_equal("notes", &[&ada, &bob]);
    let came = lan.received_bytes(2) - before;
    assert!(came < 60 << 10, "{came} bytes for one");

    // Many small edits, each in another block.
    for edit in 0..40 {
        let at = 1_000_000 + edit * 1_500_007;
        bytes[at..at + 4096].copy_from_slice(&noise(8192 + edit)[4096 + edit..]);
    }
    let before = lan.received_bytes(2);
    fs::write(&file, &bytes).unwrap();
    settle_equal("notes", &[&ada, &bob]);
    let came = lan.received_bytes(2) - before;
    assert!(came < 900 << 10, "{came} bytes for 160 KiB");

    // A new file that has most of its blocks in common with another.
    bytes.truncate(48 << 20);
    bytes.extend_from_slice(b"and another ending");
    let before = lan.received_bytes(2);
    fs::write(ada.path("notes").join("cut.bin"), &bytes).unwrap();
    settle_equal("notes", &[&ada, &bob]);
    let came = lan.received_bytes(2) - before;
    assert!(came < 4 << 20, "{came} bytes for an ending");
}

/// Bytes that neither repeat nor compress.
fn noise(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(b"noise").finalize_xof().fill(&mut bytes);
    bytes
}
