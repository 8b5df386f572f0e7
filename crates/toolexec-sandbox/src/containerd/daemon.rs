//! The thread that talks to containerd.
//!
//! It outlives the runtimes in which programs run: a container whose session is dropped, by
//! whatever ends, is removed by it while nobody waits.

use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::OnceCell;
use toolexec_core::{Error, Result};

use super::client::Client;
use crate::unavailable;

/// How long the last that is dropped waits for what is being removed.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection to containerd with a thread of its own. Dropping it waits until what is being
/// removed is gone.
pub(super) struct Daemon {
    socket: PathBuf,
    namespace: String,
    client: Arc<OnceCell<Client>>,
    runtime: Mutex<Option<Runtime>>,
    work: Arc<Work>,
}

/// What must be done before the thread may end.
#[derive(Debug, Default)]
struct Work {
    count: Mutex<usize>,
    done: Condvar,
}

/// Something that must be done before the thread may end.
struct Duty(Arc<Work>);

impl Daemon {
    pub(super) fn new(socket: PathBuf, namespace: String) -> Self {
        Self {
            socket,
            namespace,
            client: Arc::default(),
            runtime: Mutex::new(None),
            work: Arc::default(),
        }
    }

    /// The connection; the first call connects.
    pub(super) async fn client(&self) -> Result<Client> {
        if let Some(client) = self.client.get() {
            return Ok(client.clone());
        }
        let (cell, socket) = (self.client.clone(), self.socket.clone());
        let namespace = self.namespace.clone();
        self.run(async move {
            let connect = || Client::connect(&socket, &namespace);
            cell.get_or_try_init(connect).await.cloned()
        })
        .await
    }

    /// The connection, if there is one.
    pub(super) fn connected(&self) -> Option<Client> {
        self.client.get().cloned()
    }

    /// Does something on the thread, which goes on with it when the future is dropped.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let task = self.spawn(work)?;
        task.await.unwrap_or_else(|error| Err(broken(error)))
    }

    /// The same without waiting.
    pub(super) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<tokio::task::JoinHandle<T>> {
        let mut runtime = self.runtime();
        if let Some(runtime) = &*runtime {
            return Ok(runtime.spawn(work));
        }
        let made = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("toolexec-containerd")
            .enable_all()
            .build()
            .map_err(broken)?;
        Ok(runtime.insert(made).spawn(work))
    }

    /// Does something on the thread that is waited for before the thread ends.
    pub(super) fn must(&self, work: impl Future<Output = ()> + Send + 'static) {
        let duty = Duty::new(&self.work);
        let started = self.spawn(async move {
            work.await;
            drop(duty);
        });
        // Without a thread nothing was started that could be ended.
        drop(started);
    }

    fn runtime(&self) -> MutexGuard<'_, Option<Runtime>> {
        self.runtime.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.work.wait(PATIENCE);
        if let Some(runtime) = self.runtime().take() {
            runtime.shutdown_background();
        }
    }
}

impl Work {
    fn count(&self) -> MutexGuard<'_, usize> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, patience: Duration) {
        let left = |count: &mut usize| *count > 0;
        drop(self.done.wait_timeout_while(self.count(), patience, left));
    }
}

impl Duty {
    fn new(work: &Arc<Work>) -> Self {
        *work.count() += 1;
        Self(work.clone())
    }
}

impl Drop for Duty {
    fn drop(&mut self) {
        *self.0.count() -= 1;
        self.0.done.notify_all();
    }
}

fn broken(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    unavailable("the thread that talks to containerd is broken").with_source(error)
}
