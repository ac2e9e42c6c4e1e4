//! Two laptops and a person, from the first start on.

use std::fs;

use crate::harness::{Lan, Laptop, Page, Scratch, can_show_windows, check, has, until};

const SYNCED: &str = "Everything is up to date · 1 device online";

pub(crate) fn begin(laptop: &mut Laptop, name: &str) -> Page {
    laptop.start(&[]);
    let page = laptop.page();
    page.fill("What is this device called?", name);
    page.press("Continue");
    page
}

/// Pairs by the code that one shows and the other types.
pub(crate) fn pair(ada: &Page, bob: &Page) {
    ada.press_with("Pair a device");
    ada.press("Show a code");
    ada.reads("Works for");
    let code = ada.run("return document.querySelector('.code').textContent.replace(/\\D/g, '')");
    bob.press_with("Pair a device");
    bob.fill_code(code.as_str().unwrap());
    bob.press("Pair");
    bob.reads("Paired with ada");
    ada.reads("Paired with bob");
    ada.press("Finish");
    bob.press("Finish");
}

/// The whole way that a person goes, through nothing but windows and panels.
#[test]
fn two_people_pair_share_a_folder_and_settle_a_conflict() {
    if !can_show_windows() {
        return;
    }
    let Some(lan) = Lan::new(2) else { return };
    let scratch = Scratch::new();
    let mut ada = Laptop::new(&scratch, "ada", Some(lan.namespace(1)));
    let mut bob = Laptop::new(&scratch, "bob", Some(lan.namespace(2)));
    let here = begin(&mut ada, "ada");
    let there = begin(&mut bob, "bob");
    here.reads("Where do you want to begin?");
    ada.picture("first-run");
    pair(&here, &there);

    // Ada adds a folder; Bob is asked, and takes it.
    let (notes, copy) = (ada.directory("Notes"), bob.directory("Notes of ada"));
    fs::create_dir_all(notes.join("trip")).unwrap();
    fs::create_dir_all(&copy).unwrap();
    fs::write(notes.join("trip/plan.txt"), "one\n").unwrap();
    here.press("Folders");
    here.press("Add folder");
    here.fill("Where", notes.to_str().unwrap());
    ada.picture("add-folder");
    here.submit("Add folder");
    here.reads("“Notes” was added.");
    there.press("Folders");
    there.reads("ada offers “Notes”");
    bob.panel.says("1 folder is offered to you");
    bob.picture("offer");
    bob.will_pick(&copy);
    there.press("Accept…");
    has(&copy.join("trip/plan.txt"), "one\n");
    let idle = bob.panel.says(SYNCED);
    assert_eq!(ada.panel.says(SYNCED), idle);

    // A file that is dropped into the directory arrives, on disk and in the window.
    there.press_with("Notes");
    there.reads("trip");
    fs::write(notes.join("letter.txt"), "dear bob\n").unwrap();
    has(&copy.join("letter.txt"), "dear bob\n");
    there.reads("letter.txt");
    bob.picture("arrived");
    let has_recent = |bob: &Laptop| {
        let menu = bob.panel.menu()?;
        check(menu.iter().any(|(_, label)| label == "letter.txt"), || format!("{menu:?}"))
    };
    until("the menu names the file", || has_recent(&bob));

    // Nothing of this needed more of a person than was seen in the window.
    assert_eq!((ada.panel.notices(), bob.panel.notices()), (vec![], vec![]));

    // Both write while Bob's laptop pauses: a conflict, which Ada settles in her window.
    bob.panel.choose("Pause");
    let paused = bob.panel.says("Everything is paused · 1 device online");
    assert_ne!(paused, idle);
    bob.close_window();
    bob.panel.is_told("driftless goes on in the background");
    fs::write(notes.join("letter.txt"), "dear bob, from ada\n").unwrap();
    fs::write(copy.join("letter.txt"), "dear ada, from bob\n").unwrap();
    bob.panel.choose("Resume");
    let conflict = ada.panel.says("1 conflict needs you");
    assert!(conflict != idle && conflict != paused);
    assert_eq!(bob.panel.says("1 conflict needs you"), conflict);
    assert_eq!(bob.panel.is_told("1 conflict needs you"), "Notes: letter.txt");
    ada.panel.choose("Conflicts (1)");
    here.press("Choose for letter.txt");
    here.reads("Merged text");
    ada.picture("conflict");
    here.press("Keep this: The version of bob");
    for text in [notes.join("letter.txt"), copy.join("letter.txt")] {
        has(&text, "dear ada, from bob\n");
    }
    assert_eq!(ada.panel.says(SYNCED), idle);
    bob.panel.says(SYNCED);

    // Quit from the panel, start again: everything is as it was.
    bob.panel.choose("Pause");
    bob.panel.says("Everything is paused · 1 device online");
    bob.panel.choose("Quit");
    drop(there);
    assert!(bob.ends().success());
    ada.panel.says("Everything is up to date · No device online");
    bob.start(&[]);
    let there = bob.page();
    there.reads("Paused");
    there.reads("Notes");
    bob.picture("started-again");
    until("the menu names the file as before", || has_recent(&bob));
    bob.panel.says("Everything is paused · 1 device online");
    bob.panel.choose("Resume");
    bob.panel.says(SYNCED);
    fs::write(copy.join("answer.txt"), "yes\n").unwrap();
    has(&notes.join("answer.txt"), "yes\n");
}
