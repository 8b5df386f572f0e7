//! Rules, each way to reach a tool: alone, streamed, in a chain, for each item, at another backend,
//! from a program; and what a caller sees.

use std::sync::Arc;

use futures_util::StreamExt;
use serde_json::{Value, json};
use toolexec_core::chain::StepStatus;
use toolexec_core::code::CodeExecutor;
use toolexec_core::context::Caller;
use toolexec_core::index::{Index, ListQuery, SearchQuery};
use toolexec_core::policy::{Effect, Rules};
use toolexec_core::run::Policy;
use toolexec_core::sandbox::{Profile, Sandboxes};
use toolexec_core::{
    BackendKind, CallContext, Chain, ChainLimits, DocStore, ErrorKind, Event, Request, RunSettings,
    Runner, Tool,
};
use toolexec_wire::{Op, Outcome, ToHost};

use crate::code::{answer, program, scripted};
use crate::fixture::{Answer, Scripted, index};

const DENIED: &str = "calling math:div is denied: rule \"no-div\"";

fn rules(default: Effect, rules: Value) -> Arc<dyn Policy> {
    Arc::new(Rules::new(serde_json::from_value(rules).unwrap(), default).unwrap())
}

/// Nobody divides but `ann`; nobody divides by 13.
fn runner() -> Runner {
    let policy = rules(
        Effect::Allow,
        json!([
            {"name": "no-div", "effect": "deny", "tools": ["math:div"], "except_callers": ["ann"]},
            {"name": "no-13", "effect": "deny", "args": {"/b": {"equals": 13}}},
        ]),
    );
    Runner::with(index(), RunSettings::default(), policy)
}

fn by(name: &str) -> CallContext {
    CallContext::new().with_caller(caller(name))
}

fn caller(name: &str) -> Arc<Caller> {
    Arc::new(Caller {
        name: name.to_owned(),
        roles: Vec::new(),
    })
}

fn divide(by: CallContext, b: u32) -> Request {
    Request::new("math:div", json!({"a": 26, "b": b})).with_context(by)
}

#[tokio::test]
async fn a_call_is_denied_by_the_name_of_the_rule() {
    let error = runner().run(divide(by("bob"), 2)).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string()),
        (ErrorKind::Denied, DENIED.to_owned())
    );
    let result = runner().run(divide(by("ann"), 2)).await.unwrap();
    assert_eq!(result.value, json!(13));
    let error = runner().run(divide(by("ann"), 13)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "calling math:div is denied: rule \"no-13\""
    );
    let error = runner()
        .run(divide(CallContext::new(), 2))
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), DENIED);
}

#[tokio::test]
async fn a_streamed_call_is_denied() {
    let events: Vec<Event> = runner().stream(divide(by("bob"), 2)).collect().await;
    let [Event::Error { error }] = events.as_slice() else {
        panic!("{events:?}");
    };
    assert_eq!(error.message, DENIED);
}

async fn chain(steps: Value, cx: &CallContext) -> Vec<(StepStatus, String)> {
    let chain: Chain = serde_json::from_value(json!({ "steps": steps })).unwrap();
    let limits = ChainLimits::default();
    let outcome = runner().chain(chain, &limits, cx).await.unwrap();
    let leaves = outcome
        .steps
        .iter()
        .flat_map(|step| match step.children.as_slice() {
            [] => std::slice::from_ref(step),
            several => several,
        });
    leaves
        .map(|step| {
            let error = step.error.as_ref();
            (
                step.status,
                error.map(|error| error.message.clone()).unwrap_or_default(),
            )
        })
        .collect()
}

#[tokio::test]
async fn a_step_of_a_chain_is_denied_with_the_arguments_it_has_then() {
    let steps = json!([
        {"name": "sum", "tool": "math:add", "args": {"a": 6, "b": 7}},
        {"tool": "math:add", "args": {"a": 0, "b": "{{steps.sum}}"}},
    ]);
    let denied = "calling math:add is denied: rule \"no-13\"".to_owned();
    assert_eq!(
        chain(steps, &by("ann")).await,
        [
            (StepStatus::Ok, String::new()),
            (StepStatus::Failed, denied)
        ]
    );
}

#[tokio::test]
async fn each_item_and_each_branch_is_asked_about() {
    let each = json!([{
        "tool": "math:div", "args": {"a": 26, "b": "{{item}}"}, "for_each": [2, 13],
        "on_error": "continue", "concurrency": 1,
    }]);
    let denied = (
        StepStatus::Failed,
        "calling math:div is denied: rule \"no-13\"".to_owned(),
    );
    let ok = (StepStatus::Ok, String::new());
    assert_eq!(chain(each, &by("ann")).await, [ok.clone(), denied]);
    let parallel = json!([{"parallel": [
        {"tool": "math:add", "args": {"a": 1, "b": 1}, "on_error": "continue"},
        {"tool": "math:div", "args": {"a": 1, "b": 1}, "on_error": "continue"},
    ]}]);
    let denied = (StepStatus::Failed, DENIED.to_owned());
    assert_eq!(chain(parallel, &by("bob")).await, [ok, denied]);
}

#[tokio::test]
async fn a_denied_backend_is_neither_first_nor_a_fail_over() {
    let policy = rules(
        Effect::Allow,
        json!([{"name": "no-mcp", "effect": "deny", "backends": ["mcp/*"]}]),
    );
    let index = Index::new();
    let tool = Tool::builder("t:t").read_only().build().unwrap();
    let local = Scripted::new(
        BackendKind::Local,
        "l",
        Answer::Error(ErrorKind::Unavailable),
    );
    let remote = Scripted::new(BackendKind::Mcp, "m", Answer::Value(json!("remote")));
    local.offer(&index, tool.clone());
    remote.offer(&index, tool.clone());
    let with = |index: &Index| Runner::with(index.clone(), RunSettings::default(), policy.clone());
    let error = with(&index)
        .run(Request::new("t:t", json!({})))
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), local.called(), remote.called()),
        (ErrorKind::Unavailable, 1, 0)
    );

    let index = Index::new();
    remote.offer(&index, tool);
    let error = with(&index)
        .run(Request::new("t:t", json!({})))
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "calling t:t is denied: rule \"no-mcp\"");
    assert_eq!(remote.called(), 0);
}

#[tokio::test]
async fn a_caller_sees_what_it_can_call() {
    let runner = runner();
    let ids = |name: &str| {
        let seen = runner.seen_by(Some(&caller(name)));
        let listed = seen.index().list(&ListQuery {
            namespace: Some("math".into()),
            ..ListQuery::default()
        });
        let found = seen.index().search(&SearchQuery::new("div"));
        let ids = |items: Vec<toolexec_core::index::ToolSummary>| -> Vec<String> {
            items.into_iter().map(|tool| tool.id.to_string()).collect()
        };
        let hits = found
            .unwrap()
            .items
            .into_iter()
            .map(|hit| hit.tool)
            .collect();
        let counts: Vec<(String, usize)> = seen
            .index()
            .namespaces()
            .into_iter()
            .map(|namespace| (namespace.name, namespace.tools))
            .collect();
        (
            ids(listed.unwrap().items),
            ids(hits),
            counts,
            seen.index().len(),
        )
    };
    let both = vec!["math:add".to_owned(), "math:div".to_owned()];
    let counts = |math: usize| vec![("math".to_owned(), math), ("test".to_owned(), 5)];
    assert_eq!(
        ids("ann"),
        (both, vec!["math:div".to_owned()], counts(2), 7)
    );
    assert_eq!(
        ids("bob"),
        (vec!["math:add".to_owned()], vec![], counts(1), 6)
    );

    let bobs = runner.seen_by(Some(&caller("bob")));
    for wanted in ["math:div", "div", "math:dive"] {
        let error = bobs.find(wanted).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.hints()),
            (
                ErrorKind::NotFound,
                &["search for it by what it does".to_owned()][..]
            ),
            "{wanted}"
        );
    }
    assert_eq!(
        bobs.find("add").await.unwrap().tool().id.to_string(),
        "math:add"
    );
}

#[tokio::test]
async fn an_unknown_tool_is_not_told_from_its_hidden_neighbours() {
    let call = |name: &str| Request::new("math:dive", json!({})).with_context(by(name));
    let hints = async |name: &str| runner().run(call(name)).await.unwrap_err().hints().to_vec();
    assert_eq!(hints("ann").await, ["did you mean math:div?"]);
    assert_eq!(hints("bob").await, ["search for it by what it does"]);
}

/// What a program gets for each of these calls: the value, or the message of the error.
async fn from_a_program(cx: &CallContext, ops: Vec<Op>) -> Value {
    let sandbox = scripted(move |mut guest| {
        let ops = ops.clone();
        async move {
            if guest.started().await.is_none() {
                return;
            }
            let mut answers = Vec::new();
            for (id, op) in (0..).zip(ops) {
                guest.send(&ToHost::Call { id, op }).await;
                guest.send(&ToHost::Waiting).await;
                let Some((_, outcome)) = answer(&mut guest).await else {
                    return;
                };
                answers.push(match outcome {
                    Outcome::Ok(value) => value,
                    Outcome::Error(error) => json!({"code": error.code, "message": error.message}),
                });
            }
            guest.done(answers).await;
        }
    });
    let sandboxes = Sandboxes::new()
        .with(Arc::new(sandbox.clone()))
        .candidates(Profile::Standard, ["fake"]);
    let docs = Arc::new(DocStore::default());
    let executor = CodeExecutor::builder(runner(), docs, sandboxes).build();
    let outcome = executor.execute(program(), cx).await.unwrap();
    assert_eq!(outcome.error, None);
    outcome.value
}

#[tokio::test]
async fn a_program_can_do_and_sees_what_its_caller_can() {
    let run = |b: u32| Op::Run {
        tool: "math:div".to_owned(),
        args: json!({"a": 26, "b": b}),
    };
    let chain = Op::Chain {
        chain: json!({"steps": [{"tool": "math:div", "args": {"a": 26, "b": 2}}]}),
    };
    let describe = Op::Describe {
        tool: "math:div".to_owned(),
        detail: Some("summary".to_owned()),
    };
    let search = Op::Search {
        query: "div".to_owned(),
        limit: None,
    };
    let ops = vec![run(2), run(13), chain, describe, search];
    let anns = from_a_program(&by("ann"), ops.clone()).await;
    assert_eq!(anns[0], json!(13));
    let no_13 = "calling math:div is denied: rule \"no-13\"";
    assert_eq!(anns[1], json!({"code": "denied", "message": no_13}));
    assert_eq!(anns[2]["value"], json!(13));
    assert_eq!(anns[3]["id"], json!("math:div"));
    assert_eq!(anns[4][0]["id"], json!("math:div"));

    let bobs = from_a_program(&by("bob"), ops).await;
    let denied = json!({"code": "denied", "message": DENIED});
    assert_eq!((&bobs[0], &bobs[1]), (&denied, &denied));
    assert_eq!(bobs[2]["error"]["message"], json!(DENIED));
    let unknown = json!({"code": "not_found", "message": "there is no tool math:div"});
    assert_eq!(bobs[3], unknown);
    assert_eq!(bobs[4], json!([]));
}
