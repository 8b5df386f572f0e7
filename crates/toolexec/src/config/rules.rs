//! The sections `[[rules]]`: who may call what.

use std::sync::Arc;

use toolexec_core::policy::{Effect, RuleError, Rules};
use toolexec_core::run::Policy;

use super::document::Document;
use super::sections::Sections;
use super::{Config, ConfigError};

impl Config {
    /// The rules about who may call what; `None` when every call is allowed.
    pub fn policy(&self) -> Option<Arc<dyn Policy>> {
        let sections = &self.sections;
        if sections.rules.is_empty() && default(sections) == Effect::Allow {
            return None;
        }
        // They were checked when the file was read; rules put together by hand that are wrong
        // allow nothing.
        let rules = rules(sections).or_else(|_| Rules::new(Vec::new(), Effect::Deny));
        Some(Arc::new(rules.unwrap_or_default()))
    }
}

pub(super) fn check(document: &Document<'_>, sections: &Sections) -> Result<(), ConfigError> {
    let Err(RuleError {
        rule,
        field,
        message,
    }) = rules(sections)
    else {
        return Ok(());
    };
    let place = rule.to_string();
    let mut path = vec!["rules", &place];
    path.extend(field.iter().map(String::as_str));
    Err(document.at_key(&path, message))
}

fn rules(sections: &Sections) -> Result<Rules, RuleError> {
    Rules::new(sections.rules.clone(), default(sections))
}

fn default(sections: &Sections) -> Effect {
    sections.run.default_effect.unwrap_or_default()
}
