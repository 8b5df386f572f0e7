//! Which system calls are left to a container.
//!
//! Names that a runtime does not know, because another processor has them or it is older, it
//! leaves out.

use serde_json::{Value, json};

/// What `EPERM` and `ENOSYS` are on Linux.
const EPERM: u32 = 1;
const ENOSYS: u32 = 38;
/// `CLONE_THREAD`.
const THREAD: u64 = 0x0001_0000;
/// The flags with which `clone` makes namespaces.
const NAMESPACES: u64 = 0x7e02_0000;
/// Families of sockets that reach around the network namespace, or into little used code:
/// `AF_ALG` and `AF_VSOCK`.
const FAMILIES: [u64; 2] = [38, 40];

/// What the guest takes to start and to serve, and the runtime to execute it.
const GUEST: &[&str] = &[
    "arch_prctl",
    "brk",
    "clock_getres",
    "clock_gettime",
    "clock_nanosleep",
    "close",
    "execve",
    "exit",
    "exit_group",
    "fcntl",
    "fstat",
    "futex",
    "getpid",
    "getrandom",
    "gettid",
    "gettimeofday",
    "madvise",
    "mmap",
    "mprotect",
    "mremap",
    "munmap",
    "nanosleep",
    "newfstatat",
    "open",
    "openat",
    "poll",
    "ppoll",
    "prlimit64",
    "read",
    "readlink",
    "readlinkat",
    "readv",
    "restart_syscall",
    "rseq",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sched_getaffinity",
    "sched_yield",
    "set_robust_list",
    "set_tid_address",
    "sigaltstack",
    "tgkill",
    "time",
    "write",
    "writev",
];

/// What the runtime itself, a Go program, does once more between taking the filter and executing
/// the guest.
const RUNTIME: &[&str] = &[
    "close_range",
    "epoll_ctl",
    "epoll_pwait",
    "faccessat2",
    "fstatfs",
    "getdents64",
    "getppid",
    "openat2",
    "statx",
];

/// What programs of an ordinary root take besides: files, processes, sockets, timers. Nothing here
/// mounts, traces, loads, makes namespaces, keeps keys, or opens an interface to the kernel such
/// as those to bpf, perf, uring and faults.
const PROGRAMS: &[&str] = &[
    "accept",
    "accept4",
    "access",
    "alarm",
    "bind",
    "capget",
    "chdir",
    "chmod",
    "connect",
    "copy_file_range",
    "creat",
    "dup",
    "dup2",
    "dup3",
    "epoll_create",
    "epoll_create1",
    "epoll_pwait2",
    "epoll_wait",
    "eventfd",
    "eventfd2",
    "execveat",
    "faccessat",
    "fadvise64",
    "fallocate",
    "fchdir",
    "fchmod",
    "fchmodat",
    "fchown",
    "fchownat",
    "fdatasync",
    "flock",
    "fork",
    "fsync",
    "ftruncate",
    "futex_waitv",
    "futimesat",
    "get_robust_list",
    "getcpu",
    "getcwd",
    "getdents",
    "getegid",
    "geteuid",
    "getgid",
    "getgroups",
    "getitimer",
    "getpeername",
    "getpgid",
    "getpgrp",
    "getpriority",
    "getresgid",
    "getresuid",
    "getrlimit",
    "getrusage",
    "getsid",
    "getsockname",
    "getsockopt",
    "getuid",
    "getxattr",
    "inotify_add_watch",
    "inotify_init",
    "inotify_init1",
    "inotify_rm_watch",
    "ioctl",
    "kill",
    "lgetxattr",
    "link",
    "linkat",
    "listen",
    "listxattr",
    "llistxattr",
    "lseek",
    "lstat",
    "membarrier",
    "memfd_create",
    "mincore",
    "mkdir",
    "mkdirat",
    "mlock",
    "mlock2",
    "msync",
    "munlock",
    "pause",
    "pidfd_open",
    "pidfd_send_signal",
    "pipe",
    "pipe2",
    "pread64",
    "preadv",
    "preadv2",
    "prctl",
    "pselect6",
    "pwrite64",
    "pwritev",
    "pwritev2",
    "recvfrom",
    "recvmmsg",
    "recvmsg",
    "rename",
    "renameat",
    "renameat2",
    "rmdir",
    "rt_sigpending",
    "rt_sigqueueinfo",
    "rt_sigsuspend",
    "rt_sigtimedwait",
    "sched_get_priority_max",
    "sched_get_priority_min",
    "sched_getparam",
    "sched_getscheduler",
    "sched_setaffinity",
    "select",
    "sendfile",
    "sendmmsg",
    "sendmsg",
    "sendto",
    "setgid",
    "setgroups",
    "setitimer",
    "setpgid",
    "setresgid",
    "setresuid",
    "setrlimit",
    "setsid",
    "setsockopt",
    "setuid",
    "shutdown",
    "signalfd",
    "signalfd4",
    "socketpair",
    "splice",
    "stat",
    "statfs",
    "symlink",
    "symlinkat",
    "sync",
    "sysinfo",
    "tee",
    "timer_create",
    "timer_delete",
    "timer_getoverrun",
    "timer_gettime",
    "timer_settime",
    "timerfd_create",
    "timerfd_gettime",
    "timerfd_settime",
    "times",
    "tkill",
    "truncate",
    "umask",
    "uname",
    "unlink",
    "unlinkat",
    "utime",
    "utimensat",
    "utimes",
    "vfork",
    "wait4",
    "waitid",
];

/// The filter for a root with nothing in it but the guest: no process is started, nothing is
/// changed and no socket is made.
pub(crate) fn for_guest() -> Value {
    let threads_only = json!({
        "names": ["clone"],
        "action": "SCMP_ACT_ALLOW",
        "args": [{"index": 0, "value": THREAD, "valueTwo": THREAD, "op": "SCMP_CMP_MASKED_EQ"}],
    });
    filter(vec![allow(&[GUEST, RUNTIME].concat()), threads_only])
}

/// The filter for a root with programs in it.
pub(crate) fn for_programs() -> Value {
    let no_namespaces = json!({
        "names": ["clone"],
        "action": "SCMP_ACT_ALLOW",
        "args": [{"index": 0, "value": NAMESPACES, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}],
    });
    let [low, high] = FAMILIES;
    // The rules of one call are joined by "or": below the first, between the two, above the second.
    let socket = |value: u64, op: &str| {
        json!({
            "names": ["socket"],
            "action": "SCMP_ACT_ALLOW",
            "args": [{"index": 0, "value": value, "op": op}],
        })
    };
    filter(vec![
        allow(&[GUEST, RUNTIME, PROGRAMS].concat()),
        no_namespaces,
        socket(low, "SCMP_CMP_LT"),
        socket(low + 1, "SCMP_CMP_EQ"),
        socket(high, "SCMP_CMP_GT"),
    ])
}

fn allow(names: &[&str]) -> Value {
    json!({"names": names, "action": "SCMP_ACT_ALLOW"})
}

fn filter(mut rules: Vec<Value>) -> Value {
    // Its flags are behind a pointer, which a filter cannot follow; without it `clone` is used.
    rules.push(json!({
        "names": ["clone3"],
        "action": "SCMP_ACT_ERRNO",
        "errnoRet": ENOSYS,
    }));
    json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": EPERM,
        "architectures": [architecture()],
        "syscalls": rules,
    })
}

/// Only the processor's own calls: those of 32 bits have other numbers and are not looked at.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "SCMP_ARCH_AARCH64",
        _ => "SCMP_ARCH_X86_64",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guest_has_few_calls_and_programs_have_none_that_open_the_kernel() {
        let reaching = [
            "socket", "kill", "unlink", "mkdir", "ioctl", "fork", "clone",
        ];
        for call in reaching {
            assert!(![GUEST, RUNTIME].concat().contains(&call), "{call}");
        }
        let opening = [
            "bpf",
            "io_uring_setup",
            "keyctl",
            "mount",
            "perf_event_open",
            "ptrace",
            "setns",
            "unshare",
            "userfaultfd",
            "process_vm_readv",
            "open_by_handle_at",
            "clone3",
            "socket",
        ];
        let all = [GUEST, RUNTIME, PROGRAMS].concat();
        for call in opening {
            assert!(!all.contains(&call), "{call}");
        }
        let mut once = all.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), all.len(), "each stands in one list only");
    }
}
