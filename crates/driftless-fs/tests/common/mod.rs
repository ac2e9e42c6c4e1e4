//! A folder on the real disk, and shorthand for what tests do to it.
#![allow(dead_code, reason = "each test file uses its part of this")]
#![allow(unreachable_pub, missing_docs)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use driftless_core::plan::Reason;
use driftless_core::{
    BlockHash, BlockList, ContentId, DeviceId, Displaced, FolderId, InstanceId, Observed, Outcome,
    Precondition, RelPath, ScanBatch, Stat, Step,
};
use driftless_fs::{Ignore, Root, Scope, apply, scan, staging};
use tempfile::TempDir;

pub const INSTANCE: InstanceId = InstanceId([5; 16]);
pub const DEVICE: DeviceId = DeviceId::from_bytes([9; 32]);

pub struct Folder {
    pub root: Root,
    pub rules: Ignore,
    pub base: PathBuf,
    _dir: TempDir,
}

pub fn folder_id() -> FolderId {
    FolderId::from_random([3; 10])
}

pub fn path(text: &str) -> RelPath {
    RelPath::parse(text).unwrap()
}

/// Bytes that look like noise and are the same each time.
pub fn noise(seed: &str, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(seed.as_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

pub fn content_of(bytes: &[u8]) -> ContentId {
    ContentId::from_bytes(*BlockHash::of(bytes).as_bytes())
}

pub fn block_list(bytes: &[u8]) -> BlockList {
    BlockList::single(content_of(bytes), bytes.len() as u64).unwrap()
}

pub fn overwritten() -> Displaced {
    Displaced::History { by: DEVICE, reason: Reason::Overwritten }
}

pub fn deleted() -> Displaced {
    Displaced::History { by: DEVICE, reason: Reason::Deleted }
}

impl Folder {
    pub fn new() -> Self {
        Self::within(tempfile::tempdir().unwrap(), "folder")
    }

    pub fn within(dir: TempDir, name: &str) -> Self {
        let base = dir.path().join(name);
        let root = Root::create(&base, &folder_id(), INSTANCE).unwrap();
        let rules = Ignore::new(&root);
        Self { root, rules, base, _dir: dir }
    }

    pub fn at(&self, text: &str) -> PathBuf {
        self.base.join(text)
    }

    pub fn write(&self, text: &str, bytes: impl AsRef<[u8]>) -> &Self {
        let at = self.at(text);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        fs::write(at, bytes).unwrap();
        self
    }

    pub fn read(&self, text: &str) -> Vec<u8> {
        fs::read(self.at(text)).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    pub fn exists(&self, text: &str) -> bool {
        fs::symlink_metadata(self.at(text)).is_ok()
    }

    pub fn stat(&self, text: &str) -> Stat {
        stat(&self.at(text))
    }

    pub fn unchanged(&self, text: &str) -> Precondition {
        Precondition::Unchanged(self.stat(text))
    }

    pub fn stage(&self, bytes: impl AsRef<[u8]>) -> ContentId {
        let content = content_of(bytes.as_ref());
        staging::stage_small(&self.root, &content, bytes.as_ref()).unwrap();
        content
    }

    /// A step that installs `bytes`, which are staged by this.
    pub fn install(&self, text: &str, bytes: &str, precondition: Precondition) -> Step {
        Step::Install {
            path: path(text),
            content: self.stage(bytes),
            size_bytes: bytes.len() as u64,
            mode: 0o644,
            mtime_ns: 1_600_000_000_123_456_789,
            precondition,
            displaced: overwritten(),
        }
    }

    pub fn apply(&self, step: Step) -> Outcome {
        let mut outcomes = apply(&self.root, vec![step], &self.rules);
        assert_eq!(outcomes.len(), 1);
        outcomes.remove(0).1
    }

    pub fn scan(&self, scopes: &[Scope]) -> Vec<ScanBatch> {
        let mut batches = Vec::new();
        let never = AtomicBool::new(false);
        scan(&self.root, scopes, &self.rules, &never, &mut |batch| batches.push(batch)).unwrap();
        batches
    }

    pub fn scan_all(&self) -> Vec<ScanBatch> {
        self.scan(&[Scope { path: None, recursive: true }])
    }

    /// Every file below a private directory, with its bytes.
    pub fn private(&self, name: &str) -> Vec<(String, Vec<u8>)> {
        let base = self.at(".driftless").join(name);
        let mut found = Vec::new();
        let mut dirs = vec![base.clone()];
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(dir).unwrap() {
                let at = entry.unwrap().path();
                if at.is_dir() && !at.is_symlink() {
                    dirs.push(at);
                } else {
                    let shown = at.strip_prefix(&base).unwrap().display().to_string();
                    found.push((shown, fs::read(&at).unwrap_or_default()));
                }
            }
        }
        found.sort();
        found
    }

    /// The bytes of every version in history.
    pub fn history(&self) -> Vec<String> {
        let texts = self.private("history").into_iter();
        texts.map(|(_, bytes)| String::from_utf8_lossy(&bytes).into_owned()).collect()
    }
}

pub fn stat(at: &Path) -> Stat {
    let meta = fs::symlink_metadata(at).unwrap();
    Stat {
        size_bytes: meta.size(),
        mtime_ns: meta.mtime() * 1_000_000_000 + meta.mtime_nsec(),
        ctime_ns: meta.ctime() * 1_000_000_000 + meta.ctime_nsec(),
        inode: meta.ino(),
        mode: meta.mode(),
    }
}

pub fn set_mode(at: &Path, mode: u32) {
    fs::set_permissions(at, fs::Permissions::from_mode(mode)).unwrap();
}

pub fn found(batches: &[ScanBatch]) -> Vec<&str> {
    batches.iter().flat_map(|batch| &batch.found).map(|(path, _)| path.as_str()).collect()
}

pub fn observed<'a>(batches: &'a [ScanBatch], text: &str) -> Option<&'a Observed> {
    let mut found = batches.iter().flat_map(|batch| &batch.found);
    found.find(|(path, _)| path.as_str() == text).map(|(_, observed)| observed)
}

pub fn is_applied(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Applied(_))
}
