//! A sandbox whose guests follow a script.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex,
};
use tokio::task::JoinHandle;
use toolexec_core::Result;
use toolexec_core::sandbox::{
    Description, Ended, Enforcement, Enforcer, Guest, GuestMeasure, Isolation, Language, LimitName,
    Sandbox, Session, SessionSpec,
};
use toolexec_wire::{FrameReader, Hello, MAX_FRAME, PROTOCOL, Start, ToGuest, ToHost, encode};

/// How many bytes wait in a direction before the writer has to.
const PIPE: usize = 64 << 10;

type Script = dyn Fn(FakeGuest) -> BoxFuture<'static, ()> + Send + Sync;

/// A sandbox whose guests follow a script. It claims to be as strong as a virtual machine, so
/// every profile takes it.
#[derive(Clone)]
pub struct ScriptedSandbox {
    name: String,
    script: Arc<Script>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    started: AtomicUsize,
    alive: AtomicUsize,
    measure: Mutex<GuestMeasure>,
    enforcement: Mutex<Enforcement>,
}

/// The guest's end of a session.
pub struct FakeGuest {
    stream: DuplexStream,
    reader: FrameReader,
    _alive: Alive,
}

/// Counts the guests that are alive.
struct Alive(Arc<Shared>);

impl ScriptedSandbox {
    /// A sandbox whose guests do what `script` says and then end.
    pub fn new<F, Fut>(name: impl Into<String>, script: F) -> Self
    where
        F: Fn(FakeGuest) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        Self {
            name: name.into(),
            script: Arc::new(move |guest| script(guest).boxed()),
            shared: Arc::default(),
        }
        .enforcing(vec![(LimitName::Memory, Enforcer::Host)])
    }

    /// Says what its guests enforce; memory, by the host, otherwise.
    #[must_use]
    pub fn enforcing(self, enforcement: Enforcement) -> Self {
        *lock(&self.shared.enforcement) = enforcement;
        self
    }

    /// Sets what a look at the use of a guest gives.
    pub fn measure(&self, measure: GuestMeasure) {
        *lock(&self.shared.measure) = measure;
    }

    /// How many guests were started.
    pub fn started(&self) -> usize {
        self.shared.started.load(Ordering::SeqCst)
    }

    /// How many guests have not ended.
    pub fn alive(&self) -> usize {
        self.shared.alive.load(Ordering::SeqCst)
    }
}

impl Sandbox for ScriptedSandbox {
    fn name(&self) -> &str {
        &self.name
    }

    fn describe(&self) -> Description {
        Description {
            isolation: Isolation::Vm,
            languages: vec![
                Language::JavaScript,
                Language::TypeScript,
                Language::Python,
                Language::Script,
            ],
            summary: "a script of a test",
            enforcement: lock(&self.shared.enforcement).clone(),
        }
    }

    fn probe(&self) -> BoxFuture<'_, Result<()>> {
        async { Ok(()) }.boxed()
    }

    fn start(&self, _spec: SessionSpec) -> BoxFuture<'_, Result<Session>> {
        async move {
            let (ours, theirs) = duplex(PIPE);
            self.shared.started.fetch_add(1, Ordering::SeqCst);
            self.shared.alive.fetch_add(1, Ordering::SeqCst);
            let guest = FakeGuest {
                stream: theirs,
                reader: FrameReader::new(MAX_FRAME),
                _alive: Alive(self.shared.clone()),
            };
            let task = tokio::spawn((self.script)(guest));
            Ok(Session::new(ScriptedSession {
                stream: ours,
                task,
                killed: false,
                shared: self.shared.clone(),
            }))
        }
        .boxed()
    }
}

impl FakeGuest {
    /// Says hello as a guest does that runs every language.
    pub async fn hello(&mut self) {
        self.send(&ToHost::Hello(Hello {
            protocol: PROTOCOL,
            version: "fake".to_owned(),
            languages: vec![
                Language::JavaScript,
                Language::TypeScript,
                Language::Python,
                Language::Script,
            ],
            max_frame: MAX_FRAME,
        }))
        .await;
    }

    /// Sends a message; nothing happens when the host has hung up.
    pub async fn send(&mut self, message: &ToHost) {
        let mut bytes = Vec::new();
        if encode(message, MAX_FRAME, &mut bytes).is_ok() {
            self.raw(&bytes).await;
        }
    }

    /// Sends bytes as they are; nothing happens when the host has hung up.
    pub async fn raw(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    /// The next message; `None` when the host has hung up or sends what is no message.
    pub async fn receive(&mut self) -> Option<ToGuest> {
        let mut piece = [0; 4096];
        loop {
            if let Some(message) = self.reader.next_message().ok()? {
                return Some(message);
            }
            let read = self.stream.read(&mut piece).await.ok()?;
            if read == 0 {
                return None;
            }
            self.reader.push(&piece[..read]);
        }
    }

    /// Says hello, finds nothing wrong with any program, and gives the first one to run.
    pub async fn started(&mut self) -> Option<Start> {
        self.hello().await;
        self.next_start().await
    }

    /// The next program to run; finds nothing wrong with those to check.
    pub async fn next_start(&mut self) -> Option<Start> {
        loop {
            match self.receive().await? {
                ToGuest::Start(start) if start.check_only => {
                    self.send(&ToHost::Checked {
                        problems: Vec::new(),
                        calls: Vec::new(),
                    })
                    .await;
                }
                ToGuest::Start(start) => return Some(start),
                _ => {}
            }
        }
    }

    /// Ends the program with a value.
    pub async fn done(&mut self, value: impl Into<serde_json::Value>) {
        self.send(&ToHost::Done {
            value: value.into(),
            usage: toolexec_wire::GuestUsage::default(),
        })
        .await;
    }
}

struct ScriptedSession {
    stream: DuplexStream,
    task: JoinHandle<()>,
    killed: bool,
    shared: Arc<Shared>,
}

impl Guest for ScriptedSession {
    fn kill(&mut self) {
        self.killed = true;
        self.task.abort();
    }

    fn ended(&mut self) -> Option<Ended> {
        if self.killed {
            Some(Ended::Killed)
        } else if self.task.is_finished() {
            Some(Ended::Exited)
        } else {
            None
        }
    }

    fn usage(&mut self) -> GuestMeasure {
        *lock(&self.shared.measure)
    }

    fn sample_every(&self) -> Option<std::time::Duration> {
        (*lock(&self.shared.measure) != GuestMeasure::default())
            .then(|| std::time::Duration::from_millis(1))
    }

    fn enforcement(&self) -> Enforcement {
        lock(&self.shared.enforcement).clone()
    }
}

impl AsyncRead for ScriptedSession {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for ScriptedSession {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Drop for ScriptedSession {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for ScriptedSandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScriptedSandbox")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for FakeGuest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FakeGuest").finish_non_exhaustive()
    }
}
