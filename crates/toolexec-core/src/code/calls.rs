//! The calls of a program that are not answered yet.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use serde_json::{Value, json};
use toolexec_wire::{CallError, Op};

use super::answer::{self, Served};
use super::record::{CallOp, CallRecord, Keep, Omitted, size_of_json};
use super::tape::{Recorder, Replay};
use crate::chain::ChainLimits;
use crate::context::CallContext;
use crate::gateway::Gateway;
use crate::sandbox::Language;

/// The most calls that are not answered yet, waiting ones included, and the most bytes of their
/// arguments. A program that makes more is ended.
pub(super) const MAX_OPEN: usize = 10_000;
pub(super) const MAX_OPEN_BYTES: usize = 32 << 20;

/// The calls of a program that are not answered yet, and the records of all.
pub(super) struct Calls {
    gateway: Arc<dyn Gateway>,
    chain_limits: ChainLimits,
    cx: CallContext,
    language: Language,
    most_parallel: usize,
    running: FuturesUnordered<BoxFuture<'static, Finished>>,
    queue: VecDeque<Queued>,
    open: HashSet<u32>,
    open_bytes: usize,
    // Which lanes are in use; a lane is a call's row in a drawing.
    lanes: Vec<bool>,
    in_flight: usize,
    pub(super) most_in_flight: usize,
    pub(super) most_chain_steps: u64,
    records: Vec<CallRecord>,
    keep: Keep,
    /// Writes down what is asked and answered, where that is kept.
    pub(super) recorder: Option<Recorder>,
    /// Gives the answers of an earlier run, where nobody is to be asked.
    pub(super) replay: Option<Replay>,
}

/// A call that was served.
pub(super) struct Finished {
    /// The guest's id of it.
    pub(super) id: u32,
    /// Where its record is; a sleep has none.
    record: Option<usize>,
    bytes: usize,
    served: Served,
}

struct Queued {
    id: u32,
    record: usize,
    bytes: usize,
    op: Op,
}

/// Why a call is not taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// A call with this id is not answered yet.
    DuplicateId,
    /// Too many are not answered yet.
    TooMany,
    /// It was not made when the program ran before.
    Differs,
}

impl Finished {
    pub(super) fn new(id: u32, record: Option<usize>, bytes: usize, served: Served) -> Self {
        Self {
            id,
            record,
            bytes,
            served,
        }
    }
}

impl Calls {
    pub(super) fn new(
        gateway: Arc<dyn Gateway>,
        chain_limits: ChainLimits,
        cx: CallContext,
        most_parallel: Option<u64>,
        language: Language,
    ) -> Self {
        let most_parallel = most_parallel.unwrap_or(u64::MAX);
        Self {
            gateway,
            chain_limits,
            cx,
            language,
            most_parallel: usize::try_from(most_parallel).unwrap_or(usize::MAX),
            running: FuturesUnordered::new(),
            queue: VecDeque::new(),
            open: HashSet::new(),
            open_bytes: 0,
            lanes: Vec::new(),
            in_flight: 0,
            most_in_flight: 0,
            most_chain_steps: 0,
            records: Vec::new(),
            keep: Keep::new(),
            recorder: None,
            replay: None,
        }
    }

    /// Whether any call is not answered yet.
    pub(super) fn any_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Takes a call; it starts at once or when its turn comes. Gives its record, unless it is a
    /// sleep.
    pub(super) fn take(
        &mut self,
        id: u32,
        op: Op,
        now: Duration,
    ) -> Result<Option<&CallRecord>, Refused> {
        if self.open.len() >= MAX_OPEN {
            return Err(Refused::TooMany);
        }
        if !self.open.insert(id) {
            return Err(Refused::DuplicateId);
        }
        if let Some(recorder) = &mut self.recorder {
            recorder.call(id, &op);
        }
        if let Some(replay) = &mut self.replay
            && !replay.made(id, &op)
        {
            return Err(Refused::Differs);
        }
        let Some(kind) = answer::kind(&op) else {
            self.start(id, None, 0, op);
            return Ok(None);
        };
        let (record, bytes) = self.record(kind, &op, now);
        self.open_bytes += bytes;
        if self.open_bytes > MAX_OPEN_BYTES {
            return Err(Refused::TooMany);
        }
        self.queue.push_back(Queued {
            id,
            record,
            bytes,
            op,
        });
        self.fill();
        Ok(self.records.get(record))
    }

    /// The guest waits for an answer.
    pub(super) fn guest_waits(&mut self) {
        if let Some(replay) = &mut self.replay {
            replay.wait();
        }
    }

    /// The next call that was served; never, while none runs.
    ///
    /// # Cancel safety
    /// Safe: a call that was served is given by the next call.
    pub(super) async fn next(&mut self) -> Finished {
        if let Some(replay) = &mut self.replay {
            return match replay.next() {
                Some(finished) => finished,
                // It is asked again after the next message.
                None => std::future::pending().await,
            };
        }
        match self.running.next().await {
            Some(finished) => finished,
            None => std::future::pending().await,
        }
    }

    /// Writes down what became of a call; gives its answer and its record.
    pub(super) fn finish(
        &mut self,
        finished: Finished,
        now: Duration,
    ) -> (Result<Value, Box<CallError>>, Option<&CallRecord>) {
        self.open.remove(&finished.id);
        self.open_bytes -= finished.bytes;
        let Served { answer, backend } = finished.served;
        if let Some(recorder) = &mut self.recorder {
            recorder.answer(finished.id, &answer);
        }
        let Some(place) = finished.record else {
            return (answer, None);
        };
        self.in_flight -= 1;
        let record = &mut self.records[place];
        self.lanes[record.lane] = false;
        record.backend = backend;
        record.duration = now.saturating_sub(record.start);
        match &answer {
            Ok(value) => match self.keep.fit(value) {
                Ok(value) => record.result = Some(value),
                Err(size) => record.omitted.get_or_insert_default().result_bytes = size,
            },
            Err(error) => record.error = Some(shortened(error, &mut self.keep)),
        }
        self.fill();
        (answer, self.records.get(place))
    }

    /// What could not be searched, when the program asked what there is.
    pub(super) fn warnings(&self) -> Vec<String> {
        let asks = |call: &CallRecord| matches!(call.op, CallOp::Search | CallOp::Namespaces);
        if self.records.iter().any(asks) {
            self.gateway.unavailable()
        } else {
            Vec::new()
        }
    }

    /// Ends the calls that still run; their records say why. Gives all records.
    pub(super) fn end(mut self, why: &str, now: Duration) -> Vec<CallRecord> {
        self.stop(why, now);
        self.records
    }

    /// Ends the calls that still run; their records say why.
    pub(super) fn stop(&mut self, why: &str, now: Duration) {
        self.running.clear();
        self.queue.clear();
        self.open.clear();
        self.in_flight = 0;
        for record in &mut self.records {
            let answered =
                record.result.is_some() || record.error.is_some() || has_result(record.omitted);
            if !answered {
                record.duration = now.saturating_sub(record.start);
                record.error = Some(CallError {
                    tool: record.tool.clone(),
                    code: "cancelled".to_owned(),
                    message: format!("cancelled: {why}"),
                    ..CallError::default()
                });
            }
        }
    }

    fn record(&mut self, op_kind: CallOp, op: &Op, now: Duration) -> (usize, usize) {
        let (tool, args) = answer::subject(op);
        self.most_chain_steps = self.most_chain_steps.max(answer::chain_steps(op));
        let bytes = size_of_json(&args);
        let kept = self.keep.fit(&args);
        let omitted = kept.as_ref().err().map(|size| Omitted {
            args_bytes: *size,
            result_bytes: 0,
        });
        let lane = self.lane();
        self.records.push(CallRecord {
            number: self.records.len() as u64 + 1,
            op: op_kind,
            tool: tool.map(str::to_owned),
            args: kept.unwrap_or(Value::Null),
            result: None,
            error: None,
            backend: None,
            start: now,
            duration: Duration::ZERO,
            lane,
            omitted,
        });
        (self.records.len() - 1, bytes)
    }

    fn lane(&mut self) -> usize {
        let free = self.lanes.iter().position(|used| !used);
        let lane = free.unwrap_or(self.lanes.len());
        if lane == self.lanes.len() {
            self.lanes.push(true);
        } else {
            self.lanes[lane] = true;
        }
        lane
    }

    /// Starts calls as long as there is room.
    fn fill(&mut self) {
        while self.in_flight < self.most_parallel
            && let Some(next) = self.queue.pop_front()
        {
            self.in_flight += 1;
            self.most_in_flight = self.most_in_flight.max(self.in_flight);
            self.start(next.id, Some(next.record), next.bytes, next.op);
        }
    }

    fn start(&mut self, id: u32, record: Option<usize>, bytes: usize, op: Op) {
        if let Some(replay) = &mut self.replay {
            replay.started(id, record, bytes);
            return;
        }
        let serving = answer::serve(
            self.gateway.clone(),
            op,
            self.chain_limits,
            self.cx.clone(),
            self.language,
        );
        self.running.push(Box::pin(async move {
            Finished::new(id, record, bytes, serving.await)
        }));
    }
}

/// The error, without what a failing tool said where that is too large to keep.
fn shortened(error: &CallError, keep: &mut Keep) -> CallError {
    let mut error = error.clone();
    if let Err(size) = keep.fit(&error.value) {
        error.value = json!({ "omitted_bytes": size });
    }
    error
}

fn has_result(omitted: Option<Omitted>) -> bool {
    omitted.is_some_and(|omitted| omitted.result_bytes > 0)
}
