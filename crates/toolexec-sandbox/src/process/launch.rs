//! Starting guests that lock themselves in.

use std::path::PathBuf;
use std::sync::OnceLock;

use toolexec_core::sandbox::Language;
use toolexec_core::{Error, Result};
use toolexec_jail::{PID_BYTES, Spec};
use toolexec_process::Command;

use super::spec;
use crate::cgroup::{Cgroups, Group, Tree};
use crate::label::{self, Label};
use crate::piped::{Piped, warm};
use crate::pool::Launch;
use crate::unavailable;

/// Starts guests.
pub(super) struct Launcher {
    program: PathBuf,
    is_root: bool,
    cgroups: OnceLock<Option<Cgroups>>,
}

/// A guest that locked itself in and has said hello.
pub(super) struct Inmate {
    // Dropped first: the group can go when the guest is dead.
    pub(super) piped: Piped,
    /// The process id of the guest itself, behind its supervisor.
    pub(super) pid: u32,
    pub(super) group: Option<Group>,
}

impl Launcher {
    pub(super) fn new(program: PathBuf) -> Self {
        Self {
            program,
            is_root: rustix::process::geteuid().is_root(),
            cgroups: OnceLock::new(),
        }
    }

    /// The control groups, if this process may make any. Looks at the first call.
    pub(super) fn cgroups(&self) -> Option<&Cgroups> {
        let find = || Tree::find().map(|tree| Cgroups::new(tree, Label::own()));
        self.cgroups.get_or_init(find).as_ref()
    }
}

impl Launch for Launcher {
    type Kind = Language;
    type Guest = Inmate;

    async fn launch(&self, language: &Language) -> Result<Inmate> {
        let guest = label::next_guest();
        let make = |cgroups: &Cgroups| cgroups.make(guest, &spec::at_start(cgroups.version()));
        let group = self.cgroups().map(make).transpose().map_err(|error| {
            unavailable("the control group of a guest cannot be made").with_source(error)
        })?;
        let dirs = group.as_ref().map(Group::dirs).unwrap_or_default();
        let jail = spec::jail(self.is_root, std::process::id(), guest, dirs);
        let command = Command::new(self.program.to_string_lossy())
            .arg(Spec::ARGUMENT)
            .arg(jail.to_argument())
            .args(warm(*language));
        let mut piped = Piped::start(command).await.map_err(explain)?;
        let pid = piped.take_said(PID_BYTES).await.map_err(explain)?;
        let pid = pid.try_into().map_or(0, u32::from_le_bytes);
        // Its own first word: it is locked in.
        piped.hear().await.map_err(explain)?;
        Ok(Inmate { piped, pid, group })
    }

    fn is_alive(guest: &mut Inmate) -> bool {
        guest.piped.ended().is_none()
    }
}

/// Says what to do about a guest that cannot be locked in.
fn explain(error: Error) -> Error {
    let causes = error.report().causes.concat();
    let hint = if causes.contains("making namespaces") {
        "user namespaces are off or used up: sysctl user.max_user_namespaces, \
         kernel.unprivileged_userns_clone and kernel.apparmor_restrict_unprivileged_userns, or \
         the seccomp profile of the container that this runs in"
    } else if causes.contains("mount") || causes.contains("root failed") {
        "this runs in a container that may not mount: use the sandbox wasm, or give the \
         container CAP_SYS_ADMIN"
    } else if causes.contains("filtering system calls") {
        "the kernel was built without seccomp filters"
    } else {
        return error;
    };
    error.with_hint(hint)
}
