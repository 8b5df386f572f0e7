//! What virtual machines start from: images made on the spot from the kernel that a distribution
//! packages and the guest.

mod clock;
mod cpio;
mod image;
mod kernel;
mod vmlinux;

pub(crate) use clock::counter_khz;
pub(crate) use image::hex;
pub use image::{Image, Images};
