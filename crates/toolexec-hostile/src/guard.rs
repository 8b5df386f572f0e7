//! Makes sure that this runs in a sandbox before it attacks anything.
#![expect(unsafe_code, reason = "asks the kernel who it is")]

/// The process ids that a world of processes gives out once only, at its start: nothing that a
/// user starts on a machine has one of them.
const FIRST_PIDS: u32 = 300;
const VERSION_3: u32 = 0x2008_0522;

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Default, Clone, Copy)]
struct Capabilities {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Says why not, where it is not in a world of processes of its own, or holds a capability.
pub(crate) fn is_locked_in() -> Result<(), &'static str> {
    if std::process::id() >= FIRST_PIDS {
        return Err("its process id is one of the machine's");
    }
    let header = Header {
        version: VERSION_3,
        pid: 0,
    };
    let mut sets = [Capabilities::default(); 2];
    // SAFETY: both are what version 3 of the call takes, and live while it runs.
    let asked = unsafe { libc::syscall(libc::SYS_capget, &raw const header, sets.as_mut_ptr()) };
    // A filter that refuses the question is a sandbox.
    if asked == 0 && sets.iter().any(|set| set.effective | set.permitted != 0) {
        return Err("it has capabilities");
    }
    Ok(())
}
