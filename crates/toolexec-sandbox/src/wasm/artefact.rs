//! A guest as a module: unpacked, compiled once, kept in a cache.

use std::borrow::Cow;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toolexec_core::sandbox::Language;
use wasmtime::{InstancePre, Linker, Module, Result};

use super::engine::Machine;
use super::imports;
use super::instance::State;
use crate::{packed, private};

/// The largest module, unpacked.
const MAX_MODULE: u64 = 64 << 20;

/// A guest as a module, and the languages it runs. Cheap to clone.
#[derive(Clone)]
pub struct Artefact {
    languages: Arc<[Language]>,
    bytes: Cow<'static, [u8]>,
}

impl Artefact {
    /// A guest: a WebAssembly module, or one packed with Zstandard.
    pub fn new(languages: &[Language], bytes: impl Into<Cow<'static, [u8]>>) -> Self {
        Self {
            languages: Arc::from(languages),
            bytes: bytes.into(),
        }
    }

    /// The languages it runs.
    pub fn languages(&self) -> &[Language] {
        &self.languages
    }

    /// Compiles it, or loads what was compiled before, and links it.
    pub(super) fn prepare(
        &self,
        machine: &Machine,
        cache: Option<&Path>,
    ) -> Result<InstancePre<State>> {
        let module = match cache {
            Some(directory) => self.cached(machine, directory)?,
            None => self.compile(machine)?,
        };
        let mut linker = Linker::new(&machine.engine);
        imports::link(&mut linker, &module)?;
        linker.instantiate_pre(&module)
    }

    fn compile(&self, machine: &Machine) -> Result<Module> {
        Module::new(&machine.engine, self.unpack()?)
    }

    fn cached(&self, machine: &Machine, directory: &Path) -> Result<Module> {
        let path = directory.join(format!("guest-{:016x}.cwasm", self.key(machine)));
        if let Some(module) = load(machine, &path) {
            return Ok(module);
        }
        let module = self.compile(machine)?;
        // A cache that cannot be written costs time, not programs.
        if let Err(error) = store(&module, directory, &path) {
            tracing::warn!(%error, "the compiled guest cannot be kept");
        }
        Ok(module)
    }

    fn unpack(&self) -> Result<Cow<'_, [u8]>> {
        Ok(packed::unpack(&self.bytes, MAX_MODULE)?)
    }

    /// Differs whenever the engine, its settings, the machine or the module do.
    fn key(&self, machine: &Machine) -> u64 {
        let mut hasher = DefaultHasher::new();
        env!("CARGO_PKG_VERSION").hash(&mut hasher);
        machine
            .engine
            .precompile_compatibility_hash()
            .hash(&mut hasher);
        self.bytes.hash(&mut hasher);
        hasher.finish()
    }
}

/// The guests that this crate carries.
pub(super) fn built_in() -> Vec<Artefact> {
    [
        #[cfg(guest_javascript)]
        Artefact::new(
            &[Language::JavaScript, Language::TypeScript, Language::Script],
            &include_bytes!("../../guest/javascript.wasm.zst")[..],
        ),
        #[cfg(guest_python)]
        Artefact::new(
            &[Language::Python],
            &include_bytes!("../../guest/python.wasm.zst")[..],
        ),
    ]
    .into()
}

fn load(machine: &Machine, path: &Path) -> Option<Module> {
    if !path.is_file() {
        return None;
    }
    #[expect(
        unsafe_code,
        reason = "loading compiled code is what makes a start fast"
    )]
    // SAFETY: the file was written by `store` into a directory that only the user may write to,
    // under a name that holds a hash of the engine's settings and of the module; a file that was
    // written in part never gets that name.
    let module = unsafe { Module::deserialize_file(&machine.engine, path) };
    module
        .inspect_err(|error| tracing::warn!(%error, "the kept guest cannot be used"))
        .ok()
}

/// Writes the compiled module under another name first, so that nobody finds half of it.
fn store(module: &Module, directory: &Path, path: &Path) -> Result<()> {
    private::create_dir(directory)?;
    let name = format!("guest-{}-{:p}.tmp", std::process::id(), module);
    let unfinished: PathBuf = directory.join(name);
    fs::write(&unfinished, module.serialize()?)?;
    fs::rename(&unfinished, path)?;
    Ok(())
}

impl std::fmt::Debug for Artefact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Artefact")
            .field("languages", &self.languages)
            .field("bytes", &self.bytes.len())
            .finish()
    }
}
