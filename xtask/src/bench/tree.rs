//! Making the files that are synced, and seeing whether they arrived as they were.
//!
//! The same files every time: sizes and bytes are drawn from numbers that only look random.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

/// How many files are in one directory.
const FILES_PER_DIRECTORY: u64 = 100;

/// Numbers that only look random (xorshift64*).
pub(super) struct Random(u64);

impl Random {
    /// The sequence of this seed, which is not 0.
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Some number below `end`.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 33) % end.max(1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Bytes that do not repeat.
    pub(super) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> =
            (0..count.div_ceil(8)).flat_map(|_| self.next().to_le_bytes()).collect();
        bytes.truncate(count);
        bytes
    }

    /// Text that looks a little like a program.
    fn text(&mut self, count: usize) -> Vec<u8> {
        const WORDS: [&str; 16] = [
            "let ", "fn ", "self.", "value", " = ", "(", ")", ";\n", "    ", "match ", "path",
            "=> ", "return ", "{\n", "}\n", "index",
        ];
        let mut text = Vec::with_capacity(count + 16);
        while text.len() < count {
            text.extend(WORDS[self.below(16) as usize].bytes());
            if self.below(4) == 0 {
                text.extend(format!("{:x}", self.next() >> 40).bytes());
            }
        }
        text.truncate(count);
        text
    }
}

/// Writes one file of `size_bytes` that do not repeat.
pub(super) fn write_large(path: &Path, size_bytes: u64) -> anyhow::Result<()> {
    let mut random = Random::new(size_bytes | 1);
    let mut file = File::create(path)?;
    let mut left = size_bytes;
    while left > 0 {
        let count = left.min(1 << 20);
        file.write_all(&random.bytes(count as usize))?;
        left -= count;
    }
    Ok(())
}

/// Where the n-th file of a tree is.
pub(super) fn nth(root: &Path, number: u64) -> PathBuf {
    let directory = number / FILES_PER_DIRECTORY;
    root.join(format!("{:03}/{:03}/{number:07}.bin", directory / 100, directory % 100))
}

/// Files of a tree: which, and how large they are.
pub(super) struct Files {
    /// Which numbers.
    pub(super) numbers: std::ops::Range<u64>,
    /// The least and the most bytes of one.
    pub(super) sizes: std::ops::Range<u64>,
    /// Text, and names as in a source tree, rather than bytes that do not repeat.
    pub(super) is_source: bool,
}

impl Files {
    /// Writes them; returns how many bytes they have together.
    pub(super) fn write(&self, root: &Path) -> anyhow::Result<u64> {
        let mut bytes = 0;
        for number in self.numbers.clone() {
            let path = nth(root, number);
            if number % FILES_PER_DIRECTORY == 0 || number == self.numbers.start {
                fs::create_dir_all(path.parent().context("it is in a directory")?)?;
            }
            let mut random = Random::new(number + 1);
            // The first numbers of near seeds are alike.
            for _ in 0..4 {
                random.next();
            }
            let size = self.sizes.start + random.below(self.sizes.end - self.sizes.start);
            let content = match self.is_source {
                true => random.text(size as usize),
                false => random.bytes(size as usize),
            };
            bytes += content.len() as u64;
            fs::write(&path, content).with_context(|| format!("cannot write {path:?}"))?;
        }
        Ok(bytes)
    }
}

/// How many files there are below a directory, driftless's own left out.
pub(super) fn count(root: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(root) else { return 0 };
    let each = entries.flatten().map(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() && entry.file_name() != ".driftless" => count(&entry.path()),
        Ok(kind) if kind.is_dir() => 0,
        _ => 1,
    });
    each.sum()
}

/// Fails unless two trees hold the same files with the same bytes.
pub(super) fn assert_same(one: &Path, other: &Path) -> anyhow::Result<()> {
    let (here, there) = (count(one), count(other));
    ensure!(here == there, "{here} files here and {there} there");
    compare(one, other)
}

fn compare(one: &Path, other: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(one)? {
        let entry = entry?;
        if entry.file_name() == ".driftless" {
            continue;
        }
        let (here, there) = (entry.path(), other.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            compare(&here, &there)?;
        } else {
            ensure!(is_same_file(&here, &there)?, "{there:?} differs from {here:?}");
        }
    }
    Ok(())
}

fn is_same_file(one: &Path, other: &Path) -> anyhow::Result<bool> {
    let open = |path: &Path| File::open(path).with_context(|| format!("cannot open {path:?}"));
    let (mut one, mut other) = (open(one)?, open(other)?);
    let size = one.metadata()?.len();
    if size != other.metadata()?.len() {
        return Ok(false);
    }
    let (mut here, mut there) = (vec![0; 1 << 18], vec![0; 1 << 18]);
    let mut left = size;
    while left > 0 {
        let count = left.min(1 << 18) as usize;
        one.read_exact(&mut here[..count])?;
        other.read_exact(&mut there[..count])?;
        if here[..count] != there[..count] {
            return Ok(false);
        }
        left -= count as u64;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::{Files, assert_same, count, nth};

    #[test]
    fn trees_are_the_same_every_time_and_a_changed_byte_is_seen() -> anyhow::Result<()> {
        let (one, other) = (tempfile::tempdir()?, tempfile::tempdir()?);
        let files = Files { numbers: 0..250, sizes: 10..90, is_source: true };
        assert_eq!(files.write(one.path())?, files.write(other.path())?);
        assert_eq!(count(one.path()), 250);
        assert_same(one.path(), other.path())?;
        let file = nth(other.path(), 249);
        let mut bytes = std::fs::read(&file)?;
        bytes[9] ^= 1;
        std::fs::write(&file, bytes)?;
        assert!(assert_same(one.path(), other.path()).is_err());
        std::fs::remove_file(&file)?;
        assert!(assert_same(other.path(), one.path()).is_err());
        Ok(())
    }
}
