//! The protocol between a host and a guest: the program that runs code in a sandbox.
//!
//! A byte stream in each direction carries frames: a length of four bytes, little-endian, and
//! that many bytes of JSON. The JSON is one [`ToHost`] or [`ToGuest`] message.
//!
//! ```text
//! guest                                  host
//!   hello ─────────────────────────────►       once, before anything else
//!         ◄───────────────────────────── start
//!   print, log, progress ──────────────►       any time while a program runs
//!   call 1, call 2 ────────────────────►       many at once
//!   file 3 ────────────────────────────►       of the guest itself: its program's files
//!   waiting ───────────────────────────►       nothing to do before an answer comes
//!   preparing ─────────────────────────►       a compiler runs, not the program
//!         ◄───────────────────────────── answer 2
//!         ◄───────────────────────────── answer 1
//!   done | failed ─────────────────────►       once for each start
//!         ◄───────────────────────────── start again, in a session that keeps its state
//! ```
//!
//! `cancel` may come at any time while a program runs; the guest then answers `failed` as soon as
//! it can. The end of the stream ends the guest.
//!
//! Neither side trusts the other. A frame has a size cap ([`MAX_FRAME`] unless both agreed on
//! less) and JSON nests at most [`MAX_DEPTH`] deep; a side that breaks the protocol is hung up on.

mod frame;
mod hot;
mod message;

pub use frame::{FrameError, FrameReader, decode, encode};
pub use message::*;

/// The version of the protocol; a host refuses a guest that speaks another one.
pub const PROTOCOL: u32 = 1;
/// The largest frame, in bytes, without its length.
pub const MAX_FRAME: usize = 16 << 20;
/// How deep the JSON of a frame nests at most (the limit of `serde_json`).
pub const MAX_DEPTH: usize = 127;
/// The argument with which a program that is more than a guest is started as one.
pub const GUEST_ARGUMENT: &str = "--toolexec-guest";
