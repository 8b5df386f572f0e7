//! What a locked-in program is held by.

use std::os::unix::net::UnixStream;
use std::sync::Arc;

use toolexec_process::{Exit, Keeper};

use crate::cgroup::Group;
use crate::tools::bounds::Bounds;
use crate::tools::network::Served;

/// What a locked-in program is held by. Its launcher ends it when this is dropped, in whatever
/// way.
#[derive(Debug)]
pub(super) struct Hold {
    // Dropped first: the launcher sees it.
    _socket: Arc<UnixStream>,
    _network: Option<Served>,
    group: Option<Group>,
    bounds: Bounds,
}

impl Hold {
    pub(super) fn new(
        socket: Arc<UnixStream>,
        network: Option<Served>,
        group: Option<Group>,
        bounds: Bounds,
    ) -> Self {
        Self {
            _socket: socket,
            _network: network,
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
