//! A launcher and nothing else.

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    if toolexec_cell::is_asked(&args) {
        return toolexec_cell::run(args);
    }
    ExitCode::FAILURE
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    ExitCode::FAILURE
}
