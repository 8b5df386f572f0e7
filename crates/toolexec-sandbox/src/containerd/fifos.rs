//! The standard streams of a container: named pipes, which a shim opens by their names.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use nix::sys::stat::Mode;
use tokio::net::unix::pipe::{OpenOptions, Receiver, Sender};

/// The directory with the three pipes of a container. Only this user may look into it.
#[derive(Debug)]
pub(super) struct Fifos {
    dir: PathBuf,
}

/// Our ends of the pipes. The shim opens the others when it makes the container.
#[derive(Debug)]
pub(super) struct Ends {
    // Reads as well, so that it can be opened before anybody reads at the other end.
    stdin: Sender,
    stdout: Receiver,
    stderr: Receiver,
}

impl Fifos {
    /// Makes the pipes of the container `id`.
    pub(super) fn make(base: &Path, id: &str) -> io::Result<Self> {
        fs::create_dir_all(base)?;
        let dir = base.join(id);
        // One that is there already may be somebody else's.
        DirBuilder::new().mode(0o700).create(&dir)?;
        let fifos = Self { dir };
        for path in [fifos.stdin(), fifos.stdout(), fifos.stderr()] {
            if let Err(error) = nix::unistd::mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR) {
                remove(&fifos.dir);
                return Err(error.into());
            }
        }
        Ok(fifos)
    }

    /// Opens our ends.
    pub(super) fn open(&self) -> io::Result<Ends> {
        let open = OpenOptions::new();
        Ok(Ends {
            stdin: OpenOptions::new()
                .read_write(true)
                .open_sender(self.stdin())?,
            stdout: open.open_receiver(self.stdout())?,
            stderr: open.open_receiver(self.stderr())?,
        })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn stdin(&self) -> PathBuf {
        self.dir.join("stdin")
    }

    pub(super) fn stdout(&self) -> PathBuf {
        self.dir.join("stdout")
    }

    pub(super) fn stderr(&self) -> PathBuf {
        self.dir.join("stderr")
    }
}

impl Ends {
    /// The three ends, once the shim has opened its own: from then on, writing to a guest that is
    /// gone fails, and closing the writer is the end of the guest's input.
    pub(super) fn split(self, fifos: &Fifos) -> io::Result<(Sender, Receiver, Receiver)> {
        let writer = OpenOptions::new().open_sender(fifos.stdin())?;
        drop(self.stdin);
        Ok((writer, self.stdout, self.stderr))
    }
}

/// Removes the pipes in a directory, and the directory.
pub(super) fn remove(dir: &Path) {
    // Nothing else is in it, so nothing else is removed.
    for name in ["stdin", "stdout", "stderr"] {
        let _ = fs::remove_file(dir.join(name));
    }
    let _ = fs::remove_dir(dir);
}
