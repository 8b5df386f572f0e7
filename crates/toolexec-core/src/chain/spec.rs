//! A chain as its author writes it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A chain as its author writes it.
///
/// As JSON: `{"steps": [...], "on_error": "stop"}`, or the list of steps alone.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Chain {
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// What to do when a step fails that does not say so itself.
    pub on_error: OnError,
}

/// What to do when a step fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// End the chain; later steps are reported as skipped.
    #[default]
    Stop,
    /// Go on. Steps that need the value of the failed one are skipped.
    Continue,
}

/// One step of a chain.
///
/// Exactly one of `tool` and `parallel` is given; `for_each` repeats either.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[must_use]
pub struct Step {
    /// A name for later steps to refer to: a letter or `_`, then letters, digits, `_` or `-`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The tool to call.
    #[serde(
        default,
        alias = "tool_id",
        alias = "toolId",
        skip_serializing_if = "Option::is_none"
    )]
    pub tool: Option<String>,
    /// Its arguments, with templates.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub args: Value,
    /// Puts the value of the step before into `args.previous`.
    #[serde(default, alias = "usePrevious", skip_serializing_if = "is_false")]
    pub use_previous: bool,
    /// Which backend may run it: `local`, `provider`, `mcp`, or the name of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    /// Steps to run at the same time; the value is the list of theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallel: Option<Vec<Step>>,
    /// Runs the step once for each item of this list (usually a template); the value is the list
    /// of theirs, in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_each: Option<Value>,
    /// What templates call the item. Default: `item`.
    #[serde(default, rename = "as", skip_serializing_if = "Option::is_none")]
    pub item_name: Option<String>,
    /// How many items may run at the same time. Default: 8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<usize>,
    /// What to do when it fails. Default: what the chain says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_error: Option<OnError>,
}

impl Chain {
    /// A chain that stops at the first failure.
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self {
            steps: steps.into_iter().collect(),
            on_error: OnError::Stop,
        }
    }

    /// Says what to do when a step fails.
    #[must_use]
    pub fn on_error(mut self, on_error: OnError) -> Self {
        self.on_error = on_error;
        self
    }
}

impl Chain {
    /// The tools it calls, as it names them.
    pub fn tools(&self) -> Vec<&str> {
        fn collect<'a>(steps: &'a [Step], tools: &mut Vec<&'a str>) {
            for step in steps {
                tools.extend(step.tool.as_deref());
                collect(step.parallel.as_deref().unwrap_or_default(), tools);
            }
        }
        let mut tools = Vec::new();
        collect(&self.steps, &mut tools);
        tools
    }
}

impl<const N: usize> From<[Step; N]> for Chain {
    fn from(steps: [Step; N]) -> Self {
        Self::new(steps)
    }
}

impl From<Vec<Step>> for Chain {
    fn from(steps: Vec<Step>) -> Self {
        Self::new(steps)
    }
}

impl<'de> Deserialize<'de> for Chain {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Full {
            steps: Vec<Step>,
            #[serde(default)]
            on_error: OnError,
        }
        // An untagged enum would hide which field of which step is wrong.
        let value = Value::deserialize(deserializer)?;
        let full = if value.is_array() {
            json!({ "steps": value })
        } else {
            value
        };
        let Full { steps, on_error } =
            serde_json::from_value(full).map_err(serde::de::Error::custom)?;
        Ok(Self { steps, on_error })
    }
}

impl Step {
    /// A call of `tool`.
    pub fn call(tool: impl Into<String>, args: impl Into<Value>) -> Self {
        Self {
            tool: Some(tool.into()),
            args: args.into(),
            ..Self::default()
        }
    }

    /// Steps that run at the same time.
    pub fn parallel(steps: impl IntoIterator<Item = Step>) -> Self {
        Self {
            parallel: Some(steps.into_iter().collect()),
            ..Self::default()
        }
    }

    /// Runs this step once for each item of a list.
    pub fn for_each(mut self, items: impl Into<Value>) -> Self {
        self.for_each = Some(items.into());
        self
    }

    /// Names the step.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Puts the value of the step before into `args.previous`.
    pub fn use_previous(mut self) -> Self {
        self.use_previous = true;
        self
    }

    /// Says how many items may run at the same time.
    pub fn concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = Some(concurrency);
        self
    }

    /// Says what to do when it fails.
    pub fn on_error(mut self, on_error: OnError) -> Self {
        self.on_error = Some(on_error);
        self
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_false(value: &bool) -> bool {
    !value
}
