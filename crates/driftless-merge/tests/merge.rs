//! What combines and what does not, case by case, and what holds for any texts.

use driftless_merge::{Kind, Merge, Region, is_text};
use proptest::prelude::*;

/// Texts of words, a line each.
fn lines(words: &str) -> Vec<u8> {
    words.split_whitespace().flat_map(|word| format!("{word}\n").into_bytes()).collect()
}

/// The merged lines; a choice shows as `ours|base|theirs`.
fn merged(base: &str, ours: &str, theirs: &str) -> String {
    let (base, ours, theirs) = (lines(base), lines(ours), lines(theirs));
    let merge = Merge::new(&base, &ours, &theirs);
    let words = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let show = |region: &Region<'_>| match region.merged() {
        Some(text) => words(text),
        None => {
            format!("<{}|{}|{}>", words(region.ours), words(region.base), words(region.theirs))
        }
    };
    merge.regions().iter().map(show).filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ")
}

#[test]
fn changes_with_a_line_between_them_combine() {
    assert_eq!(merged("a b c", "A b c", "a b C"), "A b C");
    assert_eq!(merged("a b c", "x a b c", "a b c y"), "x a b c y");
    assert_eq!(merged("a b c d e", "a c d e", "a b c d x e"), "a c d x e");
    assert_eq!(merged("", "", ""), "");
}

#[test]
fn one_side_alone_is_taken_as_it_is() {
    assert_eq!(merged("a b c", "a b c", ""), "");
    assert_eq!(merged("a b", "c d e", "a b"), "c d e");
    assert_eq!(merged("", "a", ""), "a");
}

#[test]
fn changes_that_meet_are_a_choice() {
    assert_eq!(merged("a b c", "a X c", "a Y c"), "a <X|b|Y> c");
    assert_eq!(merged("a b", "A b", "a B"), "<A b|a b|a B>");
    assert_eq!(merged("a b", "a x b", "a y b"), "a <x||y> b");
    assert_eq!(merged("a b c", "a c", "a B c"), "a <|b|B> c");
    assert_eq!(merged("", "a", "b"), "<a||b>");
}

#[test]
fn the_same_change_on_both_sides_is_made_once() {
    assert_eq!(merged("a b c", "a X c", "a X c"), "a X c");
    assert_eq!(merged("a b c", "a c", "a c"), "a c");
    assert_eq!(merged("a a a b", "a a b", "a a b"), "a a b");
    // What both have at the ends of a choice is none.
    assert_eq!(merged("a b", "a x 1 y b", "a x 2 y b"), "a x <1||2> y b");
}

#[test]
fn a_missing_end_of_line_is_a_change_of_its_line() {
    let merge = Merge::new(b"a\nb\n", b"a\nb", b"A\nb\n");
    assert_eq!(merge.conflicts(), 1);
    let merge = Merge::new(b"a\nb\nc\n", b"a\nb\nc", b"A\nb\nc\n");
    assert_eq!(merge.text().as_deref(), Some(&b"A\nb\nc"[..]));
}

#[test]
fn text_is_utf_8_without_nul_and_small() {
    assert!(is_text("grün\r\n".as_bytes(), 10));
    assert!(is_text(b"", 0));
    assert!(!is_text(b"a\0b", 10));
    assert!(!is_text(&[0xff, 0xfe], 10));
    assert!(!is_text(b"0123456789a", 10));
}

/// A text of few different lines, so that they repeat.
fn text() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(0..6_u8, 0..24)
        .prop_map(|lines| lines.iter().flat_map(|line| [b'a' + line, b'\n']).collect())
}

proptest! {
    #[test]
    fn regions_cover_all_three_texts(base in text(), ours in text(), theirs in text()) {
        let merge = Merge::new(&base, &ours, &theirs);
        let whole = |part: fn(&Region<'_>) -> Vec<u8>| -> Vec<u8> {
            merge.regions().iter().flat_map(part).collect()
        };
        prop_assert_eq!(whole(|region| region.base.to_vec()), &*base);
        prop_assert_eq!(whole(|region| region.ours.to_vec()), &*ours);
        prop_assert_eq!(whole(|region| region.theirs.to_vec()), &*theirs);
        for region in merge.regions() {
            let holds = match region.kind {
                Kind::Unchanged => region.base == region.ours && region.ours == region.theirs,
                Kind::Ours => region.base == region.theirs,
                Kind::Theirs => region.base == region.ours,
                Kind::Alike => region.ours == region.theirs,
                Kind::Conflict => region.ours != region.theirs,
            };
            prop_assert!(holds, "{:?}", region);
        }
    }

    #[test]
    fn without_a_base_all_that_differs_is_a_conflict(ours in text(), theirs in text()) {
        let merge = Merge::without_base(&ours, &theirs);
        let whole = |part: fn(&Region<'_>) -> Vec<u8>| -> Vec<u8> {
            merge.regions().iter().flat_map(part).collect()
        };
        prop_assert_eq!(whole(|region| region.ours.to_vec()), &*ours);
        prop_assert_eq!(whole(|region| region.theirs.to_vec()), &*theirs);
        for region in merge.regions() {
            let kind = if region.ours == region.theirs { Kind::Unchanged } else { Kind::Conflict };
            prop_assert_eq!((region.kind, region.base), (kind, &b""[..]));
        }
        prop_assert_eq!(merge.text().is_some(), ours == theirs);
    }

    #[test]
    fn a_side_that_changed_nothing_gives_way(base in text(), other in text()) {
        prop_assert_eq!(Merge::new(&base, &base, &other).text(), Some(other.clone()));
        prop_assert_eq!(Merge::new(&base, &other, &base).text(), Some(other.clone()));
        prop_assert_eq!(Merge::new(&base, &other, &other).text(), Some(other));
    }

    #[test]
    fn it_does_not_matter_which_side_is_ours(base in text(), one in text(), other in text()) {
        let there = Merge::new(&base, &one, &other).text();
        prop_assert_eq!(there, Merge::new(&base, &other, &one).text());
    }
}
