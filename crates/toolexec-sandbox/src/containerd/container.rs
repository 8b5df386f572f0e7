//! The life of a container: made, started, waited for, removed.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::sync::{Mutex, oneshot};
use tonic::{Code, Status};
use toolexec_core::sandbox::Ended;
use toolexec_core::{Error, Result};
use toolexec_process::Exit;

use super::api::{
    Call, Container, CreateContainer, CreateTask, DeleteContainer, DeleteTask, Done, KillTask,
    PrepareSnapshot, RemoveSnapshot, StartTask, WaitTask,
};
use super::client::{Client, explain, is_gone};
use super::daemon::Daemon;
use super::fifos::{self, Fifos};
use crate::unavailable;

const SIGKILL: u32 = 9;
/// The status with which a guest ends that is out of memory.
const OUT_OF_MEMORY: u32 = 65;
/// A status above this is a signal.
const SIGNALS: i32 = 128;
/// The status of a guest that `SIGXCPU` ended.
const OUT_OF_CPU: u32 = 128 + 24;
/// How long what was killed may take to end.
const DYING: Duration = Duration::from_secs(5);
/// How often and after what time the removal of something is tried again.
const TRIES: usize = 50;
const AGAIN: Duration = Duration::from_millis(20);
/// How much of what a guest writes to its standard error is kept.
const KEPT: usize = 4096;
/// How long the end of standard error may take to arrive after the guest ended.
const STDERR_GRACE: Duration = Duration::from_millis(200);

/// What a container is made of.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan {
    pub(super) container: Container,
    /// The snapshot of its image, when it has one.
    pub(super) snapshot: Option<PrepareSnapshot>,
}

/// A container that was started. Dropping it removes it, while nobody waits.
pub(super) struct Running {
    id: String,
    fifos: Fifos,
    snapshotter: String,
    daemon: Arc<Daemon>,
    // Held for as long as it is being made: only then can it be removed.
    making: Arc<Mutex<()>>,
    is_ending: bool,
}

/// Our side of a container that was started.
pub(super) struct Streams {
    pub(super) input: Sender,
    pub(super) output: Receiver,
    /// How it ends, once.
    pub(super) end: oneshot::Receiver<End>,
    /// The process id of its first process.
    pub(super) pid: u32,
}

/// How a container ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct End {
    /// The status, where it is known: above 128, the signal.
    pub(super) status: Option<u32>,
    /// The last that it wrote to its standard error.
    pub(super) stderr: String,
}

impl Running {
    /// Makes and starts a container.
    ///
    /// # Cancel safety
    /// Dropping the future removes what there is of it.
    pub(super) async fn start(
        plan: Plan,
        fifos: Fifos,
        daemon: &Arc<Daemon>,
    ) -> Result<(Self, Streams)> {
        let client = daemon.client().await;
        let making = Arc::<Mutex<()>>::default();
        let held = making.clone().try_lock_owned();
        let running = Self {
            id: plan.container.id.clone(),
            fifos,
            snapshotter: plan.container.snapshotter.clone(),
            daemon: daemon.clone(),
            making,
            is_ending: false,
        };
        let client = client?;
        let ends = running.fifos.open().map_err(no_streams)?;
        let create = task(&plan, &running.fifos);
        let making = client.clone();
        let (pid, ends) = daemon
            .run(async move {
                let pid = make(making, plan, create).await;
                // A shim whose streams nobody opened waits for that without end.
                drop(held);
                Ok((pid?, ends))
            })
            .await?;
        let (input, output, stderr) = ends.split(&running.fifos).map_err(no_streams)?;
        let (tell, end) = oneshot::channel();
        let id = running.id.clone();
        daemon.spawn(async move {
            // Nobody listens when the session is gone.
            let _ = tell.send(wait(client, id, stderr).await);
        })?;
        Ok((
            running,
            Streams {
                input,
                output,
                end,
                pid,
            },
        ))
    }

    /// Its name.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Ends and removes it, while nobody waits.
    pub(super) fn end(&mut self) {
        if std::mem::replace(&mut self.is_ending, true) {
            return;
        }
        let (making, daemon) = (self.making.clone(), &self.daemon);
        let (id, snapshotter) = (self.id.clone(), self.snapshotter.clone());
        let dir = self.fifos.dir().to_owned();
        let Some(client) = daemon.connected() else {
            // Nothing was made.
            fifos::remove(&dir);
            return;
        };
        daemon.must(async move {
            let _made = making.lock().await;
            remove(&client, &id, &snapshotter).await;
            fifos::remove(&dir);
        });
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

impl End {
    /// Why it ended, as far as this tells.
    pub(super) fn why(&self) -> Ended {
        // What Rust says when there is no memory, and the status with which the guest's own
        // counter ends it.
        let is_starved = self.stderr.contains("memory allocation of");
        match self.status {
            Some(0) => Ended::Exited,
            Some(OUT_OF_MEMORY) => Ended::OutOfMemory,
            Some(_) if is_starved => Ended::OutOfMemory,
            Some(OUT_OF_CPU) => Ended::OutOfCpu,
            Some(_) => Ended::Crashed {
                how: self.to_string(),
            },
            None => Ended::Crashed {
                how: "was lost with its container".to_owned(),
            },
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exit = match self.status.and_then(|status| i32::try_from(status).ok()) {
            Some(status @ ..=SIGNALS) => Exit {
                code: Some(status),
                signal: None,
            },
            Some(status) => Exit {
                code: None,
                signal: Some(status - SIGNALS),
            },
            None => return f.write_str("how it ended is not known"),
        };
        write!(f, "{exit}")
    }
}

impl std::error::Error for End {}

/// What starts the first process of a container.
fn task(plan: &Plan, fifos: &Fifos) -> CreateTask {
    let path = |path: PathBuf| path.to_string_lossy().into_owned();
    CreateTask {
        container_id: plan.container.id.clone(),
        rootfs: Vec::new(),
        stdin: path(fifos.stdin()),
        stdout: path(fifos.stdout()),
        stderr: path(fifos.stderr()),
        // The shim is started with these; without them it would not know of them.
        options: plan
            .container
            .runtime
            .as_ref()
            .and_then(|runtime| runtime.options.clone()),
    }
}

/// Makes and starts a container; its process id.
async fn make(client: Client, plan: Plan, mut create: CreateTask) -> Result<u32> {
    let id = plan.container.id.clone();
    let runtime = plan.container.runtime.clone().unwrap_or_default().name;
    let failed = |status: Status| explain(status, &runtime);
    // First: what names a snapshot keeps it from being collected.
    let container = Some(plan.container);
    client
        .call(CreateContainer { container })
        .await
        .map_err(failed)?;
    if let Some(snapshot) = plan.snapshot {
        create.rootfs = client.call(snapshot).await.map_err(failed)?.mounts;
    }
    client.call(create).await.map_err(failed)?;
    let started = client.call(StartTask { container_id: id }).await;
    Ok(started.map_err(failed)?.pid)
}

/// Waits for the end of a container.
async fn wait(client: Client, container_id: String, stderr: Receiver) -> End {
    let reading = tokio::spawn(read_last(stderr));
    let waited = client.call_long(WaitTask { container_id }).await;
    let stderr = tokio::time::timeout(STDERR_GRACE, reading).await;
    End {
        status: waited.ok().map(|waited| waited.exit_status),
        stderr: stderr.ok().and_then(Result::ok).unwrap_or_default(),
    }
}

/// Reads to the end, whatever comes, and keeps the last of it.
async fn read_last(mut from: Receiver) -> String {
    let mut kept = Vec::new();
    let mut piece = [0; KEPT];
    while let Ok(read @ 1..) = from.read(&mut piece).await {
        kept.extend_from_slice(&piece[..read]);
        kept.drain(..kept.len().saturating_sub(KEPT));
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// Ends a container and removes what there is of it.
pub(super) async fn remove(client: &Client, id: &str, snapshotter: &str) {
    let container_id = || id.to_owned();
    let kill = KillTask {
        container_id: container_id(),
        signal: SIGKILL,
        all: true,
    };
    if client.call(kill).await.is_ok() {
        let waiting = client.call_long(WaitTask {
            container_id: container_id(),
        });
        let _ = tokio::time::timeout(DYING, waiting).await;
    }
    gone(
        client,
        &DeleteTask {
            container_id: container_id(),
        },
    )
    .await;
    gone(client, &DeleteContainer { id: container_id() }).await;
    if !snapshotter.is_empty() {
        let (snapshotter, key) = (snapshotter.to_owned(), container_id());
        gone(client, &RemoveSnapshot { snapshotter, key }).await;
    }
}

/// Removes something, again and again while it is still in use.
async fn gone<C: Call<Answer = Done> + Clone>(client: &Client, call: &C) {
    for _ in 0..TRIES {
        match client.call(call.clone()).await {
            Ok(Done {}) => return,
            Err(status) if is_gone(&status) => return,
            Err(status) if status.code() == Code::Unavailable => return,
            Err(_) => tokio::time::sleep(AGAIN).await,
        }
    }
    tracing::warn!(call = C::PATH, "something of a guest is left in containerd");
}

fn no_streams(error: std::io::Error) -> Error {
    unavailable("the streams of a container cannot be made").with_source(error)
}
