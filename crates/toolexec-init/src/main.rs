//! The first process of a virtual machine that toolexec starts: loads modules, waits for the
//! host's word, and runs the guest behind the port to the host: a virtual socket where the command
//! line of the kernel names one, otherwise a serial port.
//!
//! What makes a machine itself comes with that word: the time and the seed of its random numbers.
//! A machine may be saved while its guest waits and be restored many times: the host then says its
//! word once more, before the guest hears anything, and no two machines are alike.

#[cfg(target_os = "linux")]
mod itself;
#[cfg(target_os = "linux")]
mod machine;
#[cfg(target_os = "linux")]
mod vsock;
#[cfg(target_os = "linux")]
mod word;

use std::process::ExitCode;

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    ExitCode::FAILURE
}

/// Does not return in a machine: the machine is off then.
#[cfg(target_os = "linux")]
#[expect(clippy::print_stderr, reason = "the console, which the host reads")]
fn main() -> ExitCode {
    if std::process::id() != 1 {
        eprintln!("toolexec-init is the first process of a virtual machine");
        return ExitCode::FAILURE;
    }
    match machine::run() {
        Ok(end) => eprintln!("toolexec-init: the guest ended: {}", end.how),
        Err(why) => eprintln!("toolexec-init: {why}"),
    }
    machine::power_off();
    ExitCode::FAILURE
}
