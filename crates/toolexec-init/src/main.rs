//! The first process of what toolexec starts on a kernel of its own.
//!
//! In a virtual machine it loads modules, waits for the host's word, and runs the guest behind the
//! port to the host: a virtual socket where the command line of the kernel names one, otherwise a
//! serial port. Where the word says so, the guest finds itself among the programs of a disk.
//!
//! What makes a machine itself comes with that word: the time and the seed of its random numbers.
//! A machine may be saved while its guest waits and be restored many times: the host then says its
//! word once more, before the guest hears anything, and no two machines are alike.
//!
//! In a container of gVisor it gives a tool a way to the proxy of the host, and becomes the tool.

#[cfg(target_os = "linux")]
mod itself;
#[cfg(target_os = "linux")]
mod machine;
#[cfg(target_os = "linux")]
mod relay;
#[cfg(target_os = "linux")]
mod root;
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
    let mut args = std::env::args_os().skip(1);
    // A kernel gives its first process no arguments of that kind.
    let why = match args.next().as_deref().and_then(std::ffi::OsStr::to_str) {
        Some(relay::BEFORE) => relay::become_program(args),
        Some(relay::LEADER) => relay::lead_connections(args),
        _ if std::process::id() != 1 => {
            "it is the first process of a virtual machine or of a container".to_owned()
        }
        _ => {
            match machine::run() {
                Ok(end) => eprintln!("toolexec-init: the guest ended: {}", end.how),
                Err(why) => eprintln!("toolexec-init: {why}"),
            }
            machine::power_off();
            return ExitCode::FAILURE;
        }
    };
    eprintln!("toolexec-init: {why}");
    ExitCode::FAILURE
}

#[cfg(target_os = "linux")]
fn failed<E: std::fmt::Display>(step: &str) -> impl Fn(E) -> String + '_ {
    move |error| format!("{step} failed: {error}")
}
