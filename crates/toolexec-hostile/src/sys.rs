//! System calls, as they are.
#![expect(unsafe_code, reason = "attacks on a sandbox are system calls")]

use std::ffi::CString;

use libc::c_long;

/// The calls that return twice.
const FORKS: &[c_long] = &[
    libc::SYS_clone,
    libc::SYS_clone3,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
];

/// What the kernel says: what it returned, or the number of its error. What the call starts ends
/// at once.
pub(crate) fn call(number: c_long, arguments: [c_long; 6]) -> Result<c_long, i32> {
    let returned = raw(number, arguments, FORKS.contains(&number));
    if (-4095..0).contains(&returned) {
        return Err(i32::try_from(-returned).unwrap_or_default());
    }
    Ok(returned)
}

/// A child may share this stack, so that it must not touch it: it ends without a step back into
/// this program.
#[cfg(target_arch = "x86_64")]
fn raw(number: c_long, arguments: [c_long; 6], forks: bool) -> c_long {
    let [first, second, third, fourth, fifth, sixth] = arguments;
    let returned;
    // SAFETY: the arguments are numbers, or point to memory of this program that nothing else
    // uses; the child of a call that returns twice ends in here.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "test {forks:e}, {forks:e}",
            "jz 2f",
            "xor edi, edi",
            "mov eax, 60",
            "syscall",
            "2:",
            forks = in(reg) u32::from(forks),
            inout("rax") number => returned,
            inout("rdi") first => _,
            in("rsi") second,
            in("rdx") third,
            in("r10") fourth,
            in("r8") fifth,
            in("r9") sixth,
            // Nothing is late: the call overwrites these while the others are still read.
            out("rcx") _,
            out("r11") _,
        );
    }
    returned
}

#[cfg(not(target_arch = "x86_64"))]
fn raw(number: c_long, arguments: [c_long; 6], forks: bool) -> c_long {
    let [first, second, third, fourth, fifth, sixth] = arguments;
    // SAFETY: as above; no call of the table shares memory with its child here.
    let returned = unsafe { libc::syscall(number, first, second, third, fourth, fifth, sixth) };
    if forks && returned == 0 {
        end(0);
    }
    if returned < 0 {
        return -c_long::from(std::io::Error::last_os_error().raw_os_error().unwrap_or(1));
    }
    returned
}

/// A copy of this process that sleeps until it is killed; whether there is one.
pub(crate) fn sleeping_child() -> bool {
    // SAFETY: the child makes system calls only.
    match unsafe { libc::fork() } {
        0 => loop {
            // SAFETY: waits.
            unsafe { libc::pause() };
        },
        pid => pid > 0,
    }
}

/// Opens a file; its descriptor.
pub(crate) fn open(path: &str, flags: i32) -> Result<i32, i32> {
    let path = text(path);
    let path = path.as_ptr() as c_long;
    let opened = call(
        libc::SYS_openat,
        [libc::AT_FDCWD.into(), path, flags.into(), 0o600, 0, 0],
    )?;
    Ok(i32::try_from(opened).unwrap_or(-1))
}

/// Writes; how many bytes were taken.
pub(crate) fn write(fd: i32, bytes: &[u8]) -> Result<usize, i32> {
    let length = c_long::try_from(bytes.len()).unwrap_or_default();
    let written = call(
        libc::SYS_write,
        [fd.into(), bytes.as_ptr() as c_long, length, 0, 0, 0],
    )?;
    Ok(usize::try_from(written).unwrap_or_default())
}

/// Reads; what there was.
pub(crate) fn read(fd: i32) -> Result<Vec<u8>, i32> {
    let mut bytes = vec![0; 4096];
    let read = call(
        libc::SYS_read,
        [fd.into(), bytes.as_mut_ptr() as c_long, 4096, 0, 0, 0],
    )?;
    bytes.truncate(usize::try_from(read).unwrap_or_default());
    Ok(bytes)
}

/// Ends this process.
pub(crate) fn end(status: i32) -> ! {
    // SAFETY: nothing of this program runs afterwards.
    unsafe { libc::_exit(status) }
}

/// A text as the kernel takes it.
pub(crate) fn text(text: &str) -> CString {
    CString::new(text).unwrap_or_default()
}

/// The name of an error.
pub(crate) fn name(error: i32) -> String {
    let known = [
        (libc::EPERM, "EPERM"),
        (libc::ENOENT, "ENOENT"),
        (libc::ESRCH, "ESRCH"),
        (libc::EAGAIN, "EAGAIN"),
        (libc::ENOMEM, "ENOMEM"),
        (libc::EACCES, "EACCES"),
        (libc::EINVAL, "EINVAL"),
        (libc::ENOSYS, "ENOSYS"),
        (libc::EROFS, "EROFS"),
    ];
    let found = known.into_iter().find(|one| one.0 == error);
    found.map_or_else(|| format!("error {error}"), |one| one.1.to_owned())
}
