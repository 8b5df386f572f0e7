//! An MCP server over stdio that can misbehave in every way that tests need.

fn main() {
    toolexec_testkit::fake::mcp::main(std::env::args().skip(1));
}
