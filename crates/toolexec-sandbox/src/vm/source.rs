//! Where the image of a sandbox comes from.

use std::path::{Path, PathBuf};

use toolexec_core::Result;

use super::{Image, Images};
use crate::linux_guest::LinuxGuest;

/// Where the image comes from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// A directory that holds one.
    Directory(PathBuf),
    /// Of those that are kept, one for this guest; otherwise it is made of the installed kernel.
    Kept(Images, LinuxGuest),
}

impl Source {
    /// The image. Reading all of it takes a while.
    pub(crate) fn open(&self) -> Result<Image> {
        match self {
            Self::Directory(directory) => Image::open(directory),
            Self::Kept(images, guest) => match images.find(guest)? {
                Some(image) => Ok(image),
                None => images.build(Path::new("/"), guest),
            },
        }
    }
}
