//! A guest and the programs that run in it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use toolexec_wire::{Failure, FailureKind, GuestLimits, GuestUsage, PROTOCOL, SeenCall, Start};
use toolexec_wire::{ToGuest, ToHost};

use super::calls::Calls;
use super::check;
use super::clock::Clock;
use super::event::{CodeEvent, Sink};
use super::executor::CodeExecutor;
use super::failure::{CodeError, CodeErrorKind, Problem};
use super::files::{self, Artifact, Files, WithFiles};
use super::link::{Link, LinkError};
use super::outcome::{Outcome, Usage};
use super::program::{End, Program};
use super::record::depth_up_to;
use super::submission::Submission;
use super::tape::{Recorder, Tape, Unkept};
use super::transcript::Transcript;
use crate::chain::ChainLimits;
use crate::context::{CallBudget, CallContext};
use crate::error::{Error, ErrorKind, Result};
use crate::gateway::Gateway;
use crate::sandbox::{Enforced, Guest, Language, LimitName, Limits, Profile, Session};

/// How long a guest may take to say hello.
const HELLO: Duration = Duration::from_secs(10);
/// How deep inputs may nest: the frame around them nests too.
const MAX_INPUT_DEPTH: usize = toolexec_wire::MAX_DEPTH - 4;

/// A guest that keeps its variables from one program to the next.
///
/// Each program has the session's limits anew. A program that is cancelled or exceeds a limit leaves
/// the variables as they are then, where the engine could be stopped between two steps. Where it
/// could not, and where the guest was ended, they are gone: the session is closed and says so.
/// Dropping it ends the guest.
pub struct CodeSession {
    pub(super) executor: CodeExecutor,
    pub(super) link: Link,
    pub(super) sandbox: String,
    pub(super) language: Language,
    pub(super) limits: Limits,
    pub(super) profile: Profile,
    pub(super) image: Option<String>,
    pub(super) keep: bool,
    pub(super) greeted: bool,
    pub(super) closed: bool,
    /// What it did, where that is kept.
    pub(super) tape: Option<Tape>,
}

impl CodeSession {
    pub(super) fn new(
        executor: CodeExecutor,
        guest: Session,
        sandbox: String,
        limits: Limits,
        profile: Profile,
        submission: &Submission,
    ) -> Self {
        Self {
            executor,
            link: Link::new(guest),
            sandbox,
            language: submission.language,
            limits,
            profile,
            image: submission.image.clone(),
            keep: false,
            greeted: false,
            closed: false,
            tape: None,
        }
    }

    /// Runs the next program. Of the submission its text, inputs and `check` count; language,
    /// limits and profile are the session's.
    ///
    /// # Errors
    /// When the submission is wrong, or the session is closed. Nothing was run then.
    ///
    /// # Cancel safety
    /// Dropping the future closes the session. To keep it, cancel through the context's token.
    pub async fn execute(
        &mut self,
        mut submission: Submission,
        cx: &CallContext,
    ) -> Result<Outcome> {
        // The language is the session's.
        submission.language = self.language;
        submission.prepare()?;
        self.run(submission, cx, &None).await
    }

    /// Whether the guest is gone; open another session then.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Where it runs.
    pub fn sandbox(&self) -> &str {
        &self.sandbox
    }

    pub(super) async fn run(
        &mut self,
        submission: Submission,
        cx: &CallContext,
        events: &Sink,
    ) -> Result<Outcome> {
        self.ready(&submission).await?;
        if let Some(events) = events {
            let started = CodeEvent::Started {
                language: self.language,
                sandbox: self.sandbox.clone(),
                profile: self.profile,
            };
            let _ = events.send(started).await;
        }
        // Until the end is known the guest is in the middle of something.
        self.closed = true;
        let budget = Arc::new(CallBudget::new(self.limits.tool_calls));
        let check = submission.check;
        let written = self.tape.is_some().then(|| submission.clone());
        let files = self.files(&submission);
        let start = self.start_message(submission);
        let mut program = self.program(&budget, cx, events, files)?;
        program.calls.recorder = written.is_some().then(Recorder::default);
        let end = conversation(&mut program, start, check).await?;
        let recorder = program.calls.recorder.take();
        let taped = recorder.zip(written).map(|(recorder, written)| {
            recorder.end(written.source, written.inputs, &end, &program.transcript)
        });
        let outcome = program.close(&end);
        let outcome = self.outcome(end, outcome, &budget);
        let ran = outcome.error.as_ref().is_none_or(CodeError::is_of_a_run);
        if let (Some(tape), Some(taped), false, true) = (&mut self.tape, taped, self.closed, ran) {
            if outcome.error.as_ref().is_some_and(CodeError::is_of_a_stop) {
                tape.give_up(Unkept::Stopped);
            } else {
                tape.keep(taped);
            }
        }
        Ok(outcome)
    }

    pub(super) async fn check(
        &mut self,
        submission: Submission,
        cx: &CallContext,
    ) -> Result<Vec<Problem>> {
        self.ready(&submission).await?;
        self.closed = true;
        let budget = Arc::new(CallBudget::new(Some(0)));
        let files = self.files(&submission);
        let start = self.start_message(submission);
        let mut program = self.program(&budget, cx, &None, files)?;
        let end = checked(&mut program, &start).await?;
        match end {
            Ok(problems) => {
                self.closed = false;
                Ok(problems)
            }
            Err(End::Failed(error) | End::Broken(error)) => {
                Err(Error::new(ErrorKind::Protocol, error.message))
            }
            Err(_) => Err(Error::new(
                ErrorKind::Protocol,
                "the sandbox ran a program that was only to be checked",
            )),
        }
    }

    /// Sees to it that the guest said hello, speaks our protocol and can take the submission.
    pub(super) async fn ready(&mut self, submission: &Submission) -> Result<()> {
        if self.closed {
            return Err(Error::new(
                ErrorKind::SandboxUnavailable,
                "the session is closed: its sandbox was ended",
            )
            .with_hint("open another session"));
        }
        let inputs = submission.inputs.values();
        let deepest = inputs
            .map(|input| depth_up_to(input, MAX_INPUT_DEPTH))
            .max();
        if deepest.unwrap_or_default() > MAX_INPUT_DEPTH {
            let message = format!("an input nests deeper than {MAX_INPUT_DEPTH} levels");
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        if self.greeted {
            return Ok(());
        }
        self.closed = true;
        let unavailable = |message: String| {
            Error::new(
                ErrorKind::SandboxUnavailable,
                format!("the sandbox {} cannot be used: {message}", self.sandbox),
            )
        };
        let hello = match tokio::time::timeout(HELLO, self.link.receive()).await {
            Ok(Ok(ToHost::Hello(hello))) => hello,
            Ok(Ok(_)) => return Err(unavailable("its guest did not say hello first".to_owned())),
            Ok(Err(LinkError::Broken(why))) => return Err(unavailable(why)),
            Ok(Err(LinkError::Ended)) => {
                let ended = self.link.ended().await;
                return Err(unavailable(CodeError::lost(ended.as_ref()).message));
            }
            Err(_) => {
                return Err(unavailable(
                    "its guest did not say hello in time".to_owned(),
                ));
            }
        };
        if hello.protocol != PROTOCOL {
            return Err(unavailable(format!(
                "its guest speaks protocol {}, not {PROTOCOL}",
                hello.protocol
            ))
            .with_hint("install the guest of the same version"));
        }
        if !hello.languages.contains(&self.language) {
            return Err(unavailable(
                "its guest does not run the language".to_owned(),
            ));
        }
        self.link.max_out = hello.max_frame.min(toolexec_wire::MAX_FRAME);
        self.greeted = true;
        self.closed = false;
        Ok(())
    }

    /// The files of a program that has any.
    fn files(&mut self, submission: &Submission) -> Option<Arc<Files>> {
        let given = submission.files.clone()?;
        self.limits = files::usual(self.limits);
        Some(Files::new(given, &self.limits))
    }

    pub(super) fn start_message(&self, submission: Submission) -> Start {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Start {
            language: self.language,
            source: submission.source,
            inputs: submission.inputs,
            limits: GuestLimits {
                run_ms: self.limits.run_time.map(millis),
                memory_bytes: self.limits.memory,
                result_bytes: self.limits.result,
            },
            keep: self.keep,
            check_only: false,
            files: submission.files.is_some(),
        }
    }

    pub(super) fn program<'a>(
        &'a mut self,
        budget: &'a Arc<CallBudget>,
        cx: &'a CallContext,
        events: &'a Sink,
        files: Option<Arc<Files>>,
    ) -> Result<Program<'a>> {
        let settings = &*self.executor.settings;
        let own = self.limits.chain_steps.map(usize::try_from);
        let own = own.map_or(usize::MAX, |steps| steps.unwrap_or(usize::MAX));
        let chain_limits = ChainLimits {
            max_steps: settings.chain_limits.max_steps.min(own),
            ..settings.chain_limits
        };
        let seen = settings.gateway.seen_by(cx.caller());
        let mut gateway = seen.unwrap_or_else(|| settings.gateway.clone());
        if let Some(files) = &files {
            gateway = Arc::new(WithFiles::new(gateway, files)?);
        }
        let calls = Calls::new(
            gateway.clone(),
            chain_limits,
            cx.clone().with_budget(budget.clone()),
            self.limits.parallel_calls,
            self.language,
        );
        Ok(Program {
            link: &mut self.link,
            gateway,
            calls,
            files,
            clock: Clock::start(&self.limits),
            transcript: Transcript::new(self.limits.output),
            limits: self.limits,
            budget,
            events,
            cx,
            stopping: None,
            guest_usage: GuestUsage::default(),
            kept: None,
            result_bytes: 0,
        })
    }

    fn outcome(&mut self, end: End, closed: Closed, budget: &CallBudget) -> Outcome {
        self.closed = self.keep && closed.is_lost(&end) || matches!(end, End::Broken(_));
        let (value, mut error) = match end {
            End::Value(value) => (value, None),
            End::Failed(error) | End::Broken(error) => (Value::Null, Some(error)),
            End::Checked(..) => {
                self.closed = true;
                let message = "the sandbox broke the protocol: it checked what was to be run";
                let error = CodeError::new(CodeErrorKind::Protocol, message);
                (Value::Null, Some(error))
            }
        };
        if error.is_none() && !matches!(self.link.buffered(), Ok(None)) {
            self.closed = true;
            let message = "the sandbox broke the protocol: it went on after it was done";
            error = Some(CodeError::new(CodeErrorKind::Protocol, message));
        }
        let value = if error.is_some() { Value::Null } else { value };
        let measure = self.link.session.usage();
        let enforcement = self.link.session.enforcement();
        let mut usage = closed.usage;
        usage.cpu_time = measure.cpu_time;
        usage.memory = measure.memory.or(closed.guest.memory_bytes);
        usage.tool_calls = budget.used();
        if self.closed || !self.keep {
            self.link.session.kill();
        }
        Outcome {
            v: Outcome::VERSION,
            value,
            error,
            stdout: closed.transcript.stdout,
            stderr: closed.transcript.stderr,
            logs: closed.transcript.logs,
            warnings: closed.warnings,
            calls: closed.calls,
            artifacts: closed.artifacts,
            usage,
            enforced: Enforced::new(&self.limits, &enforcement),
            language: self.language,
            sandbox: self.sandbox.clone(),
            profile: self.profile,
        }
    }
}

/// What is left of a program that ended.
pub(super) struct Closed {
    calls: Vec<super::record::CallRecord>,
    artifacts: Vec<Artifact>,
    warnings: Vec<String>,
    transcript: Transcript,
    usage: Usage,
    guest: GuestUsage,
    kept: Option<bool>,
}

impl Closed {
    /// Whether the variables are gone.
    fn is_lost(&self, end: &End) -> bool {
        match (end, self.kept) {
            (End::Failed(_), Some(kept)) => !kept,
            (end, _) => is_without_variables(end),
        }
    }
}

impl Program<'_> {
    /// Ends the calls that still run and sums up.
    fn close(mut self, end: &End) -> Closed {
        let result_bytes = match end {
            End::Value(_) => self.result_bytes,
            _ => 0,
        };
        let wall_time = self.clock.elapsed();
        Closed {
            usage: Usage {
                wall_time,
                run_time: self.clock.run_time(),
                wait_time: self.clock.wait_time(),
                parallel_calls: self.calls.most_in_flight as u64,
                chain_steps: self.calls.most_chain_steps,
                output_bytes: self.transcript.used(),
                result_bytes,
                ..Usage::default()
            },
            warnings: self.calls.warnings(),
            artifacts: self
                .files
                .map(|files| files.artifacts())
                .unwrap_or_default(),
            calls: self.calls.end("the program ended", wall_time),
            transcript: self.transcript,
            guest: self.guest_usage,
            kept: self.kept,
        }
    }
}

/// Checks the program if it is to be checked, and runs it if nothing was found.
async fn conversation(program: &mut Program<'_>, start: Start, check: bool) -> Result<End> {
    if check {
        match checked(program, &start).await? {
            Ok(problems) if problems.is_empty() => {}
            Ok(problems) => return Ok(End::Failed(CodeError::problems(problems))),
            Err(End::Value(_)) => {
                let message = "the sandbox broke the protocol: it ran what was to be checked";
                let error = CodeError::new(CodeErrorKind::Protocol, message);
                return Ok(End::Broken(error));
            }
            Err(end) => return Ok(end),
        }
    }
    send(program, start)?;
    Ok(program.run().await)
}

/// Has the guest check the text, and checks what it saw against the tools.
async fn checked(program: &mut Program<'_>, start: &Start) -> Result<Result<Vec<Problem>, End>> {
    let check = Start {
        check_only: true,
        ..start.clone()
    };
    send(program, check)?;
    match program.run().await {
        End::Checked(failures, calls) => {
            Ok(Ok(problems(&*program.gateway, failures, &calls).await))
        }
        end => Ok(Err(end)),
    }
}

/// Whether a guest that does not say it gave its engine up: it was stopped in the middle of
/// something.
fn is_without_variables(end: &End) -> bool {
    let End::Failed(error) = end else {
        return false;
    };
    match error.kind {
        CodeErrorKind::Cancelled | CodeErrorKind::Internal => true,
        CodeErrorKind::Limit => {
            let limit = error.limit.as_ref().map(|excess| excess.name);
            limit != Some(LimitName::Result)
        }
        _ => false,
    }
}

pub(super) fn send(program: &mut Program<'_>, start: Start) -> Result<()> {
    let message = ToGuest::Start(start);
    program.link.send(&message).map_err(|error| {
        Error::new(
            ErrorKind::InvalidInput,
            format!("the program and its inputs are too large: {error}"),
        )
        .with_hint("get the data from a tool instead")
    })
}

async fn problems(
    gateway: &dyn Gateway,
    failures: Vec<Failure>,
    calls: &[SeenCall],
) -> Vec<Problem> {
    let mut problems: Vec<Problem> = failures.into_iter().map(problem).collect();
    let mut tools: Vec<String> = calls.iter().map(|call| call.tool.clone()).collect();
    tools.sort_unstable();
    tools.dedup();
    let unloaded = if tools.is_empty() {
        Vec::new()
    } else {
        gateway.load(tools).await
    };
    problems.extend(check::calls(gateway, &unloaded, calls));
    problems.sort_by_key(|problem| (problem.line, problem.column));
    problems
}

fn problem(failure: Failure) -> Problem {
    let code = match failure.kind {
        FailureKind::Syntax => "syntax",
        FailureKind::Unsupported => "unsupported",
        _ => "type",
    };
    let error = CodeError::guest(failure);
    Problem {
        code: code.to_owned(),
        message: error.message,
        line: error.line,
        column: error.column,
        tool: None,
        hints: error.hints,
    }
}

impl fmt::Debug for CodeSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodeSession")
            .field("sandbox", &self.sandbox)
            .field("language", &self.language)
            .field("closed", &self.closed)
            .finish_non_exhaustive()
    }
}
