//! Three-way merge of texts, line by line.
//!
//! Decides which parts of two texts that grew from a common base combine, and
//! where a person has to choose. Changes combine when at least one line that
//! both left alone lies between them; changes that meet, even without
//! overlapping, are a conflict, because each may rely on what the other took
//! away (the rule of `git merge-file`). It guesses nothing beyond lines, and
//! knows neither files nor devices.
//!
//! Every region borrows from the three texts, and in order they cover all of
//! each: a front end can show them, choose among them and put a text together.

use std::ops::Range;
use std::time::{Duration, Instant};

use similar::{Algorithm, DiffOp, capture_diff_slices_deadline};

/// How long one comparison of two texts may take; a merge makes four. What is not compared by then counts
/// as changed, which can make a conflict but never a wrong merge.
const DEADLINE: Duration = Duration::from_millis(500);

/// A stretch of the merge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Region<'a> {
    /// What this stretch is.
    pub kind: Kind,
    /// The lines of the base.
    pub base: &'a [u8],
    /// The lines of one side.
    pub ours: &'a [u8],
    /// The lines of the other side.
    pub theirs: &'a [u8],
}

/// Who changed a stretch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Nobody.
    Unchanged,
    /// Our side alone.
    Ours,
    /// The other side alone.
    Theirs,
    /// Both, in the same way.
    Alike,
    /// Both, differently: a person chooses.
    Conflict,
}

impl<'a> Region<'a> {
    /// The merged lines; `None` where a person has to choose.
    pub fn merged(&self) -> Option<&'a [u8]> {
        match self.kind {
            Kind::Unchanged | Kind::Ours | Kind::Alike => Some(self.ours),
            Kind::Theirs => Some(self.theirs),
            Kind::Conflict => None,
        }
    }
}

/// The merge of two texts.
///
/// ```
/// use driftless_merge::Merge;
///
/// let base = b"one\ntwo\nthree\n";
/// let merge = Merge::new(base, b"1\ntwo\nthree\n", b"one\ntwo\n3\n");
/// assert_eq!(merge.text().as_deref(), Some(&b"1\ntwo\n3\n"[..]));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Merge<'a> {
    regions: Vec<Region<'a>>,
}

impl<'a> Merge<'a> {
    /// Merges what `ours` and `theirs` made of `base`.
    ///
    /// Two ways to compare have to find the same merge: where lines repeat, what
    /// changed can be told in several ways, and one that only seems to combine
    /// is a conflict instead. Comparing is cut off after two seconds in all, so
    /// that texts which differ in every line may be a conflict as a whole.
    pub fn new(base: &'a [u8], ours: &'a [u8], theirs: &'a [u8]) -> Self {
        let first = Self::by(Algorithm::Myers, base, ours, theirs);
        if first.conflicts() > 0 {
            return first;
        }
        let second = Self::by(Algorithm::Histogram, base, ours, theirs);
        match (first.text(), second.text()) {
            (Some(one), Some(other)) if one == other => first,
            (Some(_), Some(_)) => Self::all_conflict(base, ours, theirs),
            _ => second,
        }
    }

    /// Compares two texts of which nobody knows what they were made from: every
    /// stretch that differs is a conflict, with nothing of a base.
    pub fn without_base(ours: &'a [u8], theirs: &'a [u8]) -> Self {
        let (ours, theirs) = (Lines::of(ours), Lines::of(theirs));
        let mut regions = Vec::new();
        let mut push = |kind, a: Range<usize>, b: Range<usize>| {
            if !(a.is_empty() && b.is_empty()) {
                let (ours, theirs) = (ours.slice(&a), theirs.slice(&b));
                regions.push(Region { kind, base: b"", ours, theirs });
            }
        };
        let (mut a, mut b) = (0, 0);
        for Change { base, side } in changes(Algorithm::Myers, &ours, &theirs) {
            push(Kind::Unchanged, a..base.start, b..side.start);
            (a, b) = (base.end, side.end);
            push(Kind::Conflict, base, side);
        }
        push(Kind::Unchanged, a..ours.lines.len(), b..theirs.lines.len());
        Self { regions }
    }

    fn all_conflict(base: &'a [u8], ours: &'a [u8], theirs: &'a [u8]) -> Self {
        Self { regions: vec![Region { kind: Kind::Conflict, base, ours, theirs }] }
    }

    fn by(algorithm: Algorithm, base: &'a [u8], ours: &'a [u8], theirs: &'a [u8]) -> Self {
        let (base, ours, theirs) = (Lines::of(base), Lines::of(ours), Lines::of(theirs));
        let mut builder = Builder {
            ours: Side::new(algorithm, &base, &ours),
            theirs: Side::new(algorithm, &base, &theirs),
            texts: [base, ours, theirs],
            regions: Vec::new(),
        };
        builder.run();
        Self { regions: builder.regions }
    }

    /// The stretches in order.
    pub fn regions(&self) -> &[Region<'a>] {
        &self.regions
    }

    /// How many stretches a person has to choose in.
    pub fn conflicts(&self) -> usize {
        self.regions.iter().filter(|region| region.kind == Kind::Conflict).count()
    }

    /// The merged text; `None` if a person has to choose.
    pub fn text(&self) -> Option<Vec<u8>> {
        let mut text = Vec::new();
        for region in &self.regions {
            text.extend_from_slice(region.merged()?);
        }
        Some(text)
    }
}

/// Whether bytes are text that can be merged by lines: UTF-8 without NUL, of at
/// most `max_bytes`.
pub fn is_text(bytes: &[u8], max_bytes: usize) -> bool {
    bytes.len() <= max_bytes && !bytes.contains(&0) && std::str::from_utf8(bytes).is_ok()
}

/// A text and where its lines begin.
struct Lines<'a> {
    text: &'a [u8],
    /// The lines, each with its end of line, if it has one.
    lines: Vec<&'a [u8]>,
    /// Where each begins, in bytes, and where the text ends.
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn of(text: &'a [u8]) -> Self {
        let lines: Vec<_> = text.split_inclusive(|byte| *byte == b'\n').collect();
        let mut starts = Vec::with_capacity(lines.len() + 1);
        let mut at = 0;
        for line in &lines {
            starts.push(at);
            at += line.len();
        }
        starts.push(at);
        Self { text, lines, starts }
    }

    fn slice(&self, lines: &Range<usize>) -> &'a [u8] {
        &self.text[self.starts[lines.start]..self.starts[lines.end]]
    }
}

/// Lines of the base and what a side has instead.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Change {
    base: Range<usize>,
    side: Range<usize>,
}

/// What one side changed, in order, and how far that has been taken in.
struct Side {
    changes: std::vec::IntoIter<Change>,
    next: Option<Change>,
    /// How many lines longer the side is than the base, up to here.
    shift: isize,
}

impl Side {
    fn new(algorithm: Algorithm, base: &Lines<'_>, side: &Lines<'_>) -> Self {
        let mut changes = changes(algorithm, base, side).into_iter();
        let next = changes.next();
        Self { changes, next, shift: 0 }
    }

    /// Takes in the next change if it begins at or before `end`, a line of the
    /// base; returns where it ends.
    fn take(&mut self, end: usize) -> Option<usize> {
        let change = self.next.take_if(|change| change.base.start <= end)?;
        self.next = self.changes.next();
        self.shift += change.side.len() as isize - change.base.len() as isize;
        Some(change.base.end)
    }

    /// The line of the side that stands at a line of the base that no change
    /// that is still to come covers.
    fn at(&self, line: usize) -> usize {
        line.saturating_add_signed(self.shift)
    }
}

fn changes(algorithm: Algorithm, base: &Lines<'_>, side: &Lines<'_>) -> Vec<Change> {
    let deadline = Instant::now().checked_add(DEADLINE);
    let ops = capture_diff_slices_deadline(algorithm, &base.lines, &side.lines, deadline);
    let mut changes: Vec<Change> = Vec::new();
    for op in ops.iter().filter(|op| !matches!(op, DiffOp::Equal { .. })) {
        let (base, side) = (op.old_range(), op.new_range());
        match changes.last_mut() {
            Some(last) if last.base.end == base.start && last.side.end == side.start => {
                (last.base.end, last.side.end) = (base.end, side.end);
            }
            _ => changes.push(Change { base, side }),
        }
    }
    settle(base, side, changes)
}

/// Moves what was only inserted or only removed as far as the lines around it
/// allow: to a change that it meets, so that they are one, or else down. So two
/// sides that made the same change among equal lines are seen to have made it
/// in the same place (as git's comparison does).
fn settle(base: &Lines<'_>, side: &Lines<'_>, changes: Vec<Change>) -> Vec<Change> {
    let mut settled: Vec<Change> = Vec::with_capacity(changes.len());
    let mut rest = changes.into_iter().rev().peekable();
    while let Some(mut change) = rest.next() {
        let end = settled.last().map_or(base.lines.len(), |next| next.base.start);
        let start = rest.peek().map_or(0, |before| before.base.end);
        let (lines, range) = match (change.base.is_empty(), change.side.is_empty()) {
            (true, false) => (&side.lines, change.side.clone()),
            (false, true) => (&base.lines, change.base.clone()),
            _ => (&base.lines, 0..0),
        };
        let is_movable = !range.is_empty();
        let goes_up = |by: &usize| lines[range.start - by] == lines[range.end - by];
        let goes_down = |by: &usize| lines[range.start + by] == lines[range.end + by];
        let (above, below) = (change.base.start - start, end - change.base.end);
        let down = (0..below).take_while(|by| is_movable && goes_down(by)).count();
        let up = (1..=above).take_while(|by| is_movable && goes_up(by)).count();
        let meets_above = up == above && rest.peek().is_some();
        let meets_below = down == below && !settled.is_empty();
        let shift = match meets_above && !meets_below {
            true => -(up as isize),
            false => down as isize,
        };
        for range in [&mut change.base, &mut change.side] {
            *range =
                range.start.saturating_add_signed(shift)..range.end.saturating_add_signed(shift);
        }
        // What lies between two changes is as long on either side.
        if meets_above
            && !meets_below
            && let Some(before) = rest.next()
        {
            (change.base.start, change.side.start) = (before.base.start, before.side.start);
        }
        match settled.last_mut() {
            Some(last) if last.base.start == change.base.end => {
                (last.base.start, last.side.start) = (change.base.start, change.side.start);
            }
            _ => settled.push(change),
        }
    }
    settled.reverse();
    settled
}

struct Builder<'a> {
    ours: Side,
    theirs: Side,
    /// The base, our side, and the other.
    texts: [Lines<'a>; 3],
    regions: Vec<Region<'a>>,
}

impl Builder<'_> {
    fn run(&mut self) {
        let mut at = [0; 3];
        loop {
            let next = [&self.ours, &self.theirs].map(|side| side.next.as_ref());
            let next = next.into_iter().flatten().map(|change| change.base.start).min();
            let start = next.unwrap_or(self.texts[0].lines.len());
            let begin = [start, self.ours.at(start), self.theirs.at(start)];
            self.push(Kind::Unchanged, at, begin);
            if next.is_none() {
                return;
            }
            let (kind, end) = self.group(start);
            let end = [end, self.ours.at(end), self.theirs.at(end)];
            self.push(kind, begin, end);
            at = end;
        }
    }

    /// Takes in all changes that meet, from `start` on; returns who made them
    /// and at which line of the base they end.
    fn group(&mut self, start: usize) -> (Kind, usize) {
        let (mut end, mut by) = (start, [false; 2]);
        loop {
            let mut grew = false;
            for (side, by) in [&mut self.ours, &mut self.theirs].into_iter().zip(&mut by) {
                while let Some(to) = side.take(end) {
                    (end, *by, grew) = (end.max(to), true, true);
                }
            }
            if !grew {
                break;
            }
        }
        let kind = match by {
            [true, false] => Kind::Ours,
            [false, _] => Kind::Theirs,
            [true, true] => Kind::Conflict,
        };
        (kind, end)
    }

    fn push(&mut self, kind: Kind, from: [usize; 3], to: [usize; 3]) {
        let slice = |which: usize| self.texts[which].slice(&(from[which]..to[which]));
        let (base, ours, theirs) = (slice(0), slice(1), slice(2));
        if kind == Kind::Conflict {
            return self.push_conflict(from, to);
        }
        if !(base.is_empty() && ours.is_empty() && theirs.is_empty()) {
            self.regions.push(Region { kind, base, ours, theirs });
        }
    }

    /// Takes off the lines at both ends that both sides have alike: what is
    /// left is what a person has to look at, if anything is.
    fn push_conflict(&mut self, from: [usize; 3], to: [usize; 3]) {
        let [_, ours, theirs] = &self.texts;
        let (a, b) = (&ours.lines[from[1]..to[1]], &theirs.lines[from[2]..to[2]]);
        if a == b {
            return self.push(Kind::Alike, from, to);
        }
        let before = a.iter().zip(b).take_while(|(a, b)| a == b).count();
        let (rest_a, rest_b) = (&a[before..], &b[before..]);
        let after =
            rest_a.iter().rev().zip(rest_b.iter().rev()).take_while(|(a, b)| a == b).count();
        // What the base had belongs to the choice.
        let first = [from[0], from[1] + before, from[2] + before];
        let last = [to[0], to[1] - after, to[2] - after];
        self.push(Kind::Alike, from, first);
        let slice = |which: usize| self.texts[which].slice(&(first[which]..last[which]));
        let conflict =
            Region { kind: Kind::Conflict, base: slice(0), ours: slice(1), theirs: slice(2) };
        self.regions.push(conflict);
        self.push(Kind::Alike, [to[0], last[1], last[2]], to);
    }
}
