//! One program from its start to its end: the host's side of the conversation.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, Sleep, sleep_until};
use toolexec_wire::{
    CallError, Failure, FailureKind, FileOp, GuestUsage, Op, Outcome as Answer, SeenCall, ToGuest,
    ToHost,
};

use super::answer;
use super::calls::{Calls, Finished, MAX_OPEN, MAX_OPEN_BYTES, Refused};
use super::clock::{Clock, GRACE};
use super::event::{CodeEvent, Sink};
use super::failure::{CodeError, CodeErrorKind};
use super::files::Files;
use super::link::{Link, LinkError};
use super::outcome::LogLine;
use super::transcript::{Full, Transcript};
use crate::context::{CallBudget, CallContext};
use crate::gateway::Gateway;
use crate::sandbox::{Ended, Guest, LimitName, Limits};

/// Answers wait in the host, not in the guest's pipe, once this many bytes are not read.
const HIGH_WATER: usize = 1 << 20;
/// How often the use of a guest is measured that others do not keep within its limits.
const SAMPLE: Duration = Duration::from_millis(20);

/// One program from its start to its end.
pub(super) struct Program<'a> {
    pub(super) link: &'a mut Link,
    pub(super) gateway: Arc<dyn Gateway>,
    pub(super) calls: Calls,
    pub(super) files: Option<Arc<Files>>,
    pub(super) clock: Clock,
    pub(super) transcript: Transcript,
    pub(super) limits: Limits,
    pub(super) budget: &'a CallBudget,
    pub(super) events: &'a Sink,
    pub(super) cx: &'a CallContext,
    /// Set once the program is being ended: why, and when its grace is over.
    pub(super) stopping: Option<(CodeError, Instant)>,
    pub(super) guest_usage: GuestUsage,
    /// Whether the guest still has the variables, when it says so.
    pub(super) kept: Option<bool>,
    pub(super) result_bytes: u64,
}

/// How a program, or the check of one, ended.
#[derive(Debug)]
pub(super) enum End {
    /// With a value.
    Value(Value),
    /// The check of its text is done.
    Checked(Vec<Failure>, Vec<SeenCall>),
    /// Without a value; the guest may be used again.
    Failed(CodeError),
    /// Without a value; the guest may not be used again.
    Broken(CodeError),
}

enum Next {
    Message(ToHost),
    Lost(LinkError),
    Answered(Finished),
    Alarm,
    Cancelled,
}

impl Program<'_> {
    /// Talks with the guest until the program ended.
    pub(super) async fn run(&mut self) -> End {
        let cx = self.cx.clone();
        let mut cancelled = pin!(cx.cancelled());
        let mut alarm = pin!(sleep_until(self.alarm_at()));
        loop {
            // A guest and tools that are always ready must not keep the thread for themselves.
            tokio::task::coop::consume_budget().await;
            let wake = self.alarm_at();
            if wake < alarm.deadline() {
                alarm.as_mut().reset(wake);
            }
            let stoppable = self.stopping.is_none();
            let room = self.link.backlog() < HIGH_WATER;
            let next = tokio::select! {
                biased;
                () = cancelled.as_mut(), if stoppable => Next::Cancelled,
                () = alarm.as_mut() => Next::Alarm,
                // In this order a guest that talks without end cannot keep answers back.
                finished = self.calls.next(), if room => Next::Answered(finished),
                message = self.link.receive() => match message {
                    Ok(message) => Next::Message(message),
                    Err(error) => Next::Lost(error),
                },
            };
            let end = match next {
                Next::Message(message) => self.on_message(message).await,
                Next::Answered(finished) => self.on_answered(finished).await,
                Next::Lost(error) => Some(self.on_lost(error).await),
                Next::Alarm => self.on_alarm(alarm.as_mut()),
                Next::Cancelled => {
                    let error = CodeError::new(CodeErrorKind::Cancelled, "the caller cancelled");
                    self.stop(error);
                    None
                }
            };
            if let Some(end) = end {
                return self.settled(end);
            }
        }
    }

    async fn on_message(&mut self, message: ToHost) -> Option<End> {
        match message {
            ToHost::Waiting => {
                self.clock.set_waiting(self.calls.any_open());
                self.calls.guest_waits();
                return None;
            }
            // Bounded as a wait is; one who lies about it gains no more than one who waits.
            ToHost::Preparing { ready } => {
                self.clock.set_waiting(!ready);
                self.link.session.preparing(!ready);
                return None;
            }
            ToHost::Done { value, usage } => {
                self.guest_usage = usage;
                return Some(self.on_done(value));
            }
            ToHost::Failed { error, usage, kept } => {
                (self.guest_usage, self.kept) = (usage, kept);
                return Some(End::Failed(self.on_failed(error)));
            }
            ToHost::Checked { problems, calls } => {
                // Nothing ran that could have lost them.
                self.kept = Some(true);
                return Some(End::Checked(problems, calls));
            }
            ToHost::Hello(_) => return Some(broken("it said hello twice")),
            _ if self.stopping.is_some() => return None,
            ToHost::Call { id, op } => return self.on_call(id, op).await,
            ToHost::File { id, op } => return self.on_file(id, &op),
            ToHost::Print { stream, text } => {
                let before = self.kept(stream);
                let full = self.transcript.print(stream, &text);
                let kept = self.kept(stream) - before;
                if kept > 0 {
                    let mut text = text;
                    text.truncate(kept);
                    self.emit(CodeEvent::Print { stream, text }).await;
                }
                self.check_output(full);
            }
            ToHost::Log { level, data } => {
                let line = self.events.is_some().then(|| LogLine {
                    level: level.clone(),
                    data: data.clone(),
                });
                let full = self.transcript.log(level, data);
                if let (Some(line), Ok(())) = (line, full) {
                    self.emit(CodeEvent::Log(line)).await;
                }
                self.check_output(full);
            }
            ToHost::Progress {
                progress,
                total,
                message,
            } => {
                self.emit(CodeEvent::Progress {
                    progress,
                    total,
                    message,
                })
                .await;
            }
        }
        None
    }

    /// What a guest does with the files of its program is no call of that.
    fn on_file(&mut self, id: u32, op: &FileOp) -> Option<End> {
        let Some(files) = &self.files else {
            return Some(broken("it wants files of a program that has none"));
        };
        if self.link.backlog() >= HIGH_WATER {
            return Some(broken("it wants files and does not take them"));
        }
        let answer = files.serve(op);
        if self.stops_over_files() {
            return None;
        }
        self.answer(id, answer.map_err(|error| answer::call_error(&error, None)))
    }

    /// Ends a program that wrote more than it may. Whether it did.
    fn stops_over_files(&mut self) -> bool {
        let exceeded = self.files.as_ref().and_then(|files| files.exceeded());
        let Some((name, used)) = exceeded else {
            return false;
        };
        let limit = self.limits.get(name);
        self.stop(CodeError::limit(name, limit, Some(used as f64)));
        true
    }

    async fn on_call(&mut self, id: u32, op: Op) -> Option<End> {
        let now = self.clock.elapsed();
        let steps = answer::chain_steps(&op);
        if let Some(limit) = self.limits.chain_steps.filter(|limit| steps > *limit) {
            let (limit, used) = (Some(limit as f64), Some(steps as f64));
            self.stop(CodeError::limit(LimitName::ChainSteps, limit, used));
            return None;
        }
        match self.calls.take(id, op, now) {
            Ok(Some(record)) if self.events.is_some() => {
                let event = CodeEvent::call_started(record);
                self.emit(event).await;
                None
            }
            Ok(_) => None,
            Err(Refused::DuplicateId) => {
                Some(broken("it used the id of a call that is not answered yet"))
            }
            Err(Refused::Differs) => Some(differs("it made another call")),
            Err(Refused::TooMany) => {
                let most = Some(MAX_OPEN as f64);
                let mut error = CodeError::limit(LimitName::ParallelCalls, most, None);
                error.message = format!(
                    "the program made more calls at once than can be kept: {MAX_OPEN} calls, {} \
                     MiB of arguments",
                    MAX_OPEN_BYTES >> 20
                );
                self.stop(error);
                None
            }
        }
    }

    async fn on_answered(&mut self, finished: Finished) -> Option<End> {
        let id = finished.id;
        let (answer, record) = self.calls.finish(finished, self.clock.elapsed());
        if let (Some(record), true) = (record, self.events.is_some()) {
            let call = Box::new(record.clone());
            self.emit(CodeEvent::CallEnded { call }).await;
        }
        // A spent budget ends the program, so that catching the error is no way around it.
        if self.stopping.is_none() && self.budget.refused() > 0 {
            let limit = self.budget.limit().map(|limit| limit as f64);
            let used = (self.budget.used() + self.budget.refused()) as f64;
            self.stop(CodeError::limit(LimitName::ToolCalls, limit, Some(used)));
            return None;
        }
        if self.stopping.is_none() && self.stops_over_files() {
            return None;
        }
        self.clock.set_waiting(false);
        self.answer(id, answer)
    }

    fn answer(&mut self, id: u32, answer: Result<Value, Box<CallError>>) -> Option<End> {
        let outcome = match answer {
            Ok(value) => Answer::Ok(value),
            Err(error) => Answer::Error(*error),
        };
        if self.link.send(&ToGuest::Answer { id, outcome }).is_ok() {
            return None;
        }
        let outcome = Answer::Error(CallError {
            code: "limit_exceeded".to_owned(),
            message: format!(
                "the value is larger than the {} bytes that fit into one message",
                self.link.max_out
            ),
            hints: vec!["ask the tool for less".to_owned()],
            ..CallError::default()
        });
        match self.link.send(&ToGuest::Answer { id, outcome }) {
            Ok(()) => None,
            Err(_) => Some(broken("it takes no messages large enough for an error")),
        }
    }

    fn on_done(&mut self, value: Value) -> End {
        // Serializing a value that was just parsed cannot fail.
        let size = serde_json::to_vec(&value).map_or(0, |text| text.len());
        self.result_bytes = size as u64;
        match self.limits.result {
            Some(limit) if size as u64 > limit => End::Failed(CodeError::limit(
                LimitName::Result,
                Some(limit as f64),
                Some(size as f64),
            )),
            _ => End::Value(value),
        }
    }

    fn on_failed(&mut self, failure: Failure) -> CodeError {
        let exceeded = match failure.kind {
            FailureKind::Time => Some((
                LimitName::RunTime,
                Some(self.clock.run_time().as_secs_f64() * 1e3),
            )),
            FailureKind::Memory => {
                let used = self.guest_usage.memory_bytes;
                Some((LimitName::Memory, used.map(|bytes| bytes as f64)))
            }
            FailureKind::ResultSize => Some((LimitName::Result, None)),
            _ => None,
        };
        let own = CodeError::guest(failure);
        let Some((name, used)) = exceeded else {
            return own;
        };
        let limit = CodeError::limit(name, self.limits.get(name), used);
        CodeError {
            // The engine knows better what happened, such as a recursion that was too deep.
            message: if name == LimitName::Memory {
                own.message
            } else {
                limit.message
            },
            hints: if own.hints.is_empty() {
                limit.hints
            } else {
                own.hints
            },
            limit: limit.limit,
            ..own
        }
    }

    async fn on_lost(&mut self, error: LinkError) -> End {
        if let LinkError::Broken(why) = error {
            return broken(&why);
        }
        let ended = self.link.ended().await;
        let over = |name: LimitName, used: Option<f64>| {
            End::Broken(CodeError::limit(name, self.limits.get(name), used))
        };
        let measure = self.link.session.usage();
        match ended {
            Some(Ended::OutOfMemory) => {
                over(LimitName::Memory, measure.memory.map(|bytes| bytes as f64))
            }
            Some(Ended::StackOverflow) => {
                let mut error = CodeError::limit(LimitName::Memory, None, None);
                "the program recursed deeper than its stack".clone_into(&mut error.message);
                End::Broken(error)
            }
            Some(Ended::OutOfCpu) => {
                let used = measure.cpu_time.map(|time| time.as_secs_f64() * 1e3);
                over(LimitName::CpuTime, used)
            }
            ended => End::Broken(CodeError::lost(ended.as_ref())),
        }
    }

    /// Looks whether a deadline passed or a measured limit is exceeded.
    fn on_alarm(&mut self, alarm: Pin<&mut Sleep>) -> Option<End> {
        if let Some((_, until)) = &self.stopping
            && Instant::now() >= *until
        {
            // Its grace is over: it is killed, and `settled` says why it was stopped.
            self.link.session.kill();
            return Some(End::Broken(CodeError::lost(Some(&Ended::Killed))));
        }
        if self.stopping.is_none() {
            if let Some((name, limit, used)) = self.clock.exceeded() {
                let millis = |time: Duration| Some(time.as_secs_f64() * 1e3);
                let error = CodeError::limit(name, millis(limit), millis(used));
                if name == LimitName::RunTime {
                    // It had its grace: the guest itself should have ended it.
                    self.link.session.kill();
                    return Some(End::Broken(error));
                }
                self.stop(error);
            } else if self.cx.remaining().is_some_and(|left| left.is_zero()) {
                let message = "the caller's deadline passed";
                self.stop(CodeError::new(CodeErrorKind::Cancelled, message));
            } else if let Some(error) = self.measure() {
                self.link.session.kill();
                return Some(End::Broken(error));
            }
        }
        alarm.reset(self.alarm_at());
        None
    }

    fn measure(&mut self) -> Option<CodeError> {
        self.link.session.sample_every()?;
        let measure = self.link.session.usage();
        let over = |name: LimitName, used: Option<f64>| {
            let (limit, used) = (self.limits.get(name)?, used?);
            (used > limit).then(|| CodeError::limit(name, Some(limit), Some(used)))
        };
        let cpu_time = measure.cpu_time.map(|time| time.as_secs_f64() * 1e3);
        over(LimitName::CpuTime, cpu_time)
            .or_else(|| over(LimitName::Memory, measure.memory.map(|bytes| bytes as f64)))
    }

    /// Asks the guest to end the program, and ends its calls.
    fn stop(&mut self, error: CodeError) {
        let why = error.message.clone();
        self.calls.stop(&why, self.clock.elapsed());
        self.clock.set_waiting(false);
        // Where the message does not fit, the grace ends it.
        let _ = self.link.send(&ToGuest::Cancel { reason: why });
        self.stopping = Some((error, Instant::now() + GRACE));
    }

    /// Why the program was stopped counts, whatever the guest says at last.
    fn settled(&mut self, end: End) -> End {
        match (self.stopping.take(), end) {
            (None, end) => end,
            (Some((error, _)), End::Broken(_)) => End::Broken(error),
            (Some((error, _)), _) => End::Failed(error),
        }
    }

    fn check_output(&mut self, full: Result<(), Full>) {
        if full.is_err() {
            let limit = self.limits.output.map(|limit| limit as f64);
            let used = Some(self.transcript.used() as f64);
            self.stop(CodeError::limit(LimitName::Output, limit, used));
        }
    }

    fn kept(&self, stream: toolexec_wire::Stream) -> usize {
        match stream {
            toolexec_wire::Stream::Stdout => self.transcript.stdout.len(),
            toolexec_wire::Stream::Stderr => self.transcript.stderr.len(),
        }
    }

    /// Sends an event; while its reader is behind, the program's clock stands.
    async fn emit(&mut self, event: CodeEvent) {
        let Some(events) = self.events else {
            return;
        };
        if let Err(error) = events.try_send(event) {
            let from = Instant::now();
            // The reader is gone: nobody wants the event.
            let _ = events.send(error.into_inner()).await;
            self.clock.skip_since(from);
        }
    }

    fn alarm_at(&self) -> Instant {
        let far = Instant::now() + Duration::from_hours(24);
        if let Some((_, until)) = &self.stopping {
            return *until;
        }
        let sample = self.link.session.sample_every();
        let times = [
            self.clock.deadline(),
            self.cx.deadline(),
            sample.map(|every| Instant::now() + every.max(SAMPLE)),
        ];
        times.into_iter().flatten().fold(far, Instant::min)
    }
}

/// A program that runs again does something else than before.
pub(super) fn differs(how: &str) -> End {
    End::Broken(CodeError::new(CodeErrorKind::Internal, how))
}

fn broken(why: &str) -> End {
    End::Broken(
        CodeError::new(
            CodeErrorKind::Protocol,
            format!("the sandbox broke the protocol: {why}"),
        )
        .with_hint("the sandbox was ended; run the program again in a new one"),
    )
}
