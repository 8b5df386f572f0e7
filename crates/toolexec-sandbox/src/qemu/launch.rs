//! Starting machines.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::sync::{OnceCell, Semaphore};
use toolexec_core::{Error, Result};
use toolexec_process::Command;

use super::Accel;
use super::spec::{self, DropTo, Plan};
use crate::cgroup::{Cgroups, Controller, Group, Tree, basics, caps};
use crate::container::{Kind, Resources};
use crate::label::{self, Label};
use crate::piped::Piped;
use crate::pool::Launch;
use crate::vm::{Image, READY, Source, counter_khz, new_word};
use crate::{installed, unavailable};

/// How long a machine may take that KVM runs, before it is taken not to.
const KVM_PATIENCE: Duration = Duration::from_secs(5);
/// The first version that is told with `-run-with` whom to become.
const RUN_WITH: (u32, u32) = (9, 1);
const SILENT: &str = "the virtual machine does not start";

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
}

/// What was found before the first start.
struct Place {
    program: PathBuf,
    image: Image,
    drop_to: DropTo,
    counter_khz: u64,
    cgroups: Option<Cgroups>,
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
        }
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

    fn tree(&self) -> Option<&Tree> {
        self.tree.get_or_init(Tree::find).as_ref()
    }

    async fn place(&self) -> Result<&Place> {
        self.place.get_or_try_init(|| self.find()).await
    }

    async fn find(&self) -> Result<Place> {
        let program = installed::program(&self.program, &[])
            .ok_or_else(|| unavailable("QEMU is not installed").with_hint(INSTALL))?;
        let drop_to = if rustix::process::geteuid().is_root() {
            how_to_drop(&program).await?
        } else {
            DropTo::Itself
        };
        let source = self.source.clone();
        // Reading all of it takes a while.
        let opened = tokio::task::spawn_blocking(move || (source.open(), counter_khz()));
        let (image, counter_khz) = opened
            .await
            .map_err(|error| unavailable("the image cannot be read").with_source(error))?;
        let tree = self.tree().cloned();
        Ok(Place {
            program,
            image: image?,
            drop_to,
            counter_khz,
            cgroups: tree.map(|tree| Cgroups::new(tree, Label::own())),
        })
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
            let command = command(place, Accel::Kvm, &Resources::default(), None);
            match boot(command, KVM_PATIENCE).await {
                Ok(_) => Accel::Kvm,
                Err(error) => {
                    tracing::debug!(%error, "no machine starts with KVM");
                    Accel::Tcg
                }
            }
        };
        *self.accel.get_or_init(choose).await
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
        let group = group(place, &kind.resources)?;
        let command = command(place, accel, &kind.resources, group.as_ref());
        let mut piped = boot(command, self.patience).await.map_err(explain)?;
        let word = new_word(kind)?;
        let told = piped.write_all(word.as_bytes()).await;
        told.map_err(|error| unavailable(SILENT).with_source(error))?;
        // The guest's own first word.
        piped.hear().await.map_err(explain)?;
        Ok(Machine { piped, group })
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

fn command(place: &Place, accel: Accel, resources: &Resources, group: Option<&Group>) -> Command {
    let (kernel, initrd) = (place.image.kernel(), place.image.initrd());
    let plan = Plan {
        kernel: &kernel,
        initrd: &initrd,
        accel,
        counter_khz: place.counter_khz,
        resources,
        drop_to: place.drop_to,
    };
    Command::new(place.program.to_string_lossy())
        .args(spec::args(&plan))
        .current_dir("/")
        .control_groups(group.map(Group::dirs).unwrap_or_default())
}

fn group(place: &Place, resources: &Resources) -> Result<Option<Group>> {
    let Some(cgroups) = &place.cgroups else {
        return Ok(None);
    };
    let version = cgroups.version();
    let mut settings = basics(version, spec::THREADS);
    let memory = spec::memory_with_qemu(resources);
    settings.extend(caps(version, Some(memory), resources.cpus.map(spec::quota)));
    let group = cgroups
        .make(label::next_guest(), &settings)
        .map_err(|error| {
            unavailable("the control group of a machine cannot be made").with_source(error)
        })?;
    Ok(Some(group))
}

/// How this version of QEMU is told to become nobody.
async fn how_to_drop(program: &Path) -> Result<DropTo> {
    let command = Command::new(program.to_string_lossy()).arg("--version");
    let said = command
        .run(Vec::new(), 4096)
        .await
        .map_err(|error| unavailable("QEMU cannot be started").with_source(error))?;
    match version(&String::from_utf8_lossy(&said.stdout)) {
        Some(version) if version >= RUN_WITH => Ok(DropTo::NobodyNew),
        Some(_) => Ok(DropTo::Nobody),
        None => Err(unavailable("the program is not QEMU").with_hint(INSTALL)),
    }
}

fn version(said: &str) -> Option<(u32, u32)> {
    let (_, rest) = said.split_once("QEMU emulator version ")?;
    let mut numbers = rest.split(|letter: char| !letter.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

const INSTALL: &str = "install QEMU: apt-get install qemu-system-x86";

/// Says what became of a machine that does not start.
fn explain(error: Error) -> Error {
    let causes = error.report().causes.concat();
    let hint = if causes.contains("Error loading uncompressed kernel")
        || causes.contains("kernel too")
    {
        "the kernel of the image is none that QEMU starts: make it anew with toolexec image build"
    } else if causes.contains("seccomp") || causes.contains("sandbox") {
        "this QEMU was built without seccomp"
    } else if causes.contains("KVM") || causes.contains("kvm") {
        "KVM does not run machines here: set accel to tcg, or leave it out"
    } else {
        "make the image anew with toolexec image build; a machine without KVM needs some seconds \
         of a processor"
    };
    unavailable(SILENT).with_hint(hint).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_apart() {
        let said = "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)\nCopyright";
        assert_eq!(version(said), Some((7, 2)));
        assert_eq!(version("QEMU emulator version 10.0.2\n"), Some((10, 0)));
        assert_eq!(version("runc version 1.1"), None);
    }
}
