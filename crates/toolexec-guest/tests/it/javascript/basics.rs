//! Values, calls, prints and errors.

use serde_json::json;

use toolexec_wire::Language;

use super::{js, value};
use crate::harness::{Guest, program, tools};

#[test]
fn the_last_expression_is_the_value() {
    assert_eq!(value("1 + 1"), json!(2));
    assert_eq!(
        value("let x = 3; if (x > 2) { 'big' } else { 'small' }"),
        json!("big")
    );
    assert_eq!(
        value("const a = [1, 2.5, 'é', null]; ({a, b: undefined})"),
        json!({"a": [1, 2.5, "é", null]})
    );
    assert_eq!(
        value("async function main() { return 5 }\nmain()"),
        json!(5)
    );
    assert_eq!(value("for (const x of []) x"), json!(null));
}

#[test]
fn out_is_the_value_where_nothing_is_returned() {
    assert_eq!(value("__out = 1 + 1"), json!(2));
    assert_eq!(value("const __out = 7; 'else'"), json!(7));
    assert_eq!(
        value("setTimeout(() => { __out = 'later' }, 1); 'now'"),
        json!("later")
    );
}

#[test]
fn tools_are_called_by_name_or_as_functions() {
    let ran = js("const a = await tools.run('math:add', {a: 1, b: 2});
        const b = await tools.math.add({a: a.result, b: 3});
        const c = await run('math:add', {a: b.result, b: 4});
        [a, b, c, await search('x', {limit: 2}), await tools.describe('a:b', 'full'),
         await namespaces(), await examples('a:b'), await chain([{tool: 'a:b'}])]");
    assert_eq!(
        ran.result.unwrap(),
        json!([
            {"result": 3}, {"result": 6}, {"result": 10},
            [{"query": "x", "limit": 2}], {"tool": "a:b", "detail": "full"},
            ["math", "echo"], [{"tool": "a:b"}], {"steps": [{"tool": "a:b"}]},
        ])
    );
}

#[test]
fn calls_run_side_by_side() {
    let ran = js(
        "const all = await Promise.all([1, 2, 3, 4, 5].map(n => tools.echo.it({n})));
        all.map(one => one.n)",
    );
    assert_eq!(ran.most_open, 5);
    assert_eq!(ran.result.unwrap(), json!([1, 2, 3, 4, 5]));
}

#[test]
fn a_failed_call_can_be_caught() {
    assert_eq!(
        value("try { await tools.fail.busy({}) } catch (e) {
            [e instanceof ToolError, e instanceof Error, e.name, e.tool, e.code, e.message, e.retryable, e.value]
        }"),
        json!([true, true, "ToolError", "fail:busy", "busy", "busy happened", true, {"detail": 7}])
    );
    let settled = value(
        "(await Promise.allSettled([tools.math.add({a: 1}), tools.echo.x({})]))
        .map(r => r.status === 'rejected' ? r.reason.violations : r.value)",
    );
    assert_eq!(settled, json!([[{"path": "/b", "rule": "required"}], {}]));
}

#[test]
fn an_uncaught_failure_says_where_and_what() {
    let failure = js("const x = 1;\n\nawait tools.math.add({a: x});").failure();
    assert_eq!(failure.name.as_deref(), Some("ToolError"));
    assert_eq!((failure.line, failure.column), (Some(3), Some(26)));
    assert_eq!(failure.hints, ["give `b`"]);
    assert_eq!(failure.call.unwrap().code, "invalid_input");
}

#[test]
fn a_session_goes_on_after_each_program_and_ends_in_peace() {
    let mut guest = Guest::new();
    for n in 0..3 {
        let source = format!("{n} + 1");
        let ran = guest.run(program(Language::JavaScript, &source), tools);
        assert_eq!(ran.result.as_ref().unwrap(), &json!(n + 1));
        assert_eq!(ran.tools(), []);
    }
    assert!(guest.hang_up());
}

#[test]
fn a_look_at_a_program_runs_nothing() {
    let (problems, _) = Guest::new().check(program(Language::JavaScript, "tools.a.b({})"));
    assert_eq!(problems, []);
}
