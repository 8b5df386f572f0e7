//! The guest as a WebAssembly module in this process.
//!
//! Every program gets a fresh instance: its memory is a copy-on-write image of the engine as it
//! is after its start, in a slot of a pool. The guest has no system calls: it reads from and
//! writes to its host, knows the time and draws random numbers, and that is all. The instance
//! runs inside the task that reads from it, a millisecond at a time, so a guest that waits costs
//! no thread, one that computes cannot keep a thread for itself, and dropping the session ends it
//! in whatever it is doing, a builtin of the engine included.

mod artefact;
mod copy;
mod engine;
mod imports;
mod instance;
mod pipe;
mod user;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use toolexec_core::sandbox::{
    Description, Enforcer, Isolation, Language, LimitName, Limits, Sandbox, Session, SessionSpec,
};
use toolexec_core::{Error, ErrorKind, Result};
use wasmtime::InstancePre;

pub use artefact::Artefact;
use engine::Machine;
use instance::{Instance, Mould, State, Watched};
use pipe::Pipe;
use user::Compiler;

/// How many instances there may be at the same time, unless it is said otherwise.
const SLOTS: u32 = 256;

/// The guest as a WebAssembly module in this process. Cheap to clone.
#[derive(Clone)]
pub struct WasmSandbox {
    shared: Arc<Shared>,
}

struct Shared {
    machine: OnceCell<Result<Machine, String>>,
    compiler: OnceCell<Result<Compiler, String>>,
    guests: Vec<Module>,
    slots: Arc<Semaphore>,
    slot_count: u32,
    cache: Option<PathBuf>,
}

/// One artefact and what became of it.
struct Module {
    artefact: Artefact,
    ready: OnceCell<Result<InstancePre<State>, String>>,
}

/// Builds a [`WasmSandbox`]; every setter takes and returns the builder.
#[derive(Debug)]
#[must_use]
pub struct WasmBuilder {
    artefacts: Vec<Artefact>,
    slots: u32,
    cache: Option<PathBuf>,
}

/// What it enforces: the memory by refusing to grow it, the CPU time by the clock of the thread
/// that runs it. It has no processes and no disk. A share of a processor it cannot give.
const ENFORCEMENT: [(LimitName, Enforcer); 4] = [
    (LimitName::Memory, Enforcer::Host),
    (LimitName::CpuTime, Enforcer::Host),
    (LimitName::Pids, Enforcer::Host),
    (LimitName::Disk, Enforcer::Host),
];

impl WasmSandbox {
    /// Starts a sandbox with the guests that are built in.
    pub fn builder() -> WasmBuilder {
        WasmBuilder {
            artefacts: artefact::built_in(),
            slots: SLOTS,
            cache: None,
        }
    }

    /// Compiles the modules, or loads them from the cache, so that no program has to wait for it.
    ///
    /// # Errors
    /// [`ErrorKind::SandboxUnavailable`] when the engine cannot run here.
    ///
    /// # Cancel safety
    /// Safe: the work goes on in the background and is not done twice.
    pub async fn warm_up(&self) -> Result<()> {
        if self.shared.guests.is_empty() {
            return Err(
                unavailable("no guest is built in").with_hint("build the guest: cargo xtask guest")
            );
        }
        for module in &self.shared.guests {
            self.ready(module).await?;
        }
        Ok(())
    }

    fn module(&self, language: Language) -> Option<&Module> {
        let runs = |module: &&Module| module.artefact.languages().contains(&language);
        self.shared.guests.iter().find(runs)
    }

    async fn machine(&self) -> Result<&Machine> {
        let slots = self.shared.slot_count;
        let start = || async move {
            blocking(move || Machine::new(slots).map_err(|error| format!("{error:#}"))).await
        };
        as_error(self.shared.machine.get_or_init(start).await)
    }

    async fn ready<'a>(&'a self, module: &'a Module) -> Result<&'a InstancePre<State>> {
        let machine = self.machine().await?.clone();
        let artefact = module.artefact.clone();
        let cache = self.shared.cache.clone();
        let prepare = || async move {
            blocking(move || {
                artefact
                    .prepare(&machine, cache.as_deref())
                    .map_err(|error| format!("{error:#}"))
            })
            .await
        };
        as_error(module.ready.get_or_init(prepare).await)
    }

    /// What compiles and runs modules of users, on an engine of its own.
    async fn compiler(&self) -> Result<&Compiler> {
        let start = || async {
            blocking(|| Machine::for_users().map_err(|error| format!("{error:#}")))
                .await
                .map(Compiler::new)
        };
        as_error(self.shared.compiler.get_or_init(start).await)
    }

    /// A module is not compiled before its program is checked or run, where an error of it is
    /// the program's own.
    async fn user_session(&self, module: Arc<[u8]>, limits: &Limits) -> Result<Session> {
        let compiler = self.compiler().await?;
        let slot = slot(&self.shared.slots).await?;
        let (pipe, watched) = (Pipe::default(), Arc::<Watched>::default());
        let run = user::serve(pipe.clone(), compiler.clone(), module, watched.clone());
        let machine = compiler.machine();
        let instance = Instance::new(machine, run, pipe, watched, limits, slot);
        Ok(Session::new(instance))
    }

    async fn session(&self, spec: SessionSpec) -> Result<Session> {
        if spec.language == Language::Wasm {
            let Some(module) = spec.module else {
                return Err(Error::new(
                    ErrorKind::InvalidInput,
                    "there is no module to run",
                ));
            };
            return self.user_session(module, &spec.limits).await;
        }
        let Some(module) = self.module(spec.language) else {
            return Err(unavailable("no guest for the language is built in"));
        };
        let mould = Mould {
            module: self.ready(module).await?.clone(),
            machine: self.machine().await?.clone(),
            limits: spec.limits,
            slots: self.shared.slots.clone(),
        };
        let slot = slot(&self.shared.slots).await?;
        Ok(Session::new(mould.start(slot, None)?))
    }
}

impl Sandbox for WasmSandbox {
    fn name(&self) -> &'static str {
        "wasm"
    }

    fn describe(&self) -> Description {
        let languages = self.shared.guests.iter();
        Description {
            isolation: Isolation::Engine,
            languages: languages
                .flat_map(|module| module.artefact.languages().iter().copied())
                .chain([Language::Wasm])
                .collect(),
            summary: "a WebAssembly instance in this process, without system calls",
            enforcement: ENFORCEMENT.to_vec(),
        }
    }

    fn probe(&self) -> BoxFuture<'_, Result<()>> {
        async move {
            if self.shared.guests.is_empty() {
                return self.warm_up().await;
            }
            // The modules are compiled when they are needed; the engine is what may not work here.
            self.machine().await.map(|_| ())
        }
        .boxed()
    }

    fn start(&self, spec: SessionSpec) -> BoxFuture<'_, Result<Session>> {
        self.session(spec).boxed()
    }
}

impl WasmBuilder {
    /// Adds a guest, before those that are built in.
    pub fn guest(mut self, artefact: Artefact) -> Self {
        self.artefacts.insert(0, artefact);
        self
    }

    /// Sets how many instances there may be at the same time; 256 otherwise. More wait.
    pub fn slots(mut self, slots: u32) -> Self {
        self.slots = slots.max(1);
        self
    }

    /// Keeps compiled modules in this directory, which only the user may write to: what is found
    /// there is run as native code. Without it modules are compiled at their first use.
    pub fn cache(mut self, directory: impl Into<PathBuf>) -> Self {
        self.cache = Some(directory.into());
        self
    }

    /// Makes the sandbox. Nothing is compiled before it is needed.
    pub fn build(self) -> WasmSandbox {
        let guests = self.artefacts.into_iter().map(|artefact| Module {
            artefact,
            ready: OnceCell::new(),
        });
        WasmSandbox {
            shared: Arc::new(Shared {
                machine: OnceCell::new(),
                compiler: OnceCell::new(),
                guests: guests.collect(),
                slots: Arc::new(Semaphore::new(self.slots as usize)),
                slot_count: self.slots,
                cache: self.cache,
            }),
        }
    }
}

impl fmt::Debug for WasmSandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WasmSandbox")
            .field("slots", &self.shared.slot_count)
            .finish_non_exhaustive()
    }
}

/// A place for an instance. More programs than places wait for their turn.
async fn slot(slots: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit> {
    let slot = slots.clone().acquire_owned().await;
    slot.map_err(|_| unavailable("the sandbox is closed"))
}

/// Runs long work beside the runtime's own threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(_) => Err("it panicked".to_owned()),
    }
}

fn as_error<T>(result: &Result<T, String>) -> Result<&T> {
    result.as_ref().map_err(|why| {
        unavailable("the WebAssembly engine cannot be used here").with_source(why.clone())
    })
}

fn unavailable(message: &str) -> Error {
    Error::new(ErrorKind::SandboxUnavailable, message)
}
