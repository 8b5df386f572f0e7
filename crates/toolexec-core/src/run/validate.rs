//! Checking arguments and values against their schemas.

use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;

use super::authorize::Authorized;
use super::normalize::Normalized;
use super::result::RunResult;
use super::settings::{Check, RunSettings};
use crate::context::CallContext;
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::index::Binding;
use crate::schema::{Schema, Violation};
use crate::tool::Args;

/// A call whose arguments fit. Only this module makes one.
#[derive(Debug)]
pub(super) struct ValidCall {
    pub(super) first: Arc<Binding>,
    pub(super) others: Vec<Arc<Binding>>,
    pub(super) args: Args,
    pub(super) cx: CallContext,
    pub(super) warnings: Vec<String>,
}

impl Authorized {
    pub(super) fn validate(self, settings: &RunSettings) -> Result<ValidCall> {
        let resolved = self.0;
        settings
            .args_limits
            .check_object(&resolved.args)
            .map_err(|exceeded| {
                let message = format!("the arguments are {exceeded}");
                Error::new(ErrorKind::InvalidInput, message)
                    .at(Stage::ValidateInput)
                    .for_tool(&resolved.first.tool().id)
            })?;
        let mut call = ValidCall {
            first: resolved.first,
            others: resolved.others,
            args: resolved.args,
            cx: resolved.cx,
            warnings: Vec::new(),
        };
        let (args, warnings) = check_args(&call.first, call.args, settings.check_input)?;
        call.args = args;
        call.warnings = warnings;
        Ok(call)
    }
}

/// Checks arguments against the schema of one backend's tool.
pub(super) fn check_args(
    binding: &Binding,
    args: Args,
    check: Check,
) -> Result<(Args, Vec<String>)> {
    let schemas = binding.schemas().map_err(|disabled| {
        binding
            .disabled_error(disabled)
            .at(Stage::ValidateInput)
            .for_tool(&binding.tool().id)
    })?;
    if check == Check::Off {
        return Ok((args, Vec::new()));
    }
    // The validator wants the object as a value; moving it there and back copies nothing.
    let value = Value::Object(args);
    let outcome = schemas.input.validate(&value);
    let Value::Object(args) = value else {
        unreachable!("it was made an object above")
    };
    match outcome {
        Ok(()) => Ok((args, Vec::new())),
        Err(violations) if check == Check::Warn => {
            let warning = |violation: &Violation| format!("arguments: {violation}");
            Ok((args, violations.iter().map(warning).collect()))
        }
        Err(violations) => Err(invalid_input(binding, &schemas.input, violations)),
    }
}

impl Normalized {
    pub(super) fn validate(self, settings: &RunSettings, started: Instant) -> Result<RunResult> {
        let mut result = self.result;
        result.duration = started.elapsed();
        let fail = |kind, message: String| {
            Error::new(kind, message)
                .at(Stage::ValidateOutput)
                .for_tool(&result.tool)
                .on_backend(&result.backend)
        };
        if let Err(exceeded) = settings.value_limits.check(&result.value) {
            let message = format!("the value of {} is {exceeded}", result.tool);
            return Err(fail(ErrorKind::LimitExceeded, message));
        }
        // An error value follows no schema: the output schema describes success.
        if result.is_error || settings.check_output == Check::Off {
            return Ok(result);
        }
        let Some(schema) = &self.output_schema else {
            return Ok(result);
        };
        let Err(violations) = schema.validate(&result.value) else {
            return Ok(result);
        };
        if settings.check_output == Check::Warn {
            result.warnings.extend(
                violations
                    .iter()
                    .map(|violation| format!("value: {violation}")),
            );
            return Ok(result);
        }
        let message = format!(
            "{} ran, and its value does not fit its output schema",
            result.tool
        );
        Err(fail(ErrorKind::InvalidOutput, message)
            .with_violations(violations)
            .with_hint("set the output check to `warn` to get the value all the same"))
    }
}

fn invalid_input(binding: &Binding, schema: &Schema, violations: Vec<Violation>) -> Error {
    let tool = binding.tool();
    let count = violations.len();
    let plural = if count == 1 { "problem" } else { "problems" };
    let mut error = Error::new(
        ErrorKind::InvalidInput,
        format!(
            "the arguments of {} do not fit its input schema ({count} {plural})",
            tool.id
        ),
    )
    .at(Stage::ValidateInput)
    .for_tool(&tool.id)
    .on_backend(binding.backend_ref());
    for hint in spelling_hints(schema, &violations) {
        error = error.with_hint(hint);
    }
    error.with_violations(violations)
}

/// For each unknown top-level property, the property it is probably meant to be.
fn spelling_hints(schema: &Schema, violations: &[Violation]) -> Vec<String> {
    let Some(properties) = schema.source().get("properties").and_then(Value::as_object) else {
        return Vec::new();
    };
    violations
        .iter()
        .filter(|violation| violation.rule.ends_with("Properties"))
        .filter_map(|violation| {
            let given = violation
                .path
                .strip_prefix('/')
                .filter(|path| !path.contains('/'))?;
            let near = properties
                .keys()
                .map(|name| (strsim::jaro_winkler(given, name), name))
                .filter(|(score, _)| *score > 0.8)
                .max_by(|a, b| a.0.total_cmp(&b.0))?;
            Some(format!("did you mean {:?} instead of {given:?}?", near.1))
        })
        .collect()
}
