//! Giving `.driftlessignore` a new text: an edit like a person's own.
//!
//! In a folder it is made by the steps that everything else is made by, so that
//! it is atomic, checked against what was read, and what it replaces goes to
//! history. The scan that follows makes it known. A directory that is yet to
//! become a folder has no history; there the new text is put in place whole.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use driftless_control::api::Rules;
use driftless_core::path::PRIVATE_DIR;
use driftless_core::plan::Reason;
use driftless_core::record::MODE_MASK;
use driftless_core::{
    BlockHash, ContentId, DeviceId, Displaced, Outcome, Precondition, RelPath, Stat, Step,
};
use driftless_fs::ignore::{IGNORE_FILE, IGNORE_MAX_BYTES, read_root_rules};
use driftless_fs::staging::stage_small;
use driftless_fs::{Ignore, Root};

use super::{RulesError, written};

/// How often a file that was not as read is read again.
const TRIES: u32 = 5;

/// The permissions of a rule file that has to be made.
const FILE_MODE: u16 = 0o644;

/// Where the new text is written before it is put in place, in a directory that is no folder yet.
const NEW: &str = "rules.new";

/// Brings a folder's rule file in line with `wanted`. Returns whether it changed.
pub(crate) fn change(root: &Root, by: DeviceId, wanted: &Rules) -> Result<bool, RulesError> {
    for _ in 0..TRIES {
        let (text, stat) = match read_root_rules(root)? {
            Some((text, stat)) => (text, Some(stat)),
            None => (String::new(), None),
        };
        let new = written(&text, wanted)?;
        if new == text {
            return Ok(false);
        }
        let Some(step) = step(root, by, stat, &new)? else { return Ok(false) };
        let outcomes = driftless_fs::apply(root, vec![step], &Ignore::new(root));
        match outcomes.into_iter().next().map(|(_, outcome)| outcome) {
            Some(Outcome::Applied(_)) => return Ok(true),
            Some(Outcome::Blocked(problem)) => return Err(RulesError::Blocked(problem.message)),
            _ => {}
        }
    }
    Err(RulesError::Busy)
}

/// The step that replaces what `stat` tells of by `text`; a file of nothing is none.
fn step(
    root: &Root,
    by: DeviceId,
    stat: Option<Stat>,
    text: &str,
) -> Result<Option<Step>, RulesError> {
    let path = RelPath::parse(IGNORE_FILE).expect("the rule file's name is a path");
    let precondition = stat.map_or(Precondition::Absent, Precondition::Unchanged);
    let displaced = Displaced::History { by, reason: Reason::Overwritten };
    if text.is_empty() {
        return Ok(stat.map(|_| Step::Remove { path, precondition, displaced }));
    }
    let content = ContentId::from_bytes(*BlockHash::of(text.as_bytes()).as_bytes());
    stage_small(root, &content, text.as_bytes())
        .map_err(|error| RulesError::Blocked(crate::trouble::with_causes(&error)))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mode = stat.map_or(FILE_MODE, |stat| {
        u16::try_from(stat.mode & u32::from(MODE_MASK)).unwrap_or(FILE_MODE)
    });
    Ok(Some(Step::Install {
        path,
        content,
        size_bytes: text.len() as u64,
        mode,
        mtime_ns: i64::try_from(now.as_nanos()).unwrap_or(i64::MAX),
        precondition,
        displaced,
    }))
}

/// Writes the rules of a directory that is about to become a folder, or was one before.
pub(crate) fn begin(directory: &Path, by: DeviceId, wanted: &Rules) -> Result<(), RulesError> {
    if let Some(marker) = Root::read_marker(directory)? {
        let root = Root::open(directory, &marker.folder, marker.instance)?;
        return change(&root, by, wanted).map(drop);
    }
    let file = directory.join(IGNORE_FILE);
    let text = match file.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Ok(metadata) if metadata.is_file() && metadata.len() <= IGNORE_MAX_BYTES => {
            fs::read_to_string(&file)?
        }
        Ok(_) => return Err(RulesError::Blocked("the rule file is no plain file".to_owned())),
        Err(error) => return Err(error.into()),
    };
    let new = written(&text, wanted)?;
    if new == text {
        return Ok(());
    }
    // Its name means nothing to anybody should this be cut short.
    let private = directory.join(PRIVATE_DIR);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&private)?;
    let fresh = private.join(NEW);
    let put = fs::write(&fresh, new).and_then(|()| {
        if let Ok(metadata) = file.metadata() {
            fs::set_permissions(&fresh, metadata.permissions())?;
        }
        fs::File::open(&fresh)?.sync_all()?;
        fs::rename(&fresh, &file)?;
        // Or a power cut takes the rules back, and not the folder that they are for.
        fs::File::open(directory)?.sync_all()
    });
    if put.is_err() {
        let _ = fs::remove_file(&fresh);
    }
    // Only goes if nothing else is in it.
    let _ = fs::remove_dir(&private);
    Ok(put?)
}

#[cfg(test)]
mod tests {
    use driftless_core::{FolderId, InstanceId};

    use super::super::read;
    use super::*;

    fn caches(patterns: &[&str]) -> Rules {
        let patterns = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        Rules { presets: vec!["caches".to_owned()], patterns }
    }

    #[test]
    fn rules_of_a_folder_change_in_place_and_the_old_text_goes_to_history() {
        let directory = tempfile::tempdir().unwrap();
        let folder = FolderId::parse("f").unwrap();
        let root = Root::create(directory.path(), &folder, InstanceId([1; 16])).unwrap();
        let device = DeviceId::from_bytes([7; 32]);
        let file = directory.path().join(IGNORE_FILE);
        assert!(change(&root, device, &caches(&["*.a"])).unwrap());
        assert!(!change(&root, device, &caches(&["*.a"])).unwrap());
        let first = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("{first}mine\n")).unwrap();
        assert!(change(&root, device, &caches(&["*.b"])).unwrap());
        let view = read(&fs::read_to_string(&file).unwrap());
        assert_eq!(
            (view.patterns.as_slice(), view.written.as_slice()),
            (&["*.b".to_owned()][..], &["mine".to_owned()][..])
        );
        let old = driftless_fs::history::list(&root, None).unwrap();
        assert_eq!(old.len(), 1);
        fs::write(&file, first).unwrap();
        assert!(change(&root, device, &Rules::default()).unwrap());
        assert!(!file.exists());
    }

    #[test]
    fn rules_of_a_directory_that_is_no_folder_yet_leave_nothing_else_behind() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(IGNORE_FILE);
        fs::write(&file, "mine").unwrap();
        begin(directory.path(), DeviceId::from_bytes([7; 32]), &caches(&[])).unwrap();
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(read(&text).presets, ["caches"]);
        assert!(text.ends_with("mine"));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
