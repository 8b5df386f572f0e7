//! Python, on monty: a subset of Python 3.14 with its own interpreter.
//!
//! A program calls tools as `tools.namespace.name(a=1)` or `tools.run("namespace:name", {..})`,
//! with `await` or without: a call that is awaited, there or later, runs beside the others that
//! are; any other call is waited for on the spot. What the engine lacks is in
//! `docs/limits/python.md`.

mod failures;
mod memory;
mod objects;
mod run;
mod source;
mod unsupported;
mod value;

#[cfg(all(feature = "toolchain", unix))]
pub(crate) use source::{deferred, seen_calls};

use std::time::Duration;

use monty::{MontyRepl, MontyRun};
use monty_types::{
    CompileOptions, MontyObject, OsPolicy, PrintWriter, ResourceLimits, ResourceTracker, SleepMode,
};
use serde_json::Value;
use toolexec_wire::{Failure, FailureKind, MAX_FRAME, SeenCall, Start};

use crate::engine::Engine;
use crate::host::{Host, failure};
use failures::{FailedCalls, Texts};
use objects::Objects;
use run::{Ended, Run};
use source::{LAST, MODULES, Prepared};
use value::{NoJson, from_json, to_json};

/// Functions that programs are rewritten to call.
const PRELUDE: (&str, &str) = ("prelude", include_str!("prelude.py"));
/// How deep calls of functions may nest.
const RECURSION: usize = 1000;

/// The engine of Python.
#[derive(Debug, Default)]
pub struct Python {
    // The variables of a session; gone while a program runs.
    repl: Option<MontyRepl>,
    // What the session has already.
    loaded: Vec<&'static str>,
    tools: bool,
    used: bool,
    objects: Objects,
    texts: Texts,
    calls: FailedCalls,
}

impl Python {
    /// A fresh engine.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes ready what every program needs, to be kept in an image of the engine.
    pub fn warm(&mut self) -> Result<(), Box<Failure>> {
        let repl = self.take_repl();
        self.repl = Some(self.with(repl, pieces().map(|(name, _)| name))?);
        Ok(())
    }

    fn run_prepared(
        &mut self,
        program: Prepared,
        start: &Start,
        host: &Host,
    ) -> Result<Value, Box<Failure>> {
        let mut repl = self.take_repl();
        let prelude = program.prelude.then_some(PRELUDE.0);
        repl = self.with(repl, program.modules.iter().copied().chain(prelude))?;
        if self.used && program.value_in.contains(&LAST) {
            quiet(&mut repl, "__te_last__ = None")?;
        }
        let name = repl.next_script_name();
        self.texts.add(name.clone(), program.written);
        let inputs = self.inputs(start);
        *repl.tracker_mut() = tracker(start, host);
        let mut run = Run::new(host, &mut self.objects, &self.texts, &mut self.calls);
        // The engine drops the inputs of a text that does nothing.
        let does_nothing = program.code.lines().all(is_blank);
        let code = if does_nothing { "pass" } else { &program.code };
        match run.feed(repl, code, inputs) {
            Ended::Value(repl, value) => {
                let value = value_of(self.repl.insert(repl), value, &program.value_in);
                to_json(&value, most(start)).map_err(|error| no_json(&error))
            }
            Ended::Exception(repl, exception) => {
                self.repl = Some(repl);
                Err(failures::failed(
                    &exception,
                    &self.texts,
                    &name,
                    &self.calls,
                ))
            }
            Ended::Stopped(repl, failure) => {
                self.repl = Some(repl);
                Err(failure)
            }
        }
    }

    fn take_repl(&mut self) -> MontyRepl {
        self.repl.take().unwrap_or_else(|| {
            let policy = OsPolicy {
                sleep: SleepMode::CallHost,
                ..OsPolicy::default()
            };
            let tracker = ResourceTracker::default();
            MontyRepl::new("main.py", tracker, CompileOptions::default()).with_os_policy(policy)
        })
    }

    /// The session with these pieces of our own.
    fn with(
        &mut self,
        mut repl: MontyRepl,
        names: impl IntoIterator<Item = &'static str>,
    ) -> Result<MontyRepl, Box<Failure>> {
        for name in names {
            let piece = pieces().find(|(known, _)| *known == name);
            if let Some((name, text)) = piece.filter(|(name, _)| !self.loaded.contains(name)) {
                quiet(&mut repl, text)?;
                self.loaded.push(name);
            }
        }
        Ok(repl)
    }

    fn inputs(&mut self, start: &Start) -> Vec<(String, MontyObject)> {
        let inputs = start
            .inputs
            .iter()
            .map(|(name, value)| (name.clone(), from_json(value)));
        let tools = (!self.tools).then(|| ("tools".to_owned(), self.objects.tools()));
        (self.tools, self.used) = (true, true);
        tools.into_iter().chain(inputs).collect()
    }
}

/// Whether nothing but a comment stands in a line.
fn is_blank(line: &str) -> bool {
    let line = line.trim_start();
    line.is_empty() || line.starts_with('#')
}

/// The value of a program: the first of these variables that is set, else what it ended with.
fn value_of(repl: &mut MontyRepl, last: MontyObject, variables: &[&str]) -> MontyObject {
    let none = Vec::<(String, MontyObject)>::new;
    let mut set = variables
        .iter()
        .filter_map(|name| repl.feed_run(name, none(), PrintWriter::Disabled).ok());
    set.next().unwrap_or(last)
}

/// What is written in Python: the prelude and the modules.
fn pieces() -> impl Iterator<Item = (&'static str, &'static str)> {
    std::iter::once(PRELUDE).chain(MODULES)
}

/// Runs a piece of our own, which calls nothing.
fn quiet(repl: &mut MontyRepl, code: &str) -> Result<(), Box<Failure>> {
    let none = Vec::<(String, MontyObject)>::new();
    match repl.feed_run(code, none, PrintWriter::Disabled) {
        Ok(_) => Ok(()),
        Err(exception) => Err(failure(
            FailureKind::Internal,
            format!("the engine cannot be made ready: {}", exception.summary()),
        )),
    }
}

/// The most bytes that the value may have.
fn most(start: &Start) -> usize {
    let limit = start.limits.result_bytes.unwrap_or(u64::MAX);
    usize::try_from(limit).unwrap_or(usize::MAX).min(MAX_FRAME)
}

impl Engine for Python {
    fn run(&mut self, start: &Start, host: &Host) -> Result<Value, Box<Failure>> {
        let program = source::prepare(&start.source)?;
        let _counted = memory::count(start.limits.memory_bytes);
        self.run_prepared(program, start, host)
    }

    fn check(&mut self, start: &Start, _: &Host) -> (Vec<Failure>, Vec<SeenCall>) {
        match checked(&start.source) {
            Ok(calls) => (Vec::new(), calls),
            Err((failure, calls)) => (vec![*failure], calls),
        }
    }

    fn is_whole(&self) -> bool {
        self.repl.is_some()
    }

    fn memory(&self) -> Option<u64> {
        memory::most()
    }
}

/// The calls of a program, if the engine takes its text.
fn checked(source: &str) -> Result<Vec<SeenCall>, (Box<Failure>, Vec<SeenCall>)> {
    const NAME: &str = "main.py";
    let calls = source::seen_calls(source).map_err(|failure| (failure, Vec::new()))?;
    let program = source::prepare(source).map_err(|failure| (failure, calls.clone()))?;
    let mut texts = Texts::default();
    texts.add(NAME.into(), program.written);
    let names = vec!["tools".to_owned()];
    match MontyRun::new(program.code, NAME, names, CompileOptions::default()) {
        Ok(_) => Ok(calls),
        Err(exception) => {
            let failure = failures::failed(&exception, &texts, NAME, &FailedCalls::default());
            Err((failure, calls))
        }
    }
}

fn tracker(start: &Start, host: &Host) -> ResourceTracker {
    let left = |ms| Duration::from_millis(ms).saturating_sub(host.run_time());
    ResourceTracker::new(ResourceLimits {
        max_feed_duration: start.limits.run_ms.map(left),
        max_memory: start
            .limits
            .memory_bytes
            .map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX)),
        max_recursion_depth: RECURSION,
        ..ResourceLimits::default()
    })
}

fn no_json(error: &NoJson) -> Box<Failure> {
    let message = error.message("the value of the program");
    Box::new(match error {
        NoJson::TooLarge { .. } => Failure {
            hints: vec!["return only what is needed: filter, count or cut before returning".into()],
            ..*failure(FailureKind::ResultSize, message)
        },
        NoJson::Kind { .. } => Failure {
            name: Some("TypeError".into()),
            ..*failure(FailureKind::Exception, message)
        },
    })
}
