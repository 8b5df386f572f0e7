//! What a program asked and was answered, kept so that it can be run again without asking anybody.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use serde_json::{Map, Value};
use toolexec_wire::{CallError, Op};

use super::answer::{self, Served};
use super::calls::Finished;
use super::failure::CodeError;
use super::program::End;
use super::record::size_of_json;
use super::transcript::Transcript;

/// The most bytes of programs and answers that are kept of a session.
pub(super) const MAX_TAPE: usize = 8 << 20;

/// The programs of a session, as far as they left something.
#[derive(Debug, Default)]
pub(super) struct Tape {
    programs: Vec<Arc<Taped>>,
    bytes: usize,
    unkept: Option<Unkept>,
}

/// Why the programs of a session are not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unkept {
    /// They and what they were answered are too large.
    TooLarge,
    /// One was stopped somewhere before its end, and left what it had done by then.
    Stopped,
}

/// A program that ran, what it was answered, and how it ended.
#[derive(Debug)]
pub(super) struct Taped {
    pub(super) source: String,
    pub(super) inputs: Map<String, Value>,
    steps: Vec<Step>,
    end: u64,
    bytes: usize,
}

/// What happened between a program and its host, in order.
#[derive(Debug)]
enum Step {
    /// It made a call. Calls are counted from 0.
    Call(Op),
    /// A call was answered.
    Answer {
        call: usize,
        answer: Result<Value, Box<CallError>>,
    },
}

/// A program that runs is written down.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    steps: Vec<Step>,
    // The number of a call that is not answered yet, by its id.
    open: HashMap<u32, usize>,
    calls: usize,
    bytes: usize,
}

/// A program runs again: it gets the answers it had, as long as it makes the calls it made.
#[derive(Debug)]
pub(super) struct Replay {
    program: Arc<Taped>,
    // The steps from which on the next call, and the next answer, is to be found.
    calls_from: usize,
    answers_from: usize,
    // The guest has nothing to do before it is answered.
    waits: bool,
    // The ids of the calls it made so far.
    ids: Vec<u32>,
    // Where the record of a call is that was started, and its size.
    open: HashMap<u32, (Option<usize>, usize)>,
}

impl Tape {
    /// Keeps a program; all are forgotten once they are too large together.
    pub(super) fn keep(&mut self, program: Taped) {
        self.bytes += program.bytes;
        if self.bytes > MAX_TAPE {
            self.give_up(Unkept::TooLarge);
        }
        if self.unkept.is_none() {
            self.programs.push(Arc::new(program));
        }
    }

    /// Keeps no programs any more.
    pub(super) fn give_up(&mut self, why: Unkept) {
        self.unkept.get_or_insert(why);
        self.programs.clear();
    }

    /// The programs, or why they are not kept.
    pub(super) fn programs(&self) -> Result<&[Arc<Taped>], Unkept> {
        self.unkept.map_or(Ok(&self.programs), Err)
    }
}

impl Clone for Tape {
    fn clone(&self) -> Self {
        Self {
            programs: self.programs.clone(),
            ..*self
        }
    }
}

impl Taped {
    /// Whether it ended as it did before.
    pub(super) fn ended_alike(&self, end: &End, transcript: &Transcript) -> bool {
        self.end == hash(end, transcript)
    }
}

impl Recorder {
    /// The program made a call.
    pub(super) fn call(&mut self, id: u32, op: &Op) {
        self.open.insert(id, self.calls);
        self.calls += 1;
        let (tool, args) = answer::subject(op);
        self.bytes += tool.map_or(0, str::len) + size_of_json(&args);
        if self.fits() {
            self.steps.push(Step::Call(op.clone()));
        }
    }

    /// A call was answered.
    pub(super) fn answer(&mut self, id: u32, answer: &Result<Value, Box<CallError>>) {
        let Some(call) = self.open.remove(&id) else {
            return;
        };
        self.bytes += match answer {
            Ok(value) => size_of_json(value),
            Err(error) => error.message.len() + size_of_json(&error.value),
        };
        if self.fits() {
            let answer = answer.clone();
            self.steps.push(Step::Answer { call, answer });
        }
    }

    /// What is kept of the program.
    pub(super) fn end(
        self,
        source: String,
        inputs: Map<String, Value>,
        end: &End,
        transcript: &Transcript,
    ) -> Taped {
        let inputs_size: usize = inputs.values().map(size_of_json).sum();
        Taped {
            bytes: self.bytes + source.len() + inputs_size,
            source,
            inputs,
            steps: self.steps,
            end: hash(end, transcript),
        }
    }

    /// Nothing more is kept of a program that is too large by itself.
    fn fits(&mut self) -> bool {
        if self.bytes > MAX_TAPE {
            self.steps.clear();
        }
        self.bytes <= MAX_TAPE
    }
}

impl Replay {
    pub(super) fn new(program: Arc<Taped>) -> Self {
        Self {
            program,
            calls_from: 0,
            answers_from: 0,
            waits: false,
            ids: Vec::new(),
            open: HashMap::new(),
        }
    }

    /// Whether this is the call that it made at this point.
    pub(super) fn made(&mut self, id: u32, op: &Op) -> bool {
        let next = self.find(self.calls_from, |step| match step {
            Step::Call(made) => Some(made == op),
            Step::Answer { .. } => None,
        });
        let Some((at, true)) = next else { return false };
        self.calls_from = at + 1;
        self.ids.push(id);
        true
    }

    /// The guest waits for an answer.
    pub(super) fn wait(&mut self) {
        self.waits = true;
    }

    /// A call was started; it is answered when its turn comes.
    pub(super) fn started(&mut self, id: u32, record: Option<usize>, bytes: usize) {
        self.open.insert(id, (record, bytes));
    }

    /// The next call that is answered now. Each answer comes alone, when the guest waits for it:
    /// of several that are there at once it may take any first.
    pub(super) fn next(&mut self) -> Option<Finished> {
        if !self.waits {
            return None;
        }
        let next = self.find(self.answers_from, |step| match step {
            Step::Answer { call, answer } => Some((*call, answer.clone())),
            Step::Call(_) => None,
        });
        let (at, (call, answer)) = next?;
        let id = *self.ids.get(call)?;
        let (record, bytes) = self.open.remove(&id)?;
        self.answers_from = at + 1;
        self.waits = false;
        let served = Served {
            answer,
            backend: None,
        };
        Some(Finished::new(id, record, bytes, served))
    }

    /// Whether it made every call that it made before.
    pub(super) fn is_over(&self) -> bool {
        let is_call = |step: &Step| matches!(step, Step::Call(_)).then_some(());
        self.find(self.calls_from, is_call).is_none()
    }

    /// The first step from one on that is looked for, and which it is.
    fn find<T>(&self, from: usize, wanted: impl Fn(&Step) -> Option<T>) -> Option<(usize, T)> {
        let steps = self.program.steps.iter().enumerate().skip(from);
        let mut found = steps.filter_map(|(at, step)| Some((at, wanted(step)?)));
        found.next()
    }
}

/// What is compared of an end.
fn hash(end: &End, transcript: &Transcript) -> u64 {
    let mut hasher = DefaultHasher::new();
    match end {
        End::Value(value) => value.to_string().hash(&mut hasher),
        End::Failed(CodeError { name, message, .. }) => {
            (name, message).hash(&mut hasher);
        }
        End::Checked(..) | End::Broken(_) => {}
    }
    (&transcript.stdout, &transcript.stderr).hash(&mut hasher);
    hasher.finish()
}
