//! JavaScript, TypeScript and script, on `QuickJS`.
//!
//! A program is parsed, changed where the engine needs it ([`prepare`]) and evaluated as a script
//! with top-level `await`. Calls are promises; when all that can run has run, the engine waits for
//! the next answer of the host ([`run`]).

mod bridge;
mod calls;
mod error;
mod literal;
mod memory;
#[cfg(all(feature = "toolchain", unix))]
mod node;
mod parse;
mod prepare;
mod random;
mod run;
mod strip;
mod value;
mod vm;

#[cfg(all(feature = "toolchain", unix))]
pub(crate) use node::{check_for_node, for_node};

use serde_json::Value;
use toolexec_wire::{Failure, FailureKind, Language, SeenCall, Start};

use crate::engine::Engine;
use crate::host::{Host, failure};
use crate::script::{self, Compiled, Known};
use crate::text::Derived;
use run::Run;
use vm::Vm;

/// The engine of JavaScript, TypeScript and script.
#[derive(Default)]
pub struct JavaScript {
    vm: Option<Vm>,
}

impl std::fmt::Debug for JavaScript {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JavaScript").finish_non_exhaustive()
    }
}

impl JavaScript {
    /// An engine; its machine starts with its first program.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts the machine now.
    ///
    /// # Errors
    /// When there is too little memory for it.
    pub fn warm(&mut self) -> Result<(), Box<Failure>> {
        if self.vm.is_none() {
            self.vm = Some(Vm::new()?);
        }
        Ok(())
    }
}

impl Engine for JavaScript {
    fn run(&mut self, start: &Start, host: &Host) -> Result<Value, Box<Failure>> {
        let program = text_to_run(start)?;
        self.warm()?;
        let Some(vm) = &self.vm else {
            return Err(failure(FailureKind::Internal, "the engine did not start"));
        };
        let shared = &vm.shared;
        let limit = start.limits.memory_bytes;
        shared
            .meter
            .set_limit(limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)));
        shared.random.borrow_mut().reseed();
        shared.host.replace(Some(host.clone()));
        let result = vm.context.with(|ctx| {
            let saved = vm.core.take();
            vm.core.set(saved.clone());
            let core = saved
                .and_then(|core| core.restore(&ctx).ok())
                .ok_or_else(|| failure(FailureKind::Internal, "the engine has no prelude"))?;
            let run = Run::new(&ctx, host, shared, core, &start.source, &program)?;
            let result = run.program(start, &program.text);
            run.end();
            result
        });
        shared.host.replace(None);
        result.map_err(|failure| in_own_terms(failure, start.language))
    }

    fn check(&mut self, start: &Start, _: &Host) -> (Vec<Failure>, Vec<SeenCall>) {
        if start.language == Language::Script {
            return match compile(start) {
                Ok(compiled) => (Vec::new(), compiled.calls),
                Err(failure) => (vec![*failure], Vec::new()),
            };
        }
        let typescript = start.language == Language::TypeScript;
        match parse::with_program(&start.source, typescript, calls::calls) {
            Err(problems) => (problems, Vec::new()),
            Ok(calls) => {
                let refused = text_to_run(start).err();
                let problems = refused.map(|failure| *failure).into_iter().collect();
                (problems, calls::placed(&start.source, calls))
            }
        }
    }

    /// Jobs that are left would run with the next program.
    fn is_whole(&self) -> bool {
        self.vm.as_ref().is_none_or(|vm| !vm.has_jobs())
    }

    fn memory(&self) -> Option<u64> {
        self.vm.as_ref().map(|vm| vm.shared.meter.most() as u64)
    }
}

fn text_to_run(start: &Start) -> Result<Derived, Box<Failure>> {
    match start.language {
        Language::Script => compile(start).map(|compiled| compiled.code),
        language => prepare::prepare(&start.source, language == Language::TypeScript, start),
    }
}

fn compile(start: &Start) -> Result<Compiled, Box<Failure>> {
    let names: Vec<String> = start.inputs.keys().cloned().collect();
    script::compile(
        &start.source,
        Known {
            names: &names,
            keep: start.keep,
        },
    )
}

/// A script's variables have a prefix that its author never wrote.
fn in_own_terms(mut failure: Box<Failure>, language: Language) -> Box<Failure> {
    if language == Language::Script && failure.name.as_deref() == Some("ReferenceError") {
        failure.message = failure.message.replacen("v_", "", 1);
    }
    failure
}
