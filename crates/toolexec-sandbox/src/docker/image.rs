//! Images: the one that holds the guest alone, which is made here, and those that others made.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use bollard::errors::Error as Refusal;
use bollard::query_parameters::{
    CreateImageOptionsBuilder, ListImagesOptionsBuilder, RemoveImageOptionsBuilder,
};
use futures_util::TryStreamExt;
use toolexec_core::{Error, ErrorKind, Result};

use super::daemon::{Daemon, explain, is_refused};
use super::spec::{GUEST_IMAGE, is_image_name};
use crate::unavailable;

/// The name of the images that hold the guest alone; the tag says which guest.
const REPOSITORY: &str = "toolexec-guest";

/// An image that is on the daemon.
#[derive(Debug, Clone, Default)]
pub(super) struct Image {
    pub(super) name: String,
    /// Where it wants to write.
    pub(super) volumes: Vec<String>,
}

/// The image that holds the guest alone; it is made if it is not there, and those of other guests
/// are removed.
pub(super) async fn own(daemon: &Daemon, program: &Path) -> Result<Image> {
    let guest = read(program).await?;
    let mut hasher = DefaultHasher::new();
    guest.hash(&mut hasher);
    let tag = format!("{:016x}", hasher.finish());
    let name = format!("{REPOSITORY}:{tag}");
    match daemon.client.inspect_image(&name).await {
        Ok(_) => {}
        Err(refusal) if is_refused(&refusal, 404, "") => {
            import(daemon, &tag, &guest).await?;
            remove_others(daemon, &name).await;
        }
        Err(refusal) => return Err(explain(refusal)),
    }
    Ok(Image {
        name,
        volumes: Vec::new(),
    })
}

/// An image that somebody else made and that must be on the daemon.
pub(super) async fn named(daemon: &Daemon, name: &str) -> Result<Image> {
    if !is_image_name(name) {
        let message = format!("{name:?} is not the name of an image");
        return Err(Error::new(ErrorKind::InvalidInput, message)
            .with_hint("write it as docker does: python:3, registry.example.com/team/image:tag"));
    }
    let found = match daemon.client.inspect_image(name).await {
        Ok(found) => found,
        Err(refusal) if is_refused(&refusal, 404, "") => {
            let message = format!("the image {name} is not on the Docker daemon");
            let hint = format!("get it first: docker pull {name}");
            return Err(unavailable(&message).with_source(refusal).with_hint(hint));
        }
        Err(refusal) => return Err(explain(refusal)),
    };
    let platform = (found.os.as_deref(), found.architecture.as_deref());
    if let (Some(os), Some(architecture)) = platform
        && (os, architecture) != ("linux", "amd64")
    {
        let message = format!("the image {name} is for {os}/{architecture}, not for linux/amd64");
        let hint = format!("docker pull --platform linux/amd64 {name}");
        return Err(unavailable(&message).with_hint(hint));
    }
    let volumes = found.config.and_then(|config| config.volumes);
    Ok(Image {
        name: name.to_owned(),
        volumes: volumes.unwrap_or_default(),
    })
}

/// An archive with the guest in it, and with `directories`.
pub(super) fn archive(guest: &[u8], directories: &[(&str, u32)]) -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::with_capacity(guest.len() + 8192));
    let header = |kind, mode, size: usize| {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(size as u64);
        header
    };
    for (name, mode) in directories {
        let mut header = header(tar::EntryType::Directory, *mode, 0);
        archive.append_data(&mut header, name, std::io::empty())?;
    }
    let mut header = header(tar::EntryType::Regular, 0o755, guest.len());
    archive.append_data(&mut header, "toolexec-guest", guest)?;
    archive.into_inner()
}

/// The guest program.
pub(super) async fn read(program: &Path) -> Result<Vec<u8>> {
    let program = program.to_owned();
    let read = tokio::task::spawn_blocking(move || std::fs::read(program)).await;
    let read = read.map_err(std::io::Error::other).and_then(|read| read);
    read.map_err(|error| unavailable("the guest program cannot be read").with_source(error))
}

async fn import(daemon: &Daemon, tag: &str, guest: &[u8]) -> Result<()> {
    // The mount points of the runtime; /tmp lends its mode to what is mounted there.
    let directories = [
        ("dev/", 0o755),
        ("proc/", 0o755),
        ("sys/", 0o755),
        ("tmp/", 0o1777),
    ];
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
        unavailable("the image of the guest cannot be made").with_source(error)
    };
    let archive = archive(guest, &directories).map_err(|error| failed(error.into()))?;
    let options = CreateImageOptionsBuilder::new()
        .from_src("-")
        .repo(REPOSITORY)
        .tag(tag)
        .changes(vec![format!("LABEL {GUEST_IMAGE}={tag}")])
        .build();
    let body = bollard::body_full(archive.into());
    let progress = daemon.client.create_image(Some(options), Some(body), None);
    let done = progress.try_for_each(|_| async { Ok(()) }).await;
    done.map_err(|refusal: Refusal| failed(refusal.into()))
}

/// Removes images of other guests, which an earlier version made. One that is in use stays, and
/// another host that still needs one makes it again.
async fn remove_others(daemon: &Daemon, keep: &str) {
    let filters: HashMap<String, Vec<String>> =
        [("label".to_owned(), vec![GUEST_IMAGE.to_owned()])].into();
    let options = ListImagesOptionsBuilder::new().filters(&filters).build();
    let images = daemon.client.list_images(Some(options)).await;
    for image in images.unwrap_or_default() {
        if image.repo_tags.iter().any(|tag| tag == keep) {
            continue;
        }
        let options = RemoveImageOptionsBuilder::new().build();
        let removed = daemon
            .client
            .remove_image(&image.id, Some(options), None)
            .await;
        if let Err(error) = removed {
            tracing::debug!(%error, "an image of another guest stays");
        }
    }
}
