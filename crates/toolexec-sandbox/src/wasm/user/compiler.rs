//! Modules of users, compiled beside the threads of the runtime and kept for the next time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;
use toolexec_wire::{Failure, FailureKind};

use super::component::{self, ComponentModule};
use super::module::{self, CoreModule};
use super::screen::{self, Kind};
use super::stop::failure;
use crate::wasm::engine::Machine;

/// The most modules that are kept.
const MAX_KEPT: usize = 128;
/// The most bytes of compiled code that are kept; what runs is not counted.
const MAX_KEPT_BYTES: usize = 256 << 20;
/// How many modules are compiled at the same time.
const AT_ONCE: usize = 2;

/// Compiles modules of users. Cheap to clone.
#[derive(Clone)]
pub(in crate::wasm) struct Compiler {
    machine: Machine,
    kept: Arc<Mutex<Kept>>,
    turns: Arc<Semaphore>,
}

/// A module that is ready to run. Cheap to clone.
#[derive(Clone)]
pub(super) enum Prepared {
    /// A core module.
    Core(CoreModule),
    /// A component.
    Component(ComponentModule),
}

/// Compiled modules by their bytes.
#[derive(Default)]
struct Kept {
    modules: HashMap<Arc<[u8]>, Entry>,
    bytes: usize,
    clock: u64,
}

struct Entry {
    prepared: Prepared,
    bytes: usize,
    used: u64,
}

impl Compiler {
    pub(in crate::wasm) fn new(machine: Machine) -> Self {
        Self {
            machine,
            kept: Arc::default(),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// The engine whose clock must go while a module runs.
    pub(in crate::wasm) fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Compiles a module, or finds it compiled.
    ///
    /// # Cancel safety
    /// Safe: what was begun goes on, and is kept.
    pub(super) async fn prepare(&self, bytes: &Arc<[u8]>) -> Result<Prepared, Box<Failure>> {
        if let Some(prepared) = self.lock().find(bytes) {
            return Ok(prepared);
        }
        let lost = || failure(FailureKind::Internal, "the module could not be compiled");
        let turn = self
            .turns
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| lost())?;
        // Another program may have brought the same module meanwhile.
        if let Some(prepared) = self.lock().find(bytes) {
            return Ok(prepared);
        }
        let (compiler, bytes) = (self.clone(), bytes.clone());
        let work = move || {
            let prepared = compile(&compiler.machine, &bytes)?;
            compiler.lock().keep(bytes, &prepared);
            // Until here the module counts as being compiled, whoever waits for it.
            drop(turn);
            Ok(prepared)
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|_| lost())?
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Prepared {
    /// The bytes of its compiled code.
    fn size(&self) -> usize {
        match self {
            Self::Core(module) => module.size(),
            Self::Component(component) => component.size(),
        }
    }
}

impl Kept {
    fn find(&mut self, bytes: &Arc<[u8]>) -> Option<Prepared> {
        self.clock += 1;
        let entry = self.modules.get_mut(bytes)?;
        entry.used = self.clock;
        Some(entry.prepared.clone())
    }

    fn keep(&mut self, module: Arc<[u8]>, prepared: &Prepared) {
        let bytes = prepared.size() + module.len();
        if bytes > MAX_KEPT_BYTES {
            return;
        }
        self.clock += 1;
        let entry = Entry {
            prepared: prepared.clone(),
            bytes,
            used: self.clock,
        };
        self.bytes += bytes;
        if let Some(before) = self.modules.insert(module, entry) {
            self.bytes -= before.bytes;
        }
        while self.modules.len() > MAX_KEPT || self.bytes > MAX_KEPT_BYTES {
            let oldest = self.modules.iter().min_by_key(|(_, entry)| entry.used);
            let Some(oldest) = oldest.map(|(module, _)| module.clone()) else {
                return;
            };
            if let Some(entry) = self.modules.remove(&oldest) {
                self.bytes -= entry.bytes;
            }
        }
    }
}

fn compile(machine: &Machine, bytes: &[u8]) -> Result<Prepared, Box<Failure>> {
    let kind = screen::kind(bytes)?;
    screen::screen(bytes)?;
    let engine = &machine.engine;
    match kind {
        Kind::Module => module::compile(engine, bytes).map(Prepared::Core),
        Kind::Component => component::compile(engine, bytes).map(Prepared::Component),
    }
}
