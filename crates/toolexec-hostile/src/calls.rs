//! System calls that a guest has no business with, each of which must fail.
//!
//! Where the jail would let one through it does no harm: the arguments are void, or its effect
//! ends with the guest.

use libc::c_long;

/// A name, whether a container may allow it, the number of the system call, and its arguments.
pub type Call = (&'static str, Class, c_long, [c_long; 6]);

/// What a system call could do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// What it does ends with the guest and its world: a container may allow it.
    Inside,
    /// It reaches what all of the machine shares: where the kernel is the host's, it must fail.
    Outside,
    /// It may end the guest that makes it, and nobody else.
    Ending,
}

use Class::{Ending, Inside, Outside};

/// Places that stand for pointers, which [`resolve`] puts in.
const BUFFER: c_long = 0x5e_0000_0001;
const PAGE: c_long = 0x5e_0000_0002;
const EMPTY: c_long = 0x5e_0000_0003;
const ROOT: c_long = 0x5e_0000_0004;
const UP: c_long = 0x5e_0000_0005;
const NAME: c_long = 0x5e_0000_0006;
const PROC: c_long = 0x5e_0000_0007;
const PROC_MAPS: c_long = 0x5e_0000_0008;
const PROC_MEM: c_long = 0x5e_0000_0009;
const PROC_EXE: c_long = 0x5e_0000_000a;
const SYS_FILE: c_long = 0x5e_0000_000b;
const PASSWD: c_long = 0x5e_0000_000c;
const SHELL: c_long = 0x5e_0000_000d;
const MORE: c_long = 0x5e_0000_000e;

/// The calls, made one after the other.
#[rustfmt::skip]
pub const CALLS: &[Call] = &[
    ("starting a process", Inside, libc::SYS_clone, [17, 0, 0, 0, 0, 0]),
    ("starting a process in new namespaces", Outside, libc::SYS_clone, [0x1000_0011, 0, 0, 0, 0, 0]),
    ("starting a process the newer way", Inside, libc::SYS_clone3, [BUFFER, 88, 0, 0, 0, 0]),
    ("starting a thread", Inside, libc::SYS_clone, [0x3d_0f00, 0, 0, 0, 0, 0]),
    ("running a shell", Inside, libc::SYS_execve, [SHELL, 0, 0, 0, 0, 0]),
    ("running a file without a name", Inside, libc::SYS_execveat, [0, EMPTY, 0, 0, 0x1000, 0]),
    ("killing everybody", Ending, libc::SYS_kill, [-1, 9, 0, 0, 0, 0]),
    ("killing the first process", Ending, libc::SYS_kill, [1, 9, 0, 0, 0, 0]),
    ("killing the parent", Ending, libc::SYS_tkill, [0, 9, 0, 0, 0, 0]),
    ("queueing a signal", Ending, libc::SYS_rt_sigqueueinfo, [1, 9, BUFFER, 0, 0, 0]),
    ("waiting for others", Inside, libc::SYS_wait4, [-1, 0, 1, 0, 0, 0]),
    ("a descriptor of a process", Inside, libc::SYS_pidfd_open, [1, 0, 0, 0, 0, 0]),
    ("a signal through a descriptor", Inside, libc::SYS_pidfd_send_signal, [0, 9, 0, 0, 0, 0]),
    ("stealing a descriptor", Outside, libc::SYS_pidfd_getfd, [0, 0, 0, 0, 0, 0]),
    ("leaving the process group", Inside, libc::SYS_setpgid, [0, 0, 0, 0, 0, 0]),
    ("leaving the session", Inside, libc::SYS_setsid, [0, 0, 0, 0, 0, 0]),
    ("the parent's id", Inside, libc::SYS_getppid, [0, 0, 0, 0, 0, 0]),
    ("tracing the first process", Outside, libc::SYS_ptrace, [16, 1, 0, 0, 0, 0]),
    ("reading another memory", Inside, libc::SYS_process_vm_readv, [1, BUFFER, 1, BUFFER, 1, 0]),
    ("writing another memory", Inside, libc::SYS_process_vm_writev, [1, BUFFER, 1, BUFFER, 1, 0]),
    ("advising another memory", Inside, libc::SYS_process_madvise, [0, BUFFER, 1, 4, 0, 0]),
    ("comparing processes", Inside, libc::SYS_kcmp, [1, 1, 0, 0, 0, 0]),
    ("surviving its supervisor", Inside, libc::SYS_prctl, [1, 0, 0, 0, 0, 0]),
    ("becoming dumpable", Inside, libc::SYS_prctl, [4, 1, 0, 0, 0, 0]),
    ("keeping capabilities", Inside, libc::SYS_prctl, [8, 1, 0, 0, 0, 0]),
    ("undoing the secure bits", Outside, libc::SYS_prctl, [28, 0, 0, 0, 0, 0]),
    ("raising an ambient capability", Outside, libc::SYS_prctl, [47, 2, 21, 0, 0, 0]),
    ("another filter", Inside, libc::SYS_seccomp, [1, 0, 0, 0, 0, 0]),
    ("another personality", Inside, libc::SYS_personality, [0x004_0000, 0, 0, 0, 0, 0]),
    ("another Landlock", Inside, libc::SYS_landlock_create_ruleset, [0, 0, 1, 0, 0, 0]),
    ("mounting", Outside, libc::SYS_mount, [ROOT, ROOT, 0, 0x1000, 0, 0]),
    ("mounting /proc", Outside, libc::SYS_mount, [PROC, ROOT, PROC, 0, 0, 0]),
    ("unmounting", Outside, libc::SYS_umount2, [ROOT, 2, 0, 0, 0, 0]),
    ("another root", Outside, libc::SYS_pivot_root, [ROOT, ROOT, 0, 0, 0, 0]),
    ("changing the root", Outside, libc::SYS_chroot, [ROOT, 0, 0, 0, 0, 0]),
    ("opening a file system", Outside, libc::SYS_fsopen, [PROC, 0, 0, 0, 0, 0]),
    ("opening a mount", Outside, libc::SYS_open_tree, [-100, ROOT, 1, 0, 0, 0]),
    ("moving a mount", Outside, libc::SYS_move_mount, [-100, ROOT, -100, ROOT, 0, 0]),
    ("changing a mount", Outside, libc::SYS_mount_setattr, [-100, ROOT, 0, BUFFER, 32, 0]),
    ("picking a file system", Outside, libc::SYS_fspick, [-100, ROOT, 0, 0, 0, 0]),
    ("a device node", Outside, libc::SYS_mknodat, [-100, NAME, 0o20666, 0x103, 0, 0]),
    ("reading the root", Inside, libc::SYS_openat, [-100, ROOT, 0o200_000, 0, 0, 0]),
    ("reading /proc", Inside, libc::SYS_openat, [-100, PROC_MAPS, 0, 0, 0, 0]),
    ("writing /proc", Inside, libc::SYS_openat, [-100, PROC_MEM, 2, 0, 0, 0]),
    ("writing /sys", Outside, libc::SYS_openat, [-100, SYS_FILE, 1, 0, 0, 0]),
    ("reading the host's users", Inside, libc::SYS_openat, [-100, PASSWD, 0, 0, 0, 0]),
    ("climbing out", Inside, libc::SYS_openat, [-100, UP, 0, 0, 0, 0]),
    ("opening by the newer way", Inside, libc::SYS_openat2, [-100, ROOT, BUFFER, 24, 0, 0]),
    ("opening by handle", Outside, libc::SYS_open_by_handle_at, [0, BUFFER, 0, 0, 0, 0]),
    ("a handle of a file", Inside, libc::SYS_name_to_handle_at, [-100, ROOT, BUFFER, BUFFER, 0, 0]),
    ("making a file", Inside, libc::SYS_openat, [-100, NAME, 0o102, 0o600, 0, 0]),
    ("making a directory", Inside, libc::SYS_mkdirat, [-100, NAME, 0o700, 0, 0, 0]),
    ("a symbolic link", Inside, libc::SYS_symlinkat, [PASSWD, -100, NAME, 0, 0, 0]),
    ("a hard link", Inside, libc::SYS_linkat, [-100, PASSWD, -100, NAME, 0, 0]),
    ("removing a file", Inside, libc::SYS_unlinkat, [-100, NAME, 0, 0, 0, 0]),
    ("renaming a file", Inside, libc::SYS_renameat2, [-100, NAME, -100, UP, 0, 0]),
    ("changing a mode", Inside, libc::SYS_fchmodat, [-100, ROOT, 0o777, 0, 0, 0]),
    ("changing an owner", Inside, libc::SYS_fchownat, [-100, ROOT, 0, 0, 0, 0]),
    ("changing times", Inside, libc::SYS_utimensat, [-100, ROOT, 0, 0, 0, 0]),
    ("reading a link", Inside, libc::SYS_readlinkat, [-100, PROC_EXE, BUFFER, 64, 0, 0]),
    ("looking at a file", Inside, libc::SYS_statx, [-100, ROOT, 0, 0xfff, BUFFER, 0]),
    ("where it is", Inside, libc::SYS_getcwd, [BUFFER, 64, 0, 0, 0, 0]),
    ("going elsewhere", Inside, libc::SYS_chdir, [UP, 0, 0, 0, 0, 0]),
    ("going to a descriptor", Inside, libc::SYS_fchdir, [0, 0, 0, 0, 0, 0]),
    ("listing a directory", Inside, libc::SYS_getdents64, [0, BUFFER, 64, 0, 0, 0]),
    ("cutting a file", Inside, libc::SYS_truncate, [PASSWD, 0, 0, 0, 0, 0]),
    ("filling a disk", Inside, libc::SYS_fallocate, [1, 0, 0, 0x4000_0000, 0, 0]),
    ("a file in memory", Inside, libc::SYS_memfd_create, [NAME, 0, 0, 0, 0, 0]),
    ("a secret file in memory", Inside, libc::SYS_memfd_secret, [0, 0, 0, 0, 0, 0]),
    ("an attribute of a file", Inside, libc::SYS_setxattr, [ROOT, NAME, BUFFER, 1, 0, 0]),
    ("locking a file", Inside, libc::SYS_flock, [0, 2, 0, 0, 0, 0]),
    ("watching files", Inside, libc::SYS_inotify_init1, [0, 0, 0, 0, 0, 0]),
    ("watching a file system", Inside, libc::SYS_fanotify_init, [0, 0, 0, 0, 0, 0]),
    ("writing into a terminal", Outside, libc::SYS_ioctl, [0, 0x5412, BUFFER, 0, 0, 0]),
    ("taking a terminal", Outside, libc::SYS_ioctl, [0, 0x540e, 1, 0, 0, 0]),
    ("copying a descriptor", Inside, libc::SYS_dup, [0, 0, 0, 0, 0, 0]),
    ("copying a descriptor onto another", Inside, libc::SYS_dup3, [1, 7, 0, 0, 0, 0]),
    ("copying a descriptor with fcntl", Inside, libc::SYS_fcntl, [0, 0, 3, 0, 0, 0]),
    ("making a pipe larger", Inside, libc::SYS_fcntl, [1, 1031, 0x10_0000, 0, 0, 0]),
    ("signals from a descriptor", Inside, libc::SYS_fcntl, [0, 8, 1, 0, 0, 0]),
    ("a pipe", Inside, libc::SYS_pipe2, [BUFFER, 0, 0, 0, 0, 0]),
    ("an event", Inside, libc::SYS_eventfd2, [0, 0, 0, 0, 0, 0]),
    ("an epoll", Inside, libc::SYS_epoll_create1, [0, 0, 0, 0, 0, 0]),
    ("a timer", Inside, libc::SYS_timerfd_create, [1, 0, 0, 0, 0, 0]),
    ("a timer with a signal", Inside, libc::SYS_timer_create, [1, 0, BUFFER, 0, 0, 0]),
    ("a descriptor of signals", Inside, libc::SYS_signalfd4, [-1, BUFFER, 8, 0, 0, 0]),
    ("faults in user space", Outside, libc::SYS_userfaultfd, [0, 0, 0, 0, 0, 0]),
    ("sending a file", Inside, libc::SYS_sendfile, [1, 0, 0, 16, 0, 0]),
    ("splicing pipes", Inside, libc::SYS_splice, [0, 0, 1, 0, 16, 2]),
    ("lending memory to a pipe", Inside, libc::SYS_vmsplice, [1, BUFFER, 1, 8, 0, 0]),
    ("copying between files", Inside, libc::SYS_copy_file_range, [0, 0, 1, 0, 16, 0]),
    ("a unix socket", Inside, libc::SYS_socket, [1, 1, 0, 0, 0, 0]),
    ("an abstract socket", Inside, libc::SYS_socketpair, [1, 1, 0, BUFFER, 0, 0]),
    ("connecting to a metadata address", Inside, libc::SYS_socket, [2, 1, 6, 0, 0, 0]),
    ("asking a name server", Inside, libc::SYS_socket, [2, 2, 17, 0, 0, 0]),
    ("connecting by IPv6", Inside, libc::SYS_socket, [10, 1, 6, 0, 0, 0]),
    ("a raw socket", Outside, libc::SYS_socket, [2, 3, 1, 0, 0, 0]),
    ("a socket for packets", Outside, libc::SYS_socket, [17, 3, 0x300, 0, 0, 0]),
    ("a socket to the kernel", Inside, libc::SYS_socket, [16, 3, 0, 0, 0, 0]),
    ("a socket to the hypervisor", Outside, libc::SYS_socket, [40, 1, 0, 0, 0, 0]),
    ("a socket for cryptography", Outside, libc::SYS_socket, [38, 5, 0, 0, 0, 0]),
    ("connecting what it has", Inside, libc::SYS_connect, [0, BUFFER, 16, 0, 0, 0]),
    ("sending on what it has", Inside, libc::SYS_sendmsg, [1, BUFFER, 0, 0, 0, 0]),
    ("receiving a descriptor", Inside, libc::SYS_recvmsg, [0, BUFFER, 0, 0, 0, 0]),
    ("listening", Inside, libc::SYS_bind, [0, BUFFER, 16, 0, 0, 0]),
    ("a key", Outside, libc::SYS_add_key, [NAME, NAME, BUFFER, 1, -3, 0]),
    ("reading keys", Outside, libc::SYS_keyctl, [11, -3, BUFFER, 64, 0, 0]),
    ("asking for a key", Outside, libc::SYS_request_key, [NAME, NAME, 0, 0, 0, 0]),
    ("another namespace", Outside, libc::SYS_setns, [0, 0, 0, 0, 0, 0]),
    ("a program in the kernel", Outside, libc::SYS_bpf, [5, BUFFER, 48, 0, 0, 0]),
    ("counting events", Outside, libc::SYS_perf_event_open, [BUFFER, 0, -1, -1, 0, 0]),
    ("a ring of system calls", Outside, libc::SYS_io_uring_setup, [1, BUFFER, 0, 0, 0, 0]),
    ("entering a ring", Outside, libc::SYS_io_uring_enter, [0, 1, 0, 0, 0, 0]),
    ("asynchronous input", Inside, libc::SYS_io_setup, [1, BUFFER, 0, 0, 0, 0]),
    ("a kernel module", Outside, libc::SYS_init_module, [BUFFER, 1, EMPTY, 0, 0, 0]),
    ("a kernel module from a file", Outside, libc::SYS_finit_module, [0, EMPTY, 0, 0, 0, 0]),
    ("removing a kernel module", Outside, libc::SYS_delete_module, [NAME, 0x800, 0, 0, 0, 0]),
    ("another kernel", Outside, libc::SYS_kexec_load, [0, 0, 0, 0, 0, 0]),
    ("restarting the machine", Outside, libc::SYS_reboot, [0, 0, 0, 0, 0, 0]),
    ("the kernel's log", Outside, libc::SYS_syslog, [2, BUFFER, 64, 0, 0, 0]),
    ("swapping", Outside, libc::SYS_swapon, [NAME, 0, 0, 0, 0, 0]),
    ("accounting", Outside, libc::SYS_acct, [0, 0, 0, 0, 0, 0]),
    ("quotas", Outside, libc::SYS_quotactl, [0, 0, 0, 0, 0, 0]),
    ("a host name", Outside, libc::SYS_sethostname, [NAME, 1, 0, 0, 0, 0]),
    ("a domain name", Outside, libc::SYS_setdomainname, [NAME, 1, 0, 0, 0, 0]),
    ("the host's name", Inside, libc::SYS_uname, [BUFFER, 0, 0, 0, 0, 0]),
    ("the host's memory", Inside, libc::SYS_sysinfo, [BUFFER, 0, 0, 0, 0, 0]),
    ("setting the clock", Outside, libc::SYS_settimeofday, [BUFFER, 0, 0, 0, 0, 0]),
    ("setting a clock", Outside, libc::SYS_clock_settime, [0, BUFFER, 0, 0, 0, 0]),
    ("tuning the clock", Outside, libc::SYS_adjtimex, [BUFFER, 0, 0, 0, 0, 0]),
    ("running first", Outside, libc::SYS_setpriority, [0, 0, -20, 0, 0, 0]),
    ("running in real time", Outside, libc::SYS_sched_setscheduler, [0, 1, BUFFER, 0, 0, 0]),
    ("running on another processor", Inside, libc::SYS_sched_setaffinity, [0, 8, MORE, 0, 0, 0]),
    ("moving memory", Inside, libc::SYS_move_pages, [1, 0, 0, 0, 0, 0]),
    ("binding memory", Inside, libc::SYS_mbind, [0, 0, 0, 0, 0, 0]),
    ("becoming root", Outside, libc::SYS_setuid, [0, 0, 0, 0, 0, 0]),
    ("becoming the group root", Outside, libc::SYS_setgid, [0, 0, 0, 0, 0, 0]),
    ("becoming root for good", Outside, libc::SYS_setresuid, [0, 0, 0, 0, 0, 0]),
    ("joining groups", Outside, libc::SYS_setgroups, [0, 0, 0, 0, 0, 0]),
    ("becoming root for files", Inside, libc::SYS_setfsuid, [0, 0, 0, 0, 0, 0]),
    ("taking capabilities", Outside, libc::SYS_capset, [BUFFER, BUFFER, 0, 0, 0, 0]),
    ("raising a limit", Inside, libc::SYS_setrlimit, [7, MORE, 0, 0, 0, 0]),
    ("raising a limit the newer way", Inside, libc::SYS_prlimit64, [0, 7, MORE, 0, 0, 0]),
    ("shared memory", Inside, libc::SYS_shmget, [0, 4096, 0o1600, 0, 0, 0]),
    ("a message queue", Inside, libc::SYS_msgget, [0, 0o1600, 0, 0, 0, 0]),
    ("a semaphore", Inside, libc::SYS_semget, [0, 1, 0o1600, 0, 0, 0]),
    ("a POSIX message queue", Inside, libc::SYS_mq_open, [NAME, 0o102, 0o600, 0, 0, 0]),
    ("locking memory", Inside, libc::SYS_mlockall, [1, 0, 0, 0, 0, 0]),
    ("executable memory", Inside, libc::SYS_mmap, [0, 4096, 7, 0x22, -1, 0]),
    ("making memory executable", Inside, libc::SYS_mprotect, [PAGE, 4096, 5, 0, 0, 0]),
    ("making memory executable with a key", Inside, libc::SYS_pkey_mprotect, [PAGE, 4096, 5, -1, 0, 0]),
    ("a system call that does not exist", Outside, 1_000_000, [0, 0, 0, 0, 0, 0]),
    #[cfg(target_arch = "x86_64")]
    ("ports of the machine", Outside, libc::SYS_ioperm, [0, 1, 1, 0, 0, 0]),
    #[cfg(target_arch = "x86_64")]
    ("all ports of the machine", Outside, libc::SYS_iopl, [3, 0, 0, 0, 0, 0]),
    #[cfg(target_arch = "x86_64")]
    ("the descriptor table", Inside, libc::SYS_modify_ldt, [0, BUFFER, 16, 0, 0, 0]),
    #[cfg(target_arch = "x86_64")]
    ("a process that shares memory", Inside, libc::SYS_vfork, [0, 0, 0, 0, 0, 0]),
    #[cfg(target_arch = "x86_64")]
    ("a system call of another numbering", Ending, 0x4000_0000 + libc::SYS_getppid, [0, 0, 0, 0, 0, 0]),
    #[cfg(target_arch = "x86_64")]
    ("an old way to open", Inside, libc::SYS_open, [ROOT, 0, 0, 0, 0, 0]),
    #[cfg(target_arch = "x86_64")]
    ("the registers of its thread", Inside, libc::SYS_arch_prctl, [0x1001, 0, 0, 0, 0, 0]),
    // Where it is allowed, the next signal stops this program, and nobody lets it go on.
    ("tracing itself", Ending, libc::SYS_ptrace, [0, 0, 0, 0, 0, 0]),
    // What would change how the others are met.
    ("a user namespace", Outside, libc::SYS_unshare, [0x1000_0000, 0, 0, 0, 0, 0]),
    ("a mount namespace", Outside, libc::SYS_unshare, [0x2_0000, 0, 0, 0, 0, 0]),
    ("a network namespace", Outside, libc::SYS_unshare, [0x4000_0000, 0, 0, 0, 0, 0]),
];

#[repr(align(4096))]
struct Page {
    _bytes: [u8; 4096],
}

static mut SCRATCH: Page = Page { _bytes: [0; 4096] };
/// A limit that is none.
static NO_LIMIT: [u64; 2] = [u64::MAX; 2];
static mut TARGET: Page = Page { _bytes: [0; 4096] };

/// An argument as the kernel takes it.
pub fn resolve(argument: c_long) -> c_long {
    let text = match argument {
        BUFFER => return (&raw mut SCRATCH) as c_long,
        MORE => return NO_LIMIT.as_ptr() as c_long,
        PAGE => return (&raw mut TARGET) as c_long,
        EMPTY => c"",
        ROOT => c"/",
        UP => c"../../../../..",
        NAME => c"toolexec-hostile",
        PROC => c"proc",
        PROC_MAPS => c"/proc/self/maps",
        PROC_MEM => c"/proc/1/mem",
        PROC_EXE => c"/proc/self/exe",
        SYS_FILE => c"/sys/kernel/uevent_helper",
        PASSWD => c"/etc/passwd",
        SHELL => c"/bin/sh",
        number => return number,
    };
    text.as_ptr() as c_long
}
