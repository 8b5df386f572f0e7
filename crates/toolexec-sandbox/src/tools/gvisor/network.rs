//! The network of a program on a kernel that shares none with this machine: a socket that its root
//! shows it, and a relay inside that leads a port of the loopback address to that.

use std::ffi::{OsStr, OsString};
use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use toolexec_cell::{Mount, PORT};
use toolexec_process::ConfineError;

use crate::tools::network::{Egress, Listener, Served};

/// Where the program would find the socket and the relay.
const PROXY: &str = "/etc/toolexec/proxy";
const RELAY: &str = "/etc/toolexec/init";
const SOCKET: &str = "socket";
/// The name of the directory of the socket, in that of the container.
const DIRECTORY: &str = "proxy";

/// Lets the runtime open sockets of this machine that a root shows.
pub(super) const OPTION: &str = "--host-uds=open";
/// The processes of the relay, which are not the program's.
pub(super) const PROCESSES: u64 = 1;

/// The way out of one container.
#[derive(Debug)]
pub(super) struct Way {
    listener: UnixListener,
    directory: PathBuf,
    relay: PathBuf,
}

impl Way {
    /// Makes a socket in the directory of a container, to which the relay of this file leads.
    pub(super) fn open(container: &Path, relay: &Path) -> Result<Self, ConfineError> {
        let directory = container.join(DIRECTORY);
        let listener = listen(&directory).map_err(|error| {
            ConfineError::new("the network of a tool cannot be made").with_source(error)
        })?;
        Ok(Self {
            listener,
            directory,
            relay: relay.to_owned(),
        })
    }

    /// What a root must show.
    pub(super) fn mounts(&self) -> [Mount; 2] {
        let shown = |source: &Path, target: &str| Mount {
            source: source.to_owned(),
            target: target.into(),
            write: false,
        };
        [shown(&self.directory, PROXY), shown(&self.relay, RELAY)]
    }

    /// Lets somebody take what comes out.
    pub(super) fn serve(self, by: &dyn Egress) -> Served {
        Served::by(by, Listener::Unix(self.listener))
    }
}

/// What is run in place of a program, which follows.
pub(super) fn before() -> impl Iterator<Item = OsString> {
    let port = PORT.to_string();
    let socket = Path::new(PROXY).join(SOCKET);
    let words = [
        RELAY.as_ref(),
        "relay".as_ref(),
        socket.as_os_str(),
        OsStr::new(&port),
    ];
    words.map(OsStr::to_owned).into_iter()
}

/// Makes a directory with a socket in it. The path of a socket must be short, and that of a
/// directory need not be: it is named by its descriptor.
fn listen(directory: &Path) -> io::Result<UnixListener> {
    DirBuilder::new().mode(0o700).create(directory)?;
    let opened = File::open(directory)?;
    UnixListener::bind(format!("/proc/self/fd/{}/{SOCKET}", opened.as_raw_fd()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_socket_is_made_however_long_its_path_is() {
        let work = tempfile::tempdir().unwrap();
        let directory = work.path().join("a".repeat(120));
        let listener = listen(&directory).unwrap();
        let opened = File::open(&directory).unwrap();
        let path = format!("/proc/self/fd/{}/{SOCKET}", opened.as_raw_fd());
        UnixStream::connect(path).unwrap();
        listener.accept().unwrap();
        assert!(listen(&directory).is_err());
    }
}
