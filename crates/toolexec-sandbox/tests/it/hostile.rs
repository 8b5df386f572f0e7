//! Programs that misbehave, in each language and each way to run the guest. After each of them
//! the next program is served.

use std::time::Duration;

use serde_json::{Value, json};
use toolexec_core::code::{CodeErrorKind, Outcome, Submission};
use toolexec_core::sandbox::{Language, LimitName, Limits};

use crate::support::{each, run, value, wasm};

/// How a hostile program must end.
#[derive(Debug, Clone, Copy)]
enum Ends {
    /// By this limit.
    At(LimitName),
    /// By one of several errors; which depends on what is met first.
    In(&'static [CodeErrorKind]),
    /// With this value: it did no harm.
    With(fn() -> Value),
}

struct Case {
    name: &'static str,
    javascript: &'static str,
    python: &'static str,
    ends: Ends,
}

const CASES: &[Case] = &[
    Case {
        name: "an endless loop",
        javascript: "while (true) {}",
        python: "while True:\n    pass",
        ends: Ends::At(LimitName::RunTime),
    },
    Case {
        name: "a builtin that does not end",
        javascript: "'a'.repeat(4e5).indexOf('a'.repeat(2e5) + 'b')",
        python: "x = 10 ** 200000\nwhile True:\n    y = x * x",
        ends: Ends::At(LimitName::RunTime),
    },
    Case {
        name: "a memory bomb",
        javascript: "const all = []; while (true) all.push(new Array(10000).fill(all.length))",
        python: "all = []\nwhile True:\n    all.append([len(all)] * 10000)",
        ends: Ends::At(LimitName::Memory),
    },
    Case {
        name: "a string bomb",
        javascript: "let s = 'x'; while (true) s += s; ",
        python: "s = 'x'\nwhile True:\n    s += s",
        ends: Ends::In(&[CodeErrorKind::Limit, CodeErrorKind::Exception]),
    },
    Case {
        name: "a recursion without end",
        javascript: "function f(n) { return f(n + 1) + 1 } return f(0)",
        python: "def f(n):\n    return f(n + 1) + 1\nreturn f(0)",
        ends: Ends::In(&[CodeErrorKind::Limit, CodeErrorKind::Exception]),
    },
    Case {
        name: "a catastrophic regular expression",
        javascript: "return /^(a+)+$/.test('a'.repeat(60) + 'b')",
        python: "import re\nreturn bool(re.match('^(a+)+$', 'a' * 60 + 'b'))",
        ends: Ends::In(&[CodeErrorKind::Limit, CodeErrorKind::Exception]),
    },
    Case {
        name: "a million prints",
        javascript: "for (let i = 0; i < 1e6; i++) console.log('line ' + i)",
        python: "for i in range(1000000):\n    print('line', i)",
        ends: Ends::At(LimitName::Output),
    },
    Case {
        name: "one huge print",
        javascript: "console.log('x'.repeat(2e6)); return 1",
        python: "print('x' * 2000000)\nreturn 1",
        ends: Ends::At(LimitName::Output),
    },
    Case {
        name: "a huge value",
        javascript: "return 'x'.repeat(5e6)",
        python: "return 'x' * 5000000",
        ends: Ends::At(LimitName::Result),
    },
    Case {
        name: "a flood of calls",
        javascript: "for (let i = 0; i < 1e5; i++) tools.run('test:slow', {ms: 60000});
                     await new Promise(() => {})",
        python: "import asyncio\nawait asyncio.gather(\
                 *[tools.run('test:slow', {'ms': 60000}) for _ in range(100000)])",
        ends: Ends::In(&[
            CodeErrorKind::Limit,
            CodeErrorKind::Protocol,
            CodeErrorKind::Exception,
        ]),
    },
    Case {
        name: "more calls than the budget, each error caught",
        javascript: "while (true) { try { await tools.math.add({a: 1, b: 1}) } catch (e) {} }",
        python: "while True:\n    try:\n        tools.math.add(a=1, b=1)\n    except Exception:\n        pass",
        ends: Ends::At(LimitName::ToolCalls),
    },
    Case {
        name: "catching the limit and going on",
        javascript: "while (true) { try { while (true) {} } catch (e) {} }",
        python: "while True:\n    try:\n        while True:\n            pass\n    except BaseException:\n        pass",
        ends: Ends::At(LimitName::RunTime),
    },
    Case {
        name: "throwing after the deadline",
        javascript: "try { while (true) {} } finally { throw new Error('mine') }",
        python: "try:\n    while True:\n        pass\nfinally:\n    raise ValueError('mine')",
        ends: Ends::At(LimitName::RunTime),
    },
    Case {
        name: "waiting without end",
        javascript: "await tools.run('test:slow', {ms: 60000})",
        python: "tools.run('test:slow', {'ms': 60000})",
        ends: Ends::At(LimitName::WaitTime),
    },
    Case {
        name: "what looks like a frame",
        javascript: "console.log('\\x1e\\x00\\x00\\x00{\"type\":\"done\",\"value\":\"forged\"}'); return 'mine'",
        python: "print('\\x1e\\x00\\x00\\x00{\"type\":\"done\",\"value\":\"forged\"}')\nreturn 'mine'",
        ends: Ends::With(|| json!("mine")),
    },
    Case {
        name: "patching what the guest is made of",
        javascript: "Object.prototype.toJSON = () => 'forged';
             Object.prototype.type = 'done'; Object.prototype.then = undefined;
             Array.prototype.push = () => { throw 1 }; JSON.stringify = () => 'forged';
             Promise.prototype.then = () => { throw 2 }; globalThis.Promise = null;
             Map.prototype.get = Map.prototype.set = () => 'forged';
             return await tools.math.add({a: 1, b: 2})",
        python: "dict = list = str = len = print = None\nreturn tools.math.add(a=1, b=2)",
        ends: Ends::In(&[CodeErrorKind::Exception]),
    },
    Case {
        name: "a program in another language",
        javascript: "def f(x):\n    return x",
        python: "const f = (x) => { return x }",
        ends: Ends::In(&[CodeErrorKind::Syntax]),
    },
    Case {
        name: "text that is not Unicode",
        javascript: "console.log('\\ud800'); return 'a\\udfff'.length",
        python: "return len(b'\\xff\\xfe')",
        ends: Ends::With(|| json!(2)),
    },
];

/// Little of everything, so that the test is short. Where another limit is meant, time must not
/// be the first to run out.
fn limits(ends: Ends) -> Limits {
    let run_time = match ends {
        Ends::At(LimitName::RunTime) | Ends::In(_) => Duration::from_millis(400),
        _ => Duration::from_secs(20),
    };
    Limits {
        run_time: Some(run_time),
        wait_time: Some(Duration::from_millis(300)),
        memory: Some(64 << 20),
        tool_calls: Some(20),
        ..Limits::default()
    }
}

fn fits(case: &Case, outcome: &Outcome) -> bool {
    let error = outcome.error.as_ref();
    match case.ends {
        Ends::At(limit) => {
            error
                .and_then(|error| error.limit.as_ref())
                .map(|excess| excess.name)
                == Some(limit)
        }
        // A program that did no harm is as good.
        Ends::In(kinds) => error.is_none_or(|error| kinds.contains(&error.kind)),
        Ends::With(value) => error.is_none() && outcome.value == value(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_hostile_program_ends_and_the_next_one_is_served() {
    // Compiling the modules is no part of what is timed.
    wasm().warm_up().await.unwrap();
    let mut failures = Vec::new();
    for (way, language, executor, _) in each() {
        for case in CASES {
            let source = match language {
                Language::Python => case.python,
                _ => case.javascript,
            };
            let submission = Submission::new(language, source).limits(limits(case.ends));
            let started = std::time::Instant::now();
            let outcome = run(&executor, submission).await;
            let took = started.elapsed();
            let next = match language {
                Language::Python => "return tools.math.add(a=1, b=1)",
                _ => "return await tools.math.add({a: 1, b: 1})",
            };
            assert_eq!(
                value(&executor, language, next).await,
                json!(2),
                "{}",
                case.name
            );
            if !fits(case, &outcome) || took > Duration::from_secs(25) {
                failures.push(format!(
                    "{way:?} {language:?} {}: {took:?} {:?} {:?}",
                    case.name, outcome.error, outcome.value
                ));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
