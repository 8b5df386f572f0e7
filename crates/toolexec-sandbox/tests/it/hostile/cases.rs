//! What the hostile programs are, and how each must end.

use toolexec_core::sandbox::Language::{self, JavaScript, Python, Script, TypeScript};

/// One kind of misbehaviour.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) programs: &'static [Program],
}

/// A program and how it must end, one way of those between bars; `A; in wasm B` or `A; in containers B` where that differs, as
/// `docs/limits` says.
pub(super) struct Program(
    pub(super) Language,
    pub(super) &'static str,
    pub(super) &'static str,
);

const TIME: &str = "limit run_time";
const MEMORY: &str = "limit memory";
const OUTPUT: &str = "limit output";
const CALLS: &str = "limit tool_calls";

pub(super) const CASES: &[Case] = &[
    Case {
        name: "an endless loop",
        programs: &[
            Program(JavaScript, "while (true) {}", TIME),
            Program(
                TypeScript,
                "enum E { A = (() => { while (true) {} })() } return E.A",
                TIME,
            ),
            Program(Python, "while True:\n    pass", TIME),
            Program(
                Script,
                "for x in range(1000000) { for y in range(1000000) { x * y } }",
                TIME,
            ),
        ],
    },
    Case {
        name: "a builtin that does not end",
        programs: &[
            Program(
                JavaScript,
                "'a'.repeat(4e5).indexOf('a'.repeat(2e5) + 'b')",
                TIME,
            ),
            Program(Python, "x = 10 ** 200000\nwhile True:\n    y = x * x", TIME),
            Program(
                Script,
                "big := \"aaaaaaaaaa\"\nfor x in range(16) { big = big + big }\nbig.contains(big + \"b\")\nfor y in range(1000000) { for z in range(1000000) { big.contains(big + \"b\") } }",
                TIME,
            ),
        ],
    },
    Case {
        name: "a memory bomb",
        programs: &[
            Program(
                JavaScript,
                "const all = []; while (true) all.push(new Array(10000).fill(all.length))",
                MEMORY,
            ),
            Program(
                Python,
                "all = []\nwhile True:\n    all.append([len(all)] * 10000)",
                MEMORY,
            ),
            Program(
                Script,
                "all := []\nfor x in range(1000000) { all = all + [[x, all]] }\nall",
                MEMORY,
            ),
        ],
    },
    Case {
        name: "a memory bomb whose error is caught",
        programs: &[
            Program(
                JavaScript,
                "try { const all = []; while (true) all.push(new Array(10000).fill(1)) } catch {} return 'went on'",
                "limit memory; in wasm went on",
            ),
            Program(
                Python,
                "try:\n    all = []\n    while True:\n        all.append([1] * 10000)\nexcept BaseException:\n    pass\nreturn 'went on'",
                MEMORY,
            ),
        ],
    },
    Case {
        name: "a string bomb",
        programs: &[
            Program(JavaScript, "let s = 'x'; while (true) s += s", MEMORY),
            Program(Python, "s = 'x'\nwhile True:\n    s += s", MEMORY),
            Program(
                Script,
                "s := \"x\"\nfor x in range(100) { s = s + s }\ns",
                MEMORY,
            ),
        ],
    },
    Case {
        name: "one huge allocation",
        programs: &[
            Program(JavaScript, "return new Uint8Array(2e9).length", MEMORY),
            Program(Python, "return len('x' * 10 ** 9)", MEMORY),
        ],
    },
    Case {
        name: "one huge number",
        programs: &[
            Program(
                JavaScript,
                "return (10n ** (10n ** 9n)).toString().length",
                "exception RangeError",
            ),
            Program(Python, "return len(str(10 ** 10 ** 9))", MEMORY),
        ],
    },
    Case {
        name: "a recursion without end",
        programs: &[
            Program(
                JavaScript,
                "function f(n) { return f(n + 1) + 1 } return f(0)",
                MEMORY,
            ),
            Program(
                Python,
                "def f(n):\n    return f(n + 1) + 1\nreturn f(0)",
                MEMORY,
            ),
        ],
    },
    Case {
        name: "a recursion without end that is caught, again and again",
        programs: &[Program(
            Python,
            "def f():\n    try:\n        f()\n    except RecursionError:\n        f()\nf()",
            TIME,
        )],
    },
    Case {
        name: "text that nests deep, read as JSON",
        programs: &[
            Program(
                JavaScript,
                "return JSON.parse('['.repeat(1e6) + ']'.repeat(1e6)).length",
                MEMORY,
            ),
            Program(
                Python,
                "import json\nreturn len(json.loads('[' * 1000000 + ']' * 1000000))",
                "exception json.JSONDecodeError",
            ),
        ],
    },
    Case {
        name: "a value that nests deep",
        programs: &[
            Program(
                JavaScript,
                "let v = []; for (let i = 0; i < 1e5; i++) v = [v]; return v",
                "exception TypeError",
            ),
            Program(
                Python,
                "v = []\nfor i in range(100000):\n    v = [v]\nreturn v",
                "exception TypeError",
            ),
        ],
    },
    Case {
        name: "an argument that nests deep",
        programs: &[
            Program(
                JavaScript,
                "let v = []; for (let i = 0; i < 1e5; i++) v = [v]; await tools.test.echo({v})",
                "exception TypeError",
            ),
            Program(
                Python,
                "v = []\nfor i in range(100000):\n    v = [v]\ntools.test.echo(v=v)",
                "exception TypeError",
            ),
        ],
    },
    Case {
        name: "a value that holds itself",
        programs: &[
            Program(
                JavaScript,
                "const v = {}; v.v = v; return v",
                "exception TypeError",
            ),
            Program(
                Python,
                "v = []\nv.append(v)\nreturn v",
                "exception TypeError",
            ),
        ],
    },
    Case {
        name: "a list with holes, as long as can be",
        programs: &[Program(
            JavaScript,
            "const v = []; v.length = 4294967295; return v",
            // A container has room for so many values that there are too many of them first; of
            // gVisor and machines the host sees memory that their kernels have not given back yet.
            "limit memory; in gvisor exception TypeError | limit memory; in machines exception TypeError | limit memory; in containers exception TypeError",
        )],
    },
    Case {
        name: "a catastrophic regular expression",
        programs: &[
            Program(
                JavaScript,
                "return /^(a+)+$/.test('a'.repeat(60) + 'b')",
                TIME,
            ),
            Program(
                Python,
                "import re\nreturn bool(re.match('^(a+)+$', 'a' * 60 + 'b'))",
                "false",
            ),
        ],
    },
    Case {
        name: "a million prints",
        programs: &[
            Program(
                JavaScript,
                "for (let i = 0; i < 1e6; i++) console.log('line ' + i)",
                OUTPUT,
            ),
            Program(
                Python,
                "for i in range(1000000):\n    print('line', i)",
                OUTPUT,
            ),
            Program(Script, "for i in range(1000000) { print(i) }", OUTPUT),
        ],
    },
    Case {
        name: "one huge print",
        programs: &[
            Program(JavaScript, "console.log('x'.repeat(2e6)); return 1", OUTPUT),
            Program(Python, "print('x' * 2000000)\nreturn 1", OUTPUT),
        ],
    },
    Case {
        name: "a flood of log lines",
        programs: &[
            Program(
                JavaScript,
                "while (true) log('info', {text: 'x'.repeat(1000)})",
                OUTPUT,
            ),
            Program(
                Python,
                "while True:\n    tools.log('info', {'text': 'x' * 1000})",
                OUTPUT,
            ),
        ],
    },
    Case {
        name: "a flood of progress",
        programs: &[
            Program(
                JavaScript,
                "for (let i = 0; ; i++) progress(i, i, 'x'.repeat(1000))",
                TIME,
            ),
            Program(
                Python,
                "i = 0\nwhile True:\n    i += 1\n    tools.progress(i, total=i, message='x' * 1000)",
                TIME,
            ),
        ],
    },
    Case {
        name: "a huge value",
        programs: &[
            Program(JavaScript, "return 'x'.repeat(5e6)", "limit result"),
            Program(Python, "return 'x' * 5000000", "limit result"),
        ],
    },
    Case {
        name: "an error with a huge message",
        programs: &[
            Program(
                JavaScript,
                "throw new Error('x'.repeat(1e7))",
                "exception Error",
            ),
            Program(
                Python,
                "raise ValueError('x' * 10000000)",
                "exception ValueError",
            ),
        ],
    },
    Case {
        name: "an error that is read without end",
        programs: &[Program(
            JavaScript,
            "throw { get message() { while (true) {} } }",
            "exception | limit run_time",
        )],
    },
    Case {
        name: "a flood of calls",
        programs: &[
            Program(
                JavaScript,
                "for (let i = 0; i < 1e5; i++) tools.run('test:slow', {ms: 60000});\nawait new Promise(() => {})",
                CALLS,
            ),
            Program(
                Python,
                "import asyncio\nawait asyncio.gather(*[tools.run('test:slow', {'ms': 60000}) for _ in range(100000)])",
                CALLS,
            ),
        ],
    },
    Case {
        name: "a flood of promises",
        programs: &[
            Program(
                JavaScript,
                "const f = () => { Promise.resolve().then(f); }; f(); await new Promise(() => {})",
                TIME,
            ),
            Program(
                JavaScript,
                "const f = () => { Promise.resolve().then(f); Promise.resolve().then(f) }; f(); await new Promise(() => {})",
                MEMORY,
            ),
            Program(
                Python,
                "import asyncio\nasync def f():\n    pass\nwhile True:\n    await asyncio.gather(f(), f())",
                TIME,
            ),
        ],
    },
    Case {
        name: "more calls than the budget, each error caught",
        programs: &[
            Program(
                JavaScript,
                "while (true) { try { await tools.math.add({a: 1, b: 1}) } catch (e) {} }",
                CALLS,
            ),
            Program(
                Python,
                "while True:\n    try:\n        tools.math.add(a=1, b=1)\n    except Exception:\n        pass",
                CALLS,
            ),
            Program(
                Script,
                "for i in range(1000) { run(\"math:add\", {a: 1, b: i}) }",
                CALLS,
            ),
        ],
    },
    Case {
        name: "catching the limit and going on",
        programs: &[
            Program(
                JavaScript,
                "while (true) { try { while (true) {} } catch (e) {} }",
                TIME,
            ),
            Program(
                Python,
                "while True:\n    try:\n        while True:\n            pass\n    except BaseException:\n        pass",
                TIME,
            ),
        ],
    },
    Case {
        name: "throwing after the deadline",
        programs: &[
            Program(
                JavaScript,
                "try { while (true) {} } finally { throw new Error('mine') }",
                TIME,
            ),
            Program(
                Python,
                "try:\n    while True:\n        pass\nfinally:\n    raise ValueError('mine')",
                TIME,
            ),
        ],
    },
    Case {
        name: "returning after the deadline",
        programs: &[
            Program(
                JavaScript,
                "try { while (true) {} } finally { return 'mine' }",
                TIME,
            ),
            Program(
                Python,
                "def f():\n    try:\n        while True:\n            pass\n    finally:\n        return 'mine'\nreturn f()",
                TIME,
            ),
        ],
    },
    Case {
        name: "waiting without end",
        programs: &[
            Program(
                JavaScript,
                "await tools.run('test:slow', {ms: 60000})",
                "limit wait_time",
            ),
            Program(
                Python,
                "tools.run('test:slow', {'ms': 60000})",
                "limit wait_time",
            ),
            Program(Script, "run(\"test:slow\", {ms: 60000})", "limit wait_time"),
        ],
    },
    Case {
        name: "arguments that are read without end",
        programs: &[
            Program(
                JavaScript,
                "await tools.test.echo(new Proxy({}, {ownKeys() { while (true) {} }}))",
                TIME,
            ),
            Program(
                JavaScript,
                "await tools.test.echo({toJSON() { while (true) {} }})",
                TIME,
            ),
        ],
    },
    Case {
        name: "arguments of many megabytes",
        programs: &[Program(
            Python,
            "tools.test.echo(v='x' * 20000000)",
            "exception TypeError",
        )],
    },
    Case {
        name: "a program in another language",
        programs: &[
            Program(JavaScript, "def f(x):\n    return x", "syntax"),
            Program(TypeScript, "def f(x):\n    return x", "syntax"),
            Program(Python, "const f = (x) => { return x }", "syntax"),
            Program(Script, "def f(x):\n    return x", "syntax"),
            Program(JavaScript, "x := run(\"math:add\", {a: 1, b: 1})", "syntax"),
            Program(JavaScript, "\u{0}\u{1}\u{7f}ELF", "syntax"),
            Program(Python, "\u{0}\u{1}\u{7f}ELF", "syntax"),
            Program(Script, "\u{0}\u{1}\u{7f}ELF", "syntax"),
        ],
    },
    Case {
        name: "text that is not Unicode",
        programs: &[
            Program(
                JavaScript,
                "console.log('\\ud800'); return 'a\\udfff'.length",
                "2",
            ),
            Program(JavaScript, "return 'a\\ud800b'", "a\u{fffd}b"),
            Program(
                JavaScript,
                "return await tools.test.echo({'\\udfff': '\\ud800'})",
                "{\"\u{fffd}\":\"\u{fffd}\"}",
            ),
            Program(Python, "return len(b'\\xff\\xfe')", "2"),
            Program(
                Python,
                "return b'\\xff'.decode('utf-8')",
                "exception UnicodeDecodeError",
            ),
            Program(Python, "return '\\ud800'", "\u{fffd}"),
        ],
    },
];
