//! Programs on a kernel of their own, gVisor's.

mod network;
mod spec;

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use tokio::sync::OnceCell;
use toolexec_cell::PORT;
use toolexec_core::Error;
use toolexec_process::{
    Child, Command, Confine, ConfineError, Exit, Keeper, ProbeFuture, SpawnError, SpawnFuture,
    Stdin,
};

use super::bounds::Bounds;
use super::code::Program;
use super::network::Served;
use super::settings::{ToolPlaces, ToolSandbox};
use super::view::{self, System};
use crate::cgroup::{Cgroups, Group, Tree};
use crate::gvisor::{PLATFORM, runtime};
use crate::label::{self, Label};
use crate::oci::{Bundle, Leftovers, Runtime, sweep};
use crate::share::thousandths;
use crate::{first_process, private};
use network::Way;

/// Every file is opened by a process beside the kernel. Where gVisor opens files itself, a program
/// that opens one of a read-only mount to empty it is told no, and the file is empty (found in
/// release-20240729).
const FILE_SERVER: &str = "--directfs=false";
/// What every system has that has programs.
const NOTHING: &str = "/bin/true";

/// Starts programs on kernels of their own.
#[derive(Debug)]
pub(super) struct Gvisor {
    runtime: Runtime,
    settings: ToolSandbox,
    system: System,
    cache: Option<PathBuf>,
    place: OnceCell<Place>,
    cgroups: OnceLock<Option<Cgroups>>,
}

/// What was found and made before the first start.
#[derive(Debug)]
struct Place {
    program: PathBuf,
    /// The directory of all containers of this user.
    containers: PathBuf,
    /// What leads its connections out, where it has a network.
    relay: Option<PathBuf>,
    label: Label,
    leftovers: Arc<Leftovers>,
}

/// What a program is held by.
#[derive(Debug)]
struct Hold {
    // Dropped first: the rest can go when all in it are dead.
    group: Option<Group>,
    _network: Option<Served>,
    _bundle: Bundle,
    bounds: Bounds,
}

impl Gvisor {
    pub(super) fn new(settings: ToolSandbox, system: System, places: &ToolPlaces) -> Self {
        let program = places.runsc.clone().unwrap_or_else(|| "runsc".into());
        let platform = places.platform.as_deref().unwrap_or(PLATFORM);
        let mut runtime = runtime(program, platform);
        runtime.options.push(FILE_SERVER.to_owned());
        if settings.network.is_some() {
            runtime.options.push(network::OPTION.to_owned());
        }
        Self {
            runtime,
            settings,
            system,
            cache: places.cache.clone(),
            place: OnceCell::new(),
            cgroups: OnceLock::new(),
        }
    }

    /// The control groups, if this process may make any. Looks at the first call.
    fn cgroups(&self) -> Option<&Cgroups> {
        let find = || Tree::find().map(|tree| Cgroups::new(tree, Label::own()));
        self.cgroups.get_or_init(find).as_ref()
    }

    /// What programs are held to here. Its kernel counts the processes of each container, whoever
    /// they are.
    fn bounds(&self) -> Result<Bounds, ConfineError> {
        let controllers = self.cgroups().map(Cgroups::controllers);
        let controllers = controllers.unwrap_or_default();
        Bounds::new(&self.settings.limits, &controllers, false)
    }

    async fn place(&self) -> Result<&Place, ConfineError> {
        let make = || async {
            let program = self.runtime.find().map_err(|error| told(&error))?;
            let cache = private::cache(self.cache.as_deref());
            let relay = || first_process::file(&cache).map_err(|error| told(&error));
            let relay = self.settings.network.is_some().then(relay).transpose()?;
            let containers = cache.join("tools");
            private::create_dir(&containers).map_err(|error| {
                ConfineError::new("the directory of containers cannot be made").with_source(error)
            })?;
            let label = Label::own();
            sweep(&containers, &label);
            Ok(Place {
                program,
                containers,
                relay,
                label,
                leftovers: Arc::default(),
            })
        };
        self.place.get_or_try_init(make).await
    }

    async fn start(&self, command: Command) -> Result<Child, SpawnError> {
        let program = Program::find(&command, &self.system)?;
        self.launch(&program, &command).await
    }

    async fn launch(&self, program: &Program, command: &Command) -> Result<Child, SpawnError> {
        let broken = |error: std::io::Error| {
            ConfineError::new("the sandbox gvisor cannot be used").with_source(error)
        };
        let place = self.place().await?;
        let bounds = self.bounds()?;
        let (settings, system) = (&self.settings, &self.system);
        let view = view::of(settings, system, program, command, spec::USER, bounds.disk);
        let mut view = view.map_err(broken)?;
        let guest = label::next_guest();
        let name = place.label.of(guest);
        let bundle = Bundle::make(&place.containers, &name, &place.leftovers).map_err(broken)?;
        let relay = place.relay.as_deref();
        let way = relay.map(|relay| Way::open(bundle.directory(), relay));
        let way = way.transpose()?;
        view.mounts.extend(way.iter().flat_map(Way::mounts));
        spec::check(&view)?;
        let root = bundle.directory().join("root");
        let before: Vec<_> = way.iter().flat_map(|_| network::before()).collect();
        let args = before.iter().map(|word| &**word);
        let args = args.chain([program.path.as_os_str()]);
        let args = args.chain(command.arguments().iter().map(|word| &**word));
        let others = way.iter().map(|_| network::PROCESSES).sum::<u64>();
        let processes = bounds.processes.map(|most| most + others);
        let told = spec::spec(&root, args, &view, processes)?;
        bundle
            .write(&told)
            .and_then(|()| fs::create_dir(&root))
            .and_then(|()| spec::fill(&root, &view))
            .map_err(broken)?;
        let group = self.group(guest, &bounds)?;
        let is_root = rustix::process::geteuid().is_root();
        let run = self.runtime.run(&place.program, &bundle, is_root);
        let mut child = run
            .stdin(command.input())
            .stderr_tail(command.kept_stderr())
            .control_groups(group.as_ref().map(Group::dirs).unwrap_or_default())
            .spawn()?;
        let network = settings.network.as_ref().zip(way);
        child.keep(Box::new(Hold {
            group,
            _network: network.map(|(by, way)| way.serve(&**by)),
            _bundle: bundle,
            bounds,
        }));
        Ok(child)
    }

    fn group(&self, guest: u64, bounds: &Bounds) -> Result<Option<Group>, ConfineError> {
        let make = |cgroups: &Cgroups| {
            let cpus = bounds.cpus.map(thousandths);
            let settings = self
                .runtime
                .settings(cgroups.version(), bounds.memory, cpus);
            cgroups.make(guest, &settings)
        };
        self.cgroups().map(make).transpose().map_err(|error| {
            ConfineError::new("the control group of a tool cannot be made").with_source(error)
        })
    }

    /// Runs what does nothing.
    async fn try_out(&self) -> Result<(), SpawnError> {
        let nothing = Command::new(NOTHING).stdin(Stdin::Null);
        let program = Program {
            path: NOTHING.into(),
            ..Program::default()
        };
        let mut child = self.launch(&program, &nothing).await?;
        match child.wait().await {
            Ok(exit) if exit.is_success() => Ok(()),
            Ok(exit) => {
                let said = child.stderr_to_end().await.last(5).unwrap_or_default();
                let error = crate::unavailable("it does not run");
                let error = error.with_source(std::io::Error::other(format!("{exit}: {said}")));
                Err(told(&self.runtime.explain(&error)).into())
            }
            Err(error) => Err(ConfineError::new("the sandbox gvisor cannot be used")
                .with_source(error)
                .into()),
        }
    }
}

/// The same, to whoever starts programs.
fn told(error: &Error) -> ConfineError {
    let report = error.report();
    let told = report
        .hints
        .into_iter()
        .fold(ConfineError::new(report.message), ConfineError::with_hint);
    if report.causes.is_empty() {
        told
    } else {
        told.with_source(report.causes.join(": "))
    }
}

impl Keeper for Hold {
    fn exceeded(&self, exit: Exit) -> Option<String> {
        self.bounds.exceeded(exit, self.group.as_ref())
    }
}

impl Confine for Gvisor {
    fn describe(&self) -> String {
        let bounds = self.bounds().map(|bounds| bounds.describe());
        let bounds = bounds.unwrap_or_default();
        self.settings.describe("gvisor", bounds)
    }

    fn base_env(&self) -> Vec<(String, String)> {
        let mut env = view::environment(&self.system);
        if let Some(network) = &self.settings.network {
            env.extend(network.environment(PORT, view::AUTHORITY));
        }
        env
    }

    fn spawn(&self, command: Command) -> SpawnFuture<'_> {
        Box::pin(self.start(command))
    }

    fn probe(&self) -> ProbeFuture<'_> {
        Box::pin(async {
            match self.try_out().await {
                Ok(()) => Ok(()),
                Err(SpawnError::Confine(error)) => Err(error),
                Err(error) => {
                    Err(ConfineError::new("gVisor's runsc cannot be started").with_source(error))
                }
            }
        })
    }
}
