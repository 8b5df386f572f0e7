//! How calls are run.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::limits::ValueLimits;
use crate::backend::BackendKind;

/// How calls are run.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RunSettings {
    /// What to do with arguments that do not fit the input schema. Default: error.
    pub check_input: Check,
    /// What to do with a value that does not fit the output schema. Default: error.
    pub check_output: Check,
    /// How long a call may take whose caller set no earlier deadline. `None`: as long as it
    /// likes. Default: 60 seconds.
    pub timeout: Option<Duration>,
    /// The order of preference among the backends of one tool. Kinds left out come last, in the
    /// default order: local, provider, MCP.
    pub preference: Vec<BackendKind>,
    /// Whether to try the next backend of a tool that is safe to repeat, when one fails.
    /// Default: yes.
    pub fail_over: bool,
    /// Caps on arguments.
    pub args_limits: ValueLimits,
    /// Caps on values.
    pub value_limits: ValueLimits,
}

/// What to do with data that does not fit its schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Check {
    /// Fail the call.
    #[default]
    Error,
    /// Go on and say so in the result's warnings.
    Warn,
    /// Do not look.
    Off,
}

impl Default for RunSettings {
    fn default() -> Self {
        Self {
            check_input: Check::Error,
            check_output: Check::Error,
            timeout: Some(Duration::from_secs(60)),
            preference: Vec::new(),
            fail_over: true,
            args_limits: ValueLimits {
                max_bytes: 8 << 20,
                max_depth: 64,
            },
            value_limits: ValueLimits {
                max_bytes: 64 << 20,
                max_depth: 256,
            },
        }
    }
}
