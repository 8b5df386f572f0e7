//! Runs one program: its jobs, the answers to its calls, and its end.

use std::cell::RefCell;
use std::rc::Rc;

use rquickjs::context::EvalOptions;
use rquickjs::promise::PromiseState;
use rquickjs::{CatchResultExt, CaughtError, Ctx, Function, Object, Promise, Value};
use serde_json::Value as Json;
use toolexec_wire::{Failure, FailureKind, Outcome, Start};

use super::bridge::{Shared, converter};
use super::error::{FILE, Origin, failure_of};
use super::value::{Converter, from_json};
use crate::host::{Host, failure};
use crate::text::Derived;

/// Where the end of a promise is kept.
type Settled<'js> = Rc<RefCell<Option<Result<Value<'js>, Value<'js>>>>>;

/// A program that runs.
pub(super) struct Run<'a, 'js> {
    ctx: Ctx<'js>,
    host: &'a Host,
    shared: &'a Rc<Shared>,
    core: Object<'js>,
    convert: Converter<'js>,
    origin: Origin<'a>,
}

impl<'a, 'js> Run<'a, 'js> {
    pub(super) fn new(
        ctx: &Ctx<'js>,
        host: &'a Host,
        shared: &'a Rc<Shared>,
        core: Object<'js>,
        source: &'a str,
        derived: &'a Derived,
    ) -> Result<Self, Box<Failure>> {
        let convert = converter(shared, ctx)
            .map_err(|_| failure(FailureKind::Internal, "the engine has no prelude"))?;
        Ok(Self {
            ctx: ctx.clone(),
            host,
            shared,
            core,
            convert,
            origin: Origin::new(source, derived),
        })
    }

    /// Runs the text to its end and returns its value.
    pub(super) fn program(&self, start: &Start, code: &str) -> Result<Json, Box<Failure>> {
        self.prepare(start)?;
        let completion = self.evaluate(code)?;
        let value = self.settle(completion)?;
        self.drain()?;
        let value = self.choose(value)?;
        self.stopped()?;
        let json = self.convert.json(value);
        self.stopped()?;
        self.caught(json)
    }

    /// Lets go of what is left of the program.
    pub(super) fn end(&self) {
        let _ = self.core_call::<()>("forget", ());
        self.shared.rejected.borrow_mut().clear();
        self.ctx.catch();
    }

    fn prepare(&self, start: &Start) -> Result<(), Box<Failure>> {
        let globals = self.ctx.globals();
        self.caught(self.core_call::<()>("reset", ()))?;
        for (name, value) in &start.inputs {
            let value = self.caught(from_json(&self.ctx, value))?;
            self.caught(self.core_call::<()>("hide", (globals.clone(), name.as_str(), value)))?;
        }
        Ok(())
    }

    /// The value that the program's text ends with: a `return`, else its last expression.
    fn evaluate(&self, code: &str) -> Result<Value<'js>, Box<Failure>> {
        let mut options = EvalOptions::default();
        options.promise = true;
        options.filename = Some(FILE.into());
        let main = self.ctx.eval_with_options::<Promise<'js>, _>(code, options);
        let main = main
            .catch(&self.ctx)
            .map_err(|error| self.not_evaluated(error))?;
        self.until(|| main.state() != PromiseState::Pending)?;
        // A rejected main program is told here, not as a promise nobody looked at.
        let ended = self.caught(
            main.result::<Object<'js>>()
                .unwrap_or(Err(rquickjs::Error::Unknown)),
        )?;
        self.unhandled()?;
        let returned: Option<Object<'js>> = self.caught(self.core_call("returned", ()))?;
        self.caught(match returned {
            Some(returned) => returned.get("value"),
            None => ended.get("value"),
        })
    }

    /// Waits for a value that is a promise.
    fn settle(&self, value: Value<'js>) -> Result<Value<'js>, Box<Failure>> {
        if !value.is_object() {
            return Ok(value);
        }
        let settled: Settled<'js> = Rc::default();
        let keep = |ok: bool| {
            let settled = Rc::clone(&settled);
            Function::new(self.ctx.clone(), move |value: Value<'js>| {
                settled.replace(Some(if ok { Ok(value) } else { Err(value) }));
            })
        };
        let (done, failed) = (self.caught(keep(true))?, self.caught(keep(false))?);
        self.caught(self.core_call::<()>("finish", (value, done, failed)))?;
        self.until(|| settled.borrow().is_some())?;
        let ended = settled.borrow_mut().take();
        match ended {
            Some(Ok(value)) => Ok(value),
            Some(Err(thrown)) => Err(self.thrown(&thrown)),
            None => Ok(Value::new_undefined(self.ctx.clone())),
        }
    }

    /// A program goes on until its calls and timers have ended, awaited or not.
    fn drain(&self) -> Result<(), Box<Failure>> {
        self.until(|| !self.core_call::<bool>("waits", ()).unwrap_or_default())?;
        self.unhandled()
    }

    /// What was returned, else `__out`, else the last expression.
    fn choose(&self, value: Value<'js>) -> Result<Value<'js>, Box<Failure>> {
        let returned: Option<Object<'js>> = self.caught(self.core_call("returned", ()))?;
        if returned.is_some() {
            return Ok(value);
        }
        let out: Value<'js> = self.caught(
            self.ctx
                .eval("typeof __out === 'undefined' ? undefined : __out"),
        )?;
        if out.is_undefined() {
            return Ok(value);
        }
        self.settle(out)
    }

    /// Runs jobs and takes answers until something holds.
    fn until(&self, holds: impl Fn() -> bool) -> Result<(), Box<Failure>> {
        loop {
            self.jobs()?;
            if holds() {
                return Ok(());
            }
            self.unhandled()?;
            if self.caught(self.core_call::<bool>("runDue", ()))? {
                continue;
            }
            if self.host.outstanding() == 0 {
                return Err(nothing_comes());
            }
            let (id, outcome) = self.host.wait()?;
            self.answer(id, &outcome)?;
        }
    }

    fn jobs(&self) -> Result<(), Box<Failure>> {
        while self.ctx.execute_pending_job() {
            self.stopped()?;
        }
        self.stopped()
    }

    fn answer(&self, id: u32, outcome: &Outcome) -> Result<(), Box<Failure>> {
        let (ok, json) = match outcome {
            Outcome::Ok(value) => (true, from_json(&self.ctx, value)),
            Outcome::Error(error) => {
                let json = serde_json::to_value(error).unwrap_or_default();
                (false, from_json(&self.ctx, &json))
            }
        };
        let value = self.caught(json)?;
        self.caught(self.core_call::<()>("settle", (id, ok, value)))
    }

    /// The failure that has to end the program, if there is one.
    fn stopped(&self) -> Result<(), Box<Failure>> {
        if self.shared.meter.refused() {
            return Err(out_of_memory(self.shared.meter.limit()));
        }
        if self.host.must_stop() {
            return Err(self.host.stop_reason());
        }
        Ok(())
    }

    /// A promise that was rejected while nobody looked.
    fn unhandled(&self) -> Result<(), Box<Failure>> {
        let first = self.shared.rejected.borrow_mut().drain(..).next();
        let Some((_, reason)) = first else {
            return Ok(());
        };
        let reason = self.caught(reason.restore(&self.ctx))?;
        let mut failure = self.thrown(&reason);
        failure
            .hints
            .push("a promise was rejected and nothing awaits or catches it".into());
        Err(failure)
    }

    fn core_call<R: rquickjs::FromJs<'js>>(
        &self,
        name: &str,
        args: impl rquickjs::function::IntoArgs<'js>,
    ) -> rquickjs::Result<R> {
        self.core.get::<_, Function<'js>>(name)?.call(args)
    }

    fn caught<T>(&self, result: rquickjs::Result<T>) -> Result<T, Box<Failure>> {
        result.catch(&self.ctx).map_err(|error| self.failed(error))
    }

    fn failed(&self, error: CaughtError<'js>) -> Box<Failure> {
        match error {
            CaughtError::Exception(exception) => self.thrown(&exception.into_object().into_value()),
            CaughtError::Value(value) => self.thrown(&value),
            CaughtError::Error(error) => match self.stopped() {
                Err(failure) => failure,
                Ok(()) => failure(FailureKind::Internal, format!("the engine failed: {error}")),
            },
        }
    }

    /// What was thrown; a limit counts more than what the program made of it.
    fn thrown(&self, thrown: &Value<'js>) -> Box<Failure> {
        if let Err(failure) = self.stopped() {
            return failure;
        }
        let is_call = thrown.is_object()
            && self
                .core_call::<bool>("isToolError", (thrown.clone(),))
                .unwrap_or_default();
        failure_of(&self.ctx, thrown, &self.origin, &self.convert, is_call)
    }

    /// Text that does not evaluate is no program: its own code has not run yet.
    fn not_evaluated(&self, error: CaughtError<'js>) -> Box<Failure> {
        let mut failure = self.failed(error);
        if failure.kind == FailureKind::Exception {
            failure.kind = FailureKind::Syntax;
            failure.trace.clear();
        }
        failure
    }
}

fn out_of_memory(limit: Option<usize>) -> Box<Failure> {
    let message = match limit {
        Some(limit) => format!("the program needs more than the {limit} bytes of memory it may"),
        None => "the program needs more memory than there is".to_owned(),
    };
    let mut failure = failure(FailureKind::Memory, message);
    failure.hints = vec!["keep less at once: work on pieces, and keep only what is needed".into()];
    failure
}

fn nothing_comes() -> Box<Failure> {
    let mut failure = failure(
        FailureKind::Exception,
        "the program waits for a promise that nothing will settle",
    );
    failure.hints =
        vec!["no call and no timer is left; look for a promise that is never resolved".into()];
    failure
}
