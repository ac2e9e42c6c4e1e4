//! SQLite's index against the suite that every index passes.

use driftless_store::Opened;
use driftless_testkit::conformance::check;

use crate::scratch::Scratch;

#[test]
fn the_index_in_sqlite_conforms() {
    let scratch = Scratch::new();
    let made = std::cell::Cell::new(0);
    check(|| {
        made.set(made.get() + 1);
        let (index, opened) = scratch.open_named(&format!("{}.db", made.get())).unwrap();
        assert_eq!(opened, Opened::Created);
        index
    });
}
