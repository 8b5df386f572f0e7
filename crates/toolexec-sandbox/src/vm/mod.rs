//! What virtual machines start from: images made on the spot from the kernel that a distribution
//! packages and the guest.

mod clock;
mod cpio;
mod disk;
mod image;
mod kernel;
mod limits;
mod source;
mod unpack;
mod vmlinux;
mod word;

pub(crate) use clock::counter_khz;
pub(crate) use disk::Disk;
pub use image::{Image, Images};
pub(crate) use limits::enforcement;
pub(crate) use source::Source;
pub(crate) use word::{READY, how_ended, memory, new_word};
#[cfg(feature = "qemu")]
pub(crate) use word::{guest, word_about};
