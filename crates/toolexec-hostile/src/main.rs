//! A guest that was taken over. It locks itself in like the real one where it is told to, and then
//! does what the text of its program names.

#[cfg(target_os = "linux")]
mod die;
#[cfg(target_os = "linux")]
mod exhaust;
#[cfg(target_os = "linux")]
mod forge;
#[cfg(target_os = "linux")]
mod guard;
#[cfg(target_os = "linux")]
mod reach;
#[cfg(target_os = "linux")]
mod sys;
#[cfg(target_os = "linux")]
mod talk;
#[cfg(target_os = "linux")]
mod wire;

use std::process::ExitCode;

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    ExitCode::FAILURE
}

/// The guest locks itself in, or its container did that.
#[cfg(target_os = "linux")]
#[expect(clippy::print_stderr, reason = "who starts it reads why it ends")]
fn main() -> ExitCode {
    use toolexec_jail::Spec;

    let mut args = std::env::args().skip(1);
    let mut seal = None;
    if args.next().as_deref() == Some(Spec::ARGUMENT) {
        let spec = Spec::from_argument(&args.next().unwrap_or_default());
        match spec.map(|spec| toolexec_jail::enter(&spec)) {
            Ok(Ok(entered)) => seal = Some(entered),
            _ => return ExitCode::FAILURE,
        }
    }
    if let Err(why) = guard::is_locked_in() {
        eprintln!("this program attacks what it runs in, and only sandboxes: {why}");
        return ExitCode::FAILURE;
    }
    let session = std::thread::Builder::new()
        .stack_size(256 << 20)
        .spawn(move || {
            if seal.is_none_or(|seal| seal.close().is_ok()) {
                talk::serve();
            }
        });
    match session.map(std::thread::JoinHandle::join) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
