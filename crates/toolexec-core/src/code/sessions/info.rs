//! What is said of sessions, and what they are asked to be.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::code::submission::Submission;
use crate::run::as_millis;
use crate::sandbox::{Language, Limits, Profile};

/// What a session is started with.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct SessionOptions {
    /// The language of its programs.
    pub language: Language,
    /// What each of its programs may use; where nothing is said, the executor's defaults hold.
    pub limits: Limits,
    /// How much isolation it needs; the executor's default when nothing is said.
    pub profile: Option<Profile>,
    /// The image that it runs in; that of the sandbox when nothing is said.
    pub image: Option<String>,
    /// Variables that it has from the start.
    pub inputs: Map<String, Value>,
}

/// What holds for all sessions.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionSettings {
    /// How many there may be.
    pub max: usize,
    /// After this long without use a session is ended.
    pub idle: Duration,
    /// How many programs may wait for one session.
    pub max_waiting: usize,
    /// What all programs of a session may use together.
    pub limits: SessionLimits,
}

/// What all programs of a session may use together; `None` is without end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SessionLimits {
    /// How many programs there may be.
    pub programs: Option<u64>,
    /// How many tools they may call.
    pub tool_calls: Option<u64>,
    /// How long they themselves may run.
    pub run_time: Option<Duration>,
}

/// A session as it is now.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SessionInfo {
    /// Its name.
    pub id: String,
    /// Whether it can be used.
    pub state: SessionState,
    /// Why it was lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost: Option<String>,
    /// The language of its programs.
    pub language: Language,
    /// Where it runs.
    pub sandbox: String,
    /// The isolation that was asked for.
    pub profile: Profile,
    /// The session that it was forked from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forked_from: Option<String>,
    /// How many programs ran, those of the session it was forked from included.
    pub programs: u64,
    /// How many tools they called.
    pub tool_calls: u64,
    /// How long they themselves ran.
    #[serde(rename = "run_time_ms", serialize_with = "as_millis")]
    pub run_time: Duration,
    /// How long it was not used.
    #[serde(rename = "idle_ms", serialize_with = "as_millis")]
    pub idle: Duration,
}

/// Whether a session can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SessionState {
    /// It waits for a program.
    Ready,
    /// A program runs in it.
    Running,
    /// Its variables are gone.
    Lost,
}

impl SessionOptions {
    /// A session of this language, without inputs and limits of its own.
    pub fn new(language: Language) -> Self {
        Self {
            language,
            limits: Limits::default(),
            profile: None,
            image: None,
            inputs: Map::new(),
        }
    }

    /// A program that does nothing but take the inputs.
    pub(super) fn submission(self) -> Submission {
        // A text without a statement is no program in every Python.
        let nothing = match self.language {
            Language::Python => "pass",
            _ => "",
        };
        let mut submission = Submission::new(self.language, nothing)
            .limits(self.limits)
            .check(false);
        submission.inputs = self.inputs;
        submission.profile = self.profile;
        submission.image = self.image;
        submission
    }
}

impl Default for SessionSettings {
    /// 16 sessions, each for 30 minutes without use, with at most 16 programs that wait.
    fn default() -> Self {
        Self {
            max: 16,
            idle: Duration::from_mins(30),
            max_waiting: 16,
            limits: SessionLimits::default(),
        }
    }
}
