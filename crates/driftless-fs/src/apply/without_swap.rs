//! Tests of the ways around a missing atomic exchange.

use driftless_core::plan::Reason;
use driftless_core::{
    BlockHash, ContentId, DeviceId, Displaced, FolderId, InstanceId, Outcome, Precondition,
    RelPath, Stat, Step,
};

use crate::{Ignore, Root, apply, staging};

fn stat(root: &Root, path: &str) -> Stat {
    root.lstat(&RelPath::parse(path).unwrap()).unwrap()
}

fn install(root: &Root, path: &str, text: &str, precondition: Precondition) -> Outcome {
    let content = ContentId::from_bytes(*BlockHash::of(text.as_bytes()).as_bytes());
    staging::stage_small(root, &content, text.as_bytes()).unwrap();
    let step = Step::Install {
        path: RelPath::parse(path).unwrap(),
        content,
        size_bytes: text.len() as u64,
        mode: 0o644,
        mtime_ns: 0,
        precondition,
        displaced: Displaced::History {
            by: DeviceId::from_bytes([1; 32]),
            reason: Reason::Overwritten,
        },
    };
    apply(root, vec![step], &Ignore::new(root)).remove(0).1
}

#[test]
fn without_an_exchange_files_are_replaced_and_the_old_ones_kept_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let root = Root::create(dir.path(), &FolderId::from_random([1; 10]), InstanceId([2; 16]));
    let root = root.unwrap();
    root.pretend_no_swap();
    assert!(matches!(install(&root, "new", "1", Precondition::Absent), Outcome::Applied(_)));
    assert_eq!(install(&root, "new", "2", Precondition::Absent), Outcome::Stale);
    let before = Precondition::Unchanged(stat(&root, "new"));
    std::fs::write(dir.path().join("new"), "a person's").unwrap();
    assert_eq!(install(&root, "new", "3", before), Outcome::Stale);
    let before = Precondition::Unchanged(stat(&root, "new"));
    assert!(matches!(install(&root, "new", "3", before), Outcome::Applied(_)));
    assert_eq!(std::fs::read(dir.path().join("new")).unwrap(), b"3");
    let versions = crate::history::list(&root, None).unwrap();
    assert_eq!(versions.len(), 1);
    let kept = crate::history::open_version(&root, &versions[0].id).unwrap();
    assert_eq!(std::io::read_to_string(kept).unwrap(), "a person's");
}
