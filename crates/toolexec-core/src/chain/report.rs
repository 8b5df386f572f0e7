//! What a chain answers.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::backend::BackendRef;
use crate::error::ErrorReport;

/// What a chain answers: every step, and the value of the last.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[must_use = "a failing step is in here"]
pub struct ChainOutcome {
    /// The value of the last step; null when it did not run or failed.
    pub value: Arc<Value>,
    /// Why the chain ended before its last step, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorReport>,
    /// How many steps failed, those of groups included.
    pub failed: usize,
    /// The steps, in the order of the chain.
    pub steps: Vec<StepReport>,
    /// From the start of the chain to its end.
    #[serde(rename = "duration_ms", serialize_with = "crate::run::as_millis")]
    pub duration: Duration,
}

/// What became of one step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepReport {
    /// Where it stands, as templates write it: `steps[1].parallel[0]`.
    pub path: String,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The tool as the chain names it; none for a group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// What became of it.
    pub status: StepStatus,
    /// Its value; of a failed tool, what it said.
    pub value: Arc<Value>,
    /// Where it ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend: Option<BackendRef>,
    /// How long it took; zero when it was skipped.
    #[serde(rename = "duration_ms", serialize_with = "crate::run::as_millis")]
    pub duration: Duration,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorReport>,
    /// Why it did not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// What was not quite right.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// The steps of a group, or the runs of a `for_each`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<StepReport>,
}

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StepStatus {
    /// It has a value.
    Ok,
    /// The tool failed by its own word, or the execution did.
    Failed,
    /// It did not run, or was cancelled because another step of its group failed.
    Skipped,
}

impl ChainOutcome {
    /// Whether every step has a value.
    pub fn is_ok(&self) -> bool {
        self.error.is_none() && self.failed == 0
    }
}

impl StepReport {
    /// How many steps in it failed; groups themselves do not count.
    pub(super) fn failures(&self) -> usize {
        if self.children.is_empty() {
            usize::from(self.status == StepStatus::Failed)
        } else {
            self.children.iter().map(Self::failures).sum()
        }
    }
}
