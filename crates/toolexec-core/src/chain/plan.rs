//! Checking a chain as a whole before its first call.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::spec::{Chain, OnError, Step};
use super::template::{Reference, Root, Template};
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::run::BackendChoice;

/// Caps on chains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainLimits {
    /// The most steps, those of groups included.
    pub max_steps: usize,
    /// The most items of one `for_each`.
    pub max_items: usize,
    /// The most items of one `for_each` that run at the same time.
    pub max_concurrency: usize,
    /// How deep groups nest.
    pub max_depth: usize,
}

impl Default for ChainLimits {
    fn default() -> Self {
        Self {
            max_steps: 100,
            max_items: 1000,
            max_concurrency: 64,
            max_depth: 4,
        }
    }
}

/// How many items of a `for_each` run at the same time unless it says otherwise.
const DEFAULT_CONCURRENCY: usize = 8;

/// A chain that was checked.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) steps: Vec<PlannedStep>,
}

#[derive(Debug)]
pub(super) struct PlannedStep {
    /// Where it stands, as templates write it: `steps[1].parallel[0]`.
    pub(super) path: String,
    pub(super) name: Option<String>,
    pub(super) on_error: OnError,
    pub(super) action: Action,
    pub(super) each: Option<Each>,
}

#[derive(Debug)]
pub(super) enum Action {
    Call {
        tool: String,
        args: Template,
        use_previous: bool,
        backend: BackendChoice,
    },
    Parallel(Vec<PlannedStep>),
}

/// One run for each item of a list.
#[derive(Debug)]
pub(super) struct Each {
    pub(super) items: Template,
    pub(super) item_name: String,
    pub(super) concurrency: usize,
}

impl Plan {
    pub(super) fn new(chain: Chain, limits: &ChainLimits) -> Result<Self> {
        let mut planner = Planner {
            limits,
            on_error: chain.on_error,
            total: 0,
            names: HashSet::new(),
        };
        let mut visible = Visible::default();
        let mut steps = Vec::with_capacity(chain.steps.len().min(limits.max_steps));
        for (place, step) in chain.steps.into_iter().enumerate() {
            let path = format!("steps[{place}]");
            let step = planner.step(step, path, 1, &visible)?;
            visible.add(&step);
            steps.push(step);
        }
        Ok(Self { steps })
    }
}

/// What templates may refer to at some place.
#[derive(Debug, Clone, Default)]
struct Visible {
    steps: usize,
    names: HashSet<String>,
    variables: Vec<String>,
}

impl Visible {
    fn add(&mut self, step: &PlannedStep) {
        self.steps += 1;
        self.names.extend(step.name.clone());
        // Inside a for_each a step runs many times; its name there means nothing outside.
        if let (Action::Parallel(steps), None) = (&step.action, &step.each) {
            self.names
                .extend(steps.iter().filter_map(|step| step.name.clone()));
        }
    }
}

struct Planner<'a> {
    limits: &'a ChainLimits,
    on_error: OnError,
    total: usize,
    names: HashSet<String>,
}

impl Planner<'_> {
    fn step(
        &mut self,
        step: Step,
        path: String,
        depth: usize,
        visible: &Visible,
    ) -> Result<PlannedStep> {
        self.total += 1;
        if self.total > self.limits.max_steps {
            let message = format!("the chain has more than {} steps", self.limits.max_steps);
            return Err(Error::new(ErrorKind::LimitExceeded, message).at(Stage::Template));
        }
        if let Some(name) = &step.name {
            self.check_name(name, &path)?;
        }
        let on_error = step.on_error.unwrap_or(self.on_error);
        let mut visible = visible.clone();
        let each = match step.for_each {
            None if step.item_name.is_some() || step.concurrency.is_some() => {
                return Err(wrong(&path, "`as` and `concurrency` need `for_each`"));
            }
            None => None,
            Some(items) => {
                let each = self.each(items, step.item_name, step.concurrency, &path, &visible)?;
                visible
                    .variables
                    .extend([each.item_name.clone(), "index".to_owned()]);
                Some(each)
            }
        };
        let action = match (step.tool, step.parallel) {
            (Some(tool), None) => {
                let args = Args {
                    args: step.args,
                    use_previous: step.use_previous,
                };
                call(tool, args, step.backend, &path, &visible)?
            }
            (None, Some(steps)) => {
                if !step.args.is_null() || step.use_previous || step.backend.is_some() {
                    let why = "a parallel group takes no args, use_previous or backend of its own";
                    return Err(wrong(&path, why));
                }
                self.group(steps, &path, depth, &visible)?
            }
            (Some(_), Some(_)) => return Err(wrong(&path, "it has both `tool` and `parallel`")),
            (None, None) => return Err(wrong(&path, "it has neither `tool` nor `parallel`")),
        };
        Ok(PlannedStep {
            path,
            name: step.name,
            on_error,
            action,
            each,
        })
    }

    fn group(
        &mut self,
        steps: Vec<Step>,
        path: &str,
        depth: usize,
        visible: &Visible,
    ) -> Result<Action> {
        if depth >= self.limits.max_depth {
            let why = format!("groups nest deeper than {} levels", self.limits.max_depth);
            return Err(wrong(path, &why));
        }
        if steps.is_empty() {
            return Err(wrong(path, "the parallel group is empty"));
        }
        let planned = steps.into_iter().enumerate().map(|(place, step)| {
            self.step(
                step,
                format!("{path}.parallel[{place}]"),
                depth + 1,
                visible,
            )
        });
        Ok(Action::Parallel(planned.collect::<Result<_>>()?))
    }

    fn each(
        &self,
        items: Value,
        item_name: Option<String>,
        concurrency: Option<usize>,
        path: &str,
        visible: &Visible,
    ) -> Result<Each> {
        let items = Template::parse(items).map_err(|why| wrong(path, &why))?;
        check_references(&items, path, visible)?;
        if let Template::Literal(value) = &items
            && !value.is_array()
        {
            return Err(wrong(path, "`for_each` is neither a list nor a template"));
        }
        let item_name = item_name.unwrap_or_else(|| "item".to_owned());
        if !is_name(&item_name) || matches!(item_name.as_str(), "prev" | "steps" | "index") {
            return Err(wrong(path, &format!("{item_name:?} cannot name an item")));
        }
        let most = self.limits.max_concurrency;
        let concurrency = concurrency.unwrap_or(DEFAULT_CONCURRENCY.min(most));
        if concurrency == 0 || concurrency > most {
            return Err(wrong(path, &format!("`concurrency` is from 1 to {most}")));
        }
        Ok(Each {
            items,
            item_name,
            concurrency,
        })
    }

    fn check_name(&mut self, name: &str, path: &str) -> Result<()> {
        if !is_name(name) {
            let why =
                format!("{name:?} is no step name: a letter or _, then letters, digits, _ or -");
            return Err(wrong(path, &why));
        }
        if !self.names.insert(name.to_owned()) {
            return Err(wrong(path, &format!("another step is named {name:?} too")));
        }
        Ok(())
    }
}

struct Args {
    args: Value,
    use_previous: bool,
}

fn call(
    tool: String,
    args: Args,
    backend: Option<String>,
    path: &str,
    visible: &Visible,
) -> Result<Action> {
    let Args { args, use_previous } = args;
    let args = if args.is_null() {
        Value::Object(Map::new())
    } else {
        args
    };
    let Value::Object(fields) = &args else {
        return Err(wrong(path, "`args` is not an object"));
    };
    if use_previous && visible.steps == 0 {
        return Err(wrong(
            path,
            "`use_previous` on the first step: there is no step before it",
        ));
    }
    if use_previous && fields.contains_key("previous") {
        let why = "`use_previous` would overwrite the argument `previous` that it gives itself";
        return Err(wrong(path, why));
    }
    let args = Template::parse(args).map_err(|why| wrong(path, &why))?;
    check_references(&args, path, visible)?;
    let backend = match backend {
        None => BackendChoice::Any,
        Some(name) => match name.parse() {
            Ok(choice) => choice,
            Err(never) => match never {},
        },
    };
    Ok(Action::Call {
        tool,
        args,
        use_previous,
        backend,
    })
}

fn check_references(template: &Template, path: &str, visible: &Visible) -> Result<()> {
    let mut problem = None;
    template.references(&mut |reference| {
        problem = problem.take().or_else(|| unknown(reference, visible));
    });
    problem.map_or(Ok(()), |why| Err(wrong(path, &why)))
}

fn unknown(reference: &Reference, visible: &Visible) -> Option<String> {
    let text = &reference.text;
    match &reference.root {
        Root::Prev if visible.steps == 0 => Some(format!(
            "{{{{{text}}}}} on the first step: there is no step before it"
        )),
        Root::Step(place) if *place >= visible.steps => Some(format!(
            "{{{{{text}}}}} refers to a step that does not run before this one"
        )),
        Root::Named(name) if !visible.names.contains(name) => {
            let mut known: Vec<&str> = visible.names.iter().map(String::as_str).collect();
            known.sort_unstable();
            let known = if known.is_empty() {
                "none".to_owned()
            } else {
                known.join(", ")
            };
            Some(format!(
                "{{{{{text}}}}}: no step before this one is named {name:?} (named: {known})"
            ))
        }
        Root::Variable(name) if !visible.variables.contains(name) => Some(format!(
            "{{{{{text}}}}}: there is no {name:?}; write prev, steps or, in a for_each step, item"
        )),
        _ => None,
    }
}

fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}

fn wrong(path: &str, why: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("{path}: {why}"))
        .at(Stage::Template)
        .with_hint("nothing ran: a chain is checked as a whole first")
}
