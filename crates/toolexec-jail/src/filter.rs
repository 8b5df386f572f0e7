//! The system calls that are left.

use std::io;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

/// What an interpreter needs that reads, writes, computes and ends. Nothing here opens, connects,
/// starts or names anything.
const PLAIN: &[libc::c_long] = &[
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_ppoll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    libc::SYS_close,
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_futex,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_gettimeofday,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_time,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_sched_yield,
    libc::SYS_getrandom,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    // Aborting is a signal to oneself, and there is nobody else.
    libc::SYS_tgkill,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Memory may be mapped and protected, but never be made executable.
const MEMORY: &[libc::c_long] = &[libc::SYS_mmap, libc::SYS_mprotect];
/// The place of the protection among the arguments of both.
const PROTECTION: u8 = 2;

/// Puts the filter on all threads of this process. Whatever is not on the list fails with
/// `EPERM`.
pub(crate) fn install() -> io::Result<()> {
    let filter = program().map_err(io::Error::other)?;
    seccompiler::apply_filter_all_threads(&filter).map_err(io::Error::other)
}

fn program() -> Result<BpfProgram, seccompiler::BackendError> {
    let not_executable = SeccompRule::new(vec![SeccompCondition::new(
        PROTECTION,
        SeccompCmpArgLen::Dword,
        SeccompCmpOp::MaskedEq(libc::PROT_EXEC.cast_unsigned().into()),
        0,
    )?])?;
    let plain = PLAIN.iter().map(|call| (*call, Vec::new()));
    let memory = MEMORY
        .iter()
        .map(|call| (*call, vec![not_executable.clone()]));
    SeccompFilter::new(
        plain.chain(memory).collect(),
        SeccompAction::Errno(libc::EPERM.cast_unsigned()),
        SeccompAction::Allow,
        TargetArch::try_from(std::env::consts::ARCH)?,
    )?
    .try_into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_compiles_and_lists_nothing_that_reaches_out() {
        assert!(program().unwrap().len() > PLAIN.len());
        let reaching = [
            libc::SYS_clone,
            libc::SYS_clone3,
            libc::SYS_execve,
            libc::SYS_openat,
            libc::SYS_socket,
            libc::SYS_kill,
            libc::SYS_ioctl,
            libc::SYS_prctl,
            libc::SYS_ptrace,
        ];
        for call in reaching {
            assert!(!PLAIN.contains(&call) && !MEMORY.contains(&call), "{call}");
        }
    }
}
