//! Starting guests in containers.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::{OnceCell, Semaphore};
use toolexec_core::Result;

use super::api::ListContainers;
use super::container::{self, Running};
use super::daemon::Daemon;
use super::fifos::{self, Fifos};
use super::guest::Contained;
use super::image;
use super::measure;
use super::spec::{self, LABEL, Origin, Shim};
use crate::container::Kind;
use crate::label::{self, Label};
use crate::linux_guest::LinuxGuest;
use crate::pool::Launch;
use crate::roots::{self, Roots};
use crate::toolchain_cache::Cache;
use crate::{private, unavailable};

/// Starts guests in containers.
pub(super) struct Launcher {
    pub(super) daemon: Arc<Daemon>,
    pub(super) guest: LinuxGuest,
    pub(super) shim: Shim,
    pub(super) root: Option<PathBuf>,
    pub(super) roots: Option<Roots>,
    pub(super) cache: Option<Cache>,
    pub(super) snapshotter: String,
    /// Where the streams of containers are made.
    pub(super) streams: PathBuf,
    pub(super) label: Label,
    pub(super) is_swept: OnceCell<()>,
    /// More at once would only wait for processors, and run out of patience.
    pub(super) slots: Semaphore,
}

impl Launch for Launcher {
    type Kind = Kind;
    type Guest = Contained;

    async fn launch(&self, kind: &Kind) -> Result<Contained> {
        let _slot = self.slots.acquire().await.map_err(|error| {
            unavailable("no containers are started any more").with_source(error)
        })?;
        let client = self.daemon.client().await?;
        self.is_swept.get_or_init(|| async { self.sweep() }).await;
        let program = self.guest.program()?;
        let guest_root = self.guest.root()?;
        let roots = self.roots.as_ref();
        let is_root = |name: &str| roots.is_some_and(|roots| roots.has(name));
        let (image, root) = match (kind.image.as_deref(), &self.root) {
            (Some(name), _) if is_root(name) => (None, Some(Path::new(name))),
            (Some(name), _) => {
                let image = image::find(&client, name, &self.snapshotter).await?;
                (Some(image), None)
            }
            (None, root) => (None, root.as_deref()),
        };
        let root = root.map(|root| roots::resolve(roots, root)).transpose()?;
        let cache = self.cache.as_ref().filter(|_| kind.has_cache);
        let cache = cache.map(Cache::make).transpose()?;
        let origin = match (&image, &root) {
            (Some(image), _) => Origin::Image(image),
            (None, Some(directory)) => Origin::Directory(directory),
            (None, None) => Origin::Guest(&guest_root),
        };
        let id = self.label.of(label::next_guest());
        let caps_swap = measure::caps_swap();
        let plan = spec::plan(
            &id,
            &self.shim,
            kind,
            origin,
            &program,
            caps_swap,
            cache.as_deref(),
        );
        let fifos = private::create_dir(&self.streams)
            .and_then(|()| Fifos::make(&self.streams, &id))
            .map_err(|error| {
                unavailable("the streams of a container cannot be made").with_source(error)
            })?;
        let (running, streams) = Running::start(plan, fifos, &self.daemon).await?;
        let guest = Contained::hear(running, streams).await?;
        let first = std::fs::read(format!("/proc/{}/cmdline", guest.pid)).unwrap_or_default();
        self.shim.wall().check(&first)?;
        Ok(guest)
    }

    fn is_alive(guest: &mut Contained) -> bool {
        guest.is_running()
    }
}

impl Launcher {
    /// Removes, while nobody waits, what hosts left that are gone.
    fn sweep(&self) {
        let Some(client) = self.daemon.connected() else {
            return;
        };
        let (label, streams) = (self.label.clone(), self.streams.clone());
        self.daemon.must(async move {
            let filters = vec![format!("labels.{LABEL:?}==true")];
            let found = client.call(ListContainers { filters }).await;
            for one in found.unwrap_or_default().containers {
                if label.is_orphan(&one.id) {
                    container::remove(&client, &one.id, &one.snapshotter).await;
                }
            }
            for entry in std::fs::read_dir(streams).into_iter().flatten().flatten() {
                if entry
                    .file_name()
                    .to_str()
                    .is_some_and(|name| label.is_orphan(name))
                {
                    fifos::remove(&entry.path());
                }
            }
        });
    }
}
