//! Starting machines, anew or from a saved one.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt};
use tokio::sync::{Mutex, OnceCell, Semaphore};
use toolexec_core::{Error, Result};

use super::api::{Api, ApiError};
use super::install::{self, Installed};
use super::snapshot::{Origin, Snapshots, Unfit};
use super::spec::{self, Plan};
use super::vmm::{self, Trouble, Vmm};
use super::vsock::Stream;
use crate::cgroup::{Cgroups, Controller, Group, Tree, basics, caps};
use crate::container::{Kind, Resources};
use crate::label::{self, Label};
use crate::pool::Launch;
use crate::roots::Roots;
use crate::vm::{Disk, Image, Source, new_word};
use crate::{private, unavailable};

/// How much longer than its connections a Firecracker lives that ends.
const LAST_MOMENT: Duration = Duration::from_secs(1);

/// What a sandbox is to use.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) program: PathBuf,
    pub(super) source: Source,
    pub(super) roots: Option<Roots>,
    /// Where machines and saved ones are kept.
    pub(super) state: PathBuf,
    pub(super) kvm: PathBuf,
    /// Machines of what resources are saved.
    pub(super) saved: Option<Resources>,
    pub(super) patience: Duration,
}

/// Starts machines.
pub(super) struct Launcher {
    settings: Settings,
    /// More would only wait for processors, and run out of patience.
    slots: Semaphore,
    place: OnceCell<Place>,
    tree: OnceLock<Option<Tree>>,
    /// Held while a machine is saved: one is enough.
    saving: Mutex<()>,
    /// Saving or restoring failed, and is not tried again.
    is_unsaved: AtomicBool,
}

/// What was found before the first start.
struct Place {
    installed: Installed,
    image: Image,
    machines: PathBuf,
    snapshots: Snapshots,
    cgroups: Option<Cgroups>,
}

/// A guest in a machine that has said hello.
pub(super) struct Machine {
    // Dropped first: the group can go when Firecracker is dead.
    pub(super) vmm: Vmm,
    pub(super) stream: Stream,
    pub(super) group: Option<Group>,
}

/// A machine that waits for its word.
struct Waiting {
    vmm: Vmm,
    stream: Stream,
}

impl Launcher {
    pub(super) fn new(settings: Settings) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            settings,
            slots: Semaphore::new(processors),
            place: OnceCell::new(),
            tree: OnceLock::new(),
            saving: Mutex::new(()),
            is_unsaved: AtomicBool::new(false),
        }
    }

    pub(super) fn roots(&self) -> Option<&Roots> {
        self.settings.roots.as_ref()
    }

    /// What control groups of machines control; nothing, where none can be made.
    pub(super) fn controllers(&self) -> Vec<Controller> {
        let parents = self.tree().map(|tree| tree.parents.as_slice());
        let parents = parents.unwrap_or_default().iter();
        parents.map(|(controller, _)| *controller).collect()
    }

    fn tree(&self) -> Option<&Tree> {
        self.tree.get_or_init(Tree::find).as_ref()
    }

    async fn place(&self) -> Result<&Place> {
        self.place.get_or_try_init(|| self.find()).await
    }

    async fn find(&self) -> Result<Place> {
        let installed = Installed::find(&self.settings.program).await?;
        install::check_kvm(&self.settings.kvm)?;
        let state = std::path::absolute(&self.settings.state)
            .and_then(|state| private::create_dir(&state).map(|()| state))
            .map_err(|error| {
                unavailable("the directory of virtual machines cannot be made")
                    .with_hint("the cache directory must be writable, and only for this user")
                    .with_source(error)
            })?;
        let machines = state.join("machines");
        vmm::sweep(&machines);
        let source = self.settings.source.clone();
        // Reading all of it takes a while.
        let image = tokio::task::spawn_blocking(move || source.open())
            .await
            .map_err(|error| unavailable("the image cannot be read").with_source(error))??;
        let tree = self.tree().cloned();
        Ok(Place {
            installed,
            image,
            machines,
            snapshots: Snapshots::new(state.join("snapshots")),
            cgroups: tree.map(|tree| Cgroups::new(tree, Label::own())),
        })
    }

    /// What a machine of these resources is saved as, unless it is not.
    fn origin(&self, place: &Place, resources: &Resources, disk: Option<&Disk>) -> Option<Origin> {
        let is_usual = self.settings.saved.as_ref() == Some(resources);
        if !is_usual || self.is_unsaved.load(Ordering::Relaxed) {
            return None;
        }
        let (version, image) = (&place.installed.version, place.image.name());
        let plan = Plan::new(resources, disk.is_some());
        Some(Origin::new(version, &image, &plan, disk))
    }

    /// A machine that waits for its word: a saved one where there is one.
    async fn waiting(
        &self,
        place: &Place,
        resources: &Resources,
        disk: Option<&Disk>,
        origin: Option<Origin>,
        group: Option<&Group>,
    ) -> Result<Waiting> {
        let plan = Plan::new(resources, disk.is_some());
        let Some(origin) = origin else {
            return self.boot(place, &plan, disk, group, None).await;
        };
        if let Some(restored) = self.restored(place, disk, &origin, group).await? {
            return Ok(restored);
        }
        let saving = self.saving.lock().await;
        // Another one may have been saved meanwhile.
        if let Some(restored) = self.restored(place, disk, &origin, group).await? {
            return Ok(restored);
        }
        let booted = self.boot(place, &plan, disk, group, Some(&origin)).await;
        drop(saving);
        booted
    }

    async fn start(&self, place: &Place, group: Option<&Group>) -> Result<(Vmm, Api)> {
        let patience = self.settings.patience;
        Vmm::start(&place.installed, &place.machines, group, patience).await
    }

    /// A machine that was saved, if there is one and it can be restored.
    async fn restored(
        &self,
        place: &Place,
        disk: Option<&Disk>,
        origin: &Origin,
        group: Option<&Group>,
    ) -> Result<Option<Waiting>> {
        if !place.snapshots.has(origin) {
            return Ok(None);
        }
        let (mut vmm, mut api) = self.start(place, group).await?;
        if let Some(disk) = disk {
            give(&vmm, [(disk.path.clone(), spec::DISK)]).await?;
        }
        let refused = match place.snapshots.give(origin, &vmm.home.root) {
            Ok(false) => return Ok(None),
            Ok(true) => match vmm.call_all(&mut api, &[spec::restore()]).await {
                Ok(()) => match vmm.greet().await {
                    Ok(stream) => return Ok(Some(Waiting { vmm, stream })),
                    Err(error) => error.to_string(),
                },
                Err(trouble) => trouble.to_string(),
            },
            Err(unfit @ (Unfit::OtherVersion(_) | Unfit::Damaged(_))) => unfit.to_string(),
        };
        tracing::warn!(
            why = refused,
            "a saved machine is not restored, and made anew"
        );
        place.snapshots.forget(origin);
        Ok(None)
    }

    /// A machine that is started, and saved where it has an origin.
    async fn boot(
        &self,
        place: &Place,
        plan: &Plan,
        disk: Option<&Disk>,
        group: Option<&Group>,
        origin: Option<&Origin>,
    ) -> Result<Waiting> {
        let (mut vmm, mut api) = self.start(place, group).await?;
        let image = [
            (place.image.kernel(), spec::KERNEL),
            (place.image.initrd(), spec::INITRD),
        ];
        let disk_too = disk.map(|disk| (disk.path.clone(), spec::DISK));
        give(&vmm, image.into_iter().chain(disk_too)).await?;
        vmm.call_all(&mut api, &plan.boot())
            .await
            .map_err(Trouble::into_error)?;
        let stream = vmm.greet().await?;
        let Some(origin) = origin else {
            return Ok(Waiting { vmm, stream });
        };
        // The connection does not survive it.
        drop(stream);
        if let Err(why) = self.save(place, origin, &mut vmm, &mut api).await {
            tracing::warn!(why, "machines are not saved");
            self.is_unsaved.store(true, Ordering::Relaxed);
            drop(vmm);
            return Box::pin(self.boot(place, plan, disk, group, None)).await;
        }
        let stream = vmm.greet().await?;
        Ok(Waiting { vmm, stream })
    }

    async fn save(
        &self,
        place: &Place,
        origin: &Origin,
        vmm: &mut Vmm,
        api: &mut Api,
    ) -> std::result::Result<(), String> {
        let saved = vmm.call_all(api, &spec::save()).await;
        saved.map_err(|trouble| trouble.to_string())?;
        let (snapshots, origin) = (place.snapshots.clone(), origin.clone());
        let root = vmm.home.root.directory.clone();
        let kept = tokio::task::spawn_blocking(move || snapshots.keep(&origin, &root)).await;
        let kept = kept.map_err(std::io::Error::other).and_then(|kept| kept);
        kept.map_err(|error| error.to_string())
    }
}

/// Gives files to a Firecracker, under their names there. On another file system they are copied.
async fn give(vmm: &Vmm, files: impl IntoIterator<Item = (PathBuf, &'static str)>) -> Result<()> {
    let root = vmm.home.root.clone();
    let files: Vec<_> = files.into_iter().collect();
    let put = move || {
        files
            .iter()
            .try_for_each(|(file, name)| root.put(file, name))
    };
    let given = tokio::task::spawn_blocking(put).await;
    given
        .map_err(std::io::Error::other)
        .and_then(|given| given)
        .map_err(|error| unavailable("the image cannot be given to Firecracker").with_source(error))
}

/// Why a machine does not speak that was connected to.
async fn lost(vmm: &mut Vmm) -> Error {
    // Its connections close a moment before it is gone.
    match vmm.death_within(LAST_MOMENT).await {
        Some(death) => death,
        None => install::silent(vmm.console()),
    }
}

impl Launch for Launcher {
    type Kind = Kind;
    type Guest = Machine;

    async fn launch(&self, kind: &Kind) -> Result<Machine> {
        let place = self.place().await?;
        // Never closed.
        let _slot = self.slots.acquire().await.ok();
        let resources = &kind.resources;
        let disk = Disk::of(kind, self.settings.roots.as_ref()).await?;
        let disk = disk.as_ref();
        let origin = self.origin(place, resources, disk);
        let is_saved = origin.as_ref().is_some_and(|it| !place.snapshots.has(it));
        let group = group(place, resources, is_saved)?;
        let waiting = self.waiting(place, resources, disk, origin, group.as_ref());
        let waiting = waiting.await?;
        let Waiting {
            mut vmm,
            mut stream,
        } = waiting;
        if stream.write_all(new_word(kind)?.as_bytes()).await.is_err() {
            return Err(lost(&mut vmm).await);
        }
        // The guest's own first word.
        let first = tokio::time::timeout(self.settings.patience, stream.fill_buf()).await;
        let has_spoken = matches!(first, Ok(Ok(said)) if !said.is_empty());
        if !has_spoken {
            return Err(lost(&mut vmm).await);
        }
        Ok(Machine { vmm, stream, group })
    }

    fn is_alive(guest: &mut Machine) -> bool {
        guest.vmm.ended(false).is_none()
    }
}

impl Trouble {
    fn into_error(self) -> Error {
        let error = match self {
            Self::Unavailable(error) => return error,
            Self::Api(error) => error,
        };
        let causes = error.to_string();
        let hint =
            if causes.contains("/dev/kvm") || causes.contains("KVM") || causes.contains("Kvm") {
                "KVM does not run machines here; the sandbox qemu needs none"
            } else if causes.contains("ernel") {
                "make the image anew with toolexec image build"
            } else {
                "this Firecracker may be too old or too new: 1.17 is known to work"
            };
        let message = match &error {
            ApiError::Refused { .. } => "Firecracker refuses the virtual machine",
            ApiError::Silent { .. } => "Firecracker does not answer",
        };
        unavailable(message).with_hint(hint).with_source(error)
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Api(error) => error.fmt(f),
            Self::Unavailable(error) => error.fmt(f),
        }
    }
}

fn group(place: &Place, resources: &Resources, is_saved: bool) -> Result<Option<Group>> {
    let Some(cgroups) = &place.cgroups else {
        return Ok(None);
    };
    let version = cgroups.version();
    let (threads, memory) = spec::caps(resources, is_saved);
    let mut settings = basics(version, threads);
    settings.extend(caps(version, Some(memory), resources.cpus));
    let group = cgroups
        .make(label::next_guest(), &settings)
        .map_err(|error| {
            unavailable("the control group of a machine cannot be made").with_source(error)
        })?;
    Ok(Some(group))
}
