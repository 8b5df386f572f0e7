//! Sessions: what stays from program to program, what a fork has, and what is said when it is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use toolexec_core::backend::local::{Local, LocalTool};
use toolexec_core::code::{
    CodeErrorKind, CodeSessions, SessionOptions, SessionSettings, SessionState, Submission,
};
use toolexec_core::index::Index;
use toolexec_core::sandbox::{Language, Limits};
use toolexec_core::{Args, CallContext, ErrorKind, Runner};

use crate::support::{Tools, Way, ways};

in_every_sandbox!(
    variables_and_functions_stay_and_forks_go_their_own_ways,
    a_lost_session_says_so_and_a_fork_has_what_was_before,
    a_program_that_is_stopped_leaves_its_variables,
);

/// How a language is used here.
struct Words {
    language: Language,
    /// Keeps what a tool answers in `n`, with a function where the language has them.
    define: &'static str,
    /// Changes it.
    change: &'static str,
    /// Asks the tool again, and says what it answers and what `n` is.
    ask: &'static str,
}

const WORDS: [Words; 4] = [
    Words {
        language: Language::JavaScript,
        define: "let n = base + await tools.count.up({}); function twice(x) { return 2 * x }; null",
        change: "n = twice(n); n",
        ask: "[await tools.count.up({}), n]",
    },
    Words {
        language: Language::TypeScript,
        define: "let n: number = base + await tools.count.up({}); const twice = (x: number): number => 2 * x; null",
        change: "n = twice(n) as number; n",
        ask: "[await tools.count.up({}), n]",
    },
    Words {
        language: Language::Python,
        define: "n = base + tools.count.up()\ndef twice(x):\n    return 2 * x\n",
        change: "n = twice(n)\nn",
        ask: "[tools.count.up(), n]",
    },
    Words {
        language: Language::Script,
        define: "n := base + run(\"count:up\", {})\nnull",
        change: "n = n * 2\nn",
        ask: "[run(\"count:up\", {}), n]",
    },
];

/// A tool that says how often it was called.
fn counter() -> (Tools, Arc<AtomicUsize>) {
    let calls = Arc::<AtomicUsize>::default();
    let counted = calls.clone();
    let tools = Local::new("count").tool(LocalTool::new("up", move |_: Args| {
        let calls = counted.fetch_add(1, Ordering::SeqCst) + 1;
        async move { Ok::<_, String>(calls) }
    }));
    let index = Index::new();
    index.register_all(tools.registrations().unwrap());
    (Tools::of(Runner::new(index)), calls)
}

async fn value(sessions: &CodeSessions, name: &str, language: Language, source: &str) -> Value {
    let submission = Submission::new(language, source);
    let outcome = sessions
        .execute(name, submission, &CallContext::new())
        .await;
    let outcome = outcome.unwrap();
    assert_eq!(
        (outcome.error, outcome.warnings),
        (None, vec![]),
        "{source}"
    );
    outcome.value
}

pub(crate) async fn variables_and_functions_stay_and_forks_go_their_own_ways(way: Way) {
    for words in WORDS {
        let (language, (tools, calls)) = (words.language, counter());
        let sessions = way.executor(&tools).sessions(SessionSettings::default());
        let mut options = SessionOptions::new(language);
        options.inputs.insert("base".to_owned(), json!(20));
        sessions.start(Some("a"), options).await.unwrap();
        assert_eq!(
            value(&sessions, "a", language, words.define).await,
            json!(null)
        );
        assert_eq!(
            value(&sessions, "a", language, words.change).await,
            json!(42)
        );
        let cx = CallContext::new();
        let forked = sessions.fork("a", Some("b"), &cx).await.unwrap();
        assert_eq!(forked.forked_from.as_deref(), Some("a"));
        assert_eq!(calls.load(Ordering::SeqCst), 1, "a fork calls no tool");
        // And a fork of a fork.
        sessions.fork("b", None, &cx).await.unwrap();
        assert_eq!(
            value(&sessions, "a", language, words.change).await,
            json!(84)
        );
        assert_eq!(
            value(&sessions, "b", language, words.ask).await,
            json!([2, 42])
        );
        assert_eq!(
            value(&sessions, "a", language, words.ask).await,
            json!([3, 84])
        );
        assert_eq!(
            value(&sessions, "s1", language, words.change).await,
            json!(84)
        );
        sessions.stop("a").unwrap();
        assert_eq!(
            value(&sessions, "b", language, words.change).await,
            json!(84)
        );
        let left: Vec<_> = sessions
            .list()
            .into_iter()
            .map(|info| (info.id, info.state, info.programs, info.tool_calls))
            .collect();
        let ready = SessionState::Ready;
        let wanted = [
            ("b".to_owned(), ready, 4, 2),
            ("s1".to_owned(), ready, 3, 1),
        ];
        assert_eq!(left, wanted, "{way} {language:?}");
    }
}

async fn a_lost_session_says_so_and_a_fork_has_what_was_before(way: Way) {
    for (language, define, hoard, read) in [
        (
            Language::JavaScript,
            "let n = 7; null",
            "n = 8; const all = []; while (true) all.push('x'.repeat(1e6) + n++)",
            "n",
        ),
        (
            Language::Python,
            "n = 7",
            "n = 8\nall = []\nwhile True:\n    n += 1\n    all.append('x' * 1000000 + str(n))",
            "n",
        ),
    ] {
        let sessions = way
            .executor(&Tools::new())
            .sessions(SessionSettings::default());
        let mut options = SessionOptions::new(language);
        options.limits.memory = Some(64 << 20);
        sessions.start(Some("a"), options).await.unwrap();
        value(&sessions, "a", language, define).await;
        let cx = CallContext::new();
        let outcome = sessions
            .execute("a", Submission::new(language, hoard), &cx)
            .await
            .unwrap();
        let error = outcome.error.unwrap();
        let lost = "the session a is lost with this program, and its variables; a fork of it has \
                    those from before";
        assert_eq!(
            (
                error.limit.map(|excess| excess.name.as_str()),
                outcome.warnings
            ),
            (Some("memory"), vec![lost.to_owned()]),
            "{way} {language:?}"
        );
        let refused = sessions
            .execute("a", Submission::new(language, read), &cx)
            .await;
        let refused = refused.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::SandboxUnavailable);
        let message = format!(
            "the session a is lost, and its variables are gone: {}",
            error.message
        );
        assert_eq!(refused.guest_message(), message);
        assert_eq!(sessions.info("a").unwrap().state, SessionState::Lost);
        sessions.fork("a", Some("b"), &cx).await.unwrap();
        assert_eq!(
            value(&sessions, "b", language, read).await,
            json!(7),
            "{way} {language:?}"
        );
    }
}

async fn a_program_that_is_stopped_leaves_its_variables(way: Way) {
    for (language, hang, wait, read) in [
        (
            Language::JavaScript,
            "let n = 7; while (true) {}",
            "n = 8; await tools.test.slow({})",
            "n",
        ),
        (
            Language::Python,
            "n = 7\nwhile True:\n    pass",
            "n = 8\ntools.test.slow()",
            "n",
        ),
    ] {
        let sessions = way
            .executor(&Tools::new())
            .sessions(SessionSettings::default());
        let mut options = SessionOptions::new(language);
        options.limits.run_time = Some(Duration::from_millis(500));
        sessions.start(Some("a"), options).await.unwrap();
        let cx = CallContext::new();
        let outcome = sessions
            .execute("a", Submission::new(language, hang), &cx)
            .await
            .unwrap();
        let limit = outcome.error.unwrap().limit.unwrap();
        assert_eq!(
            (limit.name.as_str(), outcome.warnings),
            ("run_time", vec![])
        );
        assert_eq!(
            value(&sessions, "a", language, read).await,
            json!(7),
            "{way} {language:?}"
        );
        let cx = cx.with_timeout(Duration::from_millis(300));
        let outcome = sessions
            .execute("a", Submission::new(language, wait), &cx)
            .await
            .unwrap();
        let kind = outcome.error.map(|error| error.kind);
        assert_eq!(
            (kind, outcome.warnings),
            (Some(CodeErrorKind::Cancelled), vec![])
        );
        assert_eq!(
            value(&sessions, "a", language, read).await,
            json!(8),
            "{way} {language:?}"
        );
    }
}

/// In wasm the guest itself is copied, with what it took from chance and all its memory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fork_in_wasm_is_a_copy() {
    let Some(way) = ways::wasm().found().await else {
        return;
    };
    let sessions = way
        .executor(&Tools::new())
        .sessions(SessionSettings::default());
    let cx = CallContext::new();
    for (name, language, define, read) in [
        (
            "js",
            Language::JavaScript,
            "const r = Math.random(), big = 'x'.repeat(30 << 20) + r; const m = new Map([[1, () => r]]); null",
            "[r, big.length, m.get(1)() === r, big.endsWith(r)]",
        ),
        (
            "py",
            Language::Python,
            "import random\nr = random.random()\nbig = 'x' * (30 << 20) + str(r)\nm = {1: lambda: r}\nNone",
            "[r, len(big), m[1]() == r, big.endswith(str(r))]",
        ),
    ] {
        sessions
            .start(Some(name), SessionOptions::new(language))
            .await
            .unwrap();
        value(&sessions, name, language, define).await;
        let fork = sessions.fork(name, None, &cx).await.unwrap().id;
        let own = value(&sessions, name, language, read).await;
        assert_eq!(value(&sessions, &fork, language, read).await, own);
        assert_eq!((&own[2], &own[3]), (&json!(true), &json!(true)));
        // Random numbers go on differently.
        let roll = match language {
            Language::Python => "import uuid\nstr(uuid.uuid4())",
            _ => "crypto.randomUUID()",
        };
        if language == Language::JavaScript {
            let first = value(&sessions, name, language, roll).await;
            assert_ne!(value(&sessions, &fork, language, roll).await, first);
        }
    }
}

/// Elsewhere the programs run again; one that shows that it cannot is not forked.
#[tokio::test]
async fn a_fork_that_would_differ_is_refused() {
    let Some(way) = ways::host().found().await else {
        return;
    };
    let sessions = way
        .executor(&Tools::new())
        .sessions(SessionSettings::default());
    let (language, cx) = (Language::JavaScript, CallContext::new());
    for (define, how) in [
        (
            "Math.random()",
            "it printed something else or ended in another way",
        ),
        (
            "console.log(Math.random())",
            "it printed something else or ended in another way",
        ),
        (
            "await tools.test.echo({r: Math.random()}); null",
            "it made another call",
        ),
    ] {
        let info = sessions
            .start(None, SessionOptions::new(language))
            .await
            .unwrap();
        value(&sessions, &info.id, language, define).await;
        let error = sessions.fork(&info.id, None, &cx).await.unwrap_err();
        let message = format!(
            "the session cannot be forked: its program 1 did not do again what it did ({how})"
        );
        assert_eq!(
            (error.kind(), error.guest_message()),
            (ErrorKind::Unsupported, &*message)
        );
        assert_eq!(sessions.info(&info.id).unwrap().state, SessionState::Ready);
    }
}

/// Calls that were open at once are answered in the order in which they were, and sleeps are not
/// slept again.
#[tokio::test]
async fn a_fork_gets_the_answers_in_their_order() {
    let Some(way) = ways::host().found().await else {
        return;
    };
    let sessions = way
        .executor(&Tools::new())
        .sessions(SessionSettings::default());
    let cx = CallContext::new();
    for (language, define, read) in [
        (
            Language::JavaScript,
            "const order = []; const one = async (ms) => { await tools.test.slow({ms}); order.push(ms) };\n\
             await Promise.all([one(600), one(100), one(350)]); await sleep(50); null",
            "order",
        ),
        (
            Language::Python,
            "import asyncio\norder = []\nasync def one(ms):\n    await tools.test.slow(ms=ms)\n    order.append(ms)\n\
             await asyncio.gather(one(600), one(100), one(350))\nawait asyncio.sleep(0.05)\nNone",
            "order",
        ),
    ] {
        let info = sessions
            .start(None, SessionOptions::new(language))
            .await
            .unwrap();
        let define = define.replace(
            "await sleep(50)",
            "await new Promise((done) => setTimeout(done, 50))",
        );
        value(&sessions, &info.id, language, &define).await;
        let fork = sessions.fork(&info.id, None, &cx).await.unwrap().id;
        let own = value(&sessions, &info.id, language, read).await;
        assert_eq!(own, json!([100, 350, 600]));
        assert_eq!(value(&sessions, &fork, language, read).await, own);
    }
}

/// What a session has used stays used in its fork.
#[tokio::test]
async fn budgets_of_a_session_hold_for_its_forks() {
    let Some(way) = ways::wasm().found().await else {
        return;
    };
    let mut settings = SessionSettings::default();
    settings.limits.tool_calls = Some(3);
    let sessions = way.executor(&Tools::new()).sessions(settings);
    let (language, cx) = (Language::JavaScript, CallContext::new());
    let options = SessionOptions::new(language);
    sessions.start(Some("a"), options).await.unwrap();
    let add = "await tools.math.add({a: 1, b: 1}); await tools.math.add({a: 1, b: 1})";
    value(&sessions, "a", language, add).await;
    sessions.fork("a", Some("b"), &cx).await.unwrap();
    let outcome = sessions
        .execute("b", Submission::new(language, add), &cx)
        .await
        .unwrap();
    let limit = outcome.error.unwrap().limit.unwrap();
    assert_eq!(
        (limit.name.as_str(), limit.limit),
        ("tool_calls", Some(1.0))
    );
    // A program may ask for less than the session has, and not for more.
    let more = Limits {
        run_time: Some(Duration::from_hours(1)),
        ..Limits::default()
    };
    let submission = Submission::new(language, "1").limits(more);
    let error = sessions.execute("a", submission, &cx).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}
