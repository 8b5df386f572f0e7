//! The system calls for which no library has a safe function here.
#![expect(unsafe_code, reason = "system calls")]

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

/// Flags of mounts, as `mount_setattr` takes them.
pub(crate) const READ_ONLY: u64 = 1;
pub(crate) const NO_SUID: u64 = 2;
pub(crate) const NO_DEVICES: u64 = 4;

/// `struct mount_attr` of the kernel.
#[repr(C)]
struct MountAttributes {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

/// Sets flags of a tree of mounts, or of its first mount only.
pub(crate) fn set_flags(tree: BorrowedFd<'_>, flags: u64, is_whole: bool) -> io::Result<()> {
    let attributes = MountAttributes {
        set: flags,
        clear: 0,
        propagation: 0,
        user_namespace: 0,
    };
    let how = if is_whole { libc::AT_RECURSIVE } else { 0 } | libc::AT_EMPTY_PATH;
    // SAFETY: the attributes are readable for their size, the path is an empty text, and the
    // descriptor is open.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            how,
            &raw const attributes,
            size_of::<MountAttributes>(),
        )
    };
    result(done)
}

/// Takes the interface `lo` into use.
pub(crate) fn loopback_up() -> io::Result<()> {
    // SAFETY: takes numbers only.
    let socket = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    result(socket.into())?;
    // SAFETY: it was just opened and belongs to nobody else.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    // SAFETY: all-zero is a valid value of this structure of numbers.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = from.cast_signed();
    }
    let flags = libc::IFF_UP | libc::IFF_RUNNING;
    request.ifr_ifru.ifru_flags = i16::try_from(flags).unwrap_or_default();
    // SAFETY: the request is one, and the descriptor is open.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    result(done.into())
}

/// Room for one descriptor beside the bytes of a message.
#[repr(C, align(8))]
struct Beside([u8; 64]);

/// How large a descriptor is in a message.
const DESCRIPTOR: libc::c_uint = 4;

/// Sends bytes, with a descriptor or without.
pub(crate) fn send(socket: &UnixStream, bytes: &[u8], with: Option<&OwnedFd>) -> io::Result<()> {
    let mut beside = Beside([0; 64]);
    let mut part = libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    };
    // SAFETY: all-zero is a valid value of this structure of numbers and pointers.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    if let Some(with) = with {
        message.msg_control = (&raw mut beside).cast();
        // SAFETY: computes a size; one descriptor takes less than there is room for.
        unsafe {
            let size = DESCRIPTOR;
            message.msg_controllen = libc::CMSG_SPACE(size) as _;
            let header = libc::CMSG_FIRSTHDR(&raw const message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(size) as _;
            libc::CMSG_DATA(header)
                .cast::<RawFd>()
                .write_unaligned(with.as_raw_fd());
        }
    }
    // SAFETY: the message points to what lives until the end of this function.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL) };
    match usize::try_from(sent) {
        Ok(sent) if sent == bytes.len() => Ok(()),
        Ok(_) => Err(io::ErrorKind::WriteZero.into()),
        Err(_) => Err(io::Error::last_os_error()),
    }
}

/// Receives bytes, and a descriptor if one comes with them.
pub(crate) fn receive(
    socket: &UnixStream,
    bytes: &mut [u8],
) -> io::Result<(usize, Option<OwnedFd>)> {
    let mut beside = Beside([0; 64]);
    let mut part = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    };
    // SAFETY: all-zero is a valid value of this structure of numbers and pointers.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut beside).cast();
    message.msg_controllen = size_of::<Beside>() as _;
    // SAFETY: the message points to what lives until the end of this function.
    let got =
        unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_CMSG_CLOEXEC) };
    let Ok(got) = usize::try_from(got) else {
        let error = io::Error::last_os_error();
        // A signal, such as that of another child's end: with a timeout nothing is done again.
        if error.kind() == io::ErrorKind::Interrupted {
            return receive(socket, bytes);
        }
        return Err(error);
    };
    // SAFETY: the kernel has filled in the message; a descriptor in it is ours from here on.
    let with = unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        let is_one = !header.is_null()
            && (*header).cmsg_level == libc::SOL_SOCKET
            && (*header).cmsg_type == libc::SCM_RIGHTS;
        is_one
            .then(|| OwnedFd::from_raw_fd(libc::CMSG_DATA(header).cast::<RawFd>().read_unaligned()))
    };
    Ok((got, with))
}

/// The descriptor that the launcher was given by its number.
pub(crate) fn inherited(number: RawFd) -> io::Result<UnixStream> {
    // SAFETY: takes numbers only; it fails where there is no such descriptor.
    result(unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) }.into())?;
    // SAFETY: it is open, and nothing else in this process, which has just begun, uses it.
    Ok(unsafe { UnixStream::from_raw_fd(number) })
}

/// Hides this process from the others of its user.
pub(crate) fn hide() -> io::Result<()> {
    // SAFETY: takes numbers only.
    result(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) }.into())
}

/// Becomes another program. It returns only where that fails.
pub(crate) fn execute(program: &CString, args: &[CString], env: &[CString]) -> io::Error {
    let list = |texts: &[CString]| {
        let texts = texts.iter().map(|text| text.as_ptr());
        texts.chain([std::ptr::null()]).collect::<Vec<_>>()
    };
    let (args, env) = (list(args), list(env));
    // SAFETY: both lists end with a null pointer and point to texts that live.
    unsafe { libc::execve(program.as_ptr(), args.as_ptr(), env.as_ptr()) };
    io::Error::last_os_error()
}

/// Puts a descriptor in the place of one of the standard streams.
pub(crate) fn replace(other: BorrowedFd<'_>, number: RawFd) -> io::Result<()> {
    // SAFETY: takes numbers only; nothing in this process owns the standard streams.
    result(unsafe { libc::dup2(other.as_raw_fd(), number) }.into())
}

/// Closes every descriptor from `first` on when another program is executed.
pub(crate) fn close_later(first: libc::c_uint) -> io::Result<()> {
    let flags = libc::CLOSE_RANGE_CLOEXEC;
    // SAFETY: takes numbers only.
    let done = unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, flags) };
    result(done)
}

/// What signals do, as a program expects to find it.
pub(crate) fn usual_signals() {
    // SAFETY: sets a default action and an empty mask.
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

/// Ends this process at once.
pub(crate) fn end(code: i32) -> ! {
    // SAFETY: ends this process; it has nothing that wants to be dropped.
    unsafe { libc::_exit(code) }
}

/// Ends this process by a signal.
pub(crate) fn end_by(signal: i32) -> ! {
    // SAFETY: restores the default action of the signal, lets it through and raises it.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
        libc::kill(libc::getpid(), signal);
    }
    end(128 + signal)
}

fn result(returned: libc::c_long) -> io::Result<()> {
    if returned < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
