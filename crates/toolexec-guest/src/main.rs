//! The native guest: a session over the standard streams.

use std::process::ExitCode;

/// Parsers and engines recurse with the program; only what is used of it takes memory.
#[cfg(not(target_family = "wasm"))]
const STACK: usize = 256 << 20;

/// In wasm the guest is a library with its own exports.
#[cfg(target_family = "wasm")]
fn main() -> ExitCode {
    ExitCode::FAILURE
}

#[cfg(not(target_family = "wasm"))]
fn main() -> ExitCode {
    use std::thread;

    use toolexec_guest::session::serve_warm;
    use toolexec_guest::stdio::Stdio;

    let session = thread::Builder::new()
        .stack_size(STACK)
        .spawn(|| serve_warm(Stdio::new()));
    match session.map(thread::JoinHandle::join) {
        Ok(Ok(Ok(()))) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
