//! What a locked-in program is held by.

use std::os::unix::net::UnixStream;
use std::sync::Arc;

use tokio::task::JoinHandle;
use toolexec_process::{Exit, Keeper};

use super::bounds::{Bounds, size};
use crate::cgroup::Group;

/// What a locked-in program is held by. Its launcher ends it when this is dropped, in whatever
/// way.
#[derive(Debug)]
pub(super) struct Hold {
    // Dropped first: the launcher sees it.
    _socket: Arc<UnixStream>,
    proxy: Option<JoinHandle<()>>,
    group: Option<Group>,
    bounds: Bounds,
}

impl Hold {
    pub(super) fn new(
        socket: Arc<UnixStream>,
        proxy: Option<JoinHandle<()>>,
        group: Option<Group>,
        bounds: Bounds,
    ) -> Self {
        Self {
            _socket: socket,
            proxy,
            group,
            bounds,
        }
    }
}

impl Keeper for Hold {
    fn exceeded(&self, exit: Exit) -> Option<String> {
        // One of its processes may have been ended by the kernel without the others noticing.
        if exit.is_success() {
            return None;
        }
        let memory = self.bounds.memory?;
        let is_starved = self.group.as_ref().is_some_and(Group::is_starved);
        is_starved.then(|| format!("ran out of memory ({})", size(memory)))
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(proxy) = &self.proxy {
            proxy.abort();
        }
    }
}
