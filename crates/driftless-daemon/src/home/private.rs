//! Files and directories that only their owner may open.
//!
//! The one place in this crate where platforms differ about that: Unix has
//! modes. Elsewhere the user's profile directory already keeps others out.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::path::Path;

/// Makes a directory and its missing parents, each with mode 0700.
pub(crate) fn create_private_dir(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Opens a file for reading and writing, making it with mode 0600 where absent.
pub(crate) fn open_private(path: &Path) -> io::Result<File> {
    private_options().create(true).open(path)
}

/// Makes a file that must not exist yet, with mode 0600.
pub(crate) fn create_private(path: &Path) -> io::Result<File> {
    private_options().create_new(true).open(path)
}

/// Reading and writing, with mode 0600 for a file that is made.
pub(crate) fn private_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}
