//! What the language and its platform offer.

use serde_json::{Value, json};
use toolexec_wire::{FailureKind, Language};

use super::{js, value};
use crate::harness::{Guest, program, tools};

#[test]
fn a_return_at_the_top_ends_the_program() {
    assert_eq!(
        value("for (const x of [1, 2, 3]) { if (x > 1) return x }\n9"),
        json!(2)
    );
    assert_eq!(
        value("try { return 'a' } finally { console.log('b') }"),
        json!("a")
    );
    assert_eq!(value("if (false) return 1\nconst y = 7; y"), json!(7));
    assert_eq!(value("return"), json!(null));
    assert_eq!(value("return tools.echo.x({a: 1})"), json!({"a": 1}));
    assert_eq!(value("return (\n 1, 2)"), json!(2));
    assert_eq!(value("[1, 2].map(x => { return x * 2 })"), json!([2, 4]));
}

#[test]
fn values_become_json_as_documented() {
    assert_eq!(
        value(
            "({i: 5.0, f: 0.5, big: 2n ** 60n, nan: NaN, inf: -Infinity, u: undefined, f2() {},
            d: new Date(0), m: new Map([['a', 1]]), s: new Set([1, 2]), b: new Uint8Array([1, 2]),
            e: new RangeError('no'), a: [undefined, () => 1], half: '\\ud800', ['__proto__']: 1})"
        ),
        json!({"i": 5, "f": 0.5, "big": 1_152_921_504_606_846_976_i64, "nan": null, "inf": null,
            "d": "1970-01-01T00:00:00.000Z", "m": {"a": 1}, "s": [1, 2], "b": [1, 2],
            "e": {"name": "RangeError", "message": "no"}, "a": [null, null], "half": "\u{fffd}",
            "__proto__": 1})
    );
}

#[test]
fn values_without_json_are_errors_that_say_what_to_do() {
    let message = |source: &str| js(source).failure().message;
    assert_eq!(
        message("(() => 1)"),
        "a function is no value that can leave the program; call it, or return data"
    );
    assert_eq!(
        message("const a = {}; a.a = a; a"),
        "the value holds itself"
    );
    assert_eq!(
        message("[tools.echo.x({})]"),
        "a promise has no value yet: put `await` before the call that made it"
    );
    assert_eq!(
        message("2n ** 70n"),
        "a BigInt of more than 64 bits has no JSON; make it a string with String(value)"
    );
    assert_eq!(
        message("let a = []; for (let i = 0; i < 500; i++) a = [a]; a"),
        "the value nests deeper than 120 levels"
    );
}

#[test]
fn prints_go_to_their_streams() {
    let ran = js("console.log('a', 1, {b: [1, 'x'], c: null}, [undefined]);
        console.error('%s is %d', 'x', 4); console.group('g'); console.warn(new Map([[1, {}]])); console.groupEnd();
        const o = {}; o.o = o; console.log(o); print('py');
        console.table([{a: 1, b: 2}]);");
    assert_eq!(
        (ran.stdout.as_str(), ran.stderr.as_str()),
        (
            "a 1 { b: [1, \"x\"], c: null } [undefined]\ng\n{ o: [Circular] }\npy\n   a  b\n0  1  2\n",
            "x is 4\n  Map(1) { 1 => {} }\n"
        )
    );
}

#[test]
fn timers_wait_in_the_host() {
    let ran = js("const seen = []; setTimeout(() => seen.push('late'), 20); setTimeout(() => seen.push('soon'));
        const gone = setTimeout(() => seen.push('never'), 5); clearTimeout(gone);
        let n = 0; const every = setInterval(() => { seen.push('tick'); if (++n === 2) clearInterval(every) }, 1);
        await new Promise(done => setTimeout(done, 10));
        __out = seen;");
    let Value::Array(mut seen) = ran.result.unwrap() else {
        panic!("a list");
    };
    seen.sort_by_key(ToString::to_string);
    assert_eq!(seen, ["late", "soon", "tick"]);
}

#[test]
fn the_web_platform_is_there() {
    assert_eq!(
        value("const u = new URL('../c d?x=1&y=é#h', 'https://User:pw@Example.org:8080/a/b/c?q');
            u.searchParams.append('z', 'a b&c');
            [u.href, u.origin, u.host, u.pathname, u.search, u.hash, u.searchParams.get('y'), URL.canParse('nope'),
             new URL('http://a.b').href, new URL('mailto:a@b.c').pathname, new URL('//x.y/z', 'https://q').href,
             new URL('https://a.b:443/x/./y/../z').href, String(new URLSearchParams({a: 1, b: 'x y'}))]"),
        json!(["https://User:pw@example.org:8080/a/c%20d?x=1&y=%C3%A9&z=a+b%26c#h", "https://example.org:8080",
            "example.org:8080", "/a/c%20d", "?x=1&y=%C3%A9&z=a+b%26c", "#h", "é", false,
            "http://a.b/", "a@b.c", "https://x.y/z", "https://a.b/x/z", "a=1&b=x+y"])
    );
    assert_eq!(
        value("const c = structuredClone({d: new Date(5), m: new Map([[1, {a: [1]}]]), n: null});
            const text = new TextDecoder().decode(new TextEncoder().encode('aé€😀'));
            [c.d.getTime(), c.m.get(1), text, btoa('hi'), atob('aGk='), typeof queueMicrotask, typeof performance.now(),
             /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(crypto.randomUUID()),
             Math.random() !== Math.random()]"),
        json!([5, {"a": [1]}, "aé€😀", "aGk=", "hi", "function", "number", true, true])
    );
}

#[test]
fn modules_that_do_not_exist_are_refused_before_anything_runs() {
    let ran = js("await tools.echo.x({});\nimport fs from 'node:fs';");
    assert_eq!(ran.calls, []);
    let failure = ran.failure();
    assert_eq!(
        (
            failure.kind,
            failure.message.as_str(),
            failure.line,
            failure.column
        ),
        (
            FailureKind::Unsupported,
            "there is no module `node:fs`",
            Some(2),
            Some(1)
        )
    );
    assert_eq!(
        js("await import('x')").failure().kind,
        FailureKind::Unsupported
    );
    assert_eq!(
        js("fetch('http://x')").failure().kind,
        FailureKind::Unsupported
    );
    assert_eq!(
        value(
            "import tools2, { run as go, search } from 'tools';\nexport const x = (await go('echo:a', {b: 1})).b;\nexport default x + 1"
        ),
        json!(2)
    );
}

#[test]
fn a_text_that_is_no_program_says_where() {
    let failure = js("const a = 1;\nlet b = ;").failure();
    assert_eq!(
        (failure.kind, failure.line, failure.column),
        (FailureKind::Syntax, Some(2), Some(9))
    );
    let failure = js("let a = 1;\nlet a = 2;").failure();
    assert_eq!((failure.kind, failure.line), (FailureKind::Syntax, Some(2)));
    let failure = js("def main():\n    return 1").failure();
    assert_eq!(failure.kind, FailureKind::Syntax);
    assert_eq!(
        failure.hints.last().unwrap(),
        "this reads like Python; say so with the language of the program"
    );
}

#[test]
fn an_error_says_where_in_the_program_as_written() {
    let failure = js("function inner() {\n  null.x;\n}\nif (false) return 1;\ninner();").failure();
    assert_eq!(
        (failure.name.as_deref(), failure.line),
        (Some("TypeError"), Some(2))
    );
    assert_eq!(failure.trace, ["at inner (2:3)", "at the program (5:1)"]);
    let failure = js("Promise.reject(new Error('lost'));\nawait tools.echo.x({});").failure();
    assert_eq!((failure.message.as_str(), failure.line), ("lost", Some(1)));
    let failure = js("throw {a: 1}").failure();
    assert_eq!(failure.message, "the program threw {\"a\":1}");
    let failure = js("await new Promise(() => {})").failure();
    assert_eq!(
        failure.message,
        "the program waits for a promise that nothing will settle"
    );
}

#[test]
fn inputs_are_variables() {
    let mut start = program(Language::JavaScript, "[user.name, n + 1]");
    start.inputs =
        serde_json::from_value(json!({"user": {"name": "é", "__proto__": 1}, "n": 4})).unwrap();
    assert_eq!(
        Guest::new().run(start, tools).result.unwrap(),
        json!(["é", 5])
    );
}

/// Code of a stopped program that still waits to run would run with the next one: then nothing is
/// kept.
#[test]
fn a_session_keeps_variables_when_a_program_is_stopped() {
    let mut guest = Guest::new();
    let mut run = |source: &str| {
        let mut start = program(Language::JavaScript, source);
        start.keep = true;
        start.limits.run_ms = Some(500);
        guest
            .run(start, tools)
            .result
            .map_err(|failure| failure.kind)
    };
    let time = Err(toolexec_wire::FailureKind::Time);
    assert_eq!(
        run("let a = 1; const f = () => { for (;;) a++ }; null"),
        Ok(json!(null))
    );
    assert_eq!(run("let b = 2; while (true) {}"), time);
    assert_eq!(run("let c = 3; try { f() } finally { c = 4 }"), time);
    assert_eq!(run("[a > 1, b, c]"), Ok(json!([true, 2, 3])));
    assert_eq!(run("let d = 0; while (true) { await null; d++ }"), time);
    assert_eq!(run("typeof a"), Ok(json!("undefined")));
}

#[test]
fn a_session_keeps_variables_when_it_is_asked_to() {
    let mut guest = Guest::new();
    let mut keep = |source: &str| {
        let mut start = program(Language::JavaScript, source);
        start.keep = true;
        guest.run(start, tools).result.map_err(Box::new)
    };
    keep("const a = 1; let b = 2; class C { x() { return 7 } }; function f() { return a }")
        .unwrap();
    assert_eq!(
        keep("const a = 10; a + b + new C().x() + f()").unwrap(),
        json!(29)
    );
    assert_eq!(keep("throw new Error('x')").unwrap_err().message, "x");
    assert_eq!(
        keep("if (a) { const r = await tools.echo.x({a}); return r }").unwrap(),
        json!({"a": 10})
    );
    assert_eq!(keep("b").unwrap(), json!(2));
    let mut fresh = Guest::new();
    fresh.run(program(Language::JavaScript, "globalThis.left = 1"), tools);
    let after = fresh.run(program(Language::JavaScript, "typeof left"), tools);
    assert_eq!(after.result.unwrap(), json!("undefined"));
}

#[test]
fn logs_and_progress_reach_the_host() {
    let ran = js("log('hello'); log('warn', {a: 1}); tools.progress(1, 2, 'half'); progress(NaN)");
    assert_eq!(
        ran.logs,
        [
            ("info".into(), json!("hello")),
            ("warning".into(), json!({"a": 1}))
        ]
    );
    assert_eq!(ran.progress, [(1.0, Some(2.0), Some("half".into()))]);
}
