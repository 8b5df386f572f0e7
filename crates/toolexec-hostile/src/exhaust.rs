//! Using up what a machine has: processes, memory, descriptors, disks. Each ends by itself, so
//! that a wall that does not hold is found out and the machine is spared.
#![expect(
    unsafe_code,
    reason = "attacks on a sandbox are system calls and bad memory"
)]

use libc::c_long;

use crate::reach::REFUSED;
use crate::sys::{call, open, sleeping_child, text, write};

/// Where a program may be able to write.
pub(crate) const PLACES: [&str; 7] = [
    "/tmp",
    "/dev/shm",
    "/var/tmp",
    "/run",
    "/dev",
    "/dev/mqueue",
    "",
];

const PROCESSES: usize = 3000;
const DESCRIPTORS: usize = 300_000;
const FILES: usize = 300_000;
const MEBIBYTES: usize = 1024;

/// What an attempt of that name comes to; `None` where nobody knows it.
pub(crate) fn attempt(name: &str) -> Option<String> {
    let said = match name {
        "a fork bomb" => until_refused(PROCESSES, |_| sleeping_child()),
        "a bomb of threads" => until_refused(PROCESSES, |_| thread()),
        "children that outlive it" => outlive(),
        "a bomb of descriptors" => until_refused(DESCRIPTORS, |_| is_ok(libc::SYS_dup, [0; 6])),
        "a bomb of pipes" => until_refused(DESCRIPTORS, |_| pipe()),
        "a bomb of sockets" => until_refused(DESCRIPTORS, |_| socket_pair()),
        "a bomb of timers" => until_refused(DESCRIPTORS, |_| timer()),
        "a bomb of mappings" => until_refused(1 << 20, |_| mapped(4096).is_some()),
        "a bomb of page tables" => until_refused(1 << 16, |_| sparse()),
        "filling the disk" => disk(),
        "filling the disk with names" => names(),
        "filling memory that has a name" => memory_file(),
        "filling shared memory" => shared_memory(),
        "mapping more memory than there is" => if mapped(1 << 40).is_some() {
            "allowed"
        } else {
            REFUSED
        }
        .to_owned(),
        "mapping all its memory and touching it" => until_refused(4096, |_| touched(1 << 20)),
        "locking all memory" => until_refused(4096, |_| {
            mapped(1 << 20).is_some_and(|memory| {
                is_ok(libc::SYS_mlock, [memory as c_long, 1 << 20, 0, 0, 0, 0])
            })
        }),
        _ => return None,
    };
    Some(said)
}

fn until_refused(most: usize, again: impl FnMut(usize) -> bool) -> String {
    if (0..most).all(again) {
        return format!("never refused in {most}");
    }
    REFUSED.to_owned()
}

fn is_ok(number: c_long, arguments: [c_long; 6]) -> bool {
    call(number, arguments).is_ok()
}

fn thread() -> bool {
    let sleeping = std::thread::Builder::new().stack_size(16 << 10).spawn(|| {
        loop {
            std::thread::park();
        }
    });
    sleeping.is_ok()
}

/// A child that leaves the group and the session and cannot be asked to end.
fn outlive() -> String {
    // SAFETY: the child makes system calls only.
    match unsafe { libc::fork() } {
        0 => {
            for signal in 1..=64 {
                // SAFETY: ignores a signal; those that cannot be ignored are refused.
                unsafe { libc::signal(signal, libc::SIG_IGN) };
            }
            let _ = call(libc::SYS_setsid, [0; 6]);
            for fd in 0..3 {
                let _ = call(libc::SYS_close, [fd, 0, 0, 0, 0, 0]);
            }
            sleeping_child();
            loop {
                // SAFETY: waits.
                unsafe { libc::pause() };
            }
        }
        pid if pid > 0 => crate::reach::HARMLESS.to_owned(),
        _ => REFUSED.to_owned(),
    }
}

/// A pipe that is full.
fn pipe() -> bool {
    let mut ends = [0_i32; 2];
    let flags: c_long = libc::O_NONBLOCK.into();
    let made = is_ok(
        libc::SYS_pipe2,
        [ends.as_mut_ptr() as c_long, flags, 0, 0, 0, 0],
    );
    made && write(ends[1], &vec![1; 64 << 10]).is_ok()
}

/// A pair of sockets, one of which has data that nobody reads.
fn socket_pair() -> bool {
    let mut ends = [0_i32; 2];
    let kind: c_long = (libc::SOCK_STREAM | libc::SOCK_NONBLOCK).into();
    let made = is_ok(
        libc::SYS_socketpair,
        [
            libc::AF_UNIX.into(),
            kind,
            0,
            ends.as_mut_ptr() as c_long,
            0,
            0,
        ],
    );
    made && write(ends[1], &vec![1; 64 << 10]).is_ok()
}

fn timer() -> bool {
    let mut id = 0_i32;
    is_ok(
        libc::SYS_timer_create,
        [1, 0, (&raw mut id) as c_long, 0, 0, 0],
    )
}

pub(crate) fn mapped(bytes: usize) -> Option<*mut u8> {
    // Each with its own protection, so that neighbours are not joined.
    static NEXT: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
    let odd = NEXT.fetch_xor(true, std::sync::atomic::Ordering::Relaxed);
    let also = if odd && bytes == 4096 {
        0
    } else {
        libc::PROT_WRITE
    };
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: maps new memory wherever there is room.
    let memory = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            bytes,
            libc::PROT_READ | also,
            flags,
            -1,
            0,
        )
    };
    (memory != libc::MAP_FAILED).then_some(memory.cast())
}

/// Two mebibytes of addresses, one page of which is used: it costs a page of its table too.
fn sparse() -> bool {
    touch_first(2 << 20)
}

fn touch_first(bytes: usize) -> bool {
    let memory = mapped(bytes);
    if let Some(memory) = memory {
        // SAFETY: it was just mapped for writing.
        unsafe { memory.write_volatile(1) };
    }
    memory.is_some()
}

fn touched(bytes: usize) -> bool {
    let memory = mapped(bytes);
    if let Some(memory) = memory {
        for page in 0..bytes / 4096 {
            // SAFETY: it was just mapped for writing.
            unsafe { memory.add(page * 4096).write_volatile(1) };
        }
    }
    memory.is_some()
}

fn made(name: &str) -> Option<(String, i32)> {
    PLACES.iter().find_map(|place| {
        let path = format!("{place}/{name}");
        let flags = libc::O_CREAT | libc::O_WRONLY;
        open(&path, flags).ok().map(|fd| (path, fd))
    })
}

fn disk() -> String {
    let Some((_, fd)) = made("large") else {
        return REFUSED.to_owned();
    };
    fill(fd)
}

fn fill(fd: i32) -> String {
    let piece = vec![1; 1 << 20];
    until_refused(MEBIBYTES, |_| write(fd, &piece).is_ok())
}

fn names() -> String {
    let Some((first, _)) = made("name") else {
        return REFUSED.to_owned();
    };
    until_refused(FILES, |count| {
        let made = open(&format!("{first}{count}"), libc::O_CREAT | libc::O_WRONLY);
        made.and_then(|fd| call(libc::SYS_close, [fd.into(), 0, 0, 0, 0, 0]))
            .is_ok()
    })
}

fn memory_file() -> String {
    let name = text("hostile");
    match call(
        libc::SYS_memfd_create,
        [name.as_ptr() as c_long, 0, 0, 0, 0, 0],
    ) {
        Ok(fd) => fill(i32::try_from(fd).unwrap_or(-1)),
        Err(_) => REFUSED.to_owned(),
    }
}

fn shared_memory() -> String {
    until_refused(MEBIBYTES, |_| {
        let segment = call(libc::SYS_shmget, [0, 1 << 20, 0o1600, 0, 0, 0]);
        let at = segment.and_then(|id| call(libc::SYS_shmat, [id, 0, 0, 0, 0, 0]));
        at.is_ok_and(|at| {
            let memory = at as *mut u8;
            for page in 0..256 {
                // SAFETY: a segment of this size was just attached there.
                unsafe { memory.add(page * 4096).write_volatile(1) };
            }
            true
        })
    })
}
