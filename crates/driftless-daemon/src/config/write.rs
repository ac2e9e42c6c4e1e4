//! Replacing a small file so that a crash leaves the old one or the new one.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use crate::home::create_private;

/// Writes `bytes` beside `file`, makes them durable and swaps them in, with mode 0600.
///
/// The caller keeps other writers of the same file away. A symlink at `file`
/// is followed, so that a file kept elsewhere stays there.
pub(super) fn replace(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let directory = file.parent().ok_or_else(|| io::Error::other("the path has no parent"))?;
    let new = file.with_extension("toml.new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = create_private(&new).and_then(|mut open| {
        open.write_all(bytes)?;
        open.sync_all()?;
        fs::rename(&new, &file)
    });
    if let Err(error) = written {
        // What is left is swept by the next save; the failure is what matters.
        let _ = fs::remove_file(&new);
        return Err(error);
    }
    File::open(directory)?.sync_all()
}
