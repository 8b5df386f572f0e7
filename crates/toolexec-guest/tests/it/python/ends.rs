//! How programs end: with which value, with which error.

use serde_json::{Value, json};
use toolexec_wire::{Failure, FailureKind, GuestLimits, SeenCall, Start};

use super::{python, run, tools, value};
use crate::harness::Guest;

#[test]
fn the_value_is_the_return_else_out_else_the_last_expression() {
    for (source, expected) in [
        ("1 + 1", json!(2)),
        ("x = 1", json!(null)),
        ("", json!(null)),
        ("return 5", json!(5)),
        ("if True:\n    return 5\n6", json!(5)),
        (
            "for i in range(9):\n    if i == 3:\n        return i\n7",
            json!(3),
        ),
        ("__out = 4\n5", json!(4)),
        ("__out = 4\nreturn 5", json!(5)),
        ("__out = 4\nif True: return (5)\n6", json!(5)),
        ("if False:\n    __out = 1\n8", json!(8)),
        ("try:\n    return 1\nfinally:\n    print('bye')", json!(1)),
        (
            "x = 3\nif x > 2:\n    'big'\nelse:\n    'small'",
            json!("big"),
        ),
        (
            "try:\n    {}['x']\nexcept KeyError:\n    'none'",
            json!("none"),
        ),
        ("async def main():\n    return 9\nmain()", json!(9)),
        (
            "import asyncio\nasync def main():\n    return 9\nif __name__ == '__main__':\n    asyncio.run(main())",
            json!(9),
        ),
        ("def f():\n    return 1\nf()", json!(1)),
        ("async def f():\n    return 1\nx = await f()\nx", json!(1)),
        ("print('x')", json!(null)),
    ] {
        assert_eq!(value(source), expected, "{source}");
    }
}

fn brief(failure: &Failure) -> (FailureKind, Option<&str>, &str, Option<u32>, Option<u32>) {
    let Failure {
        kind,
        name,
        message,
        line,
        column,
        ..
    } = failure;
    (*kind, name.as_deref(), message, *line, *column)
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn errors_point_into_the_program_as_written() {
    use FailureKind::{Exception, Memory, Syntax, Unsupported};
    for (source, expected) in [
        (
            "x = 1\ny = x / 0",
            (
                Exception,
                Some("ZeroDivisionError"),
                "division by zero",
                2,
                5,
            ),
        ),
        (
            "ä = 'ß' + nope",
            (
                Exception,
                Some("NameError"),
                "name 'nope' is not defined",
                1,
                11,
            ),
        ),
        (
            "raise ValueError('no')",
            (Exception, Some("ValueError"), "no", 1, 7),
        ),
        (
            "raise ValueError('a', 1)",
            (Exception, Some("ValueError"), "('a', 1)", 1, 7),
        ),
        (
            "raise ValueError(3)",
            (Exception, Some("ValueError"), "3", 1, 7),
        ),
        (
            "x = [1]\ndel x[0]; await x; y = 1 / 0",
            (
                Exception,
                Some("ZeroDivisionError"),
                "division by zero",
                2,
                24,
            ),
        ),
        (
            "try:\n    pass\nexcept Exception as e:\n    pass\nx = {}\nx['a'].code + 1/0",
            (Exception, Some("KeyError"), "a", 6, 1),
        ),
        (
            "def f():\n    assert 1 == 2, 'oh'\nf()",
            (
                Exception,
                Some("AssertionError"),
                "oh\nassert 1 == 2",
                2,
                12,
            ),
        ),
        (
            "x = (1 +",
            (
                Syntax,
                Some("SyntaxError"),
                "unexpected EOF while parsing",
                1,
                9,
            ),
        ),
        (
            "if x\n    y",
            (
                Syntax,
                Some("SyntaxError"),
                "expected `:`, found newline",
                1,
                5,
            ),
        ),
        (
            "def f():\n    nonlocal q",
            (
                Syntax,
                Some("SyntaxError"),
                "no binding for nonlocal 'q' found",
                2,
                5,
            ),
        ),
        (
            "x = 1\nclass A(Exception): pass",
            (
                Unsupported,
                Some("NotImplementedError"),
                "Python here does not have classes with a base or a metaclass",
                2,
                1,
            ),
        ),
        (
            "def f(): return f()\nf()",
            (
                Memory,
                Some("RecursionError"),
                "maximum recursion depth exceeded",
                1,
                17,
            ),
        ),
    ] {
        let failure = run(source).failure();
        let (kind, name, message, line, column) = expected;
        assert_eq!(
            brief(&failure),
            (kind, name, message, Some(line), Some(column)),
            "{source}"
        );
    }
}

#[test]
fn a_trace_tells_only_the_start_of_a_long_line() {
    let failure = run(&format!("x = 1 / 0{}", " + 1".repeat(100))).failure();
    let line = format!("x = 1 / 0{}", " + 1".repeat(100));
    let told = format!("File \"main.py\", line 1, in <module>: {}", &line[..120]);
    assert_eq!(failure.trace, [told]);
}

#[test]
fn prints_go_to_their_stream() {
    let ran = run(
        "import sys\nprint('a', 1, sep='-')\nprint('b', end='')\nprint('err', file=sys.stderr)\nprint('ß')",
    );
    assert_eq!(
        (ran.stdout.as_str(), ran.stderr.as_str()),
        ("a-1\nbß\n", "err\n")
    );
}

fn keep(source: &str) -> Start {
    Start {
        keep: true,
        ..python(source)
    }
}

#[test]
fn a_session_keeps_its_state() {
    let mut guest = Guest::new();
    let mut value = |source: &str| {
        guest
            .run(keep(source), tools)
            .result
            .map_err(|failure| (failure.message, failure.line, failure.trace))
    };
    assert_eq!(
        value("x = 1\ndef f(n):\n    return x + n / 0"),
        Ok(json!(null))
    );
    assert_eq!(value("x += 1\nx"), Ok(json!(2)));
    let trace = [
        "File \"earlier input\", line 3, in f: return x + n / 0",
        "File \"main.py\", line 2, in <module>: f(1)",
    ];
    assert_eq!(
        value("x = 5\nf(1)"),
        Err((
            "division by zero".into(),
            Some(2),
            trace.map(String::from).to_vec()
        ))
    );
    // What it did before it failed stays.
    assert_eq!(value("x"), Ok(json!(5)));
    assert_eq!(
        value("x +"),
        Err(("expected an expression".into(), Some(1), Vec::new()))
    );
    assert_eq!(
        value("import asyncio\nawait asyncio.gather(*[tools.echo.args(i=x) for i in range(2)])"),
        Ok(json!([{"i": 5}, {"i": 5}]))
    );
    assert_eq!(
        value("try:\n    tools.fail.now()\nexcept Exception as e:\n    y = e"),
        Ok(json!(null))
    );
    assert_eq!(value("if y:\n    'in a block'"), Ok(json!("in a block")));
    assert_eq!(value("if x == 9:\n    'in a block'"), Ok(json!(null)));
    assert_eq!(
        value("try:\n    y.code\nexcept: pass"),
        Ok(json!("tool_error"))
    );
}

/// A program that runs too long is stopped, in a loop of its own or in one of the engine.
#[test]
fn a_session_keeps_its_state_when_a_program_is_stopped() {
    let mut guest = Guest::new();
    let mut run = |source: &str| {
        let mut start = keep(source);
        start.limits.run_ms = Some(500);
        guest
            .run(start, tools)
            .result
            .map_err(|failure| failure.kind)
    };
    let time = Err(toolexec_wire::FailureKind::Time);
    // Even a session that begins with nothing has the tools.
    assert_eq!(run("  # nothing\n"), Ok(json!(null)));
    assert_eq!(run("tools.echo.args(i=1)"), Ok(json!({"i": 1})));
    assert_eq!(
        run("x = 1\ndef f():\n    while True:\n        pass"),
        Ok(json!(null))
    );
    assert_eq!(run("x = 2\nwhile True:\n    x += 0"), time);
    assert_eq!(run("y = 3\nf()"), time);
    assert_eq!(run("z = 4\nsorted(range(10 ** 9))"), time);
    assert_eq!(run("[x, y, z]"), Ok(json!([2, 3, 4])));
}

#[test]
fn a_program_without_keep_leaves_nothing() {
    let mut guest = Guest::new();
    assert_eq!(guest.run(python("x = 1"), tools).result, Ok(json!(null)));
    assert_eq!(
        guest.run(python("x"), tools).failure().message,
        "name 'x' is not defined"
    );
}

#[test]
fn a_check_sees_the_values_that_stand_in_the_text() {
    let values = |source: &str| {
        let (_, calls) = Guest::new().check(python(source));
        let [call] = &calls[..] else {
            panic!("{calls:?}")
        };
        Value::from(call.literals.clone())
    };
    assert_eq!(
        values(
            "tools.a.b(t='x' 'y', i=-1, f=1.5, h=0x10, n=None, b=True, l=[1, ('a',)], \
             o={'p': {'q': 2}}, v=x, w=f'{x}', s={1}, c=[x], y=b'z', d={x: 1}, big=10**40)"
        ),
        json!({
            "t": "xy", "i": -1, "f": 1.5, "h": 16, "n": null, "b": true, "l": [1, ["a"]],
            "o": {"p": {"q": 2}}
        })
    );
    assert_eq!(
        values("tools.run('a:b', {'a': 1, 'b': x})"),
        json!({"a": 1})
    );
    assert_eq!(values("run('a:b', args={'a': 1})"), json!({"a": 1}));
    assert_eq!(values("tools.a.b({'a': 1}, a=x, b=2)"), json!({"b": 2}));
    assert_eq!(values("tools.a.b(a=1, **x)"), json!({}));
}

#[test]
fn a_check_tells_problems_and_calls_and_runs_nothing() {
    let check = |source: &str| Guest::new().check(python(source));
    let call = |tool: &str, line, column, args: Option<&[&str]>, literals: Value| SeenCall {
        tool: tool.into(),
        line,
        column,
        args: args.map(|args| args.iter().map(ToString::to_string).collect()),
        literals: literals.as_object().unwrap().clone(),
    };
    let (problems, calls) = check("print('no')\nx = tools.math.add(a=1)\ntools.run('a:b', opts)");
    assert_eq!(problems, []);
    assert_eq!(
        calls,
        [
            call("math:add", 2, 5, Some(&["a"]), json!({"a": 1})),
            call("a:b", 3, 1, None, json!({}))
        ]
    );
    let (problems, calls) = check("tools.math.add(a=1)\nclass A(B): pass");
    let problems: Vec<_> = problems.iter().map(brief).collect();
    let message = "Python here does not have classes with a base or a metaclass";
    assert_eq!(
        problems,
        [(
            FailureKind::Unsupported,
            Some("NotImplementedError"),
            message,
            Some(2),
            Some(1)
        )]
    );
    assert_eq!(
        calls,
        [call("math:add", 1, 1, Some(&["a"]), json!({"a": 1}))]
    );
    let (problems, calls) = check("const x = await tools.math.add({a: 1});");
    assert_eq!(calls, []);
    let [problem] = &problems[..] else {
        panic!("{problems:?}")
    };
    assert_eq!((problem.kind, problem.line), (FailureKind::Syntax, Some(1)));
    assert_eq!(
        problem.hints,
        ["this looks like JavaScript: run it as language `javascript`"]
    );
}

#[test]
fn modules_that_the_engine_lacks_are_there() {
    for (source, expected) in [
        (
            "import string\nlen(string.ascii_letters + string.digits + string.punctuation)",
            json!(94),
        ),
        (
            "from string import ascii_lowercase as low, capwords\n[low[:3], capwords('a bC')]",
            json!(["abc", "A Bc"]),
        ),
        (
            "import math, statistics as st, json\n[st.mean([1, 2, 3]), st.median([3, 1, 2, 4]), st.mode([1, 1, 2]), st.pstdev([1, 3]), math.floor(st.stdev([1, 2, 4]) * 1000)]",
            json!([2, 2.5, 1, 1.0, 1527]),
        ),
        (
            "from statistics import quantiles\nquantiles([1, 2, 3, 4, 5, 6, 7])",
            json!([2.0, 4.0, 6.0]),
        ),
        (
            "import heapq\nh = []\nfor x in [5, 1, 4, 2]: heapq.heappush(h, x)\n[heapq.heappop(h) for _ in range(4)] + heapq.nlargest(1, [3, 9])",
            json!([1, 2, 4, 5, 9]),
        ),
        (
            "def f(xs):\n    from heapq import heapify, heappop\n    heapify(xs)\n    return heappop(xs)\nf([3, 1, 2])",
            json!(1),
        ),
        (
            "from operator import itemgetter\nsorted([{'a': 2}, {'a': 1}], key=itemgetter('a'))",
            json!([{"a": 1}, {"a": 2}]),
        ),
        (
            "import operator, functools\nfunctools.reduce(operator.mul, [1, 2, 3, 4])",
            json!(24),
        ),
        (
            "import textwrap\n[textwrap.dedent('  a\\n    b'), textwrap.wrap('aa bb cc', 5), textwrap.shorten('aa bb cc dd', 10)]",
            json!(["a\n  b", ["aa bb", "cc"], "aa [...]"]),
        ),
    ] {
        assert_eq!(value(source), expected, "{source}");
    }
    let failure = run("import heapq\nheapq.nope([])").failure();
    assert_eq!(
        (failure.kind, failure.message.as_str()),
        (
            FailureKind::Unsupported,
            "Python here does not have heapq.nope"
        )
    );
}

#[test]
fn what_python_users_write_works() {
    for (source, expected) in [
        ("x = [1, 2, 3]\ndel x[0]\nx", json!([2, 3])),
        ("x = {'a': 1, 'b': 2}\ndel x['a']\nx", json!({"b": 2})),
        ("x = {(1, 2): 1}\ndel x[1, 2]\nlen(x)", json!(0)),
        ("x = [1, 2, 3]\ndel x[1:]\nx", json!([1])),
        ("x = 1\ndel x\n2", json!(2)),
        ("x = [[1], [2]]\ndel x[0][0], x[1]\nx", json!([[]])),
        (
            "import asyncio\nasync def f(): return 1\nasync def main():\n    t = asyncio.create_task(f())\n    return await t\nasyncio.run(main())",
            json!(1),
        ),
        (
            "from asyncio import create_task, gather\nasync def f(): return 1\nawait gather(create_task(f()), f())",
            json!([1, 1]),
        ),
        (
            "import asyncio\nasync def f(): raise ValueError('x')\n[str(r) for r in await asyncio.gather(f(), return_exceptions=True)]",
            json!(["x"]),
        ),
        (
            "import os\nos.environ.get('HOME'), os.getenv('PATH')",
            json!([null, null]),
        ),
        (
            "import json, re, math, itertools, functools, random, collections, time, sys\njson.loads(json.dumps({'a': [1, None]}))",
            json!({"a": [1, null]}),
        ),
        (
            "def f(*a, **k): return a, k\nf(1, b=2)",
            json!([[1], {"b": 2}]),
        ),
        ("match [1, 2]:\n    case [a, b]: x = a + b\nx", json!(3)),
        (
            "with_default = (lambda a, b=2: a * b)(3)\nf'{with_default:>4}'",
            json!("   6"),
        ),
    ] {
        assert_eq!(value(source), expected, "{source}");
    }
}

#[test]
fn limits_are_none_without_being_asked_for() {
    let mut start = python("sum(range(1000))");
    start.limits = GuestLimits::default();
    let ran = Guest::new().run(start, tools);
    assert_eq!(ran.result, Ok(Value::from(499_500)));
}
