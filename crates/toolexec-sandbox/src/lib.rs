//! Sandboxes: where programs that call tools run.
//!
//! Each sandbox starts the same guest, bounds it and ends it, and hands out the byte stream to
//! it; see [`toolexec_core::sandbox`] for the contract and [`toolexec_core::code`] for what is
//! said on the stream.
//!
//! | feature | sandbox | isolation |
//! |---|---|---|
//! | `wasm` | [`wasm`]: the guest as a WebAssembly module in this process | an engine's |
//! | `host` | [`host`]: the guest as a child process | none; for `dev` only |

#[cfg(feature = "host")]
pub mod host;
#[cfg(feature = "host")]
mod piped;
#[cfg(feature = "host")]
mod pool;
mod registry;
#[cfg(feature = "host")]
mod usage;
#[cfg(feature = "wasm")]
pub mod wasm;

pub use registry::Setup;
