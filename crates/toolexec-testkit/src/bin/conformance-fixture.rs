//! An MCP server with what the conformance suite asks of a server.

fn main() {
    toolexec_testkit::fake::conformance::main();
}
