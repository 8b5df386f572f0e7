//! A value as a model gets it: as it is, or a handle.

use std::sync::Arc;

use serde_json::{Value, json};
use toolexec_core::chain::StepReport;
use toolexec_core::results::{HANDLE_KEY, length_of, owner_of, preview, type_of};
use toolexec_core::{CallContext, ChainOutcome, Content, RunResult};

use super::Results;

/// How many characters of a value are shown beside its handle.
const PREVIEW: usize = 1000;
/// The least that each value of a chain may have, in characters.
const LEAST: usize = 1000;

impl Results {
    /// The value, or its handle where it is too large.
    pub(in crate::server) async fn fit(&self, value: Value, cx: &CallContext) -> Value {
        self.fit_to(value, self.max_inline, cx).await
    }

    /// The result of a tool with a handle for its value, where that is too large. Pictures, sounds
    /// and resources among its content go to the client as they are.
    pub(in crate::server) async fn fit_result(&self, result: &mut RunResult, cx: &CallContext) {
        let is_text = |block: &Content| matches!(block, Content::Text { .. });
        if !result.content.iter().all(is_text) || is_short(&result.value, self.max_inline) {
            return;
        }
        let value = std::mem::take(&mut result.value);
        result.value = self.fit(value, cx).await;
        result.content.clear();
    }

    /// A message, cut short where it is too large.
    pub(in crate::server) fn shortened(&self, message: &str) -> String {
        if message.chars().nth(self.max_inline).is_none() {
            return message.to_owned();
        }
        preview(&json!(message), PREVIEW.min(self.max_inline))
    }

    /// The outcome of a chain, whose values share the room of one.
    pub(in crate::server) async fn fit_chain(
        &self,
        mut outcome: ChainOutcome,
        cx: &CallContext,
    ) -> ChainOutcome {
        if is_short(&json!(outcome), self.max_inline) {
            return outcome;
        }
        let mut reports = Vec::new();
        for step in &mut outcome.steps {
            leaves(step, &mut reports);
        }
        let room = (self.max_inline / (reports.len() + 1)).max(LEAST.min(self.max_inline));
        let whole = outcome.value.clone();
        for report in reports {
            if let Some(error) = &mut report.error {
                error.message = preview(&json!(error.message), room);
            }
            let is_whole = Arc::ptr_eq(&report.value, &whole);
            let value = std::mem::take(&mut report.value);
            report.value = Arc::new(self.fit_to((*value).clone(), room, cx).await);
            if is_whole {
                outcome.value = report.value.clone();
            }
        }
        if Arc::ptr_eq(&outcome.value, &whole) {
            outcome.value = Arc::new(self.fit_to((*whole).clone(), room, cx).await);
        }
        outcome.steps.iter_mut().for_each(gather);
        outcome
    }

    async fn fit_to(&self, value: Value, max: usize, cx: &CallContext) -> Value {
        if is_short(&value, max) {
            return value;
        }
        let text = value.to_string();
        let (size, shown) = (text.len(), preview(&value, PREVIEW.min(max)));
        let mut answer = json!({});
        let kept = self.store().put(owner_of(cx), text.into_bytes()).await;
        match &kept {
            Ok(handle) => answer[HANDLE_KEY] = json!(handle),
            Err(error) => answer["not_kept"] = json!(error.guest_message()),
        }
        answer["type"] = json!(type_of(&value));
        answer["length"] = json!(length_of(&value));
        answer["bytes"] = json!(size);
        answer["preview"] = json!(shown);
        if kept.is_ok() {
            answer["expires_in_s"] = json!(self.lifetime.as_secs());
            answer["next"] = json!(
                "too large to show: read_result reads parts of it; {\"$result\": handle} as an \
                 argument or input of another call stands for all of it"
            );
        }
        answer
    }
}

/// The reports of single calls.
fn leaves<'a>(report: &'a mut StepReport, found: &mut Vec<&'a mut StepReport>) {
    if report.children.is_empty() {
        found.push(report);
    } else {
        for child in &mut report.children {
            leaves(child, found);
        }
    }
}

/// Gives a group the values that its parts have now.
fn gather(report: &mut StepReport) {
    if report.children.is_empty() {
        return;
    }
    report.children.iter_mut().for_each(gather);
    let values = report.children.iter().map(|child| (*child.value).clone());
    report.value = Arc::new(Value::Array(values.collect()));
}

/// Whether a value has at most `max` characters, as it is shown.
fn is_short(value: &Value, max: usize) -> bool {
    match value {
        Value::String(text) => text.len() <= max || text.chars().nth(max).is_none(),
        Value::Array(_) | Value::Object(_) => {
            let text = value.to_string();
            text.len() <= max || text.chars().nth(max).is_none()
        }
        _ => true,
    }
}
