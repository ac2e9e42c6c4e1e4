//! `folder.presets`, `folder.preview`, `folder.rules`, `folder.set`: what a
//! folder leaves out, and its other settings.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use driftless_control::api::{
    FolderPresets, FolderPreview, FolderSet, FolderView, IgnorePreset, PreviewResult,
    PreviewWarning, Rules, RulesView,
};
use driftless_core::RelPath;
use driftless_fs::ignore::{IGNORE_FILE, read_root_rules};
use driftless_fs::{Root, Scope, survey};

use super::failure::usage;
use super::{Outcome, blocking, edit, find_folder, folders, settings};
use crate::config::{FolderConfig, provision};
use crate::folder::Message;
use crate::hub::Hub;
use crate::rules::{self, RulesError};

/// How long counting may take.
const COUNTING: Duration = Duration::from_secs(2);

/// With less than this free on the disk there is little space, and with less
/// than a tenth of what the directory holds.
const LITTLE_BYTES: u64 = 1 << 30;

/// Directories that belong to the system, with all that is in them.
const SYSTEM: [&str; 14] = [
    "/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/run", "/sbin", "/sys", "/usr",
    "/var", "/nix", "/snap",
];

/// Directories that belong to the system, and in which people have things of their own.
const SHARED: [&str; 8] = ["/", "/home", "/media", "/mnt", "/opt", "/root", "/srv", "/tmp"];

/// Where homes are.
const HOMES: [&str; 2] = ["/home", "/var/home"];

/// Inside directories of the system, and all the same people's own.
const PEOPLES: [&str; 2] = ["/var/home", "/run/media"];

pub(super) async fn presets(request: &FolderPresets) -> Outcome<Vec<IgnorePreset>> {
    let directory = request.path.as_deref().map(absolute).transpose()?;
    blocking(move || Ok(rules::presets::list(directory.as_deref()))).await
}

fn absolute(path: &str) -> Outcome<PathBuf> {
    match Path::new(path) {
        path if path.is_absolute() => Ok(path.to_owned()),
        _ => Err(usage(format!("{path:?} is not an absolute path"))
            .with_hint("give a path that begins with /")),
    }
}

/// Counts what adding a directory would sync.
pub(super) async fn preview(hub: &Hub, request: &FolderPreview) -> Outcome<PreviewResult> {
    let path = absolute(&request.path)?;
    let rules = Rules { presets: request.presets.clone(), patterns: request.patterns.clone() };
    let settings = hub.settings();
    let name = settings.device.name.clone();
    blocking(move || {
        let exists = path.is_dir();
        let mut result = PreviewResult { exists, ..PreviewResult::default() };
        // What is written there already goes on holding.
        let written = std::fs::read_to_string(path.join(IGNORE_FILE)).unwrap_or_default();
        let text = rules::written(&written, &rules)?;
        result.warnings.extend(place_warnings(&path, &settings.folders));
        if exists {
            match survey::survey(&path, &text, Instant::now() + COUNTING) {
                Ok(counted) => {
                    result.files = counted.files;
                    result.bytes = counted.bytes;
                    result.left_out_files = counted.left_out_files;
                    result.left_out_bytes = counted.left_out_bytes;
                    result.at_least = counted.at_least;
                }
                Err(_) => result.at_least = true,
            }
        }
        result.warnings.extend(disk_warnings(&path, result.bytes, name));
        Ok(result)
    })
    .await
}

/// What is to be thought of because of where a directory is.
fn place_warnings(path: &Path, folders: &[FolderConfig]) -> Vec<PreviewWarning> {
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let is = |other: &str| real == Path::new(other);
    let mut warnings = Vec::new();
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let home = home.map(|home| home.canonicalize().unwrap_or(home));
    let is_home = real.parent().is_some_and(|above| HOMES.map(Path::new).contains(&above));
    let is_in = |others: &[&str]| others.iter().any(|other| real.starts_with(other));
    if home.is_some_and(|home| home == real) || is_home {
        warnings.push(PreviewWarning::HomeDirectory);
    } else if SHARED.into_iter().any(is) || (is_in(&SYSTEM) && !is_in(&PEOPLES)) {
        warnings.push(PreviewWarning::SystemDirectory);
    }
    for folder in folders {
        let label = folder.label.clone();
        let at = folder.path.canonicalize().unwrap_or_else(|_| folder.path.clone());
        if real.starts_with(&at) {
            warnings.push(PreviewWarning::InsideFolder { label });
        } else if at.starts_with(&real) {
            warnings.push(PreviewWarning::AroundFolder { label });
        }
    }
    warnings
}

/// What is to be thought of because of the disk that a directory is or would be on.
fn disk_warnings(path: &Path, bytes: u64, device_name: String) -> Vec<PreviewWarning> {
    let mut warnings = Vec::new();
    let Some(nearest) = path.ancestors().find(|above| above.exists()) else { return warnings };
    if !nearest.is_dir() || !survey::is_writable(nearest) {
        warnings.push(PreviewWarning::NotWritable);
    }
    if let Ok(free_bytes) = survey::free_bytes(nearest)
        && free_bytes < LITTLE_BYTES.max(bytes / 10)
    {
        warnings.push(PreviewWarning::LittleSpace { device_name, free_bytes });
    }
    warnings
}

pub(super) async fn rules(hub: &Hub, query: &str) -> Outcome<RulesView> {
    let folder = find_folder(hub, query)?;
    blocking(move || {
        let text = read_root_rules(&root_of(&folder)?).map_err(RulesError::from)?;
        Ok(text.map(|(text, _)| rules::read(&text)).unwrap_or_default())
    })
    .await
}

/// The folder's root, whether the folder runs or not.
pub(super) fn root_of(folder: &FolderConfig) -> Result<Root, RulesError> {
    let marker = Root::read_marker(&folder.path)?.ok_or(driftless_fs::RootError::MarkerMissing)?;
    Ok(Root::open(&folder.path, &folder.id, marker.instance)?)
}

/// Changes what is given. The rules first: they may be refused.
pub(super) async fn set(hub: &Arc<Hub>, request: &FolderSet) -> Outcome<FolderView> {
    let folder = find_folder(hub, &request.folder)?;
    let id = folder.id.clone();
    if let Some(wanted) = request.rules.clone() {
        let by = hub.device;
        let changed = blocking(move || Ok(rules::change(&root_of(&folder)?, by, &wanted)?));
        if changed.await?
            && let Some((shared, _)) = hub.folder(&id)
        {
            let scope = Scope { path: RelPath::parse(IGNORE_FILE).ok(), recursive: false };
            let _ = shared.inbox.send(Message::Scan(Some(vec![scope]))).await;
        }
    }
    let (label, mode) = (request.label.clone(), request.mode.map(provision::mode_of));
    let history = request.history.map(|history| history.map(settings::history_of));
    if label.is_some() || mode.is_some() || history.is_some() {
        let id = id.clone();
        edit(hub, move |config| {
            if let Some(label) = label {
                config.set_folder_label(&id, &label)?;
            }
            if let Some(mode) = mode {
                config.set_folder_mode(&id, mode)?;
            }
            if let Some(history) = history {
                config.set_folder_history(&id, history.as_ref())?;
            }
            Ok(())
        })
        .await?;
    }
    folders::view(hub, &id)
}

#[cfg(test)]
mod tests {
    use driftless_core::FolderId;

    use super::*;

    #[test]
    fn a_directory_is_warned_of_by_where_it_is() {
        let scratch = tempfile::tempdir().unwrap();
        let at = |name: &str| scratch.path().join(name);
        std::fs::create_dir_all(at("photos/2020")).unwrap();
        let folder = FolderConfig::new(FolderId::parse("photos").unwrap(), at("photos"));
        let folders = [folder];
        let warned = |path: &Path| place_warnings(path, &folders);
        let label = || "photos".to_owned();
        assert_eq!(warned(&at("photos/2020")), [PreviewWarning::InsideFolder { label: label() }]);
        assert_eq!(warned(&at("photos/absent")), [PreviewWarning::InsideFolder { label: label() }]);
        assert_eq!(warned(scratch.path()), [PreviewWarning::AroundFolder { label: label() }]);
        assert_eq!(warned(&at("music")), []);
        assert_eq!(warned(Path::new("/usr/share")), [PreviewWarning::SystemDirectory]);
        assert_eq!(warned(&Path::new("/home").join("somebody")), [PreviewWarning::HomeDirectory]);
    }
}
