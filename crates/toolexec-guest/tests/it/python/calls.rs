//! How programs call tools.

use serde_json::json;
use toolexec_wire::{FailureKind, Op};

use super::{run, value};

#[test]
fn tools_are_called_in_every_way() {
    for source in [
        "tools.math.add(a=1, b=2)",
        "await tools.math.add(a=1, b=2)",
        "tools.run('math:add', {'a': 1, 'b': 2})",
        "await tools.run('math:add', {'a': 1, 'b': 2})",
        "tools.run('math:add', args={'a': 1, 'b': 2})",
        "tools.run('math:add', a=1, b=2)",
        "tools.math.add({'a': 1}, b=2)",
        "run('math:add', {'a': 1, 'b': 2})",
        "r = tools.math.add(a=1, b=2)\nr",
        "r = await tools.math.add(a=1, b=2)\nr",
        "t = tools.math.add(a=1, b=2)\nawait t",
        "add = tools.math.add\nadd(a=1, b=2)",
        "add = tools.math.add\nawait add(a=1, b=2)",
        "m = tools.math\nm.add(a=1, b=2)",
        "getattr(getattr(tools, 'math'), 'add')(a=1, b=2)",
        "tools.math.add(a=tools.math.add(a=1, b=0), b=2)",
        "def f(x):\n    return tools.math.add(a=x, b=2)\nf(1)",
        "def f(x):\n    return tools.math.add(a=x, b=2)\nawait f(1)",
        "async def f(x):\n    return tools.math.add(a=x, b=2)\nawait f(1)",
        "async def f(x):\n    return await tools.math.add(a=x, b=2)\nf(1)",
        "async def f(x):\n    r = tools.math.add(a=x, b=1)\n    return r + 1\nawait f(1)",
        "import asyncio\nasync def f(x):\n    return await tools.math.add(a=x, b=2)\nasyncio.run(f(1))",
        "(await asyncio.gather(tools.math.add(a=1, b=2)))[0]"
            .replace("(await", "import asyncio\n(await")
            .as_str(),
        "f'{tools.math.add(a=1, b=2)}' == '3' and 3",
        "[tools.math.add(a=i, b=2) for i in [1]][0]",
        "x = 1\nif tools.math.add(a=1, b=2) == 3:\n    x = 3\nx",
        "x = tools.math.add(a=1, b=2) or 5\nawait x",
        "class C:\n    def go(self):\n        self.r = tools.math.add(a=1, b=2)\n        return self.r\nC().go()",
        "eval(\"tools.math.add(a=1, b=2)\")",
    ] {
        assert_eq!(value(source), json!(3), "{source}");
    }
}

#[test]
fn gathered_calls_are_open_together() {
    for source in [
        "import asyncio\nawait asyncio.gather(*[tools.echo.args(i=i) for i in range(5)])",
        "from asyncio import gather\nawait gather(*(tools.echo.args(i=i) for i in range(5)))",
        "import asyncio\nasync def f(i):\n    return await tools.echo.args(i=i)\nawait asyncio.gather(*[f(i) for i in range(5)])",
        "import asyncio\ndef f(i):\n    return tools.echo.args(i=i)\nawait asyncio.gather(*[f(i) for i in range(5)])",
        "ts = [tools.echo.args(i=i) for i in range(5)]\n[await t for t in ts]",
        "import asyncio\nts = []\nfor i in range(5):\n    ts.append(tools.echo.args(i=i))\nrs = await asyncio.gather(*ts)\nrs",
        "import asyncio\nts = {i: tools.echo.args(i=i) for i in range(5)}\nawait asyncio.gather(*ts.values())",
        "import asyncio\nts = [asyncio.create_task(tools.echo.args(i=i)) for i in range(5)]\n[await t for t in ts]",
        "import asyncio\nasync def main():\n    return await asyncio.gather(*[tools.echo.args(i=i) for i in range(5)])\nasyncio.run(main())",
        "import asyncio\nasync def main():\n    return await asyncio.gather(*[tools.echo.args(i=i) for i in range(5)], return_exceptions=True)\nawait main()",
    ] {
        let ran = run(source);
        assert_eq!(ran.most_open, 5, "{source}");
        let expected: Vec<_> = (0..5).map(|i| json!({"i": i})).collect();
        assert_eq!(ran.result.unwrap(), json!(expected), "{source}");
    }
}

#[test]
fn the_other_calls_reach_the_host() {
    let ended = run("import asyncio\n\
         r = [tools.search('add', limit=3), search('x'), tools.describe('a:b', 'full'), \
         tools.examples('a:b'), tools.chain([{'tool': 'a:b'}]), tools.namespaces(), \
         await tools.search(query='q')]\n\
         tools.progress(1, total=2, message='half')\n\
         tools.log('warning', {'x': 1})\nlog('plain')\n\
         import time\ntime.sleep(0.25)\nawait asyncio.sleep(1)\nlen(r)");
    let search = |query: &str, limit| Op::Search {
        query: query.into(),
        limit,
    };
    assert_eq!(
        ended.calls,
        [
            search("add", Some(3)),
            search("x", None),
            Op::Describe {
                tool: "a:b".into(),
                detail: Some("full".into())
            },
            Op::Examples { tool: "a:b".into() },
            Op::Chain {
                chain: json!([{"tool": "a:b"}])
            },
            Op::Namespaces,
            search("q", None),
            Op::Sleep { ms: 250 },
            Op::Sleep { ms: 1000 },
        ]
    );
    assert_eq!(ended.progress, [(1.0, Some(2.0), Some("half".into()))]);
    assert_eq!(
        ended.logs,
        [
            ("warning".into(), json!({"x": 1})),
            ("info".into(), json!("plain"))
        ]
    );
    assert_eq!(ended.result.unwrap(), json!(7));
}

#[test]
fn a_failed_call_is_an_exception_with_fields() {
    let source = "try:\n    tools.fail.now(x=1)\nexcept Exception as e:\n    \
        r = [e.tool, e.code, e.message, e.violations, e.retryable, e.value, e.hints, str(e)]\nr";
    let fields = json!([
        "fail:now", "tool_error", "it broke", [{"path": "/a", "rule": "type"}], true,
        {"detail": {"x": 1}}, ["try another"], "fail:now: it broke"
    ]);
    assert_eq!(value(source), fields);
    for source in [
        "try:\n    await tools.fail.now()\nexcept ToolError as e:\n    r = e.code\nr",
        "try:\n    await tools.fail.now()\nexcept RuntimeError as error:\n    r = error.code\nr",
        "async def f():\n    try:\n        return await tools.fail.now()\n    except Exception as e:\n        return getattr(e, 'code', None)\nawait f()",
        "import asyncio\nrs = await asyncio.gather(tools.fail.now(), return_exceptions=True)\nrs[0].code",
        "import asyncio\nrs = await asyncio.gather(tools.fail.now(), tools.echo.args(), return_exceptions=True)\n[r.code for r in rs if isinstance(r, Exception)][0]",
        "def f():\n    try:\n        tools.fail.now()\n    except Exception as e:\n        return e\nerr = f()\nerr.code if hasattr(err, 'code') else None",
    ] {
        assert_eq!(value(source), json!("tool_error"), "{source}");
    }
    let other = "try:\n    {}['x']\nexcept Exception as e:\n    r = getattr(e, 'code', 'none')\nr";
    assert_eq!(value(other), json!("none"));
}

#[test]
fn failures_that_come_together_keep_their_own_fields() {
    let source = "import asyncio\nasync def one(i):\n    try:\n        await tools.fail.now(i=i)\n    \
        except Exception as e:\n        return e.value\n\
        await asyncio.gather(*[one(i) for i in range(4)])";
    let expected: Vec<_> = (0..4).map(|i| json!({"detail": {"i": i}})).collect();
    assert_eq!(value(source), json!(expected));
}

#[test]
fn answers_that_are_there_at_once_are_handed_on_one_by_one_as_they_came() {
    // The last call of those that are open is answered first.
    let source = "import asyncio\nasync def one(i):\n    print('asks', i)\n    \
        await tools.echo.args(i=i)\n    print('has', i)\n\
        await asyncio.gather(*[one(i) for i in range(6)])";
    let asked = "asks 0\nasks 1\nasks 2\nasks 3\nasks 4\nasks 5\n";
    let had = "has 5\nhas 4\nhas 3\nhas 2\nhas 1\nhas 0\n";
    assert_eq!(run(source).stdout, [asked, had].concat());
    // And so are failures between them.
    let source = "import asyncio\nasync def one(i):\n    try:\n        \
        await (tools.fail.now(i=i) if i % 2 else tools.echo.args(i=i))\n        print('has', i)\n    \
        except Exception as e:\n        print('fails', i)\n\
        await asyncio.gather(*[one(i) for i in range(4)])";
    assert_eq!(run(source).stdout, "fails 3\nhas 2\nfails 1\nhas 0\n");
}

#[test]
fn a_failed_call_that_is_not_caught_ends_the_program_with_it() {
    let failure = run("x = 1\ndef f():\n    return tools.fail.now(y=2)\nf()").failure();
    let call = failure.call.as_deref().unwrap();
    assert_eq!(
        (
            failure.kind,
            failure.name.as_deref(),
            failure.message.as_str()
        ),
        (
            FailureKind::Exception,
            Some("ToolError"),
            "fail:now: it broke"
        )
    );
    assert_eq!((failure.line, failure.column), (Some(3), Some(12)));
    assert_eq!(
        failure.trace,
        [
            "File \"main.py\", line 3, in f: return tools.fail.now(y=2)",
            "File \"main.py\", line 4, in <module>: f()"
        ]
    );
    assert_eq!(call.value, json!({"detail": {"y": 2}}));
    assert_eq!(failure.hints, ["try another"]);
}

#[test]
fn wrong_calls_are_type_errors_that_can_be_caught() {
    for (source, message) in [
        (
            "tools.math.add(1, 2)",
            "the arguments of a tool have names: tools.math.add(name=value), or one dict",
        ),
        (
            "tools.math()",
            "tools.math is a namespace: call one of its tools, as tools.math.TOOL(..)",
        ),
        (
            "tools()",
            "tools is not a function: call tools.run(id, args)",
        ),
        ("tools.run()", "run() takes a text, tool"),
        (
            "tools.run('a:b', [1])",
            "the arguments of a tool are a dict",
        ),
        ("tools.search('a', limit='x')", "a limit is a whole number"),
        (
            "tools.describe('a', bogus=1)",
            "describe() has no argument \"bogus\"",
        ),
        (
            "tools.math.add(a=tools)",
            "an argument at [\"a\"] is a tool, not what a tool answers: call it",
        ),
        (
            "tools.math.add(a=print)",
            "an argument at [\"a\"] is a function, which has no JSON form: call it",
        ),
        (
            "l = []\nl.append(l)\ntools.math.add(a=l)",
            "an argument at [\"a\"][0] holds itself, so it has no JSON form",
        ),
    ] {
        let failure = run(source).failure();
        assert_eq!(failure.message, message, "{source}");
        assert_eq!(failure.name.as_deref(), Some("TypeError"), "{source}");
        let lines = source.rsplit_once('\n').unwrap_or(("", source));
        let caught = format!(
            "{}\ntry:\n    {}\nexcept TypeError as e:\n    r = str(e)\nr",
            lines.0, lines.1
        );
        assert_eq!(value(&caught), json!(message), "{source}");
    }
}
