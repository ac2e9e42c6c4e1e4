//! Two people who wrote in one text, and one of them who puts it together.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{Lan, Laptop, Page, Scratch, can_show_windows, check, has, until};
use crate::story::{begin, pair};

const BEFORE: &str = "List\n\nmilk\n\nbread\n\neggs\n\ncheese\n\nend\n";

/// Asks the daemon as the page would.
fn call(page: &Page, method: &str, params: Value) -> Value {
    page.invoke("call", json!({ "method": method, "params": params })).unwrap()
}

/// C20: a place from each side, saved in one window, taken back from there, on both laptops.
#[test]
fn a_text_is_put_together_from_both_sides_in_one_window_for_both_laptops() {
    if !can_show_windows() {
        return;
    }
    let Some(lan) = Lan::new(2) else { return };
    let scratch = Scratch::new();
    let mut ada = Laptop::new(&scratch, "ada", Some(lan.namespace(1)));
    let mut bob = Laptop::new(&scratch, "bob", Some(lan.namespace(2)));
    let here = begin(&mut ada, "ada");
    let there = begin(&mut bob, "bob");
    pair(&here, &there);
    let roots = [ada.directory("Notes"), bob.directory("Notes")];
    for (page, root, other) in [(&here, &roots[0], "bob"), (&there, &roots[1], "ada")] {
        fs::create_dir_all(root).unwrap();
        call(page, "folder.add", json!({ "path": root, "id": "notes", "share": [other] }));
    }
    let [mine, yours] = roots.map(|root| root.join("list.txt"));
    fs::write(&mine, BEFORE).unwrap();
    has(&yours, BEFORE);
    for page in [&here, &there] {
        until("the text is kept for merging", || {
            let space = call(page, "history.space", json!({}));
            check(space[0]["texts_bytes"].as_u64() > Some(0), || space.to_string())
        });
    }

    // Both change the milk and the bread; Ada alone adds butter at the end, Bob alone the title.
    call(&there, "folder.pause", json!({ "folder": "notes" }));
    let by_ada = BEFORE.replace("milk", "2 milk").replace("bread", "dark bread");
    fs::write(&mine, by_ada.replace("end", "butter")).unwrap();
    let by_bob = BEFORE.replace("milk", "oat milk").replace("bread", "no bread");
    fs::write(&yours, by_bob.replace("List", "Shopping")).unwrap();
    call(&there, "folder.resume", json!({ "folder": "notes" }));
    here.reads("1 conflict needs you");
    there.reads("1 conflict needs you");

    let shown = fs::read_to_string(&mine).unwrap();
    here.press_with("Conflicts");
    here.press("Choose for list.txt");
    here.reads("1 of 2");
    ada.picture("merge");
    here.press("Take what ada has here");
    here.press("Next place");
    here.press("Take what bob has here");
    here.reads("Every place is settled.");
    ada.picture("merged");
    here.press("Save the merge");
    let merged = BEFORE
        .replace("List", "Shopping")
        .replace("milk", "2 milk")
        .replace("bread", "no bread")
        .replace("end", "butter");
    for file in [&mine, &yours] {
        has(file, &merged);
    }
    here.reads("1 conflict settled on all devices.");
    there.no_longer_reads("1 conflict needs you");

    // And back: the conflict is open again on both, with what was shown before.
    here.press("Undo");
    there.reads("1 conflict needs you");
    here.reads("1 conflict needs you");
    for file in [&mine, &yours] {
        has(file, &shown);
    }
}
