//! The facade over sources that behave and sources that do not.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod code;
mod examples;
mod executor;
mod fixture;
mod sources;
