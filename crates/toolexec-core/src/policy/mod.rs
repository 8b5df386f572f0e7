//! Rules about who may call what.
//!
//! A rule allows or denies the calls that fit all it says: the caller, the tool, the backend, the
//! tool's hints, the arguments. The order of the rules does not matter:
//!
//! 1. a call that a deny rule fits is denied, whatever else fits it;
//! 2. else a call that an allow rule fits is allowed;
//! 3. else the default decides.
//!
//! So a rule that is added can only take away what a deny rule says, and an allow rule never opens
//! what a deny rule closes. Rules live in the run path: they hold for a single call, a step of a
//! chain, each item of a `for_each` and each call of a program alike. Where a tool has several
//! backends, each is asked about on its own.
//!
//! A tool that a caller can never call, whatever the arguments, is not shown to it in searches,
//! lists and descriptions. A call of it is denied like any other.

mod condition;
mod rule;

use serde::{Deserialize, Serialize};

pub use condition::Condition;
pub use rule::{Effect, Rule};

use crate::backend::BackendRef;
use crate::context::Caller;
use crate::run::{Decision, Policy, PolicyRequest};
use crate::tool::{Args, Tool};

/// Allow and deny rules, as a [`Policy`].
#[derive(Debug, Clone, Default)]
pub struct Rules {
    rules: Vec<Rule>,
    default: Effect,
}

/// What is wrong with a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RuleError {
    /// The place of the rule in the list, from 0.
    pub rule: usize,
    /// The field, and the keys below it, where it is one field that is wrong.
    pub field: Vec<String>,
    /// What is wrong.
    pub message: String,
}

/// What a rule is asked about.
#[derive(Debug, Clone, Copy)]
struct Question<'a> {
    caller: Option<&'a Caller>,
    tool: &'a Tool,
    backend: &'a BackendRef,
    /// Absent: whether there are any arguments that fit.
    args: Option<&'a Args>,
}

impl Rules {
    /// Rules, and what becomes of a call that none of them fits.
    ///
    /// # Errors
    /// When a rule has no name, has that of another, or has a condition that means nothing.
    pub fn new(rules: Vec<Rule>, default: Effect) -> Result<Self, RuleError> {
        for (place, rule) in rules.iter().enumerate() {
            rule.check(place)?;
            if rules[..place].iter().any(|other| other.name == rule.name) {
                return Err(RuleError {
                    rule: place,
                    field: vec!["name".to_owned()],
                    message: format!("two rules are named {:?}", rule.name),
                });
            }
        }
        Ok(Self { rules, default })
    }

    fn first(&self, effect: Effect, question: &Question<'_>) -> Option<&Rule> {
        let mut rules = self.rules.iter().filter(|rule| rule.effect == effect);
        rules.find(|rule| rule.fits(question))
    }

    fn decide(&self, question: &Question<'_>) -> Decision {
        if let Some(rule) = self.first(Effect::Deny, question) {
            let reason = format!("rule {:?}", rule.name);
            return Decision::Deny { reason };
        }
        let allowed =
            self.default == Effect::Allow || self.first(Effect::Allow, question).is_some();
        if allowed {
            return Decision::Allow;
        }
        Decision::Deny {
            reason: "no rule allows it".to_owned(),
        }
    }
}

impl Policy for Rules {
    fn authorize(&self, request: &PolicyRequest<'_>) -> Decision {
        self.decide(&Question {
            caller: request.caller,
            tool: request.tool,
            backend: request.backend,
            args: Some(request.args),
        })
    }

    fn may_ever_call(&self, caller: Option<&Caller>, tool: &Tool, backend: &BackendRef) -> bool {
        let question = Question {
            caller,
            tool,
            backend,
            args: None,
        };
        self.decide(&question) == Decision::Allow
    }

    fn hides_tools(&self) -> bool {
        self.default == Effect::Deny || self.rules.iter().any(|rule| rule.effect == Effect::Deny)
    }
}

#[cfg(test)]
mod tests;
