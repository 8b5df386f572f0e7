//! Where a guest dies, and how it does not end.
#![expect(
    unsafe_code,
    reason = "attacks on a sandbox are system calls and bad memory"
)]

use std::time::Duration;

use serde_json::{Value, json};
use toolexec_wire::FrameReader;

use crate::reach::REFUSED;
use crate::sys::{call as system, end, sleeping_child};
use crate::wire::{call, raw, receive};

/// What an attempt of that name comes to, should this go on; `None` where nobody knows it.
pub(crate) fn attempt(name: &str, reader: &mut FrameReader) -> Option<Value> {
    match name {
        "filling its stack" => return Some(deeper(name.len() as u64).into()),
        "an endless loop" => endless(),
        "an endless loop without signals" => {
            deaf();
            endless()
        }
        "an endless loop of many processes" => {
            for _ in 0..4 {
                // SAFETY: the child loops.
                if unsafe { libc::fork() } == 0 {
                    break;
                }
            }
            endless()
        }
        "a wait that nothing interrupts" => return Some(uninterruptible()),
        "sleeping for ever" => loop {
            std::thread::sleep(Duration::from_hours(1));
        },
        "reading what never comes" => while receive(reader).is_some() {},
        "dying while it checks" | "dying at the start" => end(0),
        "ending with a failure" => end(1),
        "ending as if out of memory" => end(65),
        "aborting" => std::process::abort(),
        "an access to nothing" => {
            // SAFETY: none; the process ends here, which is what is tested.
            unsafe { std::ptr::null_mut::<u8>().write_volatile(1) };
        }
        "an instruction that does not exist" => illegal(),
        "a system call for another processor" => foreign(),
        "dying in the middle of a call" => {
            call(1, 2000);
            end(0)
        }
        "dying after an answer" => {
            call(1, 1);
            receive(reader);
            end(0)
        }
        "dying in the middle of a frame" => {
            raw(&[200, 0, 0, 0, b'{']);
            end(0)
        }
        "closing its streams" => {
            for fd in 0..3 {
                let _ = system(libc::SYS_close, [fd, 0, 0, 0, 0, 0]);
            }
        }
        "closing its streams while a child holds them" => {
            if !sleeping_child() {
                return Some(json!(REFUSED));
            }
            end(0);
        }
        _ => return None,
    }
    // The host must make an end.
    endless()
}

/// A parent that waits for its child to let go of its memory cannot be interrupted.
fn uninterruptible() -> Value {
    let flags = libc::c_long::from(libc::CLONE_VFORK | libc::SIGCHLD);
    // SAFETY: the child has memory of its own, and sleeps.
    match unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) } {
        0 => loop {
            std::thread::sleep(Duration::from_hours(1));
        },
        pid if pid > 0 => json!("it ended"),
        _ => json!(REFUSED),
    }
}

/// Recurses until something ends it.
#[expect(unconditional_recursion, reason = "this is the attack")]
fn deeper(n: u64) -> u64 {
    let room = [n; 512];
    std::hint::black_box(&room);
    deeper(n + 1) + room[usize::try_from(n % 512).unwrap_or_default()]
}

pub(crate) fn endless() -> ! {
    loop {
        std::hint::spin_loop();
    }
}

fn deaf() {
    for signal in 1..=64 {
        // SAFETY: ignores a signal; those that cannot be ignored are refused.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

#[cfg(target_arch = "x86_64")]
fn illegal() -> ! {
    // SAFETY: none; the process ends here, which is what is tested.
    unsafe { std::arch::asm!("ud2", options(noreturn)) }
}

#[cfg(not(target_arch = "x86_64"))]
fn illegal() -> ! {
    std::process::abort()
}

/// Asks for the process id in the numbering of 32-bit programs, which a filter of numbers alone
/// would take for another call.
#[cfg(target_arch = "x86_64")]
fn foreign() {
    // SAFETY: the call takes nothing and changes nothing but the register of its result.
    unsafe { std::arch::asm!("int 0x80", inout("eax") 20 => _) };
}

#[cfg(not(target_arch = "x86_64"))]
fn foreign() {
    std::process::abort()
}
