//! Packing the logs for someone who is to look at them.
//!
//! Takes the log files and the daemon's check of itself, and nothing else from the home: no key,
//! no configuration. What the logs say of files is the callers' rule (`driftless_daemon::logging`).

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// Why the logs were not packed.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {source}", path.display())]
pub(crate) struct ExportError {
    /// The file to write.
    path: PathBuf,
    /// What the system said.
    source: io::Error,
}

/// Packs all files of `directory`, and `check` as `check.json`, into a new archive at `path`.
///
/// # Errors
/// When a log cannot be read or the archive cannot be written.
pub(crate) fn export(
    directory: &Path,
    check: Option<&[u8]>,
    path: &Path,
) -> Result<(), ExportError> {
    pack(directory, check, path).map_err(|source| ExportError { path: path.to_owned(), source })
}

fn pack(directory: &Path, check: Option<&[u8]>, path: &Path) -> io::Result<()> {
    let mut logs = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            logs.push(entry);
        }
    }
    logs.sort_by_key(fs::DirEntry::file_name);
    let options = SimpleFileOptions::default().unix_permissions(0o600);
    let mut archive = ZipWriter::new(File::create(path)?);
    for log in logs {
        archive.start_file(log.file_name().to_string_lossy(), options)?;
        io::copy(&mut File::open(log.path())?, &mut archive)?;
    }
    if let Some(check) = check {
        archive.start_file("check.json", options)?;
        archive.write_all(check)?;
    }
    archive.finish()?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read as _;

    use super::export;

    #[test]
    fn an_archive_has_the_logs_and_the_check_and_no_more() {
        let place = tempfile::tempdir().unwrap();
        let logs = place.path().join("log");
        fs::create_dir_all(logs.join("not a log")).unwrap();
        fs::write(logs.join("app.log"), "one line\n").unwrap();
        fs::write(logs.join("driftless.log"), "another\n".repeat(1000)).unwrap();
        let path = place.path().join("logs.zip");
        export(&logs, Some(b"{}"), &path).unwrap();
        let mut archive = zip::ZipArchive::new(fs::File::open(&path).unwrap()).unwrap();
        let mut names: Vec<_> =
            archive.file_names().map(|name| name.unwrap().into_owned()).collect();
        names.sort();
        assert_eq!(names, ["app.log", "check.json", "driftless.log"]);
        let mut text = String::new();
        archive.by_name("driftless.log").unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text.len(), 8000);
        export(&place.path().join("none"), None, &path).unwrap_err();
    }
}
