//! Applies one jq filter for a server; see `toolexec_mcp::server::results::JqProgram`.

use std::process::ExitCode;

fn main() -> ExitCode {
    toolexec_mcp::server::results::jq_worker()
}
