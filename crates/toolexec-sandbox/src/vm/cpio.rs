//! Writes initial RAM file systems: cpio archives in the "newc" format, which Linux unpacks.
//!
//! The same entries make the same bytes: times are zero, everything belongs to root, and numbers
//! are given out in order.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

const DIRECTORY: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
/// Names and contents begin at multiples of this.
const ALIGNMENT: usize = 4;
const TRAILER: &str = "TRAILER!!!";

/// An archive that is being written.
#[derive(Debug)]
pub(crate) struct Archive<W> {
    output: W,
    next: u32,
    directories: BTreeSet<String>,
}

impl<W: Write> Archive<W> {
    pub(crate) fn new(output: W) -> Self {
        Self {
            output,
            next: 1,
            directories: BTreeSet::new(),
        }
    }

    /// Adds a directory, and those above it, unless they are there.
    pub(crate) fn directory(&mut self, path: &str) -> io::Result<()> {
        let path = path.trim_matches('/');
        if path.is_empty() || self.directories.contains(path) {
            return Ok(());
        }
        self.above(path)?;
        self.directories.insert(path.to_owned());
        self.entry(path, DIRECTORY | 0o755, &[])
    }

    /// Adds a file, and the directories above it.
    pub(crate) fn file(&mut self, path: &str, mode: u32, content: &[u8]) -> io::Result<()> {
        let path = path.trim_matches('/');
        self.above(path)?;
        self.entry(path, FILE | (mode & 0o7777), content)
    }

    /// Writes the end of the archive.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.next = 0;
        self.entry(TRAILER, 0, &[])?;
        self.output.flush()?;
        Ok(self.output)
    }

    fn above(&mut self, path: &str) -> io::Result<()> {
        match Path::new(path).parent().and_then(Path::to_str) {
            Some(parent) => self.directory(parent),
            None => Ok(()),
        }
    }

    fn entry(&mut self, path: &str, mode: u32, content: &[u8]) -> io::Result<()> {
        let too_large = |_| io::Error::new(io::ErrorKind::InvalidInput, "larger than 4 GiB");
        let size = u32::try_from(content.len()).map_err(too_large)?;
        let name = u32::try_from(path.len() + 1).map_err(too_large)?;
        let links = if mode & DIRECTORY == DIRECTORY { 2 } else { 1 };
        // Number, mode, owner, group, links, time, size, four numbers of devices, length of the
        // name, and a sum that nobody reads.
        let header = [self.next, mode, 0, 0, links, 0, size, 0, 0, 0, 0, name, 0];
        self.next += 1;
        let mut text = String::from("070701");
        for field in header {
            // Writing to a text cannot fail.
            let _ = write!(text, "{field:08x}");
        }
        text.push_str(path);
        text.push('\0');
        self.padded(text.as_bytes())?;
        self.padded(content)
    }

    fn padded(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.output.write_all(bytes)?;
        let missing = bytes.len().next_multiple_of(ALIGNMENT) - bytes.len();
        self.output.write_all(&[0; ALIGNMENT][..missing])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_what_the_format_says() {
        let mut archive = Archive::new(Vec::new());
        archive.file("/a/b", 0o755, b"hello").unwrap();
        archive.directory("a").unwrap();
        let bytes = archive.finish().unwrap();
        let wanted = [
            "070701",
            "00000001",
            "000041ed",
            "00000000",
            "00000000",
            "00000002",
            "00000000",
            "00000000",
            "00000000",
            "00000000",
            "00000000",
            "00000000",
            "00000002",
            "00000000",
            "a\0", // 112 bytes, which needs no padding
            "070701",
            "00000002",
            "000081ed",
            "00000000",
            "00000000",
            "00000001",
            "00000000",
            "00000005",
            "00000000",
            "00000000",
            "00000000",
            "00000000",
            "00000004",
            "00000000",
            "a/b\0\0\0",
            "hello\0\0\0",
            "070701",
            "00000000",
            "00000000",
            "00000000",
            "00000000",
            "00000001",
            "00000000",
            "00000000",
            "00000000",
            "00000000",
            "00000000",
            "00000000",
            "0000000b",
            "00000000",
            "TRAILER!!!\0\0\0\0",
        ];
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(text, wanted.concat());
        assert_eq!(text.len() % ALIGNMENT, 0);
    }
}
