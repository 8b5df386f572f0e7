//! What earlier steps answered.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::report::{StepReport, StepStatus};
use super::template::{Reference, Root, Template};

/// What templates can see while a chain runs.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    steps: Vec<Slot>,
    names: HashMap<String, Slot>,
    variables: Vec<(String, Arc<Value>)>,
}

/// What a step left for later ones.
#[derive(Debug, Clone)]
struct Slot {
    path: String,
    // `None`: it failed or was skipped.
    value: Option<Arc<Value>>,
}

/// Why a template could not be filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FillError {
    /// The step it refers to has no value.
    NoValue(String),
    /// The path leads nowhere.
    Missing(String),
}

impl Scope {
    /// Adds a top-level step, and the named steps of a group.
    pub(super) fn add(&mut self, report: &StepReport) {
        let slot = Slot::of(report);
        if let Some(name) = &report.name {
            self.names.insert(name.clone(), slot.clone());
        }
        for child in &report.children {
            if let Some(name) = &child.name {
                self.names.insert(name.clone(), Slot::of(child));
            }
        }
        self.steps.push(slot);
    }

    /// The same scope with the variables of one item.
    pub(super) fn with_item(&self, name: &str, item: Arc<Value>, index: usize) -> Self {
        let mut scope = self.clone();
        scope.variables.push((name.to_owned(), item));
        scope
            .variables
            .push(("index".to_owned(), Arc::new(Value::from(index))));
        scope
    }

    /// The value of the step before.
    pub(super) fn previous(&self) -> Result<Arc<Value>, FillError> {
        match self.steps.last() {
            Some(slot) => slot.value(),
            // The plan refuses this.
            None => Err(FillError::Missing(
                "there is no step before the first".to_owned(),
            )),
        }
    }

    pub(super) fn fill(&self, template: &Template) -> Result<Value, FillError> {
        template.fill(&mut |reference| self.look_up(reference))
    }

    fn look_up(&self, reference: &Reference) -> Result<Value, FillError> {
        let root = match &reference.root {
            Root::Prev => self.previous()?,
            Root::Step(place) => self
                .steps
                .get(*place)
                .map_or_else(|| Err(gone(reference)), Slot::value)?,
            Root::Named(name) => self
                .names
                .get(name)
                .map_or_else(|| Err(gone(reference)), Slot::value)?,
            Root::Variable(name) => {
                let found = self.variables.iter().rev().find(|(known, _)| known == name);
                found
                    .map(|(_, value)| value.clone())
                    .ok_or_else(|| gone(reference))?
            }
        };
        reference.walk(&root).cloned().map_err(FillError::Missing)
    }
}

impl Slot {
    fn of(report: &StepReport) -> Self {
        let value = (report.status == StepStatus::Ok).then(|| report.value.clone());
        Self {
            path: report.path.clone(),
            value,
        }
    }

    fn value(&self) -> Result<Arc<Value>, FillError> {
        self.value.clone().ok_or_else(|| {
            FillError::NoValue(format!(
                "it needs the value of {}, which has none",
                self.path
            ))
        })
    }
}

// The plan checked that every reference exists.
fn gone(reference: &Reference) -> FillError {
    FillError::Missing(format!("{{{{{}}}}} refers to nothing", reference.text))
}
