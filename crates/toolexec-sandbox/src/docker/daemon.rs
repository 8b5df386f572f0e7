//! The daemon: reaching it, what it says when it refuses, and what earlier hosts left there.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error as Refusal;
use bollard::query_parameters::{ListContainersOptionsBuilder, ListVolumesOptionsBuilder};
use toolexec_core::{Error, Result};

use super::endpoint::Endpoint;
use super::spec::{MACHINE, OURS};
use crate::label::Label;
use crate::unavailable;

/// How long the daemon may take to its first answer.
const FIRST_ANSWER: Duration = Duration::from_secs(10);
/// The oldest API that has all that is asked for: Docker 19.03.
const OLDEST: (usize, usize) = (1, 40);

/// A daemon that answered. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Daemon {
    pub(super) client: Docker,
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) label: Arc<Label>,
    /// Which machine this process runs on, as the labels say.
    pub(super) machine: Arc<str>,
}

impl Daemon {
    /// Reaches the daemon, agrees on a version with it, and removes what hosts left there that
    /// are gone.
    ///
    /// # Errors
    /// [`ErrorKind::SandboxUnavailable`](toolexec_core::ErrorKind::SandboxUnavailable) that says
    /// what to do.
    pub(super) async fn reach(endpoint: Arc<Endpoint>) -> Result<Self> {
        let client = endpoint.client().map_err(explain)?;
        let client = tokio::time::timeout(FIRST_ANSWER, client.negotiate_version())
            .await
            .map_err(|_| explain(Refusal::RequestTimeoutError))?
            .map_err(explain)?;
        let version = client.client_version();
        let version = (version.major_version, version.minor_version);
        if version < OLDEST {
            let message = format!(
                "the Docker daemon speaks version {}.{} of its API; {}.{} is needed",
                version.0, version.1, OLDEST.0, OLDEST.1
            );
            return Err(unavailable(&message).with_hint("install Docker 19.03 or newer"));
        }
        let daemon = Self {
            client,
            endpoint,
            label: Arc::new(Label::own()),
            machine: machine().into(),
        };
        daemon.sweep().await.map_err(explain)?;
        Ok(daemon)
    }

    /// Whether the daemon has a runtime.
    ///
    /// # Errors
    /// [`ErrorKind::SandboxUnavailable`](toolexec_core::ErrorKind::SandboxUnavailable) that names
    /// those it has.
    pub(super) async fn check_runtime(&self, runtime: &str) -> Result<()> {
        let info = self.client.info().await.map_err(explain)?;
        let runtimes = info.runtimes.unwrap_or_default();
        // Names with dots are found by containerd, which lists nothing.
        if runtimes.contains_key(runtime) || runtime.contains('.') {
            return Ok(());
        }
        let mut names: Vec<&str> = runtimes.keys().map(String::as_str).collect();
        names.sort_unstable();
        let message = format!(
            "the Docker daemon has no runtime {runtime:?}; it has {}",
            names.join(", ")
        );
        Err(unavailable(&message).with_hint(
            "install it and add it to \"runtimes\" in /etc/docker/daemon.json, then restart Docker",
        ))
    }

    /// Ends a container and removes it, whatever it does, without waiting.
    pub(super) fn remove(&self, container: &str) {
        let path = format!("{}/containers/{container}?force=1&v=1", self.prefix());
        self.endpoint.tell("DELETE", &path);
    }

    /// Removes a volume, without waiting.
    pub(super) fn remove_volume(&self, volume: &str) {
        let path = format!("{}/volumes/{volume}?force=1", self.prefix());
        self.endpoint.tell("DELETE", &path);
    }

    fn prefix(&self) -> String {
        let version = self.client.client_version();
        format!("/v{}.{}", version.major_version, version.minor_version)
    }

    /// Removes the containers and volumes of hosts of this machine that are gone.
    async fn sweep(&self) -> Result<(), Refusal> {
        let filters: HashMap<String, Vec<String>> = [(
            "label".to_owned(),
            vec![format!("{MACHINE}={}", self.machine)],
        )]
        .into();
        let is_orphan = |labels: Option<&HashMap<String, String>>| {
            let name = labels.and_then(|labels| labels.get(OURS));
            name.filter(|name| self.label.is_orphan(name)).cloned()
        };
        let options = ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&filters);
        let containers = self.client.list_containers(Some(options.build())).await?;
        for container in containers {
            if is_orphan(container.labels.as_ref()).is_some() {
                self.remove(&container.id.unwrap_or_default());
            }
        }
        let options = ListVolumesOptionsBuilder::new().filters(&filters);
        let volumes = self.client.list_volumes(Some(options.build())).await?;
        for volume in volumes.volumes.unwrap_or_default() {
            if is_orphan(Some(&volume.labels)).is_some() {
                self.remove_volume(&volume.name);
            }
        }
        Ok(())
    }
}

/// What to do about a daemon that refuses, or that is not there.
pub(super) fn explain(refusal: Refusal) -> Error {
    let (message, hint) = match &refusal {
        Refusal::SocketNotFoundError(_) => (
            "the Docker daemon is not there: it has no socket",
            "install Docker and start it (systemctl start docker), or say where it listens: \
             DOCKER_HOST, or host in [code.docker]",
        ),
        Refusal::RequestTimeoutError => (
            "the Docker daemon does not answer in time",
            "see whether `docker version` does; restart Docker",
        ),
        Refusal::DockerResponseServerError { .. } | Refusal::DockerStreamError { .. } => {
            return unavailable("the Docker daemon refuses").with_source(refusal);
        }
        _ => match io_kind(&refusal) {
            Some(io::ErrorKind::PermissionDenied) => (
                "this user may not speak to the Docker daemon",
                "add the user to the group docker (sudo usermod -aG docker $USER, then log in \
                 again), or use rootless Docker and say where it listens: DOCKER_HOST",
            ),
            Some(_) => (
                "the Docker daemon cannot be reached",
                "start Docker (systemctl start docker), or say where it listens: DOCKER_HOST, or \
                 host in [code.docker]",
            ),
            None => {
                return unavailable("the Docker daemon answers in a way that makes no sense")
                    .with_source(refusal);
            }
        },
    };
    unavailable(message).with_source(refusal).with_hint(hint)
}

/// Whether the daemon refused with this status, and with these words.
pub(super) fn is_refused(refusal: &Refusal, status: u16, words: &str) -> bool {
    matches!(refusal, Refusal::DockerResponseServerError { status_code, message }
        if *status_code == status && message.contains(words))
}

/// What the system said, if it said something.
fn io_kind(refusal: &Refusal) -> Option<io::ErrorKind> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(refusal);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(error.kind());
        }
        cause = error.source();
    }
    None
}

/// What tells this machine from others that use the same daemon: an id of its last start.
fn machine() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}
