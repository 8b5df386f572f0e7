//! CPython.

use serde_json::{Value, json};
use toolexec_wire::{FailureKind, Language, Start};

use super::{Place, run, value};
use crate::harness::program;

fn python(source: &str) -> Start {
    program(Language::CPython, source)
}

fn of(source: &str) -> Value {
    value(&[], Language::CPython, source)
}

#[test]
fn values_of_programs() {
    for (source, expected) in [
        ("1 + 1", json!(2)),
        ("__out = [1, 2.0, None]", json!([1, 2, null])),
        (
            "if True:\n    return {'a': (1, 2)}\n1",
            json!({"a": [1, 2]}),
        ),
        (
            "try:\n    return 1\nexcept BaseException:\n    return 2\nfinally:\n    print('f')",
            json!(1),
        ),
        ("try:\n    return 1\nexcept:\n    return 2", json!(1)),
        ("def f():\n    return 5\nx = f()\nx", json!(5)),
        (
            "import datetime, dataclasses\n@dataclasses.dataclass\nclass P:\n    d: object\nP(datetime.date(2020, 1, 2))",
            json!({"d": "2020-01-02"}),
        ),
        (
            "async def main():\n    return await tools.echo.x(a=1)\nmain()",
            json!({"a": 1}),
        ),
        (
            "import asyncio\nasync def main():\n    return await tools.echo.x(a=1)\nasyncio.run(main())",
            json!({"a": 1}),
        ),
        ("x = 1", Value::Null),
        ("import sys\n__out = 3\nsys.exit()", json!(3)),
        (
            "from toolexec import ToolError, run\nrun('echo:x', {'a': 1}, b=float('nan'))",
            json!({"a": 1, "b": null}),
        ),
        ("{1, }.union({2})", json!([1, 2])),
    ] {
        assert_eq!(of(source), expected, "{source}");
    }
}

#[test]
fn calls_are_made_with_and_without_await() {
    let source = "import asyncio\n\
        async def one(n):\n    return (await tools.math.add(a=n, b=1))['result']\n\
        direct = tools.math.add(a=1, b=1)['result']\n\
        many = await asyncio.gather(*[one(n) for n in range(3)])\n\
        calls = [tools.math.add(a=n, b=n) for n in range(3)]\n\
        later = [r['result'] for r in await asyncio.gather(*calls)]\n\
        task = asyncio.create_task(tools.echo.x(a=1))\n\
        return [direct, many, later, await task, await 5]";
    let ran = run(&[], python(source));
    assert_eq!(
        ran.result,
        Ok(json!([2, [1, 2, 3], [0, 2, 4], {"a": 1}, 5]))
    );
    assert_eq!(ran.calls.len(), 8);
}

#[test]
fn threads_call_together() {
    let source = "from concurrent.futures import ThreadPoolExecutor\n\
        with ThreadPoolExecutor(4) as pool:\n    \
        found = list(pool.map(lambda n: tools.math.add(a=n, b=1)['result'], range(4)))\nfound";
    let ran = run(&[], python(source));
    assert_eq!(ran.result, Ok(json!([1, 2, 3, 4])));
    assert_eq!(ran.calls.len(), 4);
}

#[test]
fn a_failed_call_is_an_exception() {
    let source = "try:\n    tools.fail.busy()\nexcept ToolError as e:\n    print(e.code, e.retryable, e.value)\ntools.fail.now()";
    let ran = run(&[], python(source));
    assert_eq!(ran.stdout, "busy True {'detail': 7}\n");
    let failure = ran.failure();
    assert_eq!(failure.name.as_deref(), Some("ToolError"));
    assert_eq!(failure.line, Some(5));
    assert_eq!(failure.call.unwrap().code, "now");
}

#[test]
fn errors_are_where_they_happened() {
    let failure = run(&[], python("def f(x):\n    return 1 / x\n\nf(0)")).failure();
    assert_eq!(
        (
            failure.name.as_deref(),
            failure.message.as_str(),
            failure.line
        ),
        (Some("ZeroDivisionError"), "division by zero", Some(2))
    );
    assert_eq!(
        failure.trace,
        [
            "File \"main.py\", line 2, in f: return 1 / x",
            "File \"main.py\", line 4, in <module>: f(0)"
        ]
    );
    let failure = run(&[], python("import sys\nsys.exit(3)")).failure();
    assert_eq!(failure.message, "the program ended with status 3");
    let failure = run(&[], python("import no_such_package")).failure();
    assert_eq!(failure.name.as_deref(), Some("ModuleNotFoundError"));
    assert_eq!(
        failure.hints,
        ["the image of the sandbox needs it: pip install in the image"]
    );
    let failure = run(&[], python("object()")).failure();
    assert_eq!(failure.message, "a object is no JSON: return its parts");
}

#[test]
fn its_text_is_checked() {
    let mut place = Place::new(&[]);
    let (problems, calls) = place
        .guest()
        .check(python("x = tools.math.add(a=1)\nreturn x"));
    assert_eq!(problems, []);
    assert_eq!(
        (calls[0].tool.as_str(), calls[0].line, calls[0].column),
        ("math:add", 1, 5)
    );
    let (problems, _) = place.guest().check(python("x = 1\ny = = 2"));
    assert_eq!(
        (
            problems[0].kind,
            problems[0].line,
            problems[0].column,
            problems[0].message.as_str()
        ),
        (FailureKind::Syntax, Some(2), Some(5), "invalid syntax")
    );
    place.end();
}

#[test]
fn inputs_are_variables() {
    let mut start = python("[user['name'], n + 1]");
    start.inputs = serde_json::from_value(json!({"user": {"name": "x"}, "n": 1})).unwrap();
    assert_eq!(run(&[], start).result, Ok(json!(["x", 2])));
}
