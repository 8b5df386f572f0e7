//! One rule: which calls it fits.

use std::collections::BTreeMap;

use super::{Condition, Deserialize, Question, RuleError, Serialize};
use crate::context::{ANONYMOUS, Caller};
use crate::pattern::glob;
use crate::tool::{Annotations, Tool};

/// What becomes of a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// It goes on.
    #[default]
    Allow,
    /// It is refused.
    Deny,
}

/// Allows or denies the calls that fit all that is set. In patterns `*` stands for any characters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name, which a caller reads that is denied.
    pub name: String,
    /// Whether the calls that it fits are allowed or denied.
    pub effect: Effect,
    /// Patterns of the caller's name; any caller when empty. A call without authentication (the
    /// command line, stdio, a server on loopback) is by `anonymous`.
    #[serde(default)]
    pub callers: Vec<String>,
    /// Patterns of roles, one of which the caller has; any caller when empty.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Patterns of callers that it is not about.
    #[serde(default)]
    pub except_callers: Vec<String>,
    /// Patterns of roles whose callers it is not about.
    #[serde(default)]
    pub except_roles: Vec<String>,
    /// Patterns of tools, as `namespace:name`; without a colon, of the name in any namespace. All
    /// tools when empty.
    #[serde(default)]
    pub tools: Vec<String>,
    /// Patterns of backends, as `kind/name`: `local/math`, `mcp/*`. All backends when empty.
    #[serde(default)]
    pub backends: Vec<String>,
    /// Whether the tool says that it changes nothing. A tool that says nothing does not.
    #[serde(default)]
    pub read_only: Option<bool>,
    /// Whether the tool may destroy something. A tool that says nothing may, unless it is read-only.
    #[serde(default)]
    pub destructive: Option<bool>,
    /// Whether calling the tool twice is the same as calling it once. A tool that says nothing is
    /// not so, unless it is read-only.
    #[serde(default)]
    pub idempotent: Option<bool>,
    /// Whether the tool reaches an open set of things, such as the web. A tool that says nothing
    /// does.
    #[serde(default)]
    pub open_world: Option<bool>,
    /// What the arguments are, by JSON Pointer (`/path`); `*` as a segment stands for any item.
    /// All must hold. Of the several values of a `*`, a deny rule needs one that fits, an allow
    /// rule needs that all fit and that there is one.
    #[serde(default)]
    pub args: BTreeMap<String, Condition>,
}

impl Rule {
    /// A rule without conditions: it fits every call.
    pub fn new(name: impl Into<String>, effect: Effect) -> Self {
        Self {
            name: name.into(),
            effect,
            callers: Vec::new(),
            roles: Vec::new(),
            except_callers: Vec::new(),
            except_roles: Vec::new(),
            tools: Vec::new(),
            backends: Vec::new(),
            read_only: None,
            destructive: None,
            idempotent: None,
            open_world: None,
            args: BTreeMap::new(),
        }
    }

    pub(super) fn check(&self, place: usize) -> Result<(), RuleError> {
        let wrong = |field: &[&str], message: String| RuleError {
            rule: place,
            field: field.iter().map(|&part| part.to_owned()).collect(),
            message,
        };
        if self.name.trim().is_empty() {
            let message = "a rule has no name; a caller that is denied reads it".to_owned();
            return Err(wrong(&["name"], message));
        }
        let lists = [
            ("callers", &self.callers),
            ("roles", &self.roles),
            ("except_callers", &self.except_callers),
            ("except_roles", &self.except_roles),
            ("tools", &self.tools),
            ("backends", &self.backends),
        ];
        for (field, patterns) in lists {
            if let Some(at) = patterns.iter().position(String::is_empty) {
                let message = format!("rule {:?} has an empty pattern", self.name);
                return Err(wrong(&[field, &at.to_string()], message));
            }
        }
        for pattern in &self.tools {
            if pattern.matches(':').count() > 1 {
                let message = format!(
                    "rule {:?}: {pattern:?} has a version; a rule is about all versions of a tool",
                    self.name
                );
                return Err(wrong(&["tools"], message));
            }
        }
        for (pointer, condition) in &self.args {
            let problem = if pointer.starts_with('/') {
                condition.check().err()
            } else {
                let right = format!("/{pointer}");
                Some(format!(
                    "{pointer:?} is no JSON Pointer; write it as {right:?}"
                ))
            };
            if let Some(problem) = problem {
                let message = format!("rule {:?}: {problem}", self.name);
                return Err(wrong(&["args", pointer], message));
            }
        }
        Ok(())
    }

    pub(super) fn fits(&self, question: &Question<'_>) -> bool {
        self.fits_caller(question.caller)
            && self.fits_tool(question.tool)
            && any_or_empty(&self.backends, &question.backend.to_string())
            && self.fits_args(question)
    }

    fn fits_caller(&self, caller: Option<&Caller>) -> bool {
        let name = caller.map_or(ANONYMOUS, |caller| &caller.name);
        let roles = caller.map_or(&[][..], |caller| &caller.roles);
        let has_one = |patterns: &[String]| roles.iter().any(|role| any(patterns, role));
        any_or_empty(&self.callers, name)
            && (self.roles.is_empty() || has_one(&self.roles))
            && !any(&self.except_callers, name)
            && !has_one(&self.except_roles)
    }

    fn fits_tool(&self, tool: &Tool) -> bool {
        let (key, name) = (tool.id.key().as_str(), tool.id.name());
        let fits = |pattern: &String| {
            let text = if pattern.contains(':') { key } else { name };
            glob(pattern, text)
        };
        let hints = Hints::of(&tool.annotations);
        let is = |wanted: Option<bool>, hint: bool| wanted.is_none_or(|wanted| wanted == hint);
        (self.tools.is_empty() || self.tools.iter().any(fits))
            && is(self.read_only, hints.read_only)
            && is(self.destructive, hints.destructive)
            && is(self.idempotent, hints.idempotent)
            && is(self.open_world, hints.open_world)
    }

    fn fits_args(&self, question: &Question<'_>) -> bool {
        let Some(args) = question.args else {
            // Some arguments fit an allow rule, and others do not fit a deny rule.
            return self.effect == Effect::Allow || self.args.is_empty();
        };
        let all = self.effect == Effect::Allow;
        self.args
            .iter()
            .all(|(pointer, condition)| condition.holds_at(pointer, args, all))
    }
}

/// What a tool says about itself, with MCP's defaults for what it does not say.
#[expect(
    clippy::struct_excessive_bools,
    reason = "MCP's hints are four booleans"
)]
struct Hints {
    read_only: bool,
    destructive: bool,
    idempotent: bool,
    open_world: bool,
}

impl Hints {
    fn of(annotations: &Annotations) -> Self {
        let read_only = annotations.read_only.unwrap_or(false);
        Self {
            read_only,
            destructive: !read_only && annotations.destructive.unwrap_or(true),
            idempotent: read_only || annotations.idempotent.unwrap_or(false),
            open_world: annotations.open_world.unwrap_or(true),
        }
    }
}

fn any(patterns: &[String], text: &str) -> bool {
    patterns.iter().any(|pattern| glob(pattern, text))
}

fn any_or_empty(patterns: &[String], text: &str) -> bool {
    patterns.is_empty() || any(patterns, text)
}
