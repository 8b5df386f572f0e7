//! Serving a call of a program, whatever it is for.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use toolexec_wire::{CallError, MAX_DEPTH, Op};

use super::record::{CallOp, depth_up_to};
use crate::backend::BackendRef;
use crate::chain::{Chain, ChainLimits};
use crate::context::CallContext;
use crate::error::{Error, ErrorKind};
use crate::gateway::Gateway;
use crate::run::Request;
use crate::sandbox::Language;
use crate::tooldoc::Detail;
use crate::types::{TypeLanguage, signature};

/// How many hits a search has that does not say.
const DEFAULT_HITS: usize = 10;
/// How deep an answer may nest: the frame around it nests too.
const MAX_ANSWER_DEPTH: usize = MAX_DEPTH - 4;

/// What serving a call gave.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) answer: Result<Value, Box<CallError>>,
    pub(super) backend: Option<BackendRef>,
}

impl Served {
    fn of(answer: Result<Value, Box<CallError>>) -> Self {
        Self {
            answer,
            backend: None,
        }
    }
}

/// What a call is for; nothing for a sleep, which is no call of a tool or about one.
pub(super) fn kind(op: &Op) -> Option<CallOp> {
    Some(match op {
        Op::Run { .. } => CallOp::Run,
        Op::Chain { .. } => CallOp::Chain,
        Op::Search { .. } => CallOp::Search,
        Op::Describe { .. } => CallOp::Describe,
        Op::Examples { .. } => CallOp::Examples,
        Op::Namespaces => CallOp::Namespaces,
        Op::Sleep { .. } => return None,
    })
}

/// The tool of a call, and its arguments for the record.
pub(super) fn subject(op: &Op) -> (Option<&str>, Cow<'_, Value>) {
    let (tool, asked) = match op {
        Op::Run { tool, args } => return (Some(tool), Cow::Borrowed(args)),
        Op::Chain { chain } => return (None, Cow::Borrowed(chain)),
        Op::Search { query, limit } => (None, json!({"query": query, "limit": limit})),
        Op::Describe { tool, detail } => (Some(tool.as_str()), json!({ "detail": detail })),
        Op::Examples { tool } => (Some(tool.as_str()), json!({})),
        Op::Namespaces | Op::Sleep { .. } => (None, json!({})),
    };
    (tool, Cow::Owned(asked))
}

/// How many steps a chain has, those of groups included; none for any other call.
pub(super) fn chain_steps(op: &Op) -> u64 {
    fn count(steps: Option<&Value>) -> u64 {
        let steps = steps.and_then(Value::as_array);
        let inner = |step: &Value| 1 + count(step.get("parallel"));
        steps.map_or(0, |steps| steps.iter().map(inner).sum())
    }
    match op {
        Op::Chain { chain } => count(Some(chain.get("steps").unwrap_or(chain))),
        _ => 0,
    }
}

/// Serves a call.
pub(super) async fn serve(
    gateway: Arc<dyn Gateway>,
    op: Op,
    chain_limits: ChainLimits,
    cx: CallContext,
    language: Language,
) -> Served {
    let mut served = match op {
        Op::Run { tool, args } => run(&*gateway, tool, args, cx).await,
        Op::Chain { chain } => run_chain(&*gateway, chain, chain_limits, cx).await,
        Op::Search { query, limit } => {
            let hits = gateway.search(query, limit.unwrap_or(DEFAULT_HITS)).await;
            Served::of(to_answer(hits, None))
        }
        Op::Describe { tool, detail } => {
            Served::of(describe(&*gateway, tool, detail, language).await)
        }
        Op::Examples { tool } => {
            let examples = gateway.examples(tool.clone()).await;
            Served::of(to_answer(examples, Some(&tool)))
        }
        Op::Namespaces => {
            let namespaces = gateway.namespaces().await;
            let names = namespaces.map(|all| {
                let names = all.into_iter().map(|namespace| namespace.name);
                names.collect::<Vec<_>>()
            });
            Served::of(to_answer(names, None))
        }
        Op::Sleep { ms } => {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            Served::of(Ok(Value::Null))
        }
    };
    if let Ok(value) = &served.answer
        && depth_up_to(value, MAX_ANSWER_DEPTH) > MAX_ANSWER_DEPTH
    {
        let message = format!("the value nests deeper than {MAX_ANSWER_DEPTH} levels");
        served.answer = Err(call_error(
            &Error::new(ErrorKind::LimitExceeded, message),
            None,
        ));
    }
    served
}

async fn run(gateway: &dyn Gateway, tool: String, args: Value, cx: CallContext) -> Served {
    let request = Request::new(tool.clone(), args).with_context(cx);
    match gateway.run(request).await {
        Ok(result) if result.is_error => Served {
            answer: Err(Box::new(CallError {
                tool: Some(tool),
                code: "tool_error".to_owned(),
                message: result.failure_message(),
                value: result.value,
                ..CallError::default()
            })),
            backend: Some(result.backend),
        },
        Ok(result) => Served {
            answer: Ok(result.value),
            backend: Some(result.backend),
        },
        Err(error) => Served {
            backend: error.backend().cloned(),
            ..Served::of(Err(call_error(&error, Some(&tool))))
        },
    }
}

async fn run_chain(
    gateway: &dyn Gateway,
    chain: Value,
    limits: ChainLimits,
    cx: CallContext,
) -> Served {
    let chain: Chain = match serde_json::from_value(chain) {
        Ok(chain) => chain,
        Err(error) => {
            let error = Error::new(ErrorKind::InvalidInput, format!("no chain: {error}"));
            return Served::of(Err(call_error(&error, None)));
        }
    };
    Served::of(to_answer(gateway.chain(chain, limits, cx).await, None))
}

async fn describe(
    gateway: &dyn Gateway,
    tool: String,
    detail: Option<String>,
    language: Language,
) -> Result<Value, Box<CallError>> {
    let detail = match detail.as_deref().unwrap_or(Detail::Schema.as_str()).parse() {
        Ok(detail) => detail,
        Err(error) => {
            let error: crate::tooldoc::ParseDetailError = error;
            let error = Error::new(ErrorKind::InvalidInput, error.to_string());
            return Err(call_error(&error, Some(&tool)));
        }
    };
    let mut doc = gateway.describe(tool.clone(), detail).await;
    // The signature is that of the language which the program is written in.
    if let (Ok(doc), Language::Python | Language::CPython) = (&mut doc, language)
        && doc.signature.is_some()
        && let Ok(entry) = gateway.index().find(&tool)
    {
        doc.signature = Some(signature(entry.tool(), TypeLanguage::Python));
    }
    to_answer(doc, Some(&tool))
}

fn to_answer<T: Serialize>(
    result: crate::Result<T>,
    tool: Option<&str>,
) -> Result<Value, Box<CallError>> {
    let value = result.map_err(|error| call_error(&error, tool))?;
    serde_json::to_value(value).map_err(|_| {
        Box::new(CallError {
            code: ErrorKind::Internal.code().to_owned(),
            message: "the answer cannot be written as JSON".to_owned(),
            ..CallError::default()
        })
    })
}

/// An error as a program sees it.
pub(super) fn call_error(error: &Error, tool: Option<&str>) -> Box<CallError> {
    let violations = error.violations().iter();
    Box::new(CallError {
        tool: error.tool().or(tool).map(str::to_owned),
        code: error.code().to_owned(),
        message: error.guest_message().to_owned(),
        violations: violations
            .filter_map(|violation| serde_json::to_value(violation).ok())
            .collect(),
        retryable: error.is_retryable(),
        value: Value::Null,
        hints: error.hints().to_vec(),
    })
}
