//! The path of a call.

mod result;

pub use result::RunResult;
