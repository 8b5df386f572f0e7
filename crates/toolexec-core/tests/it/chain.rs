//! Several calls, one feeding the next.

use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use toolexec_core::chain::{StepReport, StepStatus};
use toolexec_core::event::EventSink;
use toolexec_core::{
    CallContext, Chain, ChainLimits, ChainOutcome, ErrorKind, Event, OnError, Step,
};

use crate::fixture::runner;

async fn run(chain: impl Into<Chain>) -> ChainOutcome {
    runner()
        .chain(chain.into(), &ChainLimits::default(), &CallContext::new())
        .await
        .unwrap()
}

async fn refused(chain: Value) -> String {
    let chain: Chain = match serde_json::from_value(chain) {
        Ok(chain) => chain,
        Err(error) => return error.to_string(),
    };
    let outcome = runner()
        .chain(chain, &ChainLimits::default(), &CallContext::new())
        .await;
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    error.to_string()
}

fn echo(args: Value) -> Step {
    Step::call("test:echo", args)
}

fn statuses(steps: &[StepReport]) -> Vec<StepStatus> {
    steps.iter().map(|step| step.status).collect()
}

#[tokio::test]
async fn use_previous_puts_the_value_before_into_previous() {
    let outcome = run([
        Step::call("math:add", json!({"a": 5, "b": 3})),
        echo(json!({"labels": ["bug"]})).use_previous(),
    ])
    .await;
    assert_eq!(*outcome.value, json!({"labels": ["bug"], "previous": 8}));
    assert!(outcome.is_ok());
    let seen: Vec<(&str, Option<&str>, String)> = outcome
        .steps
        .iter()
        .map(|step| {
            (
                step.path.as_str(),
                step.tool.as_deref(),
                step.value.to_string(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("steps[0]", Some("math:add"), "8".to_owned()),
            ("steps[1]", Some("test:echo"), outcome.value.to_string()),
        ]
    );
    assert!(
        outcome
            .steps
            .iter()
            .all(|step| step.duration > Duration::ZERO)
    );
}

#[tokio::test]
async fn templates_reach_every_earlier_step() {
    let outcome = run([
        echo(json!({"number": 7, "title": "a bug"})).named("create"),
        Step::call("math:add", json!({"a": "{{prev.number}}", "b": 1})),
        echo(json!({
            "whole": "{{steps.create}}",
            "number": "{{steps[0].number}}",
            "sum": "{{prev}}",
            "text": "#{{steps.create.number}} {{steps.create.title}}"
        })),
    ])
    .await;
    assert_eq!(
        *outcome.value,
        json!({
            "whole": {"number": 7, "title": "a bug"},
            "number": 7,
            "sum": 8,
            "text": "#7 a bug"
        })
    );
}

#[tokio::test(start_paused = true)]
async fn a_group_runs_at_the_same_time_and_keeps_its_order() {
    let slow = |ms: u64, value: &str| Step::call("test:slow", json!({"ms": ms, "value": value}));
    let started = tokio::time::Instant::now();
    let outcome = run([
        Step::parallel([
            slow(300, "a").named("first"),
            slow(100, "b"),
            slow(200, "c"),
        ]),
        echo(json!({"all": "{{prev}}", "first": "{{steps.first}}"})),
    ])
    .await;
    assert_eq!(started.elapsed(), Duration::from_millis(300));
    assert_eq!(
        *outcome.value,
        json!({"all": ["a", "b", "c"], "first": "a"})
    );
    assert_eq!(outcome.steps[0].children[1].path, "steps[0].parallel[1]");
}

#[tokio::test(start_paused = true)]
async fn for_each_runs_once_for_each_item_within_its_concurrency() {
    let started = tokio::time::Instant::now();
    let outcome = run([
        echo(json!({"items": [{"id": 1}, {"id": 2}, {"id": 3}, {"id": 4}]})),
        Step::call(
            "test:slow",
            json!({"ms": 100, "value": ["{{index}}", "{{item.id}}"]}),
        )
        .for_each("{{prev.items}}")
        .concurrency(2),
    ])
    .await;
    assert_eq!(started.elapsed(), Duration::from_millis(200));
    assert_eq!(*outcome.value, json!([[0, 1], [1, 2], [2, 3], [3, 4]]));
    assert_eq!(outcome.steps[1].children[3].path, "steps[1].items[3]");
}

#[tokio::test]
async fn groups_and_loops_nest() {
    let chain: Chain = serde_json::from_value(json!([
        {"for_each": [1, 2], "as": "row", "parallel": [
            {"tool": "math:add", "args": {"a": "{{row}}", "b": 10}},
            {"for_each": ["x", "y"], "as": "column",
             "tool": "test:echo", "args": {"cell": "{{row}}{{column}}"}}
        ]}
    ]))
    .unwrap();
    let outcome = run(chain).await;
    assert_eq!(
        *outcome.value,
        json!([
            [11, [{"cell": "1x"}, {"cell": "1y"}]],
            [12, [{"cell": "2x"}, {"cell": "2y"}]]
        ])
    );
}

#[tokio::test]
async fn a_failure_stops_the_chain_and_later_steps_say_so() {
    let outcome = run([
        Step::call("math:div", json!({"a": 1, "b": 0})),
        echo(json!({})),
    ])
    .await;
    assert_eq!(
        statuses(&outcome.steps),
        [StepStatus::Failed, StepStatus::Skipped]
    );
    assert_eq!(outcome.error.as_ref().unwrap().message, "division by zero");
    assert_eq!(outcome.steps[1].skipped.as_deref(), Some("steps[0] failed"));
    assert_eq!((outcome.failed, &*outcome.value), (1, &Value::Null));
}

#[tokio::test]
async fn continue_goes_on_and_skips_what_needs_the_missing_value() {
    let steps = [
        Step::call("math:div", json!({"a": 1, "b": 0})).named("half"),
        echo(json!({"needs": "{{steps.half}}"})),
        echo(json!({"needs": "nothing"})),
    ];
    let outcome = run(Chain::new(steps).on_error(OnError::Continue)).await;
    assert_eq!(
        statuses(&outcome.steps),
        [StepStatus::Failed, StepStatus::Skipped, StepStatus::Ok]
    );
    assert_eq!(
        outcome.steps[1].skipped.as_deref(),
        Some("it needs the value of steps[0], which has none")
    );
    assert_eq!(*outcome.value, json!({"needs": "nothing"}));
    assert!(outcome.error.is_none() && !outcome.is_ok());
}

#[tokio::test]
async fn a_step_may_say_itself_what_a_failure_means() {
    let outcome = run([
        Step::call("math:div", json!({"a": 1, "b": 0})).on_error(OnError::Continue),
        echo(json!({"x": 1})),
        Step::call("no:tool", json!({})),
        echo(json!({})),
    ])
    .await;
    assert_eq!(
        statuses(&outcome.steps),
        [
            StepStatus::Failed,
            StepStatus::Ok,
            StepStatus::Failed,
            StepStatus::Skipped
        ]
    );
    assert_eq!(outcome.error.unwrap().code, "not_found");
}

#[tokio::test(start_paused = true)]
async fn a_failure_in_a_group_cancels_the_rest_of_it() {
    let started = tokio::time::Instant::now();
    let outcome = run([
        Step::parallel([
            Step::call("test:slow", json!({"ms": 60_000})),
            Step::call("math:div", json!({"a": 1, "b": 0})),
        ]),
        echo(json!({})),
    ])
    .await;
    assert!(started.elapsed() < Duration::from_secs(1));
    let group = &outcome.steps[0];
    assert_eq!(group.status, StepStatus::Failed);
    assert_eq!(
        statuses(&group.children),
        [StepStatus::Skipped, StepStatus::Failed]
    );
    assert_eq!(
        group.children[0].skipped.as_deref(),
        Some("cancelled because steps[0].parallel[1] failed")
    );
    assert_eq!(
        (outcome.failed, outcome.steps[1].status),
        (1, StepStatus::Skipped)
    );
}

#[tokio::test]
async fn a_group_that_continues_has_null_where_a_part_failed() {
    let divide =
        |b: u64| Step::call("math:div", json!({"a": 6, "b": b})).on_error(OnError::Continue);
    let outcome = run([Step::parallel([divide(0), divide(2)])]).await;
    assert_eq!(*outcome.value, json!([null, 3]));
    assert_eq!(
        (outcome.failed, outcome.steps[0].status),
        (1, StepStatus::Ok)
    );
}

#[tokio::test]
async fn a_missing_path_names_the_path_and_what_was_there() {
    let outcome = run([
        echo(json!({"id": 1})),
        echo(json!({"x": "{{prev.number}}"})),
    ])
    .await;
    let error = outcome.error.unwrap();
    assert_eq!(
        error.message,
        "{{prev.number}}: prev has no .number; it is an object with id"
    );
    assert_eq!(error.code, "invalid_input");
}

#[tokio::test]
async fn previous_that_a_tool_does_not_take_gets_a_hint() {
    let outcome = run([
        Step::call("math:add", json!({"a": 5, "b": 3})),
        Step::call("math:add", json!({"a": 1, "b": 1})).use_previous(),
    ])
    .await;
    let hints = outcome.error.unwrap().hints;
    assert!(
        hints
            .iter()
            .any(|hint| hint.starts_with("use_previous put `previous` there")),
        "{hints:?}"
    );
}

#[tokio::test]
async fn a_wrong_chain_is_refused_before_anything_runs() {
    let call = json!({"tool": "test:echo"});
    let cases = [
        (
            json!([{"tool": "test:echo", "use_previous": true}]),
            "steps[0]: `use_previous` on the first step: there is no step before it",
        ),
        (
            json!([{"tool": "test:echo", "args": {"a": "{{prev.x}}"}}]),
            "steps[0]: {{prev.x}} on the first step: there is no step before it",
        ),
        (
            json!([call, {"tool": "test:echo", "args": {"a": "{{steps.late}}"}}, {"tool": "test:echo", "name": "late"}]),
            "steps[1]: {{steps.late}}: no step before this one is named \"late\" (named: none)",
        ),
        (
            json!([call, {"tool": "test:echo", "args": {"a": "{{steps[1]}}"}}]),
            "steps[1]: {{steps[1]}} refers to a step that does not run before this one",
        ),
        (
            json!([{"tool": "test:echo", "args": {"a": "{{item}}"}}]),
            "steps[0]: {{item}}: there is no \"item\"; write prev, steps or, in a for_each step, item",
        ),
        (
            json!([{"tool": "test:echo", "name": "a b"}]),
            "steps[0]: \"a b\" is no step name: a letter or _, then letters, digits, _ or -",
        ),
        (
            json!([{"tool": "test:echo", "name": "x"}, {"tool": "test:echo", "name": "x"}]),
            "steps[1]: another step is named \"x\" too",
        ),
        (
            json!([{}]),
            "steps[0]: it has neither `tool` nor `parallel`",
        ),
        (
            json!([{"tool": "test:echo", "parallel": []}]),
            "steps[0]: it has both `tool` and `parallel`",
        ),
        (
            json!([{"parallel": []}]),
            "steps[0]: the parallel group is empty",
        ),
        (
            json!([{"tool": "test:echo", "args": [1]}]),
            "steps[0]: `args` is not an object",
        ),
        (
            json!([{"tool": "test:echo", "concurrency": 2}]),
            "steps[0]: `as` and `concurrency` need `for_each`",
        ),
        (
            json!([{"tool": "test:echo", "for_each": 3}]),
            "steps[0]: `for_each` is neither a list nor a template",
        ),
        (
            json!([{"tool": "test:echo", "for_each": [1], "concurrency": 0}]),
            "steps[0]: `concurrency` is from 1 to 64",
        ),
        (
            json!([call, {"tool": "test:echo", "use_previous": true, "args": {"previous": 1}}]),
            "steps[1]: `use_previous` would overwrite the argument `previous` that it gives itself",
        ),
        (
            json!([{"tool": "test:echo", "tols": 1}]),
            "unknown field `tols`, expected one of `name`, `tool`, `toolId`, `tool_id`, `args`, `usePrevious`, `use_previous`, `backend`, `parallel`, `for_each`, `as`, `concurrency`, `on_error`",
        ),
    ];
    for (chain, message) in cases {
        assert_eq!(refused(chain.clone()).await, message, "{chain}");
    }
}

#[tokio::test]
async fn sizes_are_capped() {
    let limits = ChainLimits {
        max_steps: 3,
        max_items: 2,
        ..ChainLimits::default()
    };
    let run = async |steps: Vec<Step>| {
        runner()
            .chain(steps.into(), &limits, &CallContext::new())
            .await
    };
    let error = run(vec![echo(json!({})); 4]).await.unwrap_err();
    assert_eq!(error.to_string(), "the chain has more than 3 steps");
    let outcome = run(vec![echo(json!({})).for_each(json!([1, 2, 3]))])
        .await
        .unwrap();
    assert_eq!(
        outcome.error.unwrap().message,
        "for_each has 3 items; at most 2 are allowed"
    );
}

#[tokio::test]
async fn an_empty_chain_has_no_value() {
    let outcome = run(Vec::new()).await;
    assert_eq!(
        (outcome.steps.len(), &*outcome.value, outcome.is_ok()),
        (0, &Value::Null, true)
    );
}

#[tokio::test]
async fn for_each_over_no_list_says_what_it_is() {
    let outcome = run([
        echo(json!({"n": 1})),
        echo(json!({})).for_each("{{prev.n}}"),
    ])
    .await;
    assert_eq!(
        outcome.error.unwrap().message,
        "for_each needs a list; it is a number"
    );
}

#[tokio::test(start_paused = true)]
async fn cancellation_ends_the_chain_with_a_report_of_what_ran() {
    let token = CancellationToken::new();
    let cx = CallContext::new().with_cancel(token.clone());
    let chain: Chain = [
        echo(json!({"done": true})),
        Step::call("test:slow", json!({})),
        echo(json!({})),
    ]
    .into();
    let (runner, limits) = (runner(), ChainLimits::default());
    let cancel = async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        token.cancel();
    };
    // Even where failures are not the end: the caller wants no more.
    let chain = chain.on_error(OnError::Continue);
    let (outcome, ()) = tokio::join!(runner.chain(chain, &limits, &cx), cancel);
    let outcome = outcome.unwrap();
    assert_eq!(
        statuses(&outcome.steps),
        [StepStatus::Ok, StepStatus::Failed, StepStatus::Skipped]
    );
    assert_eq!(outcome.error.unwrap().code, "cancelled");
}

#[tokio::test]
async fn a_reader_sees_each_step_end() {
    let (sink, mut events) = EventSink::channel(64);
    let cx = CallContext::new().with_events(sink);
    let chain = [
        echo(json!({})),
        Step::call("math:div", json!({"a": 1, "b": 0})),
    ]
    .into();
    let outcome = runner()
        .chain(chain, &ChainLimits::default(), &cx)
        .await
        .unwrap();
    drop(cx);
    let mut steps = Vec::new();
    while let Some(event) = events.recv().await {
        if let Event::Step { step } = event {
            steps.push(*step);
        }
    }
    assert_eq!(steps, outcome.steps);
}
