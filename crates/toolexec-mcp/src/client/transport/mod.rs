//! How messages travel: over the pipes of a program, or over HTTP.

pub(crate) mod adapt;
pub(crate) mod http;
mod line;
pub(crate) mod stdio;
mod tap;

pub(crate) use tap::Tap;
