//! The native guest: a session over the standard streams.

use std::process::ExitCode;
use std::thread;

use toolexec_guest::session::serve;
use toolexec_guest::stdio::Stdio;

/// Parsers and engines recurse with the program; only what is used of it takes memory.
const STACK: usize = 256 << 20;

fn main() -> ExitCode {
    let session = thread::Builder::new()
        .stack_size(STACK)
        .spawn(|| serve(Stdio::new()));
    match session.map(thread::JoinHandle::join) {
        Ok(Ok(Ok(()))) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
