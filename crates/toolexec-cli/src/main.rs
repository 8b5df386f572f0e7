//! The toolexec program.

fn main() {}
