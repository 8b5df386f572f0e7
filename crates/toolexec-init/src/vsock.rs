//! The virtual socket to the host, for machines that have one.

use std::fs::{self, File};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::libc;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, VsockAddr, accept4, bind, listen, setsockopt,
    socket, sockopt,
};

/// What the command line of the kernel calls the port.
const PARAMETER: &str = "toolexec.vsock=";
/// How long, in seconds, the end of a connection waits for the host to have everything.
const LINGER: i32 = 2;

/// The port on which the host looks for this machine, if it said so.
pub(crate) fn port() -> Option<u32> {
    named(&fs::read_to_string("/proc/cmdline").unwrap_or_default())
}

fn named(command_line: &str) -> Option<u32> {
    let mut words = command_line.split_whitespace();
    words.find_map(|word| word.strip_prefix(PARAMETER)?.parse().ok())
}

/// Waits for hosts. It survives that the machine is saved and restored; connections do not.
pub(crate) struct Listener(OwnedFd);

impl Listener {
    pub(crate) fn new(port: u32) -> Result<Self, String> {
        let failed = |error| format!("listening for the host failed: {error}");
        let socket = socket(
            AddressFamily::Vsock,
            SockType::Stream,
            SockFlag::SOCK_CLOEXEC,
            None,
        )
        .map_err(failed)?;
        let address = VsockAddr::new(libc::VMADDR_CID_ANY, port);
        bind(socket.as_raw_fd(), &address).map_err(failed)?;
        let one = Backlog::new(1).map_err(failed)?;
        listen(&socket, one).map_err(failed)?;
        Ok(Self(socket))
    }

    /// The next connection.
    #[expect(
        unsafe_code,
        reason = "the descriptor of a connection is a number here"
    )]
    pub(crate) fn accept(&self) -> Result<File, String> {
        let failed = |error| format!("waiting for the host failed: {error}");
        let number = accept4(self.0.as_raw_fd(), SockFlag::SOCK_CLOEXEC).map_err(failed)?;
        // SAFETY: it was just made, and nobody else has it.
        let connection = unsafe { OwnedFd::from_raw_fd(number) };
        let linger = libc::linger {
            l_onoff: 1,
            l_linger: LINGER,
        };
        setsockopt(&connection, sockopt::Linger, &linger).map_err(failed)?;
        Ok(File::from(connection))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_read_from_the_command_line() {
        assert_eq!(named("quiet toolexec.vsock=1024 panic=-1\n"), Some(1024));
        for without in [
            "",
            "quiet",
            "toolexec.vsock=",
            "toolexec.vsock=x",
            "vsock=1",
        ] {
            assert_eq!(named(without), None, "{without}");
        }
    }
}
