//! Starting machines: from nothing, or where one was saved.

use std::io;
use std::os::unix::net::UnixStream as Blocking;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::{OnceCell, Semaphore};
use toolexec_core::error::ErrorReport;
use toolexec_core::{Error, Result};
use toolexec_process::Command;

use super::Accel;
use super::monitor::{self, Monitor};
use super::place::Place;
use super::snapshot::{self, Identity, Shelf, Snapshot, Snapshots, Unsaved, number};
use super::spec::{self, Life, Plan};
use super::verdict::Verdict;
use crate::cgroup::{Controller, Group, Tree, basics, caps};
use crate::container::{Kind, Resources};
use crate::label;
use crate::piped::Piped;
use crate::pool::Launch;
use crate::roots::Roots;
use crate::vm::{self, Disk, READY, Source, guest, new_word, word_about};
use crate::{owner, unavailable};

/// How long a machine may take that KVM runs, before it is taken not to.
const KVM_PATIENCE: Duration = Duration::from_secs(5);
const SILENT: &str = "the virtual machine does not start";
const NO_KERNEL: &str =
    "the kernel of the image is none that QEMU starts: make it anew with toolexec image build";
const NO_INIT: &str = "its kernel finds nothing to start, or cannot go on: make the image anew with \
                       toolexec image build";
const NO_SECCOMP: &str = "this QEMU was built without seccomp";
const NO_KVM: &str = "KVM does not run machines here: set accel to tcg, or leave it out";

/// Starts machines.
pub(super) struct Launcher {
    program: PathBuf,
    source: Source,
    asked: Option<Accel>,
    patience: Duration,
    /// More would only wait for processors, and run out of patience.
    slots: Semaphore,
    place: OnceCell<Place>,
    accel: OnceCell<Accel>,
    tree: OnceLock<Option<Tree>>,
    snapshots: Option<Snapshots>,
    roots: Option<Roots>,
}

/// A guest in a machine that has said hello.
pub(super) struct Machine {
    // Dropped first: the group can go when QEMU is dead.
    pub(super) piped: Piped,
    pub(super) group: Option<Group>,
}

impl Launcher {
    pub(super) fn new(
        program: PathBuf,
        source: Source,
        asked: Option<Accel>,
        patience: Duration,
        with_snapshots: bool,
        roots: Option<Roots>,
    ) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            program,
            source,
            asked,
            patience,
            slots: Semaphore::new(processors),
            place: OnceCell::new(),
            accel: OnceCell::new(),
            tree: OnceLock::new(),
            snapshots: with_snapshots.then(Snapshots::default),
            roots,
        }
    }

    pub(super) fn roots(&self) -> Option<&Roots> {
        self.roots.as_ref()
    }

    /// What control groups of machines control; nothing, where none can be made.
    pub(super) fn controllers(&self) -> Vec<Controller> {
        let parents = self.tree().map(|tree| tree.parents.as_slice());
        let parents = parents.unwrap_or_default().iter();
        parents.map(|(controller, _)| *controller).collect()
    }

    /// What runs the machines, once one was started.
    pub(super) fn accel(&self) -> Option<Accel> {
        self.accel.get().copied()
    }

    /// Why machines are not restored that could be.
    pub(super) fn problem(&self) -> Option<ErrorReport> {
        self.snapshots.as_ref().and_then(Snapshots::problem)
    }

    fn tree(&self) -> Option<&Tree> {
        self.tree.get_or_init(Tree::find).as_ref()
    }

    async fn place(&self) -> Result<&Place> {
        let find = || Place::find(&self.program, self.source.clone(), self.tree().cloned());
        self.place.get_or_try_init(find).await
    }

    /// What runs the machines: KVM where one really starts with it.
    async fn choose(&self, place: &Place) -> Accel {
        let choose = || async {
            if let Some(asked) = self.asked {
                return asked;
            }
            if !Path::new("/dev/kvm").exists() {
                return Accel::Tcg;
            }
            let verdict = Verdict::of(place);
            if let Some(kept) = verdict.kept() {
                return kept;
            }
            let resources = Resources::default();
            let plan = plan(place, Accel::Kvm, &resources, None, Life::Whole);
            let accel = match boot(command(place, &plan, None), KVM_PATIENCE).await {
                Ok(_) => Accel::Kvm,
                Err(error) => {
                    tracing::debug!(%error, "no machine starts with KVM");
                    Accel::Tcg
                }
            };
            verdict.keep(accel);
            accel
        };
        *self.accel.get_or_init(choose).await
    }

    /// A machine from nothing.
    async fn start(
        &self,
        place: &Place,
        accel: Accel,
        kind: &Kind,
        disk: Option<&Disk>,
    ) -> Result<Machine> {
        let group = group(place, &kind.resources, disk)?;
        let plan = plan(place, accel, &kind.resources, disk, Life::Whole);
        let command = command(place, &plan, group.as_ref());
        let explain = |error| explain(error, self.patience);
        let mut piped = boot(command, self.patience).await.map_err(explain)?;
        let told = piped.write_all(new_word(kind)?.as_bytes()).await;
        told.map_err(|error| unavailable(SILENT).with_source(error))?;
        // The guest's own first word.
        piped.hear().await.map_err(explain)?;
        Ok(Machine { piped, group })
    }

    /// Starts a machine, and saves it when its guest is ready.
    async fn record(
        &self,
        place: &Place,
        accel: Accel,
        kind: &Kind,
        disk: Option<&Disk>,
    ) -> std::result::Result<Snapshot, Unsaved> {
        let failed = |error| Unsaved::Save(not_saved(error));
        let explain = |error| Unsaved::Boot(explain(error, self.patience));
        let memory = |bytes| snapshot::memory(bytes).map_err(failed);
        let (ram, state) = (memory(vm::memory(&kind.resources))?, memory(0)?);
        let handed = Arc::new(ram.try_clone().map_err(failed)?.into());
        let (monitor, monitor_end) = monitor::pair().map_err(failed)?;
        let (_again, again_end) = monitor::pair().map_err(failed)?;
        let life = Life::Saved {
            ram: number(&handed),
            monitor: number(&monitor_end),
            again: number(&again_end),
        };
        let plan = plan(place, accel, &kind.resources, disk, life);
        let command = [handed, monitor_end, again_end]
            .into_iter()
            .fold(command(place, &plan, None), |command, one| {
                command.descriptor(one)
            });
        let mut piped = boot(command, self.patience).await.map_err(explain)?;
        let word = word_about(&(guest(kind) + spec::AGAIN)).map_err(Unsaved::Boot)?;
        piped.write_all(word.as_bytes()).await.map_err(failed)?;
        let said = piped.take_frame().await.map_err(explain)?;
        let save = async {
            let mut monitor = Monitor::greet(monitor).await?;
            let state = state.try_clone()?.into();
            monitor.save(&state).await
        };
        match tokio::time::timeout(self.patience, save).await {
            Ok(saved) => saved.map_err(failed)?,
            Err(_) => return Err(failed(io::ErrorKind::TimedOut.into())),
        }
        drop(piped);
        Snapshot::seal(ram, state, said).await.map_err(failed)
    }

    /// A machine that goes on where it was saved.
    async fn restore(
        &self,
        place: &Place,
        accel: Accel,
        kind: &Kind,
        disk: Option<&Disk>,
        snapshot: &Snapshot,
    ) -> Result<Machine> {
        let failed = |error: io::Error| not_restored().with_source(error);
        let group = group(place, &kind.resources, disk)?;
        let (ram, state) = (snapshot.ram(), snapshot.state().map_err(failed)?);
        let (monitor, monitor_end) = monitor::pair().map_err(failed)?;
        let (again, again_end) = monitor::pair().map_err(failed)?;
        let life = Life::Restored {
            ram: number(&ram),
            monitor: number(&monitor_end),
            again: number(&again_end),
        };
        let from = number(&state);
        let plan = plan(place, accel, &kind.resources, disk, life);
        let command = [ram, state, monitor_end, again_end]
            .into_iter()
            .fold(command(place, &plan, group.as_ref()), |command, one| {
                command.descriptor(one)
            });
        let mut piped = Piped::resume(command, snapshot.said.clone(), self.patience)?;
        let word = new_word(kind)?;
        let wake = async {
            Monitor::greet(monitor).await?.restore(from).await?;
            wake(again, &word).await
        };
        match tokio::time::timeout(self.patience, wake).await {
            Ok(Ok(())) => Ok(Machine { piped, group }),
            Ok(Err(error)) => Err(failed(io::Error::other(format!(
                "{error}; {}",
                piped.last_words().await.unwrap_or_default()
            )))),
            Err(_) => Err(failed(io::ErrorKind::TimedOut.into())),
        }
    }

    fn identity(place: &Place, accel: Accel, kind: &Kind, disk: Option<&Disk>) -> Identity {
        let [kernel, initrd] = place.image.hashes();
        let plan = plan(place, accel, &kind.resources, disk, Life::Whole);
        Identity {
            kernel,
            initrd,
            qemu: place.version.clone(),
            processor: Place::processor(accel),
            machine: spec::machine(&plan),
            disk: disk.map(|disk| disk.identity.clone()).unwrap_or_default(),
            guest: guest(kind),
        }
    }
}

impl Launch for Launcher {
    type Kind = Kind;
    type Guest = Machine;

    async fn launch(&self, kind: &Kind) -> Result<Machine> {
        let place = self.place().await?;
        // Never closed.
        let _slot = self.slots.acquire().await.ok();
        let accel = self.choose(place).await;
        let disk = Disk::of(kind, self.roots()).await?;
        let disk = disk.as_ref();
        let Some(snapshots) = &self.snapshots else {
            return self.start(place, accel, kind, disk).await;
        };
        let identity = Self::identity(place, accel, kind, disk);
        let kept = Shelf::of(place.image.directory(), place.counter_khz);
        let record = || self.record(place, accel, kind, disk);
        if let Some(snapshot) = snapshots.get(&identity, kept, record).await? {
            match self.restore(place, accel, kind, disk, &snapshot).await {
                Ok(machine) => return Ok(machine),
                Err(error) => snapshots.give_up(&identity, &error),
            }
        }
        self.start(place, accel, kind, disk).await
    }

    fn is_alive(guest: &mut Machine) -> bool {
        guest.piped.ended().is_none()
    }
}

/// Starts a machine and waits until it is ready for its word.
async fn boot(command: Command, patience: Duration) -> Result<Piped> {
    let mut piped = Piped::start_within(command, patience).await?;
    if piped.take_said(READY.len()).await? == READY {
        return Ok(piped);
    }
    Err(
        unavailable("the first process of the virtual machine is of another version")
            .with_hint("make the image anew: toolexec image build"),
    )
}

/// Says the word to a machine that was restored, and waits until it is itself.
async fn wake(again: Blocking, word: &str) -> io::Result<()> {
    let mut again = UnixStream::from_std(again)?;
    again.write_all(word.as_bytes()).await?;
    let mut answer = [0; READY.len()];
    again.read_exact(&mut answer).await?;
    if answer == READY {
        Ok(())
    } else {
        Err(io::Error::other("its first process does not understand"))
    }
}

fn plan<'a>(
    place: &'a Place,
    accel: Accel,
    resources: &'a Resources,
    disk: Option<&'a Disk>,
    life: Life,
) -> Plan<'a> {
    Plan {
        kernel: place.image.kernel(),
        initrd: place.image.initrd(),
        accel,
        counter_khz: place.counter_khz,
        resources,
        disk: disk.map(|disk| &*disk.path),
        drop_to: place.drop_to,
        life,
    }
}

fn command(place: &Place, plan: &Plan<'_>, group: Option<&Group>) -> Command {
    Command::new(place.program.to_string_lossy())
        .args(spec::args(plan, owner::next()))
        .current_dir("/")
        .control_groups(group.map(Group::dirs).unwrap_or_default())
}

fn group(place: &Place, resources: &Resources, disk: Option<&Disk>) -> Result<Option<Group>> {
    let Some(cgroups) = &place.cgroups else {
        return Ok(None);
    };
    let version = cgroups.version();
    let mut settings = basics(version, spec::threads(disk.is_some()));
    let memory = spec::memory_with_qemu(resources);
    settings.extend(caps(version, Some(memory), resources.cpus));
    let group = cgroups
        .make(label::next_guest(), &settings)
        .map_err(|error| {
            unavailable("the control group of a machine cannot be made").with_source(error)
        })?;
    Ok(Some(group))
}

/// Says what became of a machine that does not start.
fn explain(error: Error, patience: Duration) -> Error {
    const KNOWN: [(&str, &str); 10] = [
        ("Error loading uncompressed kernel", NO_KERNEL),
        ("kernel too", NO_KERNEL),
        // The first and the last of what a kernel says that panics.
        ("Kernel panic", NO_INIT),
        ("Kernel Offset", NO_INIT),
        (
            "toolexec-init: mounting the disk",
            "the disk of its root is damaged: remove the file disk.ext4 of that root, and it is \
             made anew; or the root, with toolexec image rm",
        ),
        (
            "toolexec-init: ",
            "its guest does not start: make the image anew with toolexec image build",
        ),
        ("seccomp", NO_SECCOMP),
        ("sandbox", NO_SECCOMP),
        ("KVM", NO_KVM),
        ("kvm", NO_KVM),
    ];
    let causes = error.report().causes.concat();
    let known = KNOWN.iter().find(|(sign, _)| causes.contains(sign));
    let cannot = unavailable(SILENT);
    let cannot = match known {
        Some((_, hint)) => cannot.with_hint(*hint),
        None => cannot.with_hint(format!(
            "it was silent for {} s; an emulated machine needs some seconds of a processor: give it \
             more patience, or make the image anew with toolexec image build",
            patience.as_secs_f64()
        )),
    };
    cannot.with_source(error)
}

fn not_saved(error: io::Error) -> Error {
    unavailable("a virtual machine cannot be saved: each is started from nothing")
        .with_hint("set snapshots to false, if that is to be so")
        .with_source(error)
}

fn not_restored() -> Error {
    unavailable("a virtual machine that was saved does not go on: others are started from nothing")
        .with_hint("remove its image with `toolexec image rm` and make it anew with `toolexec image build`; or set snapshots to false")
}
