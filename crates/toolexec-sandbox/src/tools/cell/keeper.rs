//! What a locked-in program is held by.

use std::os::unix::net::UnixStream;
use std::sync::Arc;

use tokio::task::JoinHandle;
use toolexec_process::{Exit, Keeper};

use crate::cgroup::Group;
use crate::tools::bounds::Bounds;

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
        self.bounds.exceeded(exit, self.group.as_ref())
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(proxy) = &self.proxy {
            proxy.abort();
        }
    }
}
