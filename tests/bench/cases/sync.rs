//! Two engines, each with an index in memory, that keep a folder the same; no disk and no network.
//!
//! What one of them sends goes through the codec. Files, staging and the tree are as quick as saying that they did
//! what they were told to.

use std::collections::{BTreeMap, VecDeque};

use driftless_core::{
    BlockList, Epoch, FolderId, InstanceId, Level, Observed, Outcome, RelPath, ScanBatch, Stat,
    Step,
};
use driftless_engine::{Config, Effect, Engine, Fetched, Hashed, Input, Mode};
use driftless_proto::codec::{decode, encode};
use driftless_proto::{Message, Received};
use driftless_testkit::MemIndex;

use super::{DEVICES, PATHS, Work, content_id, path, stat, work};

const NOW_MS: u64 = 1_790_000_000_000;

/// A file appears on one device and comes to the other, which says that it has it.
pub(super) fn one() -> Work {
    let (mut pair, found) = (Pair::connected(), tree(1));
    work(move || {
        pair.scan(0, found);
        assert_eq!(pair.files(), [1, 1]);
        pair
    })
}

/// As [`one`], with a thousand files in one scan.
pub(super) fn many() -> Work {
    let (mut pair, found) = (Pair::connected(), tree(PATHS));
    work(move || {
        pair.scan(0, found);
        assert_eq!(pair.files(), [PATHS, PATHS]);
        pair
    })
}

/// A scan of a thousand files of which none has changed.
pub(super) fn rescan() -> Work {
    let (mut pair, found) = (Pair::connected(), tree(PATHS));
    pair.scan(0, found.clone());
    work(move || {
        pair.scan(0, found);
        assert_eq!(pair.files(), [PATHS, PATHS]);
        pair
    })
}

struct Pair {
    engines: [Engine<MemIndex>; 2],
    /// What is yet to be handled, and by which engine.
    inputs: VecDeque<(usize, Input)>,
}

impl Pair {
    /// Two empty devices that have met.
    fn connected() -> Self {
        let folder = FolderId::parse("bench").expect("it is plain");
        let engine = |number: usize| {
            let (device, mode) = (DEVICES[number], Mode::SendReceive);
            let index = MemIndex::new(device, InstanceId([1; 16]), Epoch(number as u64 + 1));
            Engine::new(index, Config { folder: folder.clone(), device, mode, brake: None })
        };
        let mut pair = Self { engines: [engine(0), engine(1)], inputs: VecDeque::new() };
        for number in 0..2 {
            pair.tell(number, Input::Started { stored: Vec::new() });
            pair.tell(number, Input::Members(vec![DEVICES[1 - number]]));
        }
        pair.work_off();
        for number in 0..2 {
            pair.scan(number, Vec::new());
        }
        let states = [0, 1].map(|number: usize| {
            let state = pair.engines[number].introduction(&DEVICES[1 - number], "Bench".to_owned());
            state.expect("memory does not fail")
        });
        for (number, state) in states.into_iter().enumerate() {
            let connected = Input::Connected { device: DEVICES[number], state, spare: Epoch(9) };
            pair.tell(1 - number, connected);
        }
        pair.work_off();
        pair
    }

    /// A scan finds this, and all that follows from that happens.
    fn scan(&mut self, number: usize, found: Vec<(RelPath, Observed)>) {
        self.tell(number, Input::ScanStarted { full: true });
        self.tell(number, Input::Scanned(ScanBatch { found, ..ScanBatch::default() }));
        self.tell(number, Input::ScanFinished { complete: true });
        self.work_off();
    }

    fn tell(&mut self, number: usize, input: Input) {
        self.inputs.push_back((number, input));
    }

    /// Has the engines handle what there is, what waits for one of them in one transaction.
    fn work_off(&mut self) {
        while let Some((number, input)) = self.inputs.pop_front() {
            let mut inputs = vec![input];
            while self.inputs.front().is_some_and(|(next, _)| *next == number) {
                inputs.extend(self.inputs.pop_front().map(|(_, input)| input));
            }
            let effects = self.engines[number].handle(inputs, NOW_MS);
            for effect in effects.expect("memory does not fail") {
                self.carry_out(number, effect);
            }
        }
    }

    fn carry_out(&mut self, number: usize, effect: Effect) {
        let device = DEVICES[number];
        match effect {
            Effect::SendIndex(to, update) => {
                let message = travelled(&Message::IndexUpdate(update));
                if let Message::IndexUpdate(update) = message {
                    self.tell(1 - number, Input::IndexUpdate(device, update));
                }
                self.tell(number, Input::IndexSent(to));
            }
            Effect::SendReceived { epoch, sequence, .. } => {
                let folder = FolderId::parse("bench").expect("it is plain");
                travelled(&Message::Received(Received { folder, epoch, sequence }));
                self.tell(1 - number, Input::Received { device, epoch, sequence });
            }
            Effect::Hash { path, stat, .. } => {
                let content = content_id(stat.inode);
                let blocks = BlockList::single(content, stat.size_bytes).expect("it is small");
                let hashed = Hashed { stat, content, level: Level::default(), blocks };
                self.tell(number, Input::Hashed { path, result: Ok(hashed) });
            }
            Effect::Fetch { content, .. } => {
                let result = Ok(Fetched { blocks: None });
                self.tell(number, Input::Fetched { content, result });
            }
            Effect::Apply(steps) => {
                let done = steps.into_iter().map(|step| (outcome(&step), step));
                let done = done.map(|(outcome, step)| (step, outcome)).collect();
                self.tell(number, Input::Applied(done));
            }
            // Told to people, or to the keeper of old texts.
            _ => {}
        }
    }

    /// How many files each of them has in its tree.
    fn files(&self) -> [u64; 2] {
        [0, 1].map(|number: usize| self.engines[number].status().totals.files)
    }
}

fn travelled(message: &Message) -> Message {
    decode(&encode(message)).expect("it was encoded just now")
}

fn directory() -> Stat {
    Stat { mode: 0o040_755, inode: 1, ..Stat::default() }
}

/// The first `files` files and the directories that they are in, in path order.
fn tree(files: u64) -> Vec<(RelPath, Observed)> {
    let mut tree = BTreeMap::new();
    for (path, stat) in (0..files).map(|file| (path(file), stat(file))) {
        for parent in parents(&path) {
            tree.insert(parent, Observed::Directory(directory()));
        }
        tree.insert(path, Observed::File(stat));
    }
    tree.into_iter().collect()
}

/// The directories that a path is in.
fn parents(path: &RelPath) -> impl Iterator<Item = RelPath> {
    std::iter::successors(path.parent(), RelPath::parent)
}

/// What the disk would say of a step.
fn outcome(step: &Step) -> Outcome {
    let stat = match step {
        Step::Directory { .. } => directory(),
        Step::Install { size_bytes, mtime_ns, mode, .. } => Stat {
            size_bytes: *size_bytes,
            mtime_ns: *mtime_ns,
            ctime_ns: *mtime_ns,
            inode: 20_000_000,
            mode: 0o100_000 | u32::from(*mode),
        },
        step => unreachable!("nothing asks for {step:?}"),
    };
    Outcome::Applied(Some(stat))
}
