//! A toolchain as a child process.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;

use rustix::fs::{MemfdFlags, OFlags, fcntl_getfl, fcntl_setfl, memfd_create};
use rustix::io::Errno;
use rustix::process::{Pid, Resource, Rlimit, WaitId, WaitIdOptions, getrlimit, setrlimit, waitid};
use toolexec_wire::{Failure, FailureKind, Stream};

use super::family;
use crate::host::failure;

/// How much is read of a stream at once.
const PIECE: usize = 64 << 10;
/// The end of standard error that is kept for what a child said at last.
const TAIL: usize = 8 << 10;

/// What to start.
#[derive(Debug, Clone)]
pub(super) struct Recipe {
    pub(super) program: PathBuf,
    pub(super) args: Vec<OsString>,
    pub(super) env: Vec<(&'static str, OsString)>,
}

/// A started toolchain. Dropping it ends it and everything it started.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    pub(super) streams: [Output; 2],
    ended: Option<OwnedFd>,
}

/// One of its output streams.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) stream: Stream,
    file: Option<File>,
    // The bytes of a character that is not complete.
    rest: Vec<u8>,
    tail: Vec<u8>,
}

impl Recipe {
    /// Starts it in a directory, with nothing in its environment but what it needs.
    pub(super) fn start(&self, dir: &Path, path: &str) -> Result<Running, Box<Failure>> {
        family::adopt();
        without_core_dumps();
        self.spawn(dir, path).map_err(|error| {
            let message = format!("the toolchain cannot be started: {}", error.kind());
            failure(FailureKind::Unsupported, message)
        })
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the guest itself is inside; its host sees to the group"
    )]
    fn spawn(&self, dir: &Path, path: &str) -> io::Result<Running> {
        let make = |program: &Path| {
            let mut command = Command::new(program);
            command
                .args(&self.args)
                .env_clear()
                .env("PATH", path)
                .env("HOME", dir)
                .env("TMPDIR", dir)
                .env("LANG", "C.UTF-8")
                .envs(self.env.iter().map(|(name, value)| (name, value)))
                .current_dir(dir)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            command
        };
        let child = match make(&self.program).spawn() {
            // Nothing may be executed there: from memory it may.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                let copy = in_memory(&self.program)?;
                let path = format!("/proc/self/fd/{}", copy.as_raw_fd());
                make(Path::new(&path)).spawn()?
            }
            other => other?,
        };
        Running::new(child)
    }
}

/// A file that lies in memory only.
fn in_memory(program: &Path) -> io::Result<File> {
    let mut copy = File::from(memfd_create("program", MemfdFlags::CLOEXEC)?);
    copy.write_all(&std::fs::read(program)?)?;
    Ok(copy)
}

fn without_core_dumps() {
    let own = getrlimit(Resource::Core);
    let none = Rlimit {
        current: Some(0),
        maximum: own.maximum,
    };
    // Less is always allowed.
    let _ = setrlimit(Resource::Core, none);
}

impl Running {
    fn new(mut child: Child) -> io::Result<Self> {
        let (ended, end) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let streams = [
            Output::new(Stream::Stdout, child.stdout.take().map(OwnedFd::from))?,
            Output::new(Stream::Stderr, child.stderr.take().map(OwnedFd::from))?,
        ];
        thread::Builder::new().stack_size(64 << 10).spawn(move || {
            if let Some(pid) = pid {
                // It is left for `status` to be taken.
                let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
                while matches!(waitid(WaitId::Pid(pid), options), Err(Errno::INTR)) {}
            }
            drop(end);
        })?;
        Ok(Self {
            child,
            streams,
            ended: Some(ended),
        })
    }

    /// What is readable once it ended.
    pub(super) fn ended(&self) -> Option<BorrowedFd<'_>> {
        self.ended.as_ref().map(AsFd::as_fd)
    }

    /// How it ended; after [`ended`](Self::ended) said so.
    pub(super) fn status(&mut self) -> Option<ExitStatus> {
        self.child.wait().ok()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        family::end();
    }
}

impl Output {
    fn new(stream: Stream, file: Option<OwnedFd>) -> io::Result<Self> {
        if let Some(file) = &file {
            fcntl_setfl(file, fcntl_getfl(file)? | OFlags::NONBLOCK)?;
        }
        Ok(Self {
            stream,
            file: file.map(File::from),
            rest: Vec::new(),
            tail: Vec::new(),
        })
    }

    /// What is readable when there is something to read.
    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.file.as_ref().map(AsFd::as_fd)
    }

    /// Reads a piece of what is there: complete characters. `None` when nothing is there.
    pub(super) fn read(&mut self) -> Option<String> {
        let mut piece = vec![0; PIECE];
        let file = self.file.as_mut()?;
        let read = match file.read(&mut piece) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Some(String::new()),
            Err(_) => 0,
        };
        if read == 0 {
            self.file = None;
            let rest = std::mem::take(&mut self.rest);
            return (!rest.is_empty()).then(|| String::from_utf8_lossy(&rest).into_owned());
        }
        piece.truncate(read);
        self.keep(&piece);
        let mut bytes = std::mem::take(&mut self.rest);
        bytes.extend_from_slice(&piece);
        self.rest = bytes.split_off(complete(&bytes));
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The end of what was written.
    pub(super) fn tail(&self) -> String {
        String::from_utf8_lossy(&self.tail).into_owned()
    }

    fn keep(&mut self, piece: &[u8]) {
        self.tail.extend_from_slice(piece);
        let over = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..over);
    }
}

/// How many of these bytes do not end within a character.
fn complete(bytes: &[u8]) -> usize {
    for back in 1..=bytes.len().min(3) {
        let at = bytes.len() - back;
        let Some(&byte) = bytes.get(at) else { break };
        if byte & 0b1100_0000 == 0b1000_0000 {
            continue;
        }
        let length = match byte {
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf7 => 4,
            _ => 1,
        };
        return if length > back { at } else { bytes.len() };
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_not_cut() {
        let text = "aé€😀".as_bytes();
        let complete = (0..=text.len()).map(|end| complete(&text[..end]));
        assert_eq!(
            complete.collect::<Vec<_>>(),
            [0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10]
        );
        assert_eq!(super::complete(b"a\xff"), 2);
        assert_eq!(super::complete(b"\x80\x80\x80\x80"), 4);
    }
}
