//! The native guest: a session over the standard streams.

use std::process::ExitCode;

/// In wasm the guest is a library with its own exports.
#[cfg(target_family = "wasm")]
fn main() -> ExitCode {
    ExitCode::FAILURE
}

#[cfg(not(target_family = "wasm"))]
fn main() -> ExitCode {
    toolexec_guest::program::run(std::env::args_os())
}
