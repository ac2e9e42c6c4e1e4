//! Core's decisions, one path after the other.

use driftless_core::diff::diff;
use driftless_core::plan::plan;
use driftless_core::{Entry, Heads, Observed};

use super::{PATHS, Work, content, content_id, head, path, record, settled, stat, work};

/// A version that supersedes, one that is concurrent, and one that is known are heard of each path.
pub(super) fn insert() -> Work {
    let known: Vec<Heads> = (0..PATHS).map(|number| settled(number).heads).collect();
    let heard = |number: u64| {
        let mine = number + 1;
        [
            head(record(content(number + 1), [mine, 2]), 2),
            head(record(content(number + 2), [mine + 1, 0]), 4),
            head(record(content(number), [mine, 0]), 2),
        ]
    };
    let heard: Vec<_> = (0..PATHS).map(heard).collect();
    work(move || {
        let mut known = known;
        for (heads, heard) in known.iter_mut().zip(heard) {
            heard.into_iter().for_each(|head| heads.insert(head));
        }
        known
    })
}

/// What two devices know of each path is joined.
pub(super) fn join() -> Work {
    let sides = |number: u64| {
        let one = Heads::from_heads([head(record(content(number), [number + 2, 1]), 1)]);
        let other = head(record(content(number + 1), [number + 1, 2]), 2);
        let common = head(record(content(number), [number + 2, 1]), 4);
        (one, Heads::from_heads([other, common]))
    };
    let sides: Vec<_> = (0..PATHS).map(sides).collect();
    work(move || sides.iter().map(|(one, other)| one.joined(other)).collect::<Vec<_>>())
}

/// A scan finds most paths as they were, one in ten touched, and one in ten read anew.
pub(super) fn diff_all() -> Work {
    let seen = |number: u64| match number % 10 {
        0 => Observed::File(stat(number + 1)),
        1 => Observed::Hashed {
            stat: stat(number + 1),
            content: content_id(number + 1),
            level: driftless_core::Level::default(),
        },
        _ => Observed::File(stat(number)),
    };
    let seen: Vec<(Entry, Observed)> =
        (0..PATHS).map(|number| (settled(number), seen(number))).collect();
    work(move || seen.iter().map(|(entry, seen)| diff(entry, seen)).collect::<Vec<_>>())
}

/// Another device has a newer version of each path, is deleting it, or contradicts.
pub(super) fn plan_all() -> Work {
    let entry = |number: u64| {
        let mut entry = settled(number);
        let newer = match number % 10 {
            0 => record(driftless_core::Content::Tombstone { moved_to: None }, [number + 1, 1]),
            1 => record(content(number + 1), [number, 5]),
            _ => record(content(number + 1), [number + 1, 1]),
        };
        entry.heads.insert(head(newer, 2));
        entry
    };
    let known: Vec<_> = (0..PATHS).map(|number| (path(number), entry(number))).collect();
    work(move || known.iter().map(|(path, entry)| plan(path, entry)).collect::<Vec<_>>())
}
