//! Running a chain that was checked.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt};
use serde_json::Value;

use super::plan::{Action, ChainLimits, Each, Plan, PlannedStep};
use super::report::{ChainOutcome, StepReport, StepStatus};
use super::scope::{FillError, Scope};
use super::spec::OnError;
use super::template::{Template, outline};
use crate::context::CallContext;
use crate::error::{Error, ErrorKind, ErrorReport, Stage};
use crate::event::Event;
use crate::run::{BackendChoice, Request, Runner};

pub(super) async fn run(
    runner: &Runner,
    plan: &Plan,
    limits: &ChainLimits,
    cx: &CallContext,
) -> ChainOutcome {
    let started = Instant::now();
    let executor = Executor { runner, limits, cx };
    let mut scope = Scope::default();
    let mut reports: Vec<StepReport> = Vec::with_capacity(plan.steps.len());
    let mut stopped: Option<(ErrorReport, String)> = None;
    for step in &plan.steps {
        let report = match &stopped {
            Some((_, why)) => skipped(step, why.clone()),
            None => executor.step(step, &scope).await,
        };
        if stopped.is_none() {
            stopped = executor.stops(step, &report);
        }
        if let Some(events) = cx.events() {
            events
                .send(Event::Step {
                    step: Box::new(report.clone()),
                })
                .await;
        }
        scope.add(&report);
        reports.push(report);
    }
    let last = reports
        .last()
        .filter(|report| report.status == StepStatus::Ok);
    ChainOutcome {
        value: last.map_or_else(null, |report| report.value.clone()),
        error: stopped.map(|(error, _)| error),
        failed: reports.iter().map(StepReport::failures).sum(),
        steps: reports,
        duration: started.elapsed(),
    }
}

struct Executor<'a> {
    runner: &'a Runner,
    limits: &'a ChainLimits,
    cx: &'a CallContext,
}

impl Executor<'_> {
    fn step<'a>(&'a self, step: &'a PlannedStep, scope: &'a Scope) -> BoxFuture<'a, StepReport> {
        Box::pin(async move {
            match &step.each {
                Some(each) => self.for_each(step, each, scope).await,
                None => self.once(step, &step.path, scope).await,
            }
        })
    }

    /// One run of a step, as it stands in the chain or for one item.
    async fn once(&self, step: &PlannedStep, path: &str, scope: &Scope) -> StepReport {
        match &step.action {
            Action::Call {
                tool,
                args,
                use_previous,
                backend,
            } => {
                let call = Call {
                    tool,
                    args,
                    use_previous: *use_previous,
                    backend,
                };
                self.call(step, path, call, scope).await
            }
            Action::Parallel(steps) => {
                let started = Instant::now();
                // All at once: a group is written out by hand, and its size is capped.
                let parts: Vec<Part<'_>> = steps
                    .iter()
                    .map(|step| Part {
                        step,
                        path: step.path.clone(),
                        scope: Cow::Borrowed(scope),
                    })
                    .collect();
                let children = self.together(&parts, steps.len()).await;
                group(step, path, children, started.elapsed())
            }
        }
    }

    async fn for_each(&self, step: &PlannedStep, each: &Each, scope: &Scope) -> StepReport {
        let started = Instant::now();
        let items = match scope.fill(&each.items) {
            Ok(Value::Array(items)) if items.len() <= self.limits.max_items => items,
            Ok(Value::Array(items)) => {
                let message = format!(
                    "for_each has {} items; at most {} are allowed",
                    items.len(),
                    self.limits.max_items
                );
                return failed(
                    step,
                    &step.path,
                    &Error::new(ErrorKind::LimitExceeded, message),
                );
            }
            Ok(other) => {
                let message = format!("for_each needs a list; it is {}", outline(&other));
                return failed(
                    step,
                    &step.path,
                    &Error::new(ErrorKind::InvalidInput, message),
                );
            }
            Err(error) => return not_filled(step, &step.path, error),
        };
        let parts: Vec<Part<'_>> = items
            .into_iter()
            .enumerate()
            .map(|(index, item)| Part {
                step,
                path: format!("{}.items[{index}]", step.path),
                scope: Cow::Owned(scope.with_item(&each.item_name, Arc::new(item), index)),
            })
            .collect();
        let children = self.together(&parts, each.concurrency).await;
        group(step, &step.path, children, started.elapsed())
    }

    /// Runs at most `width` at the same time. When one fails that stops, those that still run
    /// are cancelled, and the others do not start.
    async fn together(&self, parts: &[Part<'_>], width: usize) -> Vec<StepReport> {
        let mut reports: Vec<Option<StepReport>> = Vec::new();
        reports.resize_with(parts.len(), || None);
        let mut runs: Vec<BoxFuture<'_, (usize, StepReport)>> = Vec::with_capacity(parts.len());
        for (place, part) in parts.iter().enumerate() {
            runs.push(self.part(place, part));
        }
        let mut running = stream::iter(runs).buffer_unordered(width);
        let mut stopped_by = String::new();
        while let Some((place, report)) = running.next().await {
            let stops = self.stops(parts[place].step, &report).is_some();
            if stops {
                stopped_by = format!("cancelled because {} failed", report.path);
            }
            reports[place] = Some(report);
            if stops {
                break;
            }
        }
        drop(running);
        let whole = reports.into_iter().zip(parts);
        whole
            .map(|(report, part)| {
                report.unwrap_or_else(|| StepReport {
                    path: part.path.clone(),
                    ..skipped(part.step, stopped_by.clone())
                })
            })
            .collect()
    }

    fn part<'a>(&'a self, place: usize, part: &'a Part<'_>) -> BoxFuture<'a, (usize, StepReport)> {
        Box::pin(async move {
            let report = if part.path == part.step.path {
                self.step(part.step, &part.scope).await
            } else {
                self.once(part.step, &part.path, &part.scope).await
            };
            (place, report)
        })
    }

    async fn call(
        &self,
        step: &PlannedStep,
        path: &str,
        call: Call<'_>,
        scope: &Scope,
    ) -> StepReport {
        let args = match call.arguments(scope) {
            Ok(args) => args,
            Err(error) => return not_filled(step, path, error),
        };
        let started = Instant::now();
        let request = Request::new(call.tool, args)
            .on(call.backend.clone())
            .with_context(self.cx.clone());
        let outcome = self.runner.run(request).await;
        let mut report = blank(step, path);
        report.duration = started.elapsed();
        match outcome {
            Ok(result) => {
                report.backend = Some(result.backend.clone());
                report.warnings.clone_from(&result.warnings);
                report.value = Arc::new(result.value.clone());
                if result.is_error {
                    report.status = StepStatus::Failed;
                    report.error = result.into_value().err().map(|error| error.report());
                }
            }
            Err(mut error) => {
                if call.use_previous && error.violations().iter().any(|v| v.path == "/previous") {
                    error = error.with_hint(
                        "use_previous put `previous` there; where the tool does not take it, \
                         write {{prev.field}} in the args instead",
                    );
                }
                report.status = StepStatus::Failed;
                report.backend = error.backend().cloned();
                report.error = Some(error.report());
            }
        }
        report
    }

    /// Whether a step's end is the end of what it is part of, and what to tell those after it.
    fn stops(&self, step: &PlannedStep, report: &StepReport) -> Option<(ErrorReport, String)> {
        let over = self.cx.is_cancelled()
            || self
                .cx
                .remaining()
                .is_some_and(|remaining| remaining.is_zero());
        if report.status == StepStatus::Ok || (step.on_error == OnError::Continue && !over) {
            return None;
        }
        let error = report.error.clone().or_else(|| {
            let why = report.skipped.clone()?;
            Some(Error::new(ErrorKind::Cancelled, why).report())
        })?;
        Some((error, format!("{} failed", report.path)))
    }
}

/// One of several runs: a step of a group, or a `for_each` step for one item.
struct Part<'a> {
    step: &'a PlannedStep,
    // The step's own path, or that of the item.
    path: String,
    scope: Cow<'a, Scope>,
}

struct Call<'a> {
    tool: &'a str,
    args: &'a Template,
    use_previous: bool,
    backend: &'a BackendChoice,
}

impl Call<'_> {
    fn arguments(&self, scope: &Scope) -> Result<Value, FillError> {
        let mut args = scope.fill(self.args)?;
        if self.use_previous {
            args["previous"] = (*scope.previous()?).clone();
        }
        Ok(args)
    }
}

/// The report of a group or a `for_each` from those of its parts.
fn group(
    step: &PlannedStep,
    path: &str,
    children: Vec<StepReport>,
    duration: Duration,
) -> StepReport {
    // A part that stopped the group left others cancelled, or was the last one to end.
    let stopper = children
        .iter()
        .find(|child| child.status == StepStatus::Failed && child_stops(step, child));
    let mut report = blank(step, path);
    report.duration = duration;
    if let Some(child) = stopper {
        report.status = StepStatus::Failed;
        report.error.clone_from(&child.error);
    }
    let value = |child: &StepReport| match child.status {
        StepStatus::Ok => (*child.value).clone(),
        StepStatus::Failed | StepStatus::Skipped => Value::Null,
    };
    report.value = Arc::new(children.iter().map(value).collect());
    report.children = children;
    report
}

fn child_stops(step: &PlannedStep, child: &StepReport) -> bool {
    let own = match (&step.action, &step.each) {
        (Action::Parallel(steps), None) => steps.iter().find(|inner| inner.path == child.path),
        _ => None,
    };
    own.map_or(step.on_error, |inner| inner.on_error) == OnError::Stop
}

fn blank(step: &PlannedStep, path: &str) -> StepReport {
    let tool = match &step.action {
        Action::Call { tool, .. } => Some(tool.clone()),
        Action::Parallel(_) => None,
    };
    StepReport {
        path: path.to_owned(),
        // A run for one item has no name of its own.
        name: step.name.clone().filter(|_| path == step.path),
        tool,
        status: StepStatus::Ok,
        value: null(),
        backend: None,
        duration: Duration::ZERO,
        error: None,
        skipped: None,
        warnings: Vec::new(),
        children: Vec::new(),
    }
}

fn failed(step: &PlannedStep, path: &str, error: &Error) -> StepReport {
    let mut report = blank(step, path);
    report.status = StepStatus::Failed;
    report.error = Some(error.report());
    report
}

fn skipped(step: &PlannedStep, why: String) -> StepReport {
    let mut report = blank(step, &step.path);
    report.status = StepStatus::Skipped;
    report.skipped = Some(why);
    report
}

fn not_filled(step: &PlannedStep, path: &str, error: FillError) -> StepReport {
    match error {
        FillError::NoValue(why) => {
            let mut report = skipped(step, why);
            path.clone_into(&mut report.path);
            report
        }
        FillError::Missing(why) => {
            let error = Error::new(ErrorKind::InvalidInput, why).at(Stage::Template);
            failed(step, path, &error)
        }
    }
}

fn null() -> Arc<Value> {
    Arc::new(Value::Null)
}
