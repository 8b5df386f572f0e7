//! The program inside a sandbox: language engines behind the wire of `toolexec-wire`.
//!
//! A [`Session`](session::serve) greets its host, runs the programs that the host sends and calls
//! out through the [`Host`](host::Host) it hands to an [`Engine`](engine::Engine). Which engines
//! there are is a matter of features: `javascript` (with TypeScript and script), `python`, and
//! `toolchain` (Go, bash, CPython and Node, run as child processes).
//!
//! The same crate is a native program that speaks over its standard streams, and a module for
//! `wasm32-wasip1` that speaks over three imports.

#![expect(
    clippy::unnecessary_box_returns,
    reason = "a failure is an error type, and those are boxed"
)]

pub mod engine;
pub mod host;
#[cfg(feature = "javascript")]
pub mod javascript;
#[cfg(not(target_family = "wasm"))]
pub mod program;
#[cfg(feature = "python")]
pub mod python;
#[cfg(feature = "javascript")]
pub mod script;
pub mod session;
#[cfg(not(target_family = "wasm"))]
pub mod stdio;
pub mod text;
#[cfg(all(feature = "toolchain", unix))]
pub mod toolchain;
#[cfg(target_family = "wasm")]
mod wasm;
