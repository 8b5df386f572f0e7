//! Values into programs and out of them.

use serde_json::json;
use toolexec_wire::FailureKind;

use super::{python, run, tools, value};
use crate::harness::Guest;

#[test]
fn values_become_json() {
    for (source, expected) in [
        (
            "[None, True, 1, 1.5, 'ß', -0.0]",
            json!([null, true, 1, 1.5, "ß", -0.0]),
        ),
        ("(1, [2, {'a': (3,)}])", json!([1, [2, {"a": [3]}]])),
        ("{1, 1}", json!([1])),
        ("[float('nan'), float('inf')]", json!([null, null])),
        (
            "[2**63, 2**64, -2**70]",
            json!([
                9_223_372_036_854_775_808_u64,
                "18446744073709551616",
                "-1180591620717411303424"
            ]),
        ),
        (
            "{1: 'a', 2.5: 'b', False: 'c', None: 'd'}",
            json!({"1": "a", "2.5": "b", "false": "c", "null": "d"}),
        ),
        ("b'hi'", json!("aGk=")),
        (
            "from datetime import date, datetime, timedelta, timezone\n\
             [date(2026, 1, 2), datetime(2026, 1, 2, 3, 4, 5, 6), datetime(2026, 1, 2, tzinfo=timezone.utc), timedelta(minutes=2), timedelta(milliseconds=1)]",
            json!([
                "2026-01-02",
                "2026-01-02T03:04:05.000006",
                "2026-01-02T00:00:00+00:00",
                120,
                0.001
            ]),
        ),
        (
            "from decimal import Decimal\nDecimal('1.20')",
            json!("1.20"),
        ),
        (
            "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\n    y: list\nP(1, [P(2, [])])",
            json!({"x": 1, "y": [{"x": 2, "y": []}]}),
        ),
        (
            "class C:\n    def __init__(self):\n        self.a = 1\nC()",
            json!({"a": 1}),
        ),
        (
            "from collections import namedtuple, Counter\n[namedtuple('T', 'a b')(1, 2), Counter('aab')]",
            json!([{"a": 1, "b": 2}, {"a": 2, "b": 1}]),
        ),
        (
            "ValueError('bad')",
            json!({"error": "ValueError", "message": "bad"}),
        ),
    ] {
        assert_eq!(value(source), expected, "{source}");
    }
}

#[test]
fn inputs_and_answers_become_values() {
    let mut start =
        python("[type(v).__name__ for v in [a, b, c, d, e, f, g]] + [g['x'][1], c + 1]");
    for (name, input) in [
        ("a", json!(null)),
        ("b", json!(true)),
        ("c", json!(18_446_744_073_709_551_615_u64)),
        ("d", json!(1.5)),
        ("e", json!("ß")),
        ("f", json!([])),
        ("g", json!({"x": [1, "two"]})),
    ] {
        start.inputs.insert(name.into(), input);
    }
    let types = json!([
        "NoneType",
        "bool",
        "int",
        "float",
        "str",
        "list",
        "dict",
        "two",
        "18446744073709551616"
    ]);
    assert_eq!(Guest::new().run(start, tools).result.unwrap(), types);
    let echoed = "tools.echo.args(a=None, b=[1, 2.5, {'c': 'd'}], t=(1,))";
    assert_eq!(
        value(echoed),
        json!({"a": null, "b": [1, 2.5, {"c": "d"}], "t": [1]})
    );
}

#[test]
fn values_without_a_json_form_are_errors_that_say_where() {
    for (source, message) in [
        (
            "print",
            "the value of the program is a function, which has no JSON form: call it",
        ),
        (
            "def f(): pass\n[1, f]",
            "the value of the program at [1] is a function, which has no JSON form: call it",
        ),
        (
            "tools.math.add",
            "the value of the program is a tool, not what a tool answers: call it",
        ),
        (
            "l = []\nl.append(l)\n{'a': l}",
            "the value of the program at [\"a\"][0] holds itself, so it has no JSON form",
        ),
        (
            "async def f(): pass\nx = f()\n[x]",
            "the value of the program at [0] was not awaited: write `await` before the call",
        ),
        (
            "{(1, 2): 3}",
            "the value of the program has a key of type tuple, which JSON cannot have",
        ),
        (
            "int",
            "the value of the program is a class, which has no JSON form: make an instance",
        ),
    ] {
        let failure = run(source).failure();
        assert_eq!(
            (failure.kind, failure.message.as_str()),
            (FailureKind::Exception, message),
            "{source}"
        );
    }
}

#[test]
fn values_that_are_too_large_are_errors() {
    // A small value that is large as JSON.
    let bomb = "x = ['a'] * 10\nfor i in range(40):\n    x = [x, x]\nx";
    let mut small = python("'x' * 100");
    small.limits.result_bytes = Some(50);
    for start in [python(bomb), small] {
        let failure = Guest::new().run(start, tools).failure();
        assert_eq!(failure.kind, FailureKind::ResultSize);
        assert_eq!(
            failure.hints,
            ["return only what is needed: filter, count or cut before returning"]
        );
    }
    let deep = "x = 1\nfor i in range(500):\n    x = [x]\nx";
    assert_eq!(
        run(deep).failure().message,
        "the value of the program nests deeper than 120 levels"
    );
}
