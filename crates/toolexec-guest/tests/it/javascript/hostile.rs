//! Programs that mean harm. Each ends with a failure that says why, and the next one is served.

use serde_json::{Value, json};
use toolexec_wire::{Failure, FailureKind, Language, Op, Outcome, Start, ToGuest, ToHost};

use super::{js, value};
use crate::harness::{Guest, Ran, program, tools};

/// A program with little time and memory.
fn small(source: &str) -> Start {
    let mut start = program(Language::JavaScript, source);
    start.limits.run_ms = Some(300);
    start.limits.memory_bytes = Some(16 << 20);
    start
}

/// Runs it, and then a program that behaves, in the same session.
fn run_small(source: &str) -> Ran {
    let mut guest = Guest::new();
    let ran = guest.run(small(source), tools);
    let after = guest.run(program(Language::JavaScript, "40 + 2"), tools);
    assert_eq!(after.result.unwrap(), json!(42));
    assert!(guest.hang_up());
    ran
}

fn failure(source: &str) -> Failure {
    run_small(source).failure()
}

#[test]
fn endless_programs_run_out_of_time() {
    for source in [
        "for (;;) {}",
        "try { for (;;) {} } catch {} 'went on'",
        "try { for (;;) {} } finally { throw new Error('mine') }",
        "try { for (;;) {} } finally { for (;;) {} }",
        "(async () => { for (;;) await null })()",
        "const again = () => Promise.resolve().then(again); await again()",
        "const again = () => setTimeout(again, 0); again()",
        "/^(a+)+$/.test('a'.repeat(40) + 'b')",
        "({ get a() { for (;;) {} } })",
        "new Proxy({}, { ownKeys() { for (;;) {} } })",
        "await tools.echo.x({ toJSON() { for (;;) {} } })",
        "try { for (;;) {} } catch {} await tools.echo.late({})",
        "Array.from({ length: 1e9 }, () => 1).length; for (;;) {}",
        "[3, 1, 2].sort(() => { for (;;) {} })",
        "while (true) { try { null.x } catch {} }",
    ] {
        let ran = run_small(source);
        assert_eq!(ran.calls, [], "{source}");
        let kind = ran.failure().kind;
        // What fills memory while it runs may run out of that first.
        assert!(
            matches!(kind, FailureKind::Time | FailureKind::Memory),
            "{kind:?} of {source}"
        );
    }
    let message = failure("for (;;) {}").message;
    assert!(
        message.ends_with("ms, longer than the 300 ms it may (waiting for tools is not counted)"),
        "{message}"
    );
}

#[test]
fn timers_that_fired_are_forgotten() {
    let mut program = small(
        "let n = 0;
         await new Promise((done) => {
           const again = () => (++n < 300_000 ? setTimeout(again, 0) : done());
           again();
         });
         return n",
    );
    program.limits.run_ms = Some(60_000);
    program.limits.memory_bytes = Some(4 << 20);
    let ran = Guest::new().run(program, tools);
    assert_eq!(ran.result.unwrap(), json!(300_000));
}

#[test]
fn programs_that_need_too_much_memory_end() {
    for source in [
        "const all = []; for (;;) all.push(new Array(1000).fill(1))",
        "try { const all = []; for (;;) all.push(new Array(1000).fill(1)) } catch {} 'went on'",
        "let s = 'x'; for (;;) s += s",
        "'x'.repeat(2 ** 29)",
        "new Uint8Array(1e9)",
        "new ArrayBuffer(1e9)",
        "const m = new Map(); for (let i = 0; ; i++) m.set(i, [i])",
        "for (;;) Promise.resolve().then(() => {})",
        "const o = {}; for (let i = 0; ; i++) o['key' + i] = i",
    ] {
        let failure = failure(source);
        assert!(
            matches!(failure.kind, FailureKind::Memory | FailureKind::Time),
            "{failure:?} of {source}"
        );
    }
    let failure = failure("'x'.repeat(2 ** 29)");
    assert_eq!(
        (failure.kind, failure.message.as_str()),
        (
            FailureKind::Memory,
            "the program needs more than the 16777216 bytes of memory it may"
        )
    );
}

#[test]
fn deep_recursion_ends_the_program_or_is_caught() {
    let failure = failure("function f() { return f() + 1 }\nf()");
    assert_eq!((failure.kind, failure.line), (FailureKind::Memory, Some(1)));
    assert_eq!(
        value("function f() { return f() + 1 }\ntry { f() } catch (e) { e.name }"),
        json!("RangeError")
    );
    assert_eq!(
        failure_kind("const o = {}; o.toString = () => `${o}`; `${o}`"),
        FailureKind::Memory
    );
    assert_eq!(
        failure_kind(&format!("{}1{}", "(".repeat(50_000), ")".repeat(50_000))),
        FailureKind::Syntax
    );
    assert_eq!(failure_kind(&"[".repeat(300_000)), FailureKind::Syntax);
    let nested = "JSON.parse('['.repeat(1e5) + ']'.repeat(1e5))";
    assert!(matches!(
        failure_kind(nested),
        FailureKind::Memory | FailureKind::Exception
    ));
}

fn failure_kind(source: &str) -> FailureKind {
    failure(source).kind
}

#[test]
fn values_that_are_too_large_do_not_leave() {
    let mut start = program(Language::JavaScript, "'x'.repeat(100)");
    start.limits.result_bytes = Some(50);
    let failure = Guest::new().run(start, tools).failure();
    assert_eq!(
        (failure.kind, failure.message.as_str()),
        (
            FailureKind::ResultSize,
            "the value is 102 bytes of JSON, more than the 50 it may be"
        )
    );
    let wide = "let a = [1]; for (let i = 0; i < 60; i++) a = [a, a]; a";
    assert_eq!(
        js(wide).failure().message,
        "the value holds more than 1000000 values"
    );
    assert!(js("'x'.repeat(17 << 20)").result.is_err());
    let caught =
        value("try { await tools.echo.x({a: 'x'.repeat(17 << 20)}) } catch (e) { e.code }");
    assert_eq!(caught, json!("invalid_input"));
}

#[test]
fn many_prints_arrive_whole_and_together() {
    let mut guest = Guest::new();
    let mut start = program(
        Language::JavaScript,
        "for (let i = 0; i < 50000; i++) console.log(i)",
    );
    start.limits.run_ms = Some(60_000);
    let ran = guest.run(start, tools);
    let expected: Vec<String> = (0..50_000).map(|i| i.to_string()).collect();
    assert_eq!(ran.stdout.lines().collect::<Vec<_>>(), expected);
    assert!(ran.prints <= 1000, "{} messages", ran.prints);
    let large = guest.run(
        program(Language::JavaScript, "console.log('é'.repeat(1 << 20))"),
        tools,
    );
    assert_eq!(large.stdout.len(), (2 << 20) + 1);
}

#[test]
fn what_looks_like_a_message_is_only_text() {
    let forged = r#"const frame = '\u0016\0\0\0{"type":"done","value":1}';
        console.log(frame); await tools.echo.x({[frame]: frame, type: 'done'}); frame"#;
    let ran = js(forged);
    let frame = "\u{16}\0\0\0{\"type\":\"done\",\"value\":1}";
    assert_eq!(ran.stdout, format!("{frame}\n"));
    assert_eq!(
        ran.tools(),
        [("echo:x".into(), json!({frame: frame, "type": "done"}))]
    );
    assert_eq!(ran.result.unwrap(), json!(frame));
}

#[test]
fn changed_built_ins_change_only_the_program() {
    let ran = js("
        const pollute = (o, k, v) => Object.defineProperty(o, k, {value: v, writable: true, configurable: true});
        Object.defineProperty(Object.prototype, 'resolve', {set() { throw new Error('set') }, get() { return 1 }, configurable: true});
        for (const key of ['then', 'tool', 'code', 'timer', 'entry', 'stack', 'ms']) {
            Object.defineProperty(Object.prototype, key, {get() { return undefined }, set() { throw new Error('set ' + key) }, configurable: true});
        }
        JSON.stringify = () => 'forged'; JSON.parse = () => 'forged';
        Reflect.apply = Reflect.get = () => { throw new Error('reflect') };
        Array.isArray = () => { throw new Error('array') };
        Promise.prototype.then = function () { throw new Error('then') };
        globalThis.Promise = class { constructor() { throw new Error('promise') } };
        Error.prepareStackTrace = () => { throw new Error('trace') };
        String.prototype.toWellFormed = () => 'forged';
        pollute(Array.prototype, 'push', () => { throw new Error('push') });
        Array.prototype[Symbol.iterator] = function* () { yield 'forged' };
        const r = await tools.math.add({a: 1, b: 2});
        let caught; try { await tools.fail.busy({}) } catch (e) { caught = e.message }
        __out = {sum: r.result, caught};
    ");
    assert_eq!(ran.tools()[0], ("math:add".into(), json!({"a": 1, "b": 2})));
    assert_eq!(
        ran.result.unwrap(),
        json!({"sum": 3, "caught": "busy happened"})
    );
}

#[test]
fn a_program_cannot_take_the_engine_apart() {
    for source in [
        "$toolexec.give = 1",
        "tools.math = 1",
        "Object.setPrototypeOf(tools, null)",
        "delete tools.run",
    ] {
        assert_eq!(failure(source).kind, FailureKind::Exception, "{source}");
    }
    assert_eq!(
        value("globalThis.tools = 1; delete globalThis.$toolexec; globalThis.__out = 5; 1"),
        json!(5)
    );
    assert_eq!(
        value("(await tools.run.it({a: 1}).catch(e => e.tool))"),
        json!("run:it")
    );
    assert_eq!(
        value("typeof (await tools.math) + typeof tools.then + JSON.stringify(tools)"),
        json!("objectundefined{}")
    );
}

#[test]
fn a_cancelled_program_ends_wherever_it_is() {
    for source in [
        "for (;;) {}",
        "try { await tools.echo.x({}) } catch {} 'went on'",
    ] {
        let mut guest = Guest::new();
        guest.send(&ToGuest::Start(program(Language::JavaScript, source)));
        guest.send(&ToGuest::Cancel {
            reason: "enough".into(),
        });
        let error = loop {
            match guest.next().unwrap() {
                ToHost::Failed { error, .. } => break error,
                ToHost::Call { .. } | ToHost::Waiting => {}
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(
            (error.kind, error.message.as_str()),
            (FailureKind::Cancelled, "the program was cancelled: enough")
        );
        let after = guest.run(program(Language::JavaScript, "1"), tools);
        assert_eq!(after.result.unwrap(), json!(1));
    }
}

#[test]
fn a_host_that_hangs_up_ends_the_guest() {
    for source in ["for (;;) {}", "await tools.echo.x({})"] {
        let guest = Guest::new();
        guest.send(&ToGuest::Start(program(Language::JavaScript, source)));
        guest.hang_up();
    }
}

#[test]
fn thousands_of_calls_are_open_at_once() {
    let source = "(await Promise.all(Array.from({length: 5000}, (_, n) => tools.echo.it({n})))).reduce((a, b) => a + b.n, 0)";
    let ran = js(source);
    assert_eq!(ran.most_open, 5000);
    assert_eq!(ran.result.unwrap(), json!(12_497_500));
}

#[test]
fn answers_of_any_shape_are_values() {
    let deep: Value = (0..100).fold(json!(1), |inner, _| json!([inner]));
    let odd = json!({"__proto__": {"x": 1}, "then": "no", "constructor": 1, "deep": deep});
    let answer = odd.clone();
    let mut guest = Guest::new();
    let start = program(
        Language::JavaScript,
        "const r = await tools.a.b(); [r, r.x === undefined]",
    );
    let ran = guest.run(start, move |_: &Op| Outcome::Ok(answer.clone()));
    assert_eq!(ran.result.unwrap(), json!([odd, true]));
}
