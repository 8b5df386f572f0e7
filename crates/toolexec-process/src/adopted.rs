//! Processes that left the group of the child that started them.

use std::io;
use std::os::fd::OwnedFd;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::watchdog;

/// A process in a group of its own that ends when this is dropped, or with this process.
#[derive(Debug)]
pub(crate) struct Adopted {
    process: OwnedFd,
    group: i32,
}

impl Adopted {
    /// Adopts the leader of a group.
    pub(crate) fn new(pid: u32) -> io::Result<Self> {
        let gone = || io::Error::from(io::ErrorKind::NotFound);
        let group = i32::try_from(pid).map_err(io::Error::other)?;
        let pid = Pid::from_raw(group).ok_or_else(gone)?;
        let process = pidfd_open(pid, PidfdFlags::empty())?;
        watchdog::register(group)?;
        Ok(Self { process, group })
    }
}

impl Drop for Adopted {
    fn drop(&mut self) {
        // Unlike its id, the descriptor means this process and no other. It fails when the process
        // has ended, which is what we want.
        let _ = pidfd_send_signal(&self.process, Signal::KILL);
        watchdog::forget(self.group);
    }
}
