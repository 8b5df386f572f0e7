//! What a guest that reaches out of its sandbox would find on this machine.

use std::fs;
use std::io::ErrorKind;
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::PathBuf;

use serde_json::json;
use tempfile::TempDir;
use toolexec_core::code::Submission;

const SECRET: &str = "nobody reads this";

/// A file, sockets and a process, for everybody to find who is out.
pub(crate) struct Bait {
    directory: TempDir,
    socket: UnixListener,
    named: UnixListener,
    tcp: TcpListener,
    udp: UdpSocket,
}

impl Bait {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let open = |path: PathBuf, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        open(directory.path().to_owned(), 0o755);
        fs::write(directory.path().join("secret"), SECRET).unwrap();
        open(directory.path().join("secret"), 0o666);
        let socket = UnixListener::bind(directory.path().join("socket")).unwrap();
        open(directory.path().join("socket"), 0o777);
        let name = SocketAddr::from_abstract_name(Self::name()).unwrap();
        let bait = Self {
            directory,
            socket,
            named: UnixListener::bind_addr(&name).unwrap(),
            tcp: TcpListener::bind("127.0.0.1:0").unwrap(),
            udp: UdpSocket::bind("127.0.0.1:0").unwrap(),
        };
        bait.socket.set_nonblocking(true).unwrap();
        bait.named.set_nonblocking(true).unwrap();
        bait.tcp.set_nonblocking(true).unwrap();
        bait.udp.set_nonblocking(true).unwrap();
        bait
    }

    /// A program that is told where all of it is.
    pub(crate) fn told(&self, submission: Submission) -> Submission {
        let path = |name: &str| json!(self.directory.path().join(name));
        let daemon = toolexec_testkit::daemons::docker().unwrap_or_default();
        submission
            .input("file", path("secret"))
            .input("socket", path("socket"))
            .input("abstract", Self::name())
            .input("tcp", self.tcp.local_addr().unwrap().port())
            .input("udp", self.udp.local_addr().unwrap().port())
            .input("pid", std::process::id())
            .input("daemon", json!(daemon))
    }

    /// What was found and taken.
    pub(crate) fn taken(&self) -> impl Iterator<Item = String> {
        let came = |result: std::io::Result<()>| match result {
            Ok(()) => true,
            Err(error) => error.kind() != ErrorKind::WouldBlock,
        };
        let secret = fs::read_to_string(self.directory.path().join("secret")).ok();
        let names = fs::read_dir(self.directory.path()).unwrap().count();
        let mut letter = [0; 16];
        let all = [
            ("the file was changed", secret.as_deref() != Some(SECRET)),
            ("there are other files", names != 2),
            (
                "the socket was reached",
                came(self.socket.accept().map(drop)),
            ),
            (
                "the abstract socket was reached",
                came(self.named.accept().map(drop)),
            ),
            ("the port was reached", came(self.tcp.accept().map(drop))),
            ("a message came", came(self.udp.recv(&mut letter).map(drop))),
        ];
        let taken = all.into_iter().filter(|one| one.1);
        taken.map(|one| one.0.to_owned())
    }

    fn name() -> String {
        format!("toolexec-bait-{}", std::process::id())
    }
}
