//! What makes a machine itself: the time, random numbers, a name.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::process::{Child, ExitStatus};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::ioctl::{NoArg, Setter, ioctl, opcode};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use rustix::system::sethostname;
use rustix::time::{ClockId, clock_settime};

use crate::failed;
use crate::machine::{READY, hear};
use crate::word::Word;

/// The bytes of a seed that are used: more than the kernel keeps.
const SEED: usize = 32;

/// Sets what a restored machine shares with those restored from the same state.
pub(crate) fn become_itself(word: &Word) -> Result<(), String> {
    let time = Timespec::try_from(word.time).map_err(failed("reading the time"))?;
    clock_settime(ClockId::Realtime, time).map_err(failed("setting the clock"))?;
    seed(&word.seed).map_err(failed("seeding random numbers"))?;
    let mut name = [0; 8];
    let random =
        File::open("/dev/urandom").and_then(|mut file| io::Read::read_exact(&mut file, &mut name));
    random.map_err(failed("making a name"))?;
    let name = format!("machine-{:016x}", u64::from_ne_bytes(name));
    sethostname(name.as_bytes()).map_err(failed("setting the name"))
}

/// Waits for the end of the guest; until then the host's word may come once more.
pub(crate) fn until_ended(guest: &mut Child, mut port: Option<File>) -> Result<ExitStatus, String> {
    let waiting = failed("waiting for the guest");
    let watched = pidfd_open(Pid::from_child(guest), PidfdFlags::empty()).map_err(&waiting)?;
    while let Some(open) = &mut port {
        let mut fds =
            [watched.as_fd(), open.as_fd()].map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
        match poll(&mut fds, None) {
            Ok(_) if !fds[0].revents().is_empty() => break,
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(waiting(error)),
        }
        let Ok(Some(word)) = hear(open) else {
            // The host has no more to say.
            port = None;
            continue;
        };
        become_itself(&word)?;
        open.write_all(READY).map_err(failed("telling the host"))?;
    }
    guest
        .wait()
        .map_err(|error| format!("waiting for the guest failed: {error}"))
}

/// What the kernel takes as so much chance.
#[repr(C)]
struct Chance {
    bits: i32,
    bytes: i32,
    seed: [u8; SEED],
}

/// Gives the kernel chance, which it counts as such, and has it make new random numbers from that
/// at once.
#[expect(
    unsafe_code,
    reason = "two system calls for which no library has a function"
)]
fn seed(seed: &[u8]) -> io::Result<()> {
    const ADD: u32 = opcode::write::<[i32; 2]>(b'R', 3);
    const RESEED: u32 = opcode::none(b'R', 7);
    let seed = *seed
        .first_chunk::<SEED>()
        .ok_or(io::ErrorKind::InvalidInput)?;
    let random = fs::OpenOptions::new().write(true).open("/dev/urandom")?;
    let chance = Chance {
        bits: 256,
        bytes: 32,
        seed,
    };
    // SAFETY: RNDADDENTROPY reads what it is pointed to: two numbers, and as many bytes as the
    // second one says, which `Chance` has.
    unsafe { ioctl(&random, Setter::<ADD, Chance>::new(chance))? };
    // SAFETY: RNDRESEEDCRNG takes no argument.
    unsafe { ioctl(&random, NoArg::<RESEED>::new())? };
    Ok(())
}
