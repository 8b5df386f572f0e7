//! A Firecracker that runs, with the directory that is its own.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::Instant;
use toolexec_core::Result;
use toolexec_core::sandbox::Ended;
use toolexec_process::{Child, Command, Exit, Stdin};

use super::api::{Api, ApiError};
use super::install::Installed;
use super::spec::{self, Call};
use super::vsock::{self, Stream};
use crate::cgroup::Group;
use crate::label::{self, Label};
use crate::vm::{READY, how_ended};
use crate::{owner, private, unavailable};

/// How long to wait before something is tried again that is not there yet.
const AGAIN: Duration = Duration::from_millis(1);
/// The statuses with which Firecracker ends when it, or its machine, did what it may not.
const BAD_SYSCALL: i32 = 148;

/// A Firecracker that runs. Dropping it ends it, and removes its directory.
pub(super) struct Vmm {
    // Dropped first: its directory can go when it is dead.
    child: Option<Child>,
    pid: u32,
    ended: Option<Ended>,
    pub(super) home: Home,
    /// How long anything may take that is waited for.
    patience: Duration,
}

/// The directory of a Firecracker, which is its root where it is jailed.
pub(super) struct Home {
    /// What is removed in the end.
    whole: PathBuf,
    pub(super) root: Root,
    // A way to the sockets that is short: the address of a socket has at most 108 bytes.
    open: File,
}

/// Where Firecracker finds its files.
#[derive(Debug, Clone)]
pub(super) struct Root {
    pub(super) directory: PathBuf,
    is_jailed: bool,
}

/// What became of a machine that was to start.
pub(super) enum Trouble {
    /// Firecracker refused a call, or did not answer.
    Api(ApiError),
    /// It cannot be used.
    Unavailable(toolexec_core::Error),
}

impl Vmm {
    /// Starts Firecracker in a directory below `machines`, and waits for its API.
    pub(super) async fn start(
        installed: &Installed,
        machines: &Path,
        group: Option<&Group>,
        patience: Duration,
    ) -> Result<(Self, Api)> {
        let id = Label::own().of(label::next_guest());
        let home = Home::new(installed, machines, &id).map_err(|error| {
            unavailable("the directory of a virtual machine cannot be made")
                .with_hint("the cache directory must be writable, and only for this user")
                .with_source(error)
        })?;
        let command = match &installed.jailer {
            Some(jailer) => Command::new(jailer.to_string_lossy()).args(spec::jail_args(
                &installed.program,
                machines,
                &id,
                owner::next(),
            )),
            None => Command::new(installed.program.to_string_lossy()).args(spec::args(&id)),
        };
        let mut child = command
            .current_dir(&home.root.directory)
            .stdin(Stdin::Null)
            .control_groups(group.map(Group::dirs).unwrap_or_default())
            .spawn()
            .map_err(|error| unavailable("Firecracker cannot be started").with_source(error))?;
        // The console of the machine, and what Firecracker says itself.
        child.tail_stdout();
        let mut vmm = Self {
            pid: child.pid(),
            child: Some(child),
            ended: None,
            home,
            patience,
        };
        let api = vmm.api().await?;
        Ok((vmm, api))
    }

    async fn api(&mut self) -> Result<Api> {
        let until = Instant::now() + self.patience;
        loop {
            let error = match Api::connect(&self.home.address(spec::API)).await {
                Ok(api) => return Ok(api),
                Err(error) => error,
            };
            if let Some(error) = self.death().await {
                return Err(error);
            }
            if Instant::now() > until {
                return Err(unavailable("Firecracker does not answer")
                    .with_hint("start it by hand: firecracker --api-sock api.sock")
                    .with_source(error));
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Makes calls, one after the other, until one fails.
    pub(super) async fn call_all(
        &mut self,
        api: &mut Api,
        calls: &[Call],
    ) -> std::result::Result<(), Trouble> {
        match api.call_all(calls, self.patience).await {
            Ok(()) => Ok(()),
            // The better reason is why it died, if it did.
            Err(error @ ApiError::Silent { .. }) => match self.death().await {
                Some(death) => Err(Trouble::Unavailable(death)),
                None => Err(Trouble::Api(error)),
            },
            Err(error) => Err(Trouble::Api(error)),
        }
    }

    /// Waits until the first process of the machine says that it is ready for its word.
    pub(super) async fn greet(&mut self) -> Result<Stream> {
        let until = Instant::now() + self.patience;
        let address = self.home.address(spec::VSOCK);
        loop {
            let asked = tokio::time::timeout_at(until, hear(&address)).await;
            let error = match asked {
                Ok(Ok(Some((stream, ready)))) if [ready] == *READY => return Ok(stream),
                Ok(Ok(Some(_))) => {
                    return Err(unavailable(
                        "the first process of the virtual machine is of another version",
                    )
                    .with_hint("make the image anew: toolexec image build"));
                }
                Ok(Ok(None)) => None,
                Ok(Err(error)) => Some(error),
                Err(_) => return Err(super::install::silent(self.console())),
            };
            if let Some(death) = self.death().await {
                return Err(death);
            }
            if Instant::now() > until {
                let error = error.map(|error| error.to_string());
                return Err(super::install::silent(error.or_else(|| self.console())));
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// The end of what the machine and Firecracker said.
    pub(super) fn console(&self) -> Option<String> {
        self.child
            .as_ref()
            .and_then(|child| child.stderr().last(10))
    }

    /// The same, where it may be about to end.
    pub(super) async fn death_within(&mut self, time: Duration) -> Option<toolexec_core::Error> {
        if let Some(child) = &mut self.child {
            let _ = tokio::time::timeout(time, child.wait()).await;
        }
        self.death().await
    }

    /// The error of a Firecracker that has ended before it should have.
    pub(super) async fn death(&mut self) -> Option<toolexec_core::Error> {
        let child = self.child.as_mut()?;
        let exit = child.wait().now_or_never()?.ok()?;
        let error = match exit.code {
            Some(BAD_SYSCALL) => unavailable("Firecracker made a system call that it may not make")
                .with_hint("use a release of Firecracker for this kernel"),
            _ => unavailable("Firecracker ended before its guest spoke").with_hint(
                "what it said last is among the causes; toolexec doctor --sandboxes shows them",
            ),
        };
        let last = child.stderr_to_end().await.last(10);
        Some(error.with_source(last.unwrap_or_else(|| exit.to_string())))
    }

    /// Its process id. Stays after it ended.
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether it still runs, as far as is known without asking.
    pub(super) fn is_running(&self) -> bool {
        self.child.is_some() && self.ended.is_none()
    }

    /// Kills it.
    pub(super) fn kill(&mut self) {
        if let Some(child) = self.child.take() {
            self.ended.get_or_insert(Ended::Killed);
            drop(child);
        }
    }

    /// Why the guest ended, if it did. What it says at its end, `is_mute` after it hung up, is
    /// on the console before Firecracker has ended.
    pub(super) fn ended(&mut self, is_mute: bool) -> Option<Ended> {
        if self.ended.is_none() {
            self.ended = self.why(is_mute);
        }
        self.ended.clone()
    }

    fn why(&mut self, is_mute: bool) -> Option<Ended> {
        let child = self.child.as_mut()?;
        let exit = child.wait().now_or_never();
        if exit.is_none() && !is_mute {
            return None;
        }
        let console = child.stderr().last(10).unwrap_or_default();
        match (how_ended(&console), exit) {
            (Some(how), _) => Some(how),
            (None, None) => None,
            // What it said may still be on its way.
            (None, Some(_)) if !child.is_drained() => None,
            (None, Some(exit)) => Some(Ended::Crashed {
                how: broke(exit.ok()),
            }),
        }
    }
}

/// How a machine ended that did not say it.
fn broke(exit: Option<Exit>) -> String {
    match exit {
        Some(exit) if !exit.is_success() => format!("Firecracker {exit}"),
        _ => "the kernel of its machine ended".to_owned(),
    }
}

/// A connection to the first process, and the first byte that it says. Nothing, when it is not
/// there yet.
async fn hear(address: &Path) -> io::Result<Option<(Stream, u8)>> {
    use tokio::io::AsyncReadExt;
    let Some(mut stream) = vsock::connect(address, spec::PORT).await? else {
        return Ok(None);
    };
    match stream.read_u8().await {
        Ok(byte) => Ok(Some((stream, byte))),
        Err(_) => Ok(None),
    }
}

impl Home {
    fn new(installed: &Installed, machines: &Path, id: &str) -> io::Result<Self> {
        // As the jailer lays it out.
        let name = installed.program.file_name().unwrap_or_default();
        let above = machines.join(name);
        private::create_dir(&above)?;
        let whole = above.join(id);
        let directory = whole.join("root");
        fs::create_dir_all(&directory)?;
        Ok(Self {
            open: File::open(&directory)?,
            whole,
            root: Root {
                directory,
                is_jailed: installed.jailer.is_some(),
            },
        })
    }

    /// The address of a socket.
    fn address(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/{name}", self.open.as_raw_fd()))
    }
}

impl Root {
    /// Gives it a file, without copying it where that is possible.
    pub(super) fn put(&self, file: &Path, name: &str) -> io::Result<()> {
        let to = self.directory.join(name);
        let mode = fs::metadata(file)?.permissions().mode();
        // Who is jailed is another user.
        let is_readable = !self.is_jailed || mode & 0o004 != 0;
        if is_readable && fs::hard_link(file, &to).is_ok() {
            return Ok(());
        }
        fs::copy(file, &to)?;
        fs::set_permissions(&to, fs::Permissions::from_mode(0o444))
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // The next host sweeps up what cannot be removed now.
        let _ = fs::remove_dir_all(&self.whole);
    }
}

/// Removes the directories of machines whose hosts are gone.
pub(super) fn sweep(machines: &Path) {
    let own = Label::own();
    let entries = |dir: &Path| fs::read_dir(dir).into_iter().flatten().flatten();
    for above in entries(machines) {
        for machine in entries(&above.path()) {
            if own.is_orphan(&machine.file_name().to_string_lossy()) {
                let _ = fs::remove_dir_all(machine.path());
            }
        }
    }
}
