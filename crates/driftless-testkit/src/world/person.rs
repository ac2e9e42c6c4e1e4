//! What people do to a device's tree, one call each.
//!
//! Each call is one change that a person meant; whatever content it does away
//! with was theirs to do away with. Nothing happens where the tree does not
//! allow it.

use driftless_core::{Content, ContentId, Level, RelPath, VersionVector};
use driftless_engine::{Choice, Engine, Input, Reopen, Resolve, Side, Status};

use super::device::id_of;
use super::disk::{Blob, Node, Shelf};
use super::{Event, World, WorldIndex, path};

impl World {
    /// The choice of the version that a device made.
    pub fn made_by(device: usize) -> Choice {
        Choice::Device(id_of(device))
    }
}

impl<I: WorldIndex> World<I> {
    /// Writes a file, in place or, as careful editors do, by a new inode.
    pub fn write(&mut self, device: usize, name: &str, text: &str) {
        let in_place = self.random.chance(50);
        self.set_clock(device);
        if !self.can_edit(device, &path(name), true) {
            return;
        }
        let content = Blob::new(text.as_bytes()).content;
        let disk = &mut self.devices[device].disk;
        if let Some(destroyed) = disk.write(&path(name), text.as_bytes(), in_place) {
            self.ledger.written.insert(content, text.to_owned());
            self.did(device, &[name], format_args!("writes {text:?}"), destroyed);
        }
    }

    /// Makes a directory.
    pub fn make_directory(&mut self, device: usize, name: &str) {
        self.set_clock(device);
        if self.can_edit(device, &path(name), true)
            && self.devices[device].disk.make_directory(&path(name), 0o755)
        {
            self.did(device, &[name], format_args!("makes a directory"), Vec::new());
        }
    }

    /// Makes a symlink.
    pub fn make_symlink(&mut self, device: usize, name: &str, target: &str) {
        self.set_clock(device);
        if self.can_edit(device, &path(name), true)
            && self.devices[device].disk.make_symlink(&path(name), target)
        {
            self.did(device, &[name], format_args!("links to {target}"), Vec::new());
        }
    }

    /// Removes a path with all below it.
    pub fn remove(&mut self, device: usize, name: &str) {
        self.set_clock(device);
        let can = self.can_edit(device, &path(name), false);
        let disk = &mut self.devices[device].disk;
        if can && disk.get(&path(name)).is_some() {
            let destroyed = disk.remove_tree(&path(name));
            self.did(device, &[name], format_args!("removes it"), destroyed);
        }
    }

    /// Renames as `mv -T` does, over whatever file is there.
    pub fn rename(&mut self, device: usize, from: &str, to: &str) {
        self.set_clock(device);
        let can = self.can_edit(device, &path(to), false);
        let disk = &mut self.devices[device].disk;
        if let Some(destroyed) = can.then(|| disk.rename(&path(from), &path(to))).flatten() {
            self.did(device, &[from, to], format_args!("renames"), destroyed);
        }
    }

    /// Swaps two paths, by a third name.
    pub fn swap(&mut self, device: usize, one: &str, other: &str) {
        self.set_clock(device);
        let can = self.can_edit(device, &path(one), false);
        let disk = &mut self.devices[device].disk;
        let between = path("swapping");
        let both = disk.get(&path(one)).is_some() && disk.get(&path(other)).is_some();
        if can
            && both
            && !path(one).is_within(&path(other))
            && !path(other).is_within(&path(one))
            && disk.get(&between).is_none()
        {
            disk.rename(&path(one), &between);
            disk.rename(&path(other), &path(one));
            disk.rename(&between, &path(other));
            self.did(device, &[one, other], format_args!("swaps"), Vec::new());
        }
    }

    /// Changes the permission bits.
    pub fn set_mode(&mut self, device: usize, name: &str, mode: u16) {
        self.set_clock(device);
        if !self.can_edit(device, &path(name), false) {
            return;
        }
        self.devices[device].disk.set(&path(name), Some(mode), None);
        self.did(device, &[name], format_args!("sets the mode {mode:o}"), Vec::new());
    }

    /// Sets the modification time to now.
    pub fn touch(&mut self, device: usize, name: &str) {
        self.set_clock(device);
        if !self.can_edit(device, &path(name), false) {
            return;
        }
        let disk = &mut self.devices[device].disk;
        let now = disk.clock_ns;
        disk.set(&path(name), None, Some(now));
        self.did(device, &[name], format_args!("touches it"), Vec::new());
    }

    /// Writes a file and puts its modification time back, as some programs do (F7).
    pub fn write_unnoticed(&mut self, device: usize, name: &str, text: &str) {
        let before = self.devices[device].disk.get(&path(name)).map(|node| node.mtime_ns);
        if !self.can_edit(device, &path(name), true) {
            return;
        }
        self.write(device, name, text);
        self.devices[device].disk.set(&path(name), None, before);
    }

    /// The versions of a path that a device knows, as a person sees them.
    pub fn seen(&self, device: usize, name: &str) -> Vec<VersionVector> {
        let entry = self.devices[device].index().get(&path(name)).ok().flatten();
        entry
            .into_iter()
            .flat_map(|entry| entry.heads.iter().cloned().collect::<Vec<_>>())
            .map(|head| head.record.version)
            .collect()
    }

    /// Decides a conflict; nothing where there is none.
    pub fn resolve(&mut self, device: usize, name: &str, choice: Choice) {
        self.resolve_among(device, name, choice, None);
    }

    /// Decides a conflict of which a person saw these versions.
    pub fn resolve_among(
        &mut self,
        device: usize,
        name: &str,
        choice: Choice,
        seen: Option<Vec<VersionVector>>,
    ) {
        self.note(format_args!("{device}: a person resolves {name} by {choice:?}"));
        // It may be kept under another name, or be a deletion.
        self.ledger.is_unsure = true;
        self.ledger.touch(device, &path(name));
        let resolve = Resolve { path: path(name), choice, seen, by_policy: false };
        self.tell(device, Input::Resolve(Box::new(resolve)));
    }

    /// Decides a conflict by a new content.
    pub fn resolve_with(&mut self, device: usize, name: &str, text: &str) {
        let choice = self.bring(device, text);
        self.resolve(device, name, choice);
    }

    /// The choice of a new content, which is staged.
    pub fn bring(&mut self, device: usize, text: &str) -> Choice {
        let blob = Blob::new(text.as_bytes());
        self.ledger.chosen.insert(blob.content, text.to_owned());
        let choice = Choice::With {
            content: blob.content,
            size_bytes: blob.bytes.len() as u64,
            level: Level::default(),
            blocks: Default::default(),
            mode: 0o644,
            mtime_ns: self.devices[device].disk.clock_ns,
        };
        self.devices[device].disk.shelve(Shelf::Staging, blob.content, Some(blob));
        choice
    }

    /// Takes back how a conflict was decided, which came to `settled`; it was
    /// among `sides`, of which the first was shown, and others were kept as `beside`.
    pub fn reopen(
        &mut self,
        device: usize,
        name: &str,
        settled: &str,
        sides: &[&str],
        beside: &[&str],
    ) {
        self.note(format_args!("{device}: a person takes back what became of {name}"));
        // What it came to may be nowhere else.
        self.ledger.is_unsure = true;
        for name in beside.iter().chain([&name]) {
            self.ledger.touch(device, &path(name));
        }
        let disk = &mut self.devices[device].disk;
        let mtime_ns = disk.clock_ns;
        let file = |text: &str| {
            let blob = Blob::new(text.as_bytes());
            let (content, size_bytes) = (blob.content, blob.bytes.len() as u64);
            Content::File { content, size_bytes, level: Level::default(), mode: 0o644, mtime_ns }
        };
        for text in sides {
            let blob = Blob::new(text.as_bytes());
            disk.shelve(Shelf::Staging, blob.content, Some(blob));
        }
        let side = |text: &&str| Side { content: file(text), blocks: Default::default() };
        let reopen = Reopen {
            path: path(name),
            settled: file(settled),
            sides: sides.iter().map(side).collect(),
            beside: beside.iter().map(|name| path(name)).collect(),
        };
        self.tell(device, Input::Reopen(Box::new(reopen)));
    }

    /// Lets a held back mass change go ahead.
    pub fn confirm(&mut self, device: usize) {
        self.tell(device, Input::Confirm);
    }

    /// Takes back all local changes of a receive-only device.
    pub fn revert(&mut self, device: usize) {
        self.tell(device, Input::Revert(Vec::new()));
    }

    /// Makes a send-only device's state win everywhere.
    pub fn override_others(&mut self, device: usize) {
        self.tell(device, Input::Override);
    }

    /// Shifts a device's clock for good, in milliseconds.
    pub fn shift_clock(&mut self, device: usize, by_ms: i64) {
        self.note(format_args!("{device}'s clock jumps by {by_ms} ms"));
        let this = &mut self.devices[device];
        this.skew_ms += by_ms;
        this.losses = this.losses.take().map(|_| (self.now_us, Default::default()));
    }

    /// Has all of a device's tree scanned.
    pub fn scan(&mut self, device: usize) {
        if self.devices[device].engine.is_some() {
            self.want_full_scan(device);
        }
    }

    pub(crate) fn did(
        &mut self,
        device: usize,
        names: &[&str],
        what: std::fmt::Arguments<'_>,
        destroyed: Vec<ContentId>,
    ) {
        self.note(format_args!("{device}: a person {what}: {names:?}"));
        self.destroyed(destroyed);
        for name in names {
            self.ledger.touch(device, &path(name));
        }
        // A watcher tells most things soon, and only ever hints.
        if self.random.chance(70) {
            let paths = names.iter().map(|name| path(name)).collect();
            self.soon(device, 40_000, Event::Hint(paths));
        }
    }

    /// The choice of the version of a path that is shown least.
    pub fn least_shown(&self, device: usize, name: &str) -> Option<Choice> {
        let entry = self.devices[device].index().get(&path(name)).ok()??;
        let least = entry.heads.iter().next_back()?;
        Some(Choice::Head(Box::new(least.record.clone())))
    }

    /// Whether a device keeps `text` in its history.
    pub fn keeps_in_history(&self, device: usize, text: &str) -> bool {
        self.devices[device].disk.now.history.contains_key(&Blob::new(text.as_bytes()).content)
    }

    /// What a device's person was warned of: which edits were of what is out of date.
    pub fn warnings(&self, device: usize) -> &[String] {
        &self.devices[device].warnings
    }

    /// What a device's engine says of itself; `None` while it is off.
    pub fn status(&self, device: usize) -> Option<Status> {
        self.devices[device].engine.as_ref().map(Engine::status)
    }

    /// What a device's tree and conflicts look like, in one line: `d/`,
    /// `a=1`, `l->t`, `a=3 | also 2`; files with another mode than 644 as `a=1 (600)`.
    pub fn shows(&self, device: usize) -> String {
        let nodes = self.devices[device].disk.now.tree.iter();
        let lines: Vec<_> = nodes.map(|(path, node)| self.line(device, path, node)).collect();
        lines.join("; ")
    }

    fn line(&self, device: usize, path: &RelPath, node: &Node) -> String {
        let mut line = describe(path.as_str(), node);
        let entry = self.devices[device].index().get(path).ok().flatten().unwrap_or_default();
        let others: Vec<_> = entry
            .heads
            .losers()
            .into_iter()
            .map(|head| match head.record.content.file() {
                Some((content, _)) => {
                    let text = self.ledger.written.get(&content).cloned();
                    text.unwrap_or_else(|| "?".to_owned())
                }
                None => format!("{:?}", head.record.content),
            })
            .collect();
        if !others.is_empty() {
            line += &format!(" | also {}", others.join(", "));
        }
        line
    }
}

fn describe(name: &str, node: &Node) -> String {
    use super::disk::Kind;
    match &node.kind {
        Kind::File(blob) if node.mode == 0o644 => format!("{name}={}", blob.text()),
        Kind::File(blob) => format!("{name}={} ({:o})", blob.text(), node.mode),
        Kind::Symlink(target) => format!("{name}->{target}"),
        Kind::Directory if node.mode == 0o755 => format!("{name}/"),
        Kind::Directory => format!("{name}/ ({:o})", node.mode),
    }
}
