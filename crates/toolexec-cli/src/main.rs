//! The toolexec program.

use std::process::ExitCode;

fn main() -> ExitCode {
    toolexec_cli::main()
}
