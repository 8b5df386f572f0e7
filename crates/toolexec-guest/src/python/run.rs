//! Runs a program: the engine stops at every call, the host answers, the engine goes on.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use monty::{
    MontyRepl, ReplFunctionCall, ReplNameLookup, ReplOsCall, ReplProgress, ReplResolveFutures,
    ReplStartError,
};
use monty_types::unstable::MontyNode;
use monty_types::{
    ExcType, ExtFunctionResult, MontyException, MontyObject, NameLookupResult, OsFunctionCall,
    PrintWriter, PrintWriterCallback, unstable,
};
use toolexec_wire::{Failure, Op, Outcome, Stream};

use super::failures::{FailedCalls, Texts};
use super::memory;
use super::objects::{Api, Objects, Wanted, wanted};
use super::value::from_json;
use crate::host::Host;

/// How a program ended, with the state that it leaves.
pub(super) enum Ended {
    /// With a value.
    Value(MontyRepl, MontyObject),
    /// With an exception.
    Exception(MontyRepl, MontyException),
    /// From outside.
    Stopped(MontyRepl, Box<Failure>),
}

/// Why a program does not go on, with the state that it leaves.
struct Halt(MontyRepl, Box<Failure>);

type Step = Result<ReplProgress, Box<ReplStartError>>;

/// What a run needs.
pub(super) struct Run<'a> {
    pub(super) host: &'a Host,
    pub(super) objects: &'a mut Objects,
    pub(super) texts: &'a Texts,
    pub(super) calls: &'a mut FailedCalls,
    /// The futures of calls, by the calls' numbers.
    futures: HashMap<u32, u32>,
    /// Answers that came before they were wanted, in the order in which they came.
    answered: VecDeque<(u32, Outcome)>,
    print: Print<'a>,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        host: &'a Host,
        objects: &'a mut Objects,
        texts: &'a Texts,
        calls: &'a mut FailedCalls,
    ) -> Self {
        Self {
            host,
            objects,
            texts,
            calls,
            futures: HashMap::new(),
            answered: VecDeque::new(),
            print: Print { host },
        }
    }

    /// Runs a snippet to its end.
    pub(super) fn feed(
        &mut self,
        repl: MontyRepl,
        code: &str,
        inputs: Vec<(String, MontyObject)>,
    ) -> Ended {
        let mut step = repl.feed_start(code, inputs, PrintWriter::Callback(&mut self.print));
        loop {
            let progress = match step {
                Ok(ReplProgress::Complete { repl, value }) => return Ended::Value(repl, value),
                Ok(progress) => progress,
                Err(error) => {
                    let ReplStartError { repl, error } = *error;
                    if out_of_time(&error) {
                        return Ended::Stopped(repl, self.host.stop_reason());
                    }
                    return match self.stopped() {
                        Some(failure) => Ended::Stopped(repl, failure),
                        None => Ended::Exception(repl, error),
                    };
                }
            };
            step = match self.advance(progress) {
                Ok(step) => step,
                Err(halt) => return Ended::Stopped(halt.0, halt.1),
            };
        }
    }

    fn advance(&mut self, progress: ReplProgress) -> Result<Step, Box<Halt>> {
        memory::sample();
        if let Some(failure) = self.stopped() {
            return Err(halt(progress.into_repl(), failure));
        }
        match progress {
            ReplProgress::FunctionCall(call) => self.function(call),
            ReplProgress::OsCall(call) => self.os(call),
            ReplProgress::NameLookup(lookup) => Ok(self.name(lookup)),
            ReplProgress::ResolveFutures(waiting) => self.next_answer(waiting),
            complete @ ReplProgress::Complete { .. } => Ok(Ok(complete)),
        }
    }

    /// Why the program must not go on, if it must not.
    fn stopped(&self) -> Option<Box<Failure>> {
        self.host.must_stop().then(|| self.host.stop_reason())
    }

    fn print(&mut self) -> PrintWriter<'_> {
        PrintWriter::Callback(&mut self.print)
    }

    fn function(&mut self, call: ReplFunctionCall) -> Result<Step, Box<Halt>> {
        let asked = match call.object_id {
            Some(object) => self.objects.call(object, &call.function_name, &call.args),
            None if call.function_name == "__te_failure__" => {
                let answer = self.failure_fields(&call);
                return Ok(call.resume(answer, self.print()));
            }
            None => {
                let Some(api) = Api::named(&call.function_name) else {
                    let name = call.function_name.clone();
                    return Ok(call.resume(ExtFunctionResult::NotFound(name), self.print()));
                };
                wanted(api, &call.args)
            }
        };
        match asked {
            Ok(Wanted::Op(op)) => self.call(call, op),
            Ok(Wanted::Progress {
                progress,
                total,
                message,
            }) => {
                self.host.progress(progress, total, message);
                Ok(self.resume_now(call, MontyObject::none().into()))
            }
            Ok(Wanted::Log { level, data }) => {
                self.host.log(&level, data);
                Ok(self.resume_now(call, MontyObject::none().into()))
            }
            Err(wrong) => {
                let error = MontyException::new(ExcType::TypeError, Some(wrong));
                Ok(self.resume_now(call, error.into()))
            }
        }
    }

    /// Answers a call without the host, in the form in which the program takes it.
    fn resume_now(&mut self, call: ReplFunctionCall, answer: ExtFunctionResult) -> Step {
        if call.allow_eager_await {
            let result = match answer {
                ExtFunctionResult::Error(error) => Err(error),
                ExtFunctionResult::Return(value) => Ok(value),
                other => return call.resume(other, self.print()),
            };
            return call.resume_eager(result, self.print());
        }
        call.resume(answer, self.print())
    }

    fn call(&mut self, call: ReplFunctionCall, op: Op) -> Result<Step, Box<Halt>> {
        let id = self.host.call(op);
        if !call.allow_eager_await && self.is_deferred(&call) {
            self.futures.insert(id, call.call_id);
            return Ok(call.resume_pending(self.print()));
        }
        let result = match self.answer(id) {
            Ok(result) => result,
            Err(failure) => return Err(halt(call.into_repl(), failure)),
        };
        if call.allow_eager_await {
            return Ok(call.resume_eager(result, self.print()));
        }
        Ok(call.resume(ended_with(result), self.print()))
    }

    fn is_deferred(&self, call: &ReplFunctionCall) -> bool {
        let at = &call.position;
        self.texts
            .get(&at.filename)
            .is_some_and(|written| written.is_deferred(at.start, at.end))
    }

    /// Waits for the answer of one call.
    fn answer(&mut self, id: u32) -> Result<Result<MontyObject, MontyException>, Box<Failure>> {
        let (_, outcome) = first(self.host, &mut self.answered, |answered| answered == id)?;
        Ok(self.taken(outcome))
    }

    fn taken(&mut self, outcome: Outcome) -> Result<MontyObject, MontyException> {
        match outcome {
            Outcome::Ok(value) => Ok(from_json(&value)),
            Outcome::Error(error) => Err(self.calls.exception(error)),
        }
    }

    /// Every task waits: hands on the answer that came first. The next one is handed on when every
    /// task waits again, so that what a program does depends on the order of the answers alone, not
    /// on how many are there at once; and each failure is handled before the next, so that its
    /// fields are its own.
    fn next_answer(&mut self, waiting: ReplResolveFutures) -> Result<Step, Box<Halt>> {
        let open = waiting.pending_call_ids();
        let future = |id| self.futures.get(&id);
        let wanted = |id| future(id).is_some_and(|future| open.contains(future));
        let (id, outcome) = match first(self.host, &mut self.answered, wanted) {
            Ok(first) => first,
            Err(failure) => return Err(halt(waiting.into_repl(), failure)),
        };
        let result = ended_with(self.taken(outcome));
        let results = self.futures.remove(&id).map(|future| (future, result));
        Ok(waiting.resume(results.into_iter().collect(), self.print()))
    }

    fn name(&mut self, lookup: ReplNameLookup) -> Step {
        let found = match lookup.object_id() {
            Some(object) => self.objects.attribute(object, &lookup.name),
            None if Api::named(&lookup.name).is_some() => {
                Some(MontyObject::function(lookup.name.clone(), None))
            }
            None => None,
        };
        let found = found.map_or(NameLookupResult::Undefined, NameLookupResult::Value);
        lookup.resume(found, self.print())
    }

    fn os(&mut self, call: ReplOsCall) -> Result<Step, Box<Halt>> {
        let refused = match &call.function_call {
            OsFunctionCall::Sleep(time) | OsFunctionCall::SystemSleep(time) => {
                let id = self.host.call(sleep(*time));
                return match self.answer(id) {
                    Ok(result) => {
                        let slept = ended_with(result.map(|_| MontyObject::none()));
                        Ok(call.resume(slept, self.print()))
                    }
                    Err(failure) => Err(halt(call.into_repl(), failure)),
                };
            }
            OsFunctionCall::AsyncSleep(time) | OsFunctionCall::AsyncSystemSleep(time) => {
                let id = self.host.call(sleep(*time));
                if !call.allow_eager_await {
                    self.futures.insert(id, call.call_id);
                    let future = ExtFunctionResult::Future(call.call_id);
                    return Ok(call.resume(future, self.print()));
                }
                return match self.answer(id) {
                    Ok(result) => {
                        let slept = result.map(|_| MontyObject::none());
                        Ok(call.resume_eager(slept, self.print()))
                    }
                    Err(failure) => Err(halt(call.into_repl(), failure)),
                };
            }
            OsFunctionCall::Import(module) => ExtFunctionResult::NotFound(module.clone()),
            OsFunctionCall::GetEnviron => {
                ExtFunctionResult::Return(MontyObject::dict(std::iter::empty()))
            }
            OsFunctionCall::Getenv(_) => ExtFunctionResult::Return(MontyObject::none()),
            other => {
                let message = format!(
                    "{} is not there: a program has no files of its own, only tools",
                    other.name()
                );
                MontyException::new(ExcType::PermissionError, Some(message)).into()
            }
        };
        Ok(call.resume(refused, self.print()))
    }

    /// The fields of the failed call behind an exception, or the exception itself.
    fn failure_fields(&self, call: &ReplFunctionCall) -> ExtFunctionResult {
        let Some(argument) = call.args.arg(0) else {
            return MontyObject::none().into();
        };
        let MontyNode::Exception { exc_type, arg } = unstable::node(argument) else {
            return argument.to_owned().into();
        };
        let Some(error) = self.calls.of(*exc_type, arg.as_deref()) else {
            return argument.to_owned().into();
        };
        let fields = FailedCalls::fields(error)
            .into_iter()
            .map(|(name, value)| (MontyObject::string(name), value));
        Objects::record("ToolError", fields).into()
    }
}

/// The answer that came first of those that are wanted; waits for it when none is there.
fn first(
    host: &Host,
    answered: &mut VecDeque<(u32, Outcome)>,
    wanted: impl Fn(u32) -> bool,
) -> Result<(u32, Outcome), Box<Failure>> {
    let there = answered.iter().position(|(id, _)| wanted(*id));
    if let Some(answer) = there.and_then(|at| answered.remove(at)) {
        return Ok(answer);
    }
    loop {
        let answer = host.wait()?;
        if wanted(answer.0) {
            return Ok(answer);
        }
        answered.push_back(answer);
    }
}

fn halt(repl: MontyRepl, failure: Box<Failure>) -> Box<Halt> {
    Box::new(Halt(repl, failure))
}

fn ended_with(result: Result<MontyObject, MontyException>) -> ExtFunctionResult {
    match result {
        Ok(value) => ExtFunctionResult::Return(value),
        Err(error) => ExtFunctionResult::Error(error),
    }
}

/// Whether the engine's own clock ended the program, which it does before the host's.
fn out_of_time(error: &MontyException) -> bool {
    let message = error.message().unwrap_or_default();
    error.exc_type() == ExcType::TimeoutError && message.starts_with("feed time limit exceeded")
}

fn sleep(time: Duration) -> Op {
    Op::Sleep {
        ms: u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
    }
}

/// Prints to the host; the engine also asks it, from time to time, whether to go on.
struct Print<'a> {
    host: &'a Host,
}

impl PrintWriterCallback for Print<'_> {
    fn stdout_write(&mut self, output: Cow<'_, str>) -> Result<(), MontyException> {
        self.host.print(Stream::Stdout, &output);
        Ok(())
    }

    fn stdout_push(&mut self, end: char) -> Result<(), MontyException> {
        self.host
            .print(Stream::Stdout, end.encode_utf8(&mut [0; 4]));
        Ok(())
    }

    fn stderr_write(&mut self, output: Cow<'_, str>) -> Result<(), MontyException> {
        self.host.print(Stream::Stderr, &output);
        Ok(())
    }

    fn stderr_push(&mut self, end: char) -> Result<(), MontyException> {
        self.host
            .print(Stream::Stderr, end.encode_utf8(&mut [0; 4]));
        Ok(())
    }

    fn poll_flush(&mut self) -> Result<(), MontyException> {
        memory::sample();
        // Its time is the engine's to watch: that end cannot be caught.
        if self.host.must_stop() && !self.host.over_time() {
            // A program that catches even this gets it again at the next check.
            let message = Some("the program must stop".to_owned());
            return Err(MontyException::new(ExcType::KeyboardInterrupt, message));
        }
        Ok(())
    }
}
