//! The native guest as a program.

use std::ffi::OsString;
use std::process::ExitCode;
use std::thread;

use toolexec_jail::{JailError, Seal, Spec};
use toolexec_wire::GUEST_ARGUMENT;
use toolexec_wire::Language;

use crate::session::{serve, serve_warm};
use crate::stdio::Stdio;

/// Parsers and engines recurse with the program; only what is used of it takes memory.
const STACK: usize = 256 << 20;

/// Says for which language to be ready before the first word.
pub const WARM: &str = "--warm";

/// Whether a program that is more than a guest was started as one. It then calls [`run`], before
/// it does anything else.
pub fn is_asked(args: impl IntoIterator<Item = OsString>) -> bool {
    let first = args.into_iter().nth(1);
    first.is_some_and(|first| first == Spec::ARGUMENT || first == GUEST_ARGUMENT || is_tool(&first))
}

/// Serves a host over the standard streams until it hangs up. With the arguments
/// [`Spec::ARGUMENT`] and a spec it locks itself in first; call it while there is one thread.
/// With [`WARM`] and `javascript` or `python`, after these, it is ready for such a program.
#[expect(clippy::print_stderr, reason = "the launcher reads why")]
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    #[cfg(all(feature = "toolchain", unix))]
    if args.get(1).is_some_and(is_tool) {
        return crate::toolchain::run_tool(args.into_iter().skip(2));
    }
    let warm = warm(&args);
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
        match warm {
            Some(language) => serve_warm(Stdio::new(), language),
            None => serve(Stdio::new()),
        }
        .map_err(drop)
    });
    match session.map(thread::JoinHandle::join) {
        Ok(Ok(Ok(()))) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// Whether the program was started as the command of shell scripts.
#[cfg(all(feature = "toolchain", unix))]
fn is_tool(first: &OsString) -> bool {
    first == crate::toolchain::ARGUMENT
}

#[cfg(not(all(feature = "toolchain", unix)))]
fn is_tool(_: &OsString) -> bool {
    false
}

fn warm(args: &[OsString]) -> Option<Language> {
    let at = args.iter().position(|arg| arg == WARM)?;
    match args.get(at + 1)?.to_str()? {
        "javascript" => Some(Language::JavaScript),
        "python" => Some(Language::Python),
        _ => None,
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
