//! Node.

use serde_json::{Value, json};
use toolexec_testkit::{peers, require};
use toolexec_wire::Language;

use super::{Place, run};
use crate::harness::{Ran, program};

fn ran(source: &str) -> Option<Ran> {
    let node = require(peers::node_program())?;
    Some(run(&[&node], program(Language::Node, source)))
}

#[test]
fn values_of_programs() {
    let Some(node) = require(peers::node_program()) else {
        return;
    };
    let mut place = Place::new(&[&node]);
    for (source, expected) in [
        ("1 + 1", json!(2)),
        (
            "const x = await tools.math.add({a: 1, b: 2}); return x.result",
            json!(3),
        ),
        ("try { return 1 } catch (e) { return 2 }", json!(1)),
        ("__out = new Map([['a', 1n]])", json!({"a": 1})),
        (
            "import { join } from 'node:path'; return join('a', 'b')",
            json!("a/b"),
        ),
        (
            "const fs = require('fs'); typeof fs.readFileSync",
            json!("function"),
        ),
        (
            "import { tools as t } from 'tools'; await t.run('echo:x', {a: [n]})",
            json!({"a": [7]}),
        ),
        ("export default 5", json!(5)),
        ("let x", Value::Null),
        (
            "await Promise.all([1, 2].map((n) => tools['echo']['x.y']({n})))",
            json!([{"n": 1}, {"n": 2}]),
        ),
        ("(await search('add', 3))[0].limit", json!(3)),
    ] {
        let mut start = program(Language::Node, source);
        start.inputs = serde_json::from_value(json!({"n": 7})).unwrap();
        let ran = place.run(start);
        assert_eq!(ran.result, Ok(expected), "{source}");
    }
    place.end();
}

#[test]
fn calls_are_open_together() {
    let source = "const all = await Promise.all([1, 2, 3].map((n) => tools.math.add({a: n, b: 1})));\nconsole.log('é');\nreturn all.map((one) => one.result)";
    let Some(ran) = ran(source) else { return };
    assert_eq!(ran.result, Ok(json!([2, 3, 4])));
    assert_eq!(ran.calls.len(), 3);
    assert_eq!(ran.stdout, "é\n");
}

#[test]
fn errors_are_where_they_happened() {
    let Some(ran) = ran(
        "import fs from 'node:fs'\nconst f = () => {\n  throw new RangeError('far')\n}\nif (fs) { f() }\nreturn 1",
    ) else {
        return;
    };
    let failure = ran.failure();
    assert_eq!(
        (
            failure.name.as_deref(),
            failure.message.as_str(),
            failure.line,
            failure.column
        ),
        (Some("RangeError"), "far", Some(3), Some(9))
    );
    assert_eq!(failure.trace, ["f (program:3:9)", "program:5:11"]);
}

#[test]
fn a_failed_call_is_an_exception() {
    let Some(ran) = ran(
        "try { await tools.fail.busy() } catch (e) { console.log(e instanceof ToolError, e.code, e.value) }\nawait tools.fail.now()",
    ) else {
        return;
    };
    assert_eq!(ran.stdout, "true busy { detail: 7 }\n");
    let failure = ran.failure();
    assert_eq!(
        (failure.name.as_deref(), failure.line),
        (Some("ToolError"), Some(2))
    );
    assert_eq!(failure.call.unwrap().code, "now");
}

#[test]
fn what_never_comes_is_not_waited_for() {
    let Some(ran) = ran("await new Promise(() => {})") else {
        return;
    };
    assert_eq!(ran.failure().message, "the program awaits what never comes");
}

#[test]
fn its_text_is_checked() {
    let Some(node) = require(peers::node_program()) else {
        return;
    };
    let mut place = Place::new(&[&node]);
    let (problems, calls) = place
        .guest()
        .check(program(Language::Node, "await tools.math.add({a: 1})"));
    assert_eq!((problems, calls.len()), (Vec::new(), 1));
    let (problems, _) = place.guest().check(program(Language::Node, "let a = ;"));
    assert_eq!((problems[0].line, problems[0].column), (Some(1), Some(9)));
    place.end();
}
