//! Programs as processes that the kernel locks in.

mod explain;
mod keeper;

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use toolexec_cell::{ARGUMENT, GiveError, PORT, Spec, Started, USER, give};
use toolexec_process::{
    Child, Command, Confine, ConfineError, ProbeFuture, SpawnError, SpawnFuture, Stdin,
};

use super::bounds::Bounds;
use super::code::Program;
use super::network::{Listener, Served};
use super::settings::ToolSandbox;
use super::view::{self, System};
use crate::cgroup::{Cgroups, Group, Tree};
use crate::label::{self, Label};
use keeper::Hold;

/// How long a program may take to its first instruction.
const PATIENCE: Duration = Duration::from_secs(20);

/// Starts programs as processes that the kernel locks in.
#[derive(Debug)]
pub(super) struct Cell {
    launcher: PathBuf,
    settings: ToolSandbox,
    system: System,
    cgroups: OnceLock<Option<Cgroups>>,
}

impl Cell {
    pub(super) fn new(launcher: PathBuf, settings: ToolSandbox, system: System) -> Self {
        Self {
            launcher,
            settings,
            system,
            cgroups: OnceLock::new(),
        }
    }

    /// The control groups, if this process may make any. Looks at the first call.
    fn cgroups(&self) -> Option<&Cgroups> {
        let find = || Tree::find().map(|tree| Cgroups::new(tree, Label::own()));
        self.cgroups.get_or_init(find).as_ref()
    }

    /// What programs are held to here.
    fn bounds(&self) -> Result<Bounds, ConfineError> {
        let controllers = self.cgroups().map(Cgroups::controllers);
        let is_root = rustix::process::geteuid().is_root();
        Bounds::new(
            &self.settings.limits,
            &controllers.unwrap_or_default(),
            is_root,
        )
    }

    async fn start(&self, command: Command) -> Result<Child, SpawnError> {
        let program = Program::find(&command, &self.system)?;
        let spec = self.spec(&program, &command)?;
        let launcher = Command::new(self.launcher.to_string_lossy())
            .stdin(command.input())
            .stderr_tail(command.kept_stderr());
        let mut args = vec![program.path.clone().into_os_string()];
        args.extend(command.arguments().iter().cloned());
        self.launch(launcher, args, spec, Some(command.program()))
            .await
    }

    /// Tries everything but a program.
    async fn try_out(&self) -> Result<(), SpawnError> {
        let nothing = Command::new("nothing").stdin(Stdin::Null);
        let spec = self.spec(&Program::default(), &nothing)?;
        let launcher = Command::new(self.launcher.to_string_lossy()).stdin(Stdin::Null);
        let mut child = self.launch(launcher, Vec::new(), spec, None).await?;
        match child.wait().await {
            Ok(exit) if exit.is_success() => Ok(()),
            Ok(exit) => {
                let message = format!("the launcher of the sandbox process {exit}");
                Err(ConfineError::new(message).into())
            }
            Err(error) => Err(explain::broken(error).into()),
        }
    }

    fn spec(&self, program: &Program, command: &Command) -> Result<Spec, ConfineError> {
        let bounds = self.bounds()?;
        let view = view::of(
            &self.settings,
            &self.system,
            program,
            command,
            USER,
            bounds.disk,
        );
        let mut spec = view.map_err(explain::broken)?;
        spec.processes = bounds.processes;
        Ok(spec)
    }

    async fn launch(
        &self,
        launcher: Command,
        args: Vec<std::ffi::OsString>,
        mut spec: Spec,
        program: Option<&str>,
    ) -> Result<Child, SpawnError> {
        let bounds = self.bounds()?;
        let group = self.group(&bounds)?;
        spec.cgroups = group.as_ref().map(Group::dirs).unwrap_or_default();
        let (ours, theirs) = UnixStream::pair().map_err(explain::broken)?;
        for timeout in [UnixStream::set_read_timeout, UnixStream::set_write_timeout] {
            timeout(&ours, Some(PATIENCE)).map_err(explain::broken)?;
        }
        let theirs = OwnedFd::from(theirs);
        let mut child = launcher
            .arg(ARGUMENT)
            .arg(theirs.as_raw_fd().to_string())
            .args(args)
            .descriptor(theirs)
            .spawn()
            .map_err(explain::launcher)?;
        let socket = Arc::new(ours);
        let told = tell(socket.clone(), spec).await;
        let started = match told {
            Ok(started) => started,
            Err(error) => {
                let said = child.stderr_to_end().await.last(5);
                return Err(explain::step(error, program, said).into());
            }
        };
        let both = self.settings.network.as_ref().zip(started.listener);
        let served = both.map(|(by, listener)| Served::by(&**by, Listener::Tcp(listener)));
        child.keep(Box::new(Hold::new(socket, served, group, bounds)));
        Ok(child)
    }

    fn group(&self, bounds: &Bounds) -> Result<Option<Group>, ConfineError> {
        let make = |cgroups: &Cgroups| {
            let settings = bounds.settings(cgroups.version());
            cgroups.make(label::next_guest(), &settings)
        };
        self.cgroups().map(make).transpose().map_err(|error| {
            ConfineError::new("the control group of a tool cannot be made").with_source(error)
        })
    }
}

/// Tells the launcher what to do, which blocks for a moment.
async fn tell(socket: Arc<UnixStream>, spec: Spec) -> Result<Started, GiveError> {
    let told = tokio::task::spawn_blocking(move || give(&socket, &spec)).await;
    told.unwrap_or_else(|error| Err(GiveError::Silent(std::io::Error::other(error))))
}

impl Confine for Cell {
    fn describe(&self) -> String {
        let bounds = self.bounds().map(|bounds| bounds.describe());
        self.settings
            .describe("process", bounds.unwrap_or_default())
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
                Err(error) => Err(explain::broken(error)),
            }
        })
    }
}
