//! Core modules: what they import and export, and how they run.

use toolexec_wire::{Failure, FailureKind};
use wasmtime::{Engine, ExternType, InstancePre, Linker, Module, Result, Store, Val};

use super::state::State;
use super::stop::{Stop, failure};
use super::{abi, wasi};

/// What is run: the first of them that is there.
const ENTRIES: [&str; 2] = ["run", "_start"];
/// The most names that an error lists.
const MAX_NAMES: usize = 12;

/// A core module that is ready to run. Cheap to clone.
#[derive(Clone)]
pub(super) struct CoreModule {
    pre: InstancePre<State>,
    entry: Option<&'static str>,
}

impl CoreModule {
    /// The bytes of its compiled code.
    pub(super) fn size(&self) -> usize {
        let image = self.pre.module().image_range();
        image.end.addr() - image.start.addr()
    }

    /// Runs it to its end.
    pub(super) async fn run(&self, store: &mut Store<State>) -> Result<()> {
        let instance = self.pre.instantiate_async(&mut *store).await?;
        if let Ok(function) = instance.get_typed_func::<(), ()>(&mut *store, "_initialize") {
            function.call_async(&mut *store, ()).await?;
        }
        let function = self
            .entry
            .and_then(|name| instance.get_func(&mut *store, name));
        let Some(function) = function else {
            return Ok(());
        };
        let mut status = [Val::I32(0)];
        let count = function.ty(&*store).results().len();
        function
            .call_async(&mut *store, &[], &mut status[..count])
            .await?;
        match status {
            [Val::I32(status)] if status != 0 => Err(Stop::Exit(status).into()),
            _ => Ok(()),
        }
    }
}

/// Compiles a module and looks whether it can be run.
pub(super) fn compile(engine: &Engine, bytes: &[u8]) -> Result<CoreModule, Box<Failure>> {
    let module = Module::new(engine, bytes).map_err(|error| invalid(&error))?;
    imports(&module)?;
    let entry = entry(&module)?;
    let mut linker = Linker::new(engine);
    let offered = abi::link(&mut linker).and_then(|()| wasi::link(&mut linker, &module));
    offered.map_err(|_| failure(FailureKind::Internal, "the host's functions do not link"))?;
    let pre = linker.instantiate_pre(&module).map_err(|error| {
        let message = format!("the module cannot be linked: {error:#}");
        failure(FailureKind::Unsupported, message)
    })?;
    Ok(CoreModule { pre, entry })
}

/// The bytes are no module, or use what is not allowed here.
pub(super) fn invalid(error: &wasmtime::Error) -> Box<Failure> {
    let why = error.root_cause().to_string();
    // The words of the validator for a proposal that is switched off.
    let off = ["must be enabled", "is not enabled", "requires the "];
    let kind = if off.into_iter().any(|words| why.contains(words)) {
        FailureKind::Unsupported
    } else {
        FailureKind::Syntax
    };
    let why = why
        .strip_prefix("Invalid input WebAssembly code ")
        .unwrap_or(&why);
    failure(kind, format!("the module cannot be compiled: {why}"))
}

/// All imports must be there; those that are not are named, with what there is.
fn imports(module: &Module) -> Result<(), Box<Failure>> {
    let is_there = |from: &str, name: &str| match from {
        abi::NAME => abi::FUNCTIONS.contains(&name),
        wasi::NAME => wasi::has(name),
        _ => false,
    };
    let missing: Vec<String> = module
        .imports()
        .filter(|import| !is_there(import.module(), import.name()))
        .map(|import| format!("{}.{}", import.module(), import.name()))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let message = format!("the module imports what is not there: {}", listed(&missing));
    let mut failure = failure(FailureKind::Unsupported, message);
    failure.hints = vec![
        format!("{} has {}", abi::NAME, abi::FUNCTIONS.join(", ")),
        format!("{} has what WASI preview 1 has", wasi::NAME),
    ];
    Err(failure)
}

/// The function to run. A module that exports no function has nothing to run.
fn entry(module: &Module) -> Result<Option<&'static str>, Box<Failure>> {
    let types = ENTRIES.map(|name| match module.get_export(name) {
        Some(ExternType::Func(ty)) => Some(ty),
        _ => None,
    });
    for (name, ty) in ENTRIES.into_iter().zip(types) {
        let Some(ty) = ty else { continue };
        let mut results = ty.results();
        let fits = match (ty.params().len(), results.len()) {
            (0, 0) => true,
            (0, 1) => results.all(|result| result.is_i32()),
            _ => false,
        };
        if fits {
            return Ok(Some(name));
        }
        let message = format!("the function {name} must take nothing and give nothing or an i32");
        return Err(failure(FailureKind::Unsupported, message));
    }
    let functions = module
        .exports()
        .filter(|export| export.ty().func().is_some());
    let names: Vec<String> = functions.map(|export| export.name().to_owned()).collect();
    if names.is_empty() {
        return Ok(None);
    }
    let message = format!(
        "the module exports neither run nor _start; it exports {}",
        listed(&names)
    );
    let mut failure = failure(FailureKind::Unsupported, message);
    failure.hints = vec!["export the function to run as `run`".to_owned()];
    Err(failure)
}

/// The first names. They are the module's own, of any length.
pub(super) fn listed(names: &[String]) -> String {
    if names.is_empty() {
        return "nothing".to_owned();
    }
    let cut = |name: &String| name.chars().take(80).collect::<String>();
    let mut shown: Vec<String> = names.iter().take(MAX_NAMES).map(cut).collect();
    if names.len() > MAX_NAMES {
        shown.push(format!("and {} more", names.len() - MAX_NAMES));
    }
    shown.join(", ")
}
