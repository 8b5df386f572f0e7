//! Copies of memory: only pages with something in them are written, and counted in the hash.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{MemfdFlags, SealFlags, SeekFrom, fcntl_add_seals, memfd_create, seek};
use sha2::{Digest, Sha256};

use crate::hex::hex;

const PAGE: usize = 4096;
const PIECE: usize = 1 << 20;
const EMPTY: [u8; PAGE] = [0; PAGE];

/// Memory without a name, which can be sealed.
pub(in crate::qemu) fn memory(bytes: u64) -> io::Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let memory = File::from(memfd_create(c"toolexec-machine", flags)?);
    memory.set_len(bytes)?;
    Ok(memory)
}

/// Lets nobody change it any more, whoever gets hold of it. Fails while somebody could.
pub(super) fn seal(memory: impl AsFd) -> io::Result<()> {
    let all = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    Ok(fcntl_add_seals(memory, all)?)
}

/// It once more, to be read from its start.
pub(super) fn reader(memory: &OwnedFd) -> io::Result<File> {
    use std::os::fd::AsRawFd;
    File::open(format!("/proc/self/fd/{}", memory.as_raw_fd()))
}

/// Copies what is not empty to a file that is, and makes it as long; the hash of what was copied.
pub(super) fn copy(from: &File, to: &File) -> io::Result<String> {
    let length = from.metadata()?.len();
    to.set_len(length)?;
    let mut hash = Sha256::new();
    hash.update(length.to_le_bytes());
    let mut piece = vec![0; PIECE];
    let mut at = 0;
    while let Some(start) = next_data(from, at)? {
        at = start - start % PAGE as u64;
        let wanted = PIECE.min(usize::try_from(length - at).unwrap_or(PIECE));
        let piece = &mut piece[..wanted];
        from.read_exact_at(piece, at)?;
        copy_piece(piece, at, to, &mut hash)?;
        at += wanted as u64;
    }
    Ok(hex(&hash.finalize()))
}

fn copy_piece(piece: &[u8], at: u64, to: &File, hash: &mut Sha256) -> io::Result<()> {
    // Pages that follow each other are written together.
    let mut run = 0..0;
    let mut offset = 0;
    for page in piece.chunks(PAGE) {
        let end = offset + page.len();
        if *page == EMPTY[..page.len()] {
            write(piece, &run, at, to)?;
            run = end..end;
        } else {
            hash.update((at + offset as u64).to_le_bytes());
            hash.update(page);
            run.end = end;
        }
        offset = end;
    }
    write(piece, &run, at, to)
}

fn write(piece: &[u8], run: &std::ops::Range<usize>, at: u64, to: &File) -> io::Result<()> {
    to.write_all_at(&piece[run.clone()], at + run.start as u64)
}

/// Where the next data is; nothing at the end of the file.
fn next_data(file: &File, at: u64) -> io::Result<Option<u64>> {
    match seek(file, SeekFrom::Data(at)) {
        Ok(start) => Ok(Some(start)),
        Err(rustix::io::Errno::NXIO) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    /// Something, a hole, something in the middle of a piece, and an end that is no whole page.
    fn original() -> File {
        let file = memory(5 << 20).unwrap();
        file.write_all_at(b"start", 0).unwrap();
        file.write_all_at(&[7; 9000], (3 << 20) + 12_345).unwrap();
        file.set_len((5 << 20) + 17).unwrap();
        file.write_all_at(b"end", (5 << 20) + 14).unwrap();
        file
    }

    #[test]
    fn a_copy_is_the_same_and_holds_no_empty_pages() {
        let (original, copied) = (original(), tempfile::tempfile().unwrap());
        let hash = copy(&original, &copied).unwrap();
        let all = |file: &File| {
            let mut bytes = vec![0; (5 << 20) + 17];
            file.read_exact_at(&mut bytes, 0).unwrap();
            bytes
        };
        let are_same = all(&original) == all(&copied);
        assert!(are_same);
        assert!(copied.metadata().unwrap().blocks() <= 8 * 8);
        // Whatever of it is written down, the hash is that of what it holds.
        let dense = tempfile::tempfile().unwrap();
        (&dense).write_all(&all(&original)).unwrap();
        let back = memory(0).unwrap();
        assert_eq!(copy(&dense, &back).unwrap(), hash);
        copied.write_all_at(b"x", 4 << 20).unwrap();
        let back = memory(0).unwrap();
        assert_ne!(copy(&copied, &back).unwrap(), hash);
    }

    #[test]
    fn what_is_sealed_is_read_and_never_written() {
        let memory = memory(PAGE as u64).unwrap();
        memory.write_all_at(b"kept", 0).unwrap();
        seal(&memory).unwrap();
        assert!(memory.write_all_at(b"lost", 0).is_err());
        assert!(memory.set_len(0).is_err());
        let memory = OwnedFd::from(memory);
        let again = File::options()
            .write(true)
            .open(format!(
                "/proc/self/fd/{}",
                std::os::fd::AsRawFd::as_raw_fd(&memory)
            ))
            .unwrap();
        assert!(again.write_all_at(b"lost", 0).is_err());
        let mut text = [0; 4];
        reader(&memory)
            .unwrap()
            .read_exact_at(&mut text, 0)
            .unwrap();
        assert_eq!(&text, b"kept");
    }
}
