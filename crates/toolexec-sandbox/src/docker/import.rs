//! Roots as images of a Docker daemon.

use std::collections::HashMap;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::time::Duration;

use bollard::query_parameters::CreateImageOptionsBuilder;
use bytes::Bytes;
use futures_util::TryStreamExt;
use tokio::sync::mpsc;
use toolexec_core::{Error, ErrorKind, Result};

use super::daemon::{Daemon, explain, is_refused};
use super::endpoint::Endpoint;
use crate::roots::Root;
use crate::unavailable;

/// The label of images that are roots; its value is the hash of their files.
const ROOT: &str = "toolexec.root";
/// How much is sent at once.
const PIECE: usize = 1 << 20;
/// How long the daemon may take to unpack it.
const PATIENCE: Duration = Duration::from_mins(15);

/// Makes an image of a root, with the root's name. One that is there already, of the same files,
/// stays.
///
/// # Errors
/// [`ErrorKind::InvalidInput`] when an image of that name is there that is no root;
/// [`ErrorKind::SandboxUnavailable`] when the daemon is not there, or does not take it.
///
/// # Cancel safety
/// Dropping the future ends the upload; the daemon then has no new image.
pub async fn import(host: &str, root: &Root) -> Result<()> {
    let endpoint = Arc::new(Endpoint::parse(host)?);
    let mut daemon = Daemon::reach(endpoint).await?;
    let name = root.name();
    if let Some(contents) = existing(&daemon, &name).await? {
        if contents.as_deref() == Some(root.contents()) {
            return Ok(());
        }
        if contents.is_none() {
            let message = format!("the Docker daemon has another image {name}");
            return Err(Error::new(ErrorKind::InvalidInput, message)
                .with_hint("give the root another name: --name"));
        }
    }
    let options = CreateImageOptionsBuilder::new()
        .from_src("-")
        .repo(&name)
        .tag("latest")
        .changes(vec![format!("LABEL {ROOT}={}", root.contents())])
        .build();
    daemon.client.set_timeout(PATIENCE);
    let (send, mut receive) = mpsc::channel(2);
    let root = root.clone();
    // It ends when nobody receives any more.
    tokio::task::spawn_blocking(move || {
        let to = BufWriter::with_capacity(PIECE, Pieces(send.clone()));
        if let Err(error) = root.export(to) {
            let _ = send.blocking_send(Err(error));
        }
    });
    let pieces = futures_util::stream::poll_fn(move |cx| receive.poll_recv(cx));
    let body = bollard::body_try_stream(pieces);
    let progress = daemon.client.create_image(Some(options), Some(body), None);
    let done = progress.try_for_each(|_| async { Ok(()) }).await;
    done.map_err(|refusal| {
        unavailable("the Docker daemon does not take the root")
            .with_hint("its disk may be full: docker system df")
            .with_source(refusal)
    })
}

/// Whether an image with a name is there, and the hash of the root that it is, if it is one.
async fn existing(daemon: &Daemon, name: &str) -> Result<Option<Option<String>>> {
    let found = match daemon.client.inspect_image(name).await {
        Ok(found) => found,
        Err(refusal) if is_refused(&refusal, 404, "") => return Ok(None),
        Err(refusal) => return Err(explain(refusal)),
    };
    let labels: HashMap<String, String> = found
        .config
        .and_then(|config| config.labels)
        .unwrap_or_default();
    Ok(Some(labels.get(ROOT).cloned()))
}

/// Sends what is written.
struct Pieces(mpsc::Sender<io::Result<Bytes>>);

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Ok(Bytes::copy_from_slice(bytes)));
        sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
