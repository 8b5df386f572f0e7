//! Programs that behave, in each language and each way to run the guest.

use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;
use toolexec_core::CallContext;
use toolexec_core::code::{Outcome, Submission};
use toolexec_core::sandbox::{Language, Limits};

use crate::support::{Way, run, value};

in_every_sandbox!(
    a_program_calls_a_tool_and_answers,
    calls_made_together_run_together,
    a_failing_tool_is_caught,
    inputs_are_variables,
    doubles_keep_their_last_bit,
    variables_stay_in_a_session,
    problems_are_told_before_any_tool_runs,
    many_programs_at_once_all_end_beside_some_that_never_do,
);

/// A program's text in JavaScript and in Python.
fn text<'a>(language: Language, javascript: &'a str, python: &'a str) -> &'a str {
    match language {
        Language::Python => python,
        _ => javascript,
    }
}

pub(crate) async fn a_program_calls_a_tool_and_answers(way: Way) {
    for (language, executor, _) in way.each() {
        let source = text(
            language,
            "console.log('hi'); const sum = await tools.math.add({a: 1, b: 2}); return {sum}",
            "print('hi')\nsum = tools.math.add(a=1, b=2)\nreturn {'sum': sum}",
        );
        let outcome = run(&executor, Submission::new(language, source)).await;
        assert_eq!(outcome.error, None, "{way} {language:?}");
        assert_eq!(outcome.value, json!({"sum": 3}), "{way} {language:?}");
        assert_eq!(outcome.stdout, "hi\n");
        assert_eq!(outcome.calls.len(), 1);
        assert_eq!(outcome.usage.tool_calls, 1);
    }
}

async fn calls_made_together_run_together(way: Way) {
    for (language, executor, tools) in way.each() {
        let source = text(
            language,
            "const all = await Promise.all([...Array(20).keys()].map(
                 () => tools.run('test:slow', {ms: 50})));
             return all.length",
            "import asyncio\nall = await asyncio.gather(\
             *[tools.run('test:slow', {'ms': 50}) for _ in range(20)])\nreturn len(all)",
        );
        assert_eq!(value(&executor, language, source).await, json!(20));
        assert_eq!(tools.most_in_flight(), 20, "{way} {language:?}");
    }
}

pub(crate) async fn a_failing_tool_is_caught(way: Way) {
    for (language, executor, _) in way.each() {
        let source = text(
            language,
            "try { await tools.math.fail({}) } catch (e) { return [e.code, e.tool, e.message] }",
            "try:\n    tools.math.fail()\nexcept Exception as e:\n    return str(e)",
        );
        let outcome = run(&executor, Submission::new(language, source)).await;
        assert_eq!(outcome.error, None, "{way} {language:?}");
        let text = outcome.value.to_string();
        assert!(text.contains("it does that always"), "{way} {text}");
    }
}

async fn inputs_are_variables(way: Way) {
    for (language, executor, _) in way.each() {
        let source = text(language, "return items.length + n", "return len(items) + n");
        let submission = Submission::new(language, source)
            .input("items", json!([1, 2, 3]))
            .input("n", 4);
        let outcome = run(&executor, submission).await;
        assert_eq!(outcome.value, json!(7), "{way} {language:?}");
    }
}

pub(crate) async fn doubles_keep_their_last_bit(way: Way) {
    // Read with less care, the last bit of each is another one.
    let numbers = json!([94.527_069_555_392_23, 23.308_445_025_757_262]);
    for (language, executor, _) in way.each() {
        let source = text(
            language,
            "const echoed = await tools.test.echo({numbers});
             return [echoed.numbers, [94.52706955539223, 23.308445025757262]]",
            "echoed = tools.test.echo(numbers=numbers)\n\
             return [echoed['numbers'], [94.52706955539223, 23.308445025757262]]",
        );
        let submission = Submission::new(language, source).input("numbers", numbers.clone());
        let outcome = run(&executor, submission).await;
        let expected = json!([numbers.clone(), numbers.clone()]);
        assert_eq!(outcome.value, expected, "{way} {language:?}");
    }
}

async fn variables_stay_in_a_session(way: Way) {
    for (language, executor, _) in way.each() {
        let cx = CallContext::new();
        let limits = Limits::default();
        let mut session = executor.open(language, limits, None).await.unwrap();
        for (source, expected) in [
            (text(language, "var n = 20; n", "n = 20\nn"), json!(20)),
            (text(language, "n += 1; n", "n += 1\nn"), json!(21)),
        ] {
            let outcome = session
                .execute(Submission::new(language, source), &cx)
                .await
                .unwrap();
            assert_eq!(outcome.error, None, "{way} {language:?}");
            assert_eq!(outcome.value, expected, "{way} {language:?}");
        }
    }
}

async fn problems_are_told_before_any_tool_runs(way: Way) {
    for (language, executor, _) in way.each() {
        let source = text(
            language,
            "await tools.math.add({a: 1, b: 2});\nawait tools.math.ad({a: 1})",
            "tools.math.add(a=1, b=2)\ntools.math.ad(a=1)",
        );
        let outcome = run(&executor, Submission::new(language, source)).await;
        let error = outcome.error.unwrap();
        assert_eq!(error.problems.len(), 1, "{way} {language:?}");
        assert_eq!(error.problems[0].code, "unknown_tool");
        assert_eq!(error.line, Some(2), "{way} {language:?}");
        assert_eq!(outcome.calls, []);
    }
}

async fn many_programs_at_once_all_end_beside_some_that_never_do(way: Way) {
    for (language, executor, _) in way.each() {
        let endless = text(language, "for (;;) {}", "while True:\n    pass");
        let source = text(
            language,
            "let n = 0; for (let i = 0; i < 20000; i++) n += i % 7;
             return await tools.math.add({a: n, b: 1})",
            "n = 0\nfor i in range(20000):\n    n += i % 7\nreturn tools.math.add(a=n, b=1)",
        );
        let limits = Limits {
            run_time: Some(Duration::from_hours(1)),
            ..Limits::default()
        };
        let start = |running: &mut JoinSet<Outcome>, source: &str| {
            let executor = executor.clone();
            let submission = Submission::new(language, source).limits(limits);
            running.spawn(async move { run(&executor, submission).await });
        };
        let (mut endless_ones, mut running) = (JoinSet::new(), JoinSet::new());
        // More than there are threads.
        for _ in 0..3 {
            start(&mut endless_ones, endless);
        }
        for _ in 0..way.at_once {
            start(&mut running, source);
        }
        let outcomes = running.join_all().await;
        let values: Vec<_> = outcomes.iter().map(|one| &one.value).collect();
        assert_eq!(
            values,
            vec![&json!(59_998); way.at_once],
            "{way} {language:?}"
        );
        assert!(endless_ones.try_join_next().is_none(), "{way}");
    }
}
