//! The tools that the program itself brings: typed Rust functions.

mod demo;
mod math;
mod text;
mod time;

use toolexec::Local;

/// All of them.
pub(crate) fn all() -> [Local; 4] {
    [math::tools(), text::tools(), time::tools(), demo::tools()]
}
