//! Starting guests in containers.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use tokio::sync::{OnceCell, Semaphore};
use toolexec_core::Result;
use toolexec_process::Command;

use super::bundle::Bundle;
use super::leftovers::{Leftovers, sweep};
use super::runtime::Runtime;
use super::sandbox::Options;
use super::spec::{self, Plan, Root};
use crate::cgroup::{Cgroups, Controller, Group, Tree};
use crate::container::{Kind, Resources};
use crate::label::{self, Label};
use crate::piped::{Piped, warm};
use crate::pool::Launch;
use crate::toolchain_cache::Cache;
use crate::{private, roots, unavailable};

/// Starts guests in containers.
pub(super) struct Launcher {
    runtime: Runtime,
    options: Options,
    /// More would only wait for processors, and run out of patience.
    slots: Semaphore,
    place: OnceCell<Place>,
    tree: OnceLock<Option<Tree>>,
}

/// What was found and made before the first start.
struct Place {
    program: PathBuf,
    /// A root with programs in it.
    root: Option<PathBuf>,
    /// A root with nothing in it but the guest.
    guest_root: PathBuf,
    guest_program: PathBuf,
    /// The directory of all containers of this user.
    containers: PathBuf,
    label: Label,
    cgroups: Option<Cgroups>,
    leftovers: Arc<Leftovers>,
}

/// A guest in a container that has said hello.
pub(super) struct Inmate {
    // Dropped first: the rest can go when the guest is dead.
    pub(super) piped: Piped,
    /// Whose family is measured: the first process of the container, or its kernel.
    pub(super) pid: u32,
    pub(super) group: Option<Group>,
    _bundle: Bundle,
}

impl Launcher {
    pub(super) fn new(runtime: Runtime, options: Options) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            runtime,
            options,
            slots: Semaphore::new(2 * processors),
            place: OnceCell::new(),
            tree: OnceLock::new(),
        }
    }

    pub(super) fn options(&self) -> &Options {
        &self.options
    }

    pub(super) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// What control groups of guests control; nothing, where none can be made.
    pub(super) fn controllers(&self) -> Vec<Controller> {
        let parents = self.tree().map(|tree| tree.parents.as_slice());
        let parents = parents.unwrap_or_default().iter();
        parents.map(|(controller, _)| *controller).collect()
    }

    fn tree(&self) -> Option<&Tree> {
        self.tree
            .get_or_init(|| {
                let may_make = self.runtime.joins_groups || is_root();
                may_make.then(Tree::find).flatten()
            })
            .as_ref()
    }

    async fn place(&self) -> Result<&Place> {
        let make = || async {
            let guest = self.options.guest.clone();
            // Unpacking takes a while the first time.
            let found = tokio::task::spawn_blocking(move || Ok((guest.root()?, guest.program()?)));
            let (guest_root, guest_program) = found
                .await
                .map_err(|error| unavailable("the guest is not there").with_source(error))??;
            self.make_place(guest_root, guest_program)
        };
        self.place.get_or_try_init(make).await
    }

    fn make_place(&self, guest_root: PathBuf, guest_program: PathBuf) -> Result<Place> {
        let named = |root: &PathBuf| roots::resolve(self.options.roots.as_ref(), root);
        let root = self.options.root.as_ref().map(named).transpose()?;
        let program = self.runtime.find()?;
        let cache = guest_root.parent().unwrap_or(Path::new("/"));
        let containers = cache.join("containers");
        private::create_dir(&containers).map_err(|error| {
            unavailable("the directory of containers cannot be made").with_source(error)
        })?;
        let label = Label::own();
        sweep(&containers, &label);
        let joins = |_: &&Tree| self.runtime.joins_groups;
        let tree = self.tree().filter(joins).cloned();
        Ok(Place {
            program,
            root,
            guest_root,
            guest_program,
            containers,
            cgroups: tree.map(|tree| Cgroups::new(tree, label.clone())),
            label,
            leftovers: Arc::default(),
        })
    }

    /// The root with programs in it that a guest gets.
    fn root(&self, place: &Place, kind: &Kind) -> Result<Option<PathBuf>> {
        let Some(name) = kind.image.as_deref() else {
            return Ok(place.root.clone());
        };
        roots::resolve(self.options.roots.as_ref(), Path::new(name)).map(Some)
    }

    fn plan(&self, place: &Place, kind: &Kind, name: &str) -> Result<serde_json::Value> {
        let programs = self.root(place, kind)?;
        let cache = self.options.cache.as_ref().filter(|_| kind.has_cache);
        let cache = cache.map(Cache::make).transpose()?;
        let root = match &programs {
            Some(directory) => Root::Programs {
                directory,
                guest: &place.guest_program,
            },
            None => Root::Guest(&place.guest_root),
        };
        let cgroup = format!("/{name}");
        let makes_group = !self.runtime.joins_groups && self.tree().is_some();
        let user = rustix::process::geteuid().as_raw();
        let group = rustix::process::getegid().as_raw();
        let maps_user = !is_root() && self.runtime.rootless_options.is_empty();
        Ok(spec::spec(&Plan {
            root,
            args: &warm(kind.language),
            resources: &kind.resources,
            cgroup: makes_group.then_some(cgroup.as_str()),
            caps_swap: caps_swap(),
            counts_processes: self.runtime.counts_processes,
            cache: cache.as_deref(),
            rootless: maps_user.then_some((user, group)),
        }))
    }

    fn command(&self, place: &Place, bundle: &Bundle, group: Option<&Group>) -> Command {
        let groups = group.map(Group::dirs).unwrap_or_default();
        let run = self.runtime.run(&place.program, bundle, is_root());
        run.control_groups(groups)
    }

    /// The control group of a guest, where the runtime does not make it.
    fn group(&self, place: &Place, guest: u64, resources: &Resources) -> Result<Option<Group>> {
        let Some(cgroups) = &place.cgroups else {
            return Ok(None);
        };
        let version = cgroups.version();
        let settings = self
            .runtime
            .settings(version, resources.memory, resources.cpus);
        let group = cgroups.make(guest, &settings).map_err(|error| {
            unavailable("the control group of a guest cannot be made").with_source(error)
        })?;
        Ok(Some(group))
    }
}

impl Launch for Launcher {
    type Kind = Kind;
    type Guest = Inmate;

    async fn launch(&self, kind: &Kind) -> Result<Inmate> {
        let place = self.place().await?;
        // Never closed.
        let _slot = self.slots.acquire().await.ok();
        let guest = label::next_guest();
        let name = place.label.of(guest);
        let plan = self.plan(place, kind, &name)?;
        let bundle = Bundle::make(&place.containers, &name, &place.leftovers)
            .and_then(|bundle| bundle.write(&plan).map(|()| bundle));
        let bundle = bundle.map_err(|error| {
            unavailable("the directory of a container cannot be made").with_source(error)
        })?;
        let group = self.group(place, guest, &kind.resources)?;
        let command = self.command(place, &bundle, group.as_ref());
        let started = Piped::start(command).await;
        let mut piped = started.map_err(|error| self.runtime.explain(&error))?;
        let pid = if self.runtime.joins_groups {
            piped.pid()
        } else {
            adopt(&mut piped, &bundle)?
        };
        Ok(Inmate {
            piped,
            pid,
            group,
            _bundle: bundle,
        })
    }

    fn is_alive(guest: &mut Inmate) -> bool {
        guest.piped.ended().is_none()
    }
}

/// Ties the first process of a container, which leads a session of its own, to its runtime.
fn adopt(piped: &mut Piped, bundle: &Bundle) -> Result<u32> {
    let lost = || unavailable("the runtime does not say which process it started");
    // One that spoke and ended at once leaves nothing to be tied.
    let Some(pid) = bundle.first_process() else {
        let is_gone = bundle.is_gone();
        return is_gone.then(|| piped.pid()).ok_or_else(lost);
    };
    match piped.adopt(pid) {
        Err(error) if error.raw_os_error() != Some(rustix::io::Errno::SRCH.raw_os_error()) => {
            let cannot = unavailable("the container cannot be tied to this process");
            Err(cannot.with_source(error))
        }
        _ => Ok(pid),
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether the kernel counts what is swapped out: always in version 2, if it was started so in
/// version 1.
fn caps_swap() -> bool {
    let memory = Path::new("/sys/fs/cgroup/memory");
    !memory.exists() || fs::exists(memory.join("memory.memsw.limit_in_bytes")).unwrap_or(false)
}
