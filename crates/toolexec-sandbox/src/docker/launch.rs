//! Starting containers.

use std::sync::{Arc, Mutex, PoisonError};

use bollard::errors::Error as Refusal;
use bollard::models::{ContainerCreateBody, VolumeCreateRequest};
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, InspectContainerOptions,
    StartContainerOptions, UploadToContainerOptionsBuilder,
};
use tokio::sync::{OnceCell, Semaphore};
use toolexec_core::{Error, Result};

use super::container::{Contained, Created};
use super::daemon::{Daemon, explain, is_refused};
use super::endpoint::Endpoint;
use super::image::{self, Image};
use super::spec::{self, Delivery, Making};
use crate::container::Kind;
use crate::label::next_guest;
use crate::linux_guest::LinuxGuest;
use crate::pool::Launch;
use crate::toolchain_cache::Cache;
use crate::unavailable;

/// How many containers are started at the same time: more at once are all slower, and none is
/// done earlier.
const STARTS: usize = 8;

/// Starts containers. Cheap to clone.
#[derive(Clone)]
pub(super) struct Launcher(Arc<Shared>);

struct Shared {
    endpoint: Arc<Endpoint>,
    runtime: Option<String>,
    guest: LinuxGuest,
    cache: Option<Cache>,
    daemon: OnceCell<Daemon>,
    own_image: OnceCell<Image>,
    volume: OnceCell<Volume>,
    // How the guest gets into containers of images that others made, once that is known.
    delivery: Mutex<Option<Delivery>>,
    starts: Semaphore,
}

/// A volume with the guest in it. It is removed when this is dropped.
struct Volume {
    daemon: Daemon,
    name: String,
}

impl Launcher {
    pub(super) fn new(
        endpoint: Endpoint,
        runtime: Option<String>,
        guest: LinuxGuest,
        cache: Option<Cache>,
    ) -> Self {
        Self(Arc::new(Shared {
            endpoint: Arc::new(endpoint),
            runtime,
            guest,
            cache,
            daemon: OnceCell::new(),
            own_image: OnceCell::new(),
            volume: OnceCell::new(),
            delivery: Mutex::new(None),
            starts: Semaphore::new(STARTS),
        }))
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.0.endpoint
    }

    pub(super) fn cache(&self) -> Option<&Cache> {
        self.0.cache.as_ref()
    }

    pub(super) fn runtime(&self) -> Option<&str> {
        self.0.runtime.as_deref()
    }
}

impl Launch for Launcher {
    type Kind = Kind;
    type Guest = Contained;

    async fn launch(&self, kind: &Kind) -> Result<Contained> {
        let (shared, kind) = (self.0.clone(), kind.clone());
        // A container that nobody waits for any more is removed once it is there; in the middle
        // of being created it could not be.
        let started = tokio::spawn(async move { shared.launch(&kind).await });
        match started.await {
            Ok(started) => started,
            Err(error) => Err(unavailable("starting a container was given up").with_source(error)),
        }
    }

    fn is_alive(guest: &mut Contained) -> bool {
        guest.is_running()
    }
}

impl Shared {
    async fn launch(&self, kind: &Kind) -> Result<Contained> {
        let daemon = self.daemon.get_or_try_init(|| self.reach()).await?;
        let _turn = self.starts.acquire().await;
        match &kind.image {
            None => self.launch_own(daemon, kind).await,
            Some(name) => {
                let image = image::named(daemon, name).await?;
                self.launch_named(daemon, kind, &image).await
            }
        }
    }

    async fn reach(&self) -> Result<Daemon> {
        let daemon = Daemon::reach(self.endpoint.clone()).await?;
        if let Some(runtime) = &self.runtime {
            daemon.check_runtime(runtime).await?;
        }
        Ok(daemon)
    }

    /// Starts a container of the image that holds the guest alone.
    async fn launch_own(&self, daemon: &Daemon, kind: &Kind) -> Result<Contained> {
        let program = self.guest.program()?;
        let make = || image::own(daemon, &program);
        let image = self.own_image.get_or_try_init(make).await?;
        match self.start(daemon, kind, image, &Delivery::Image).await {
            // Somebody removed the image, such as another version of this program.
            Err(Failed::Create(refusal)) if is_refused(&refusal, 404, "No such image") => {
                make().await?;
                let again = self.start(daemon, kind, image, &Delivery::Image).await;
                again.map_err(Failed::into_error)
            }
            started => started.map_err(Failed::into_error),
        }
    }

    /// Starts a container of an image that somebody else made.
    async fn launch_named(&self, daemon: &Daemon, kind: &Kind, image: &Image) -> Result<Contained> {
        let known = self
            .delivery
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let first = match known {
            Some(delivery) => delivery,
            None => Delivery::File(self.guest.program()?),
        };
        let started = self.start(daemon, kind, image, &first).await;
        let delivery = match (&started, &first) {
            (Err(failed), Delivery::File(_)) if failed.is_not_shared() => {
                let make = || Volume::make(daemon, image, &self.guest);
                let volume = self.volume.get_or_try_init(make).await?;
                Delivery::Volume(volume.name.clone())
            }
            (Ok(_), _) => {
                *self.delivery.lock().unwrap_or_else(PoisonError::into_inner) = Some(first);
                return started.map_err(Failed::into_error);
            }
            (Err(_), _) => return started.map_err(Failed::into_error),
        };
        let started = self.start(daemon, kind, image, &delivery).await;
        if started.is_ok() {
            *self.delivery.lock().unwrap_or_else(PoisonError::into_inner) = Some(delivery);
        }
        started.map_err(Failed::into_error)
    }

    async fn start(
        &self,
        daemon: &Daemon,
        kind: &Kind,
        image: &Image,
        delivery: &Delivery,
    ) -> Result<Contained, Failed> {
        let name = daemon.label.of(next_guest());
        let cache = self.cache.as_ref().filter(|_| kind.has_cache);
        let cache = cache.map(Cache::make).transpose().map_err(Failed::Silent)?;
        let making = Making {
            image: &image.name,
            image_volumes: &image.volumes,
            runtime: self.runtime.as_deref(),
            delivery,
            cache: cache.as_deref(),
            name: &name,
            machine: &daemon.machine,
        };
        let body = spec::container(kind, &making);
        let created = create(daemon, name.clone(), body)
            .await
            .map_err(Failed::Create)?;
        let exit = created.exit();
        let options = AttachContainerOptionsBuilder::new()
            .stdin(true)
            .stdout(true)
            .stderr(true)
            .stream(true)
            .build();
        let attached = daemon.client.attach_container(&name, Some(options)).await;
        let attached = attached.map_err(Failed::Create)?;
        let started = daemon
            .client
            .start_container(&name, None::<StartContainerOptions>)
            .await;
        started.map_err(Failed::Start)?;
        let (contained, pid) = tokio::join!(
            Contained::start(created, attached, exit),
            visible_pid(daemon, &name)
        );
        let mut contained = contained.map_err(Failed::Silent)?;
        contained.pid = pid;
        Ok(contained)
    }
}

/// Why a container does not run.
enum Failed {
    Create(Refusal),
    Start(Refusal),
    Silent(Error),
}

impl Failed {
    /// Whether the daemon does not see the file that the guest is in, or may not use it.
    fn is_not_shared(&self) -> bool {
        match self {
            Self::Create(refusal) => is_refused(refusal, 400, "invalid mount config"),
            Self::Start(refusal) => {
                let text = refusal.to_string().to_lowercase();
                ["permission denied", "not shared", "no such file"]
                    .iter()
                    .any(|why| text.contains(why))
            }
            Self::Silent(_) => false,
        }
    }

    fn into_error(self) -> Error {
        match self {
            Self::Create(refusal) => explain(refusal),
            Self::Start(refusal) => match explain(refusal) {
                error if error.hints().is_empty() => {
                    let message = "the Docker daemon cannot start the container of the guest";
                    unavailable(message).with_source(error)
                }
                error => error,
            },
            Self::Silent(error) => error,
        }
    }
}

impl Volume {
    /// Makes a volume and puts the guest in it.
    async fn make(daemon: &Daemon, image: &Image, guest: &LinuxGuest) -> Result<Self> {
        let program = image::read(&guest.program()?).await?;
        let name = daemon.label.of(next_guest());
        let request = VolumeCreateRequest {
            name: Some(name.clone()),
            labels: Some(spec::labels(&name, &daemon.machine)),
            ..VolumeCreateRequest::default()
        };
        daemon
            .client
            .create_volume(request)
            .await
            .map_err(explain)?;
        let volume = Self {
            daemon: daemon.clone(),
            name,
        };
        // A container that is never started: through it the daemon takes files.
        let holder = format!("{}-volume", volume.name);
        let body = spec::volume_holder(&image.name, &volume.name, &daemon.machine);
        let holder = create(daemon, holder, body).await.map_err(explain)?;
        let archive = image::archive(&program, &[]);
        let archive = archive.map_err(|error| {
            unavailable("the archive of the guest cannot be made").with_source(error)
        })?;
        let options = UploadToContainerOptionsBuilder::new()
            .path(spec::VOLUME)
            .build();
        let body = bollard::body_full(archive.into());
        let upload = daemon
            .client
            .upload_to_container(&holder.name, Some(options), body);
        upload.await.map_err(explain)?;
        Ok(volume)
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        self.daemon.remove_volume(&self.name);
    }
}

async fn create(
    daemon: &Daemon,
    name: String,
    body: ContainerCreateBody,
) -> Result<Created, Refusal> {
    let options = CreateContainerOptionsBuilder::new().name(&name).build();
    let created = Created::new(daemon.clone(), name);
    daemon.client.create_container(Some(options), body).await?;
    Ok(created)
}

/// The process id of a container, where it is one of this machine.
async fn visible_pid(daemon: &Daemon, name: &str) -> Option<u32> {
    if !daemon.endpoint.is_local() {
        return None;
    }
    let found = daemon
        .client
        .inspect_container(name, None::<InspectContainerOptions>)
        .await
        .ok()?;
    let id = found.id?;
    let pid = u32::try_from(found.state?.pid?)
        .ok()
        .filter(|pid| *pid > 0)?;
    // The number may be that of another process where the daemon runs elsewhere.
    let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    groups.contains(&id).then_some(pid)
}
