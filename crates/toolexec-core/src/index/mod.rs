//! Finding tools.

mod entry;

pub use entry::{Binding, Disabled, Entry, Registration, Schemas};
