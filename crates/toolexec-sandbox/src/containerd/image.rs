//! Images that containerd has. None is pulled.

use serde::Deserialize;
use sha2::{Digest, Sha256};
use tonic::Status;
use toolexec_core::{Error, Result};

use super::api::GetImage;
use super::client::{Client, is_gone};
use super::spec::Unpacked;
use crate::hex::hex;
use crate::unavailable;

/// Indices in indices are followed so far.
const MOST_STEPS: usize = 4;

/// An image index, a manifest or a configuration: what is needed of each.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Document {
    manifests: Vec<Manifest>,
    config: Option<Blob>,
    rootfs: Option<Rootfs>,
}

#[derive(Debug, Deserialize)]
struct Manifest {
    digest: String,
    platform: Option<Platform>,
}

#[derive(Debug, Deserialize)]
struct Platform {
    architecture: String,
    os: String,
}

#[derive(Debug, Deserialize)]
struct Blob {
    digest: String,
}

#[derive(Debug, Deserialize)]
struct Rootfs {
    diff_ids: Vec<String>,
}

/// Finds an image by its name, which may be as short as Docker's: `python:3`.
///
/// # Errors
/// [`ErrorKind::SandboxUnavailable`](toolexec_core::ErrorKind::SandboxUnavailable) when containerd
/// does not have it, or not for this kind of machine.
pub(super) async fn find(client: &Client, name: &str, snapshotter: &str) -> Result<Unpacked> {
    let name = &whole(name);
    let asked = client.call(GetImage { name: name.clone() }).await;
    let image = match asked {
        Ok(found) => found.image.unwrap_or_default(),
        Err(status) if is_gone(&status) => return Err(absent(name)),
        Err(status) => return Err(unreadable(status)),
    };
    let mut digest = image.target.unwrap_or_default().digest;
    for _ in 0..MOST_STEPS {
        let document = read(client, &digest).await?;
        if let Some(rootfs) = document.rootfs {
            return Ok(Unpacked {
                name: image.name,
                snapshotter: snapshotter.to_owned(),
                chain_id: chain_id(&rootfs.diff_ids).ok_or_else(|| absent(name))?,
            });
        }
        digest = next(document).ok_or_else(|| absent(name))?;
    }
    Err(absent(name))
}

/// The whole name: containerd knows no other.
fn whole(name: &str) -> String {
    let (first, rest) = name.split_once('/').unwrap_or_default();
    let has_registry = first.contains(['.', ':']) || first == "localhost";
    let place = match (has_registry, rest.is_empty()) {
        (true, _) => "",
        (false, false) => "docker.io/",
        (false, true) => "docker.io/library/",
    };
    let last = name.rsplit('/').next().unwrap_or_default();
    let tag = if last.contains([':', '@']) {
        ""
    } else {
        ":latest"
    };
    format!("{place}{name}{tag}")
}

async fn read(client: &Client, digest: &str) -> Result<Document> {
    let bytes = client.read(digest).await.map_err(unreadable)?;
    serde_json::from_slice(&bytes).map_err(|error| {
        unavailable("the description of the image cannot be read").with_source(error)
    })
}

/// The manifest of an index for this kind of machine, or the configuration of a manifest.
fn next(document: Document) -> Option<String> {
    let fits = |manifest: &Manifest| {
        let own = Some((architecture(), "linux"));
        let platform = manifest.platform.as_ref();
        platform.is_none() || platform.map(|one| (&*one.architecture, &*one.os)) == own
    };
    let manifest = document.manifests.into_iter().find(fits);
    let config = document.config.map(|config| config.digest);
    config.or(manifest.map(|manifest| manifest.digest))
}

/// The name under which the last layer of an image was unpacked, as the image specification says.
fn chain_id(layers: &[String]) -> Option<String> {
    let (first, rest) = layers.split_first()?;
    Some(rest.iter().fold(first.clone(), |chain, layer| {
        let digest = Sha256::digest(format!("{chain} {layer}"));
        format!("sha256:{}", hex(&digest))
    }))
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn absent(name: &str) -> Error {
    unavailable(&format!(
        "containerd does not have the image {name:?} for this machine"
    ))
    .with_hint(format!(
        "nothing is pulled here; get it with: ctr --namespace toolexec images pull {name}"
    ))
}

fn unreadable(status: Status) -> Error {
    unavailable("containerd cannot read the image").with_source(status)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_name_of_a_chain_is_made_of_all_its_layers() {
        assert_eq!(chain_id(&[]), None);
        let layers = ["sha256:a", "sha256:b", "sha256:c"].map(str::to_owned);
        assert_eq!(chain_id(&layers[..1]).as_deref(), Some("sha256:a"));
        // printf 'sha256:a sha256:b' | sha256sum
        assert_eq!(
            chain_id(&layers[..2]).as_deref(),
            Some("sha256:970a948bffa8de94d6e22d747ba8c95030e6e546909f98f54e99a13005e173a8")
        );
        // printf '%s sha256:c' "$the_one_before" | sha256sum
        assert_eq!(
            chain_id(&layers).as_deref(),
            Some("sha256:dee159b33409cefa3f6eda71539f006014283e9d9130c18a1dea7bd8a33c9b1b")
        );
    }

    #[test]
    fn short_names_mean_what_they_mean_to_docker() {
        for (name, expected) in [
            ("python", "docker.io/library/python:latest"),
            ("python:3", "docker.io/library/python:3"),
            ("me/mine:1", "docker.io/me/mine:1"),
            ("ghcr.io/me/mine", "ghcr.io/me/mine:latest"),
            ("localhost/a@sha256:0", "localhost/a@sha256:0"),
            ("host:5000/a", "host:5000/a:latest"),
        ] {
            assert_eq!(whole(name), expected);
        }
    }

    #[test]
    fn of_an_index_the_manifest_of_this_machine_is_taken() {
        let of = |document| next(serde_json::from_value(document).unwrap());
        let manifest = |digest: &str, architecture: &str| json!({"digest": digest, "platform": {"architecture": architecture, "os": "linux"}});
        let index = json!({"manifests": [manifest("a", "vax"), manifest("b", architecture())]});
        assert_eq!(of(index), Some("b".to_owned()));
        assert_eq!(of(json!({"manifests": [manifest("a", "vax")]})), None);
        let plain = json!({"config": {"digest": "c", "size": 3}, "layers": []});
        assert_eq!(of(plain), Some("c".to_owned()));
    }
}
