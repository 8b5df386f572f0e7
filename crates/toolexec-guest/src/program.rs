//! The native guest as a program.

use std::ffi::OsString;
use std::process::ExitCode;
use std::thread;

use toolexec_jail::{JailError, Seal, Spec};
use toolexec_wire::GUEST_ARGUMENT;

use crate::session::serve_warm;
use crate::stdio::Stdio;

/// Parsers and engines recurse with the program; only what is used of it takes memory.
const STACK: usize = 256 << 20;

/// Whether a program that is more than a guest was started as one. It then calls [`run`], before
/// it does anything else.
pub fn is_asked(args: impl IntoIterator<Item = OsString>) -> bool {
    let first = args.into_iter().nth(1);
    first.is_some_and(|first| first == Spec::ARGUMENT || first == GUEST_ARGUMENT)
}

/// Serves a host over the standard streams until it hangs up. With the arguments
/// [`Spec::ARGUMENT`] and a spec it locks itself in first; call it while there is one thread.
#[expect(clippy::print_stderr, reason = "the launcher reads why")]
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let seal = match lock_in(args) {
        Ok(seal) => seal,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::FAILURE;
        }
    };
    let session = thread::Builder::new().stack_size(STACK).spawn(move || {
        // Every thread is there now.
        seal.map_or(Ok(()), Seal::close)
            .map_err(|error| eprintln!("{error}"))?;
        serve_warm(Stdio::new()).map_err(drop)
    });
    match session.map(thread::JoinHandle::join) {
        Ok(Ok(Ok(()))) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn lock_in(args: impl IntoIterator<Item = OsString>) -> Result<Option<Seal>, String> {
    let mut args = args.into_iter().skip(1);
    if args.next().is_none_or(|first| first != Spec::ARGUMENT) {
        return Ok(None);
    }
    let spec = args.next().unwrap_or_default();
    let spec = Spec::from_argument(&spec.to_string_lossy()).map_err(|error| error.to_string())?;
    let entered = toolexec_jail::enter(&spec).map_err(|error: JailError| error.to_string());
    entered.map(Some)
}
