//! What to do about a program that cannot be locked in.

use std::error::Error;

use toolexec_cell::GiveError;
use toolexec_process::{ConfineError, SpawnError};

/// `ENOENT` and `EACCES`.
const NOT_FOUND: i32 = 2;
const NOT_ALLOWED: i32 = 13;

/// Something that should not happen.
pub(super) fn broken(error: impl Into<Box<dyn Error + Send + Sync>>) -> ConfineError {
    ConfineError::new("the sandbox process cannot be used").with_source(error)
}

/// A launcher that cannot be started.
pub(super) fn launcher(error: SpawnError) -> SpawnError {
    match error {
        SpawnError::NotFound { .. } | SpawnError::NotExecutable { .. } => {
            ConfineError::new("the program that locks tools in cannot be started")
                .with_hint("install toolexec again; it does that itself")
                .with_source(error)
                .into()
        }
        other => other,
    }
}

/// A step of the launcher that failed, and what it wrote.
pub(super) fn step(error: GiveError, program: Option<&str>, said: Option<String>) -> ConfineError {
    let GiveError::Step {
        step: name, errno, ..
    } = &error
    else {
        let silent = broken(error);
        return match said {
            Some(said) => silent.with_source(said),
            None => silent,
        };
    };
    let program = program.map_or("the program", |program| {
        program.rsplit('/').next().unwrap_or(program)
    });
    let (message, hint) = match (name.as_str(), *errno) {
        ("executing the program", Some(NOT_FOUND)) => (
            format!(
                "{program} cannot be executed in its sandbox: what interprets or loads it is not there"
            ),
            "add what it is made of to `mounts`, such as the directory of its interpreter",
        ),
        ("executing the program", Some(NOT_ALLOWED)) => (
            format!("{program} may not be executed in its sandbox"),
            "it must be executable by the user that runs toolexec: chmod +x",
        ),
        ("entering the working directory", _) => (
            "the working directory is not in the sandbox".to_owned(),
            "`cwd` must be in one of the `mounts`, or /tmp",
        ),
        ("mounting", _) => (
            "something that the sandbox shows cannot be mounted".to_owned(),
            "see whether every path of `mounts` is there, and may be read by this user",
        ),
        ("making namespaces" | "mapping the user" | "mapping the group", _) => (
            "the kernel does not let a sandbox be made".to_owned(),
            "user namespaces are off or used up: sysctl user.max_user_namespaces, \
             kernel.unprivileged_userns_clone and kernel.apparmor_restrict_unprivileged_userns, \
             or the seccomp profile of the container that this runs in",
        ),
        (name, _) if name.contains("mount") || name.contains("root") => (
            "the kernel does not let the root of a sandbox be made".to_owned(),
            "it needs Linux 5.12; in a container it needs CAP_SYS_ADMIN and a whole /proc",
        ),
        _ => return broken(error),
    };
    ConfineError::new(message)
        .with_hint(hint)
        .with_source(error)
}
