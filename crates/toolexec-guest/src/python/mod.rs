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

use std::time::Duration;

use monty::{MontyRepl, MontyRun};
use monty_types::{
    CompileOptions, MontyObject, OsPolicy, ResourceLimits, ResourceTracker, SleepMode,
};
use serde_json::Value;
use toolexec_wire::{Failure, FailureKind, MAX_FRAME, SeenCall, Start};

use crate::engine::Engine;
use crate::host::{Host, failure};
use failures::{FailedCalls, Texts};
use objects::Objects;
use run::{Ended, Run};
use source::{LAST, Prepared};
use value::{NoJson, from_json, to_json};

/// Functions that programs are rewritten to call.
const PRELUDE: &str = include_str!("prelude.py");
/// How deep calls of functions may nest.
const RECURSION: usize = 1000;

/// The engine of Python.
#[derive(Debug, Default)]
pub struct Python {
    // The variables of a session; gone while a program runs.
    repl: Option<MontyRepl>,
    prelude: bool,
    objects: Objects,
    texts: Texts,
    calls: FailedCalls,
}

impl Python {
    /// A fresh engine.
    pub fn new() -> Self {
        Self::default()
    }

    fn run_prepared(
        &mut self,
        program: Prepared,
        start: &Start,
        host: &Host,
    ) -> Result<Value, Box<Failure>> {
        let fresh = self.repl.is_none();
        let mut repl = self.repl.take().unwrap_or_else(|| {
            let policy = OsPolicy {
                sleep: SleepMode::CallHost,
                ..OsPolicy::default()
            };
            MontyRepl::new("main.py", tracker(start, host), CompileOptions::default())
                .with_os_policy(policy)
        });
        *repl.tracker_mut() = tracker(start, host);
        if program.prelude && !self.prelude {
            repl = self.quiet(repl, PRELUDE, host)?;
            self.prelude = true;
        }
        if !fresh && program.value_in.contains(&LAST) {
            repl = self.quiet(repl, "__te_last__ = None", host)?;
        }
        let name = repl.next_script_name();
        self.texts.add(name.clone(), program.written);
        let inputs = self.inputs(start, fresh);
        let mut run = Run::new(host, &mut self.objects, &self.texts, &mut self.calls);
        let ended = run.feed(repl, &program.code, inputs);
        let (repl, value) = self.settle(ended, &name)?;
        self.value(repl, value, &program.value_in, start, host)
    }

    /// Runs a piece of our own.
    fn quiet(
        &mut self,
        repl: MontyRepl,
        code: &str,
        host: &Host,
    ) -> Result<MontyRepl, Box<Failure>> {
        let mut run = Run::new(host, &mut self.objects, &self.texts, &mut self.calls);
        let ended = run.feed(repl, code, Vec::new());
        self.settle(ended, "").map(|(repl, _)| repl)
    }

    fn settle(
        &mut self,
        ended: Ended,
        name: &str,
    ) -> Result<(MontyRepl, MontyObject), Box<Failure>> {
        match ended {
            Ended::Value(repl, value) => Ok((repl, value)),
            Ended::Exception(repl, exception) => {
                self.repl = Some(repl);
                Err(failures::failed(&exception, &self.texts, name, &self.calls))
            }
            Ended::Stopped(failure) => Err(failure),
        }
    }

    /// The value of a program: the first of these variables that is set, else what it ended with.
    fn value(
        &mut self,
        mut repl: MontyRepl,
        mut value: MontyObject,
        variables: &[&str],
        start: &Start,
        host: &Host,
    ) -> Result<Value, Box<Failure>> {
        for variable in variables {
            let mut run = Run::new(host, &mut self.objects, &self.texts, &mut self.calls);
            match run.feed(repl, variable, Vec::new()) {
                Ended::Value(left, found) => {
                    (repl, value) = (left, found);
                    break;
                }
                Ended::Exception(left, _) => repl = left,
                Ended::Stopped(failure) => return Err(failure),
            }
        }
        self.repl = Some(repl);
        let most = start.limits.result_bytes.map_or(MAX_FRAME, |most| {
            usize::try_from(most).unwrap_or(MAX_FRAME).min(MAX_FRAME)
        });
        to_json(&value, most).map_err(|error| no_json(&error))
    }

    fn inputs(&mut self, start: &Start, fresh: bool) -> Vec<(String, MontyObject)> {
        let inputs = start
            .inputs
            .iter()
            .map(|(name, value)| (name.clone(), from_json(value)));
        let tools = fresh.then(|| ("tools".to_owned(), self.objects.tools()));
        tools.into_iter().chain(inputs).collect()
    }
}

impl Engine for Python {
    fn run(&mut self, start: &Start, host: &Host) -> Result<Value, Box<Failure>> {
        let program = source::prepare(&start.source)?;
        let _counted = memory::count(start.limits.memory_bytes);
        self.run_prepared(program, start, host)
    }

    fn check(&mut self, start: &Start) -> (Vec<Failure>, Vec<SeenCall>) {
        match checked(&start.source) {
            Ok(calls) => (Vec::new(), calls),
            Err((failure, calls)) => (vec![*failure], calls),
        }
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
