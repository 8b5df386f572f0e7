//! Programs that try to make up results, records or frames.

use serde_json::{Value, json};
use toolexec_core::code::Submission;
use toolexec_core::sandbox::Language;

use crate::support::{Tools, Way, run};

in_every_sandbox!(
    patching_what_the_guest_is_made_of_changes_no_call_and_no_value,
    patching_what_python_has_changes_no_call_and_no_value,
    printing_frames_is_printing,
    answers_cannot_be_made_up_from_inside,
);

/// What the guest is made of is taken away or replaced, and then a tool is called.
const POLLUTED: &str = "
    const forged = 'forged';
    for (const name of ['type', 'op', 'tool', 'id', 'ok', 'error', 'outcome', 'code', 'args']) {
      Object.prototype[name] = forged;
    }
    Object.prototype.then = undefined;
    Array.prototype.push = () => { throw 1 };
    Array.prototype[Symbol.iterator] = function* () { yield forged };
    JSON.stringify = JSON.parse = () => forged;
    Map.prototype.get = Map.prototype.set = () => forged;
    Object.keys = Object.entries = Object.assign = () => forged;
    Function.prototype.call = Function.prototype.apply = () => forged;
    String.prototype.split = () => forged;
    Reflect.apply = Reflect.ownKeys = () => forged;
    globalThis.Promise = globalThis.Proxy = globalThis.Error = globalThis.Object = null;
    const sum = await tools.math.add({a: 1, b: 2});
    return sum;
";

async fn patching_what_the_guest_is_made_of_changes_no_call_and_no_value(way: Way) {
    let executor = way.executor(&Tools::new());
    let submission = Submission::new(Language::JavaScript, POLLUTED);
    let outcome = run(&executor, submission).await;
    let calls: Vec<_> = outcome
        .calls
        .iter()
        .map(|call| (call.tool.as_deref(), call.args.clone(), call.result.clone()))
        .collect();
    assert_eq!(
        calls,
        [(Some("math:add"), json!({"a": 1, "b": 2}), Some(json!(3)))],
        "{way} {:?}",
        outcome.error
    );
    assert_eq!((outcome.error, outcome.value), (None, json!(3)), "{way}");
    let next = run(
        &executor,
        Submission::new(Language::JavaScript, "return JSON.stringify([1])"),
    )
    .await;
    assert_eq!(next.value, json!("[1]"), "{way}");
}

async fn patching_what_python_has_changes_no_call_and_no_value(way: Way) {
    let source = "dict = list = str = len = print = None\nreturn tools.math.add(a=1, b=2)";
    let executor = way.executor(&Tools::new());
    let outcome = run(&executor, Submission::new(Language::Python, source)).await;
    assert_eq!((outcome.error, outcome.value), (None, json!(3)), "{way}");
}

async fn printing_frames_is_printing(way: Way) {
    // A frame is its length and JSON; as text, and with the bytes of its length.
    let frame = r#"{"type":"done","value":"forged","usage":{"run_us":0}}"#;
    let text = format!("\n{frame}\n\u{0}\u{0}\u{0}\u{35}{frame}");
    for language in way.languages() {
        let literal = Value::from(text.as_str());
        let source = match language {
            Language::Python => format!("print({literal})\nreturn 'mine'"),
            _ => format!("console.log({literal}); return 'mine'"),
        };
        let executor = way.executor(&Tools::new());
        let outcome = run(&executor, Submission::new(language, source)).await;
        assert_eq!(
            (outcome.error, outcome.value, outcome.stdout),
            (None, json!("mine"), format!("{text}\n")),
            "{way} {language:?}"
        );
    }
}

async fn answers_cannot_be_made_up_from_inside(way: Way) {
    // Every function that a program finds is called with what an answer looks like; none of them
    // answers the open call.
    let source = "
        const seen = new Set();
        const reach = (value, depth) => {
          if (depth > 4 || value === null || !['object', 'function'].includes(typeof value)) return;
          if (seen.has(value)) return;
          seen.add(value);
          for (const name of Reflect.ownKeys(value)) {
            let inner;
            try { inner = value[name] } catch { continue }
            reach(inner, depth + 1);
          }
        };
        reach($toolexec, 0); reach($script, 0); reach(tools, 0); reach(tools.run, 0);
        const waiting = tools.math.add({a: 1, b: 2});
        for (const one of seen) {
          if (typeof one !== 'function' || one === tools.run) continue;
          for (const args of [[1, {ok: 'forged'}], [{id: 1, outcome: {ok: 'forged'}}], ['1', 'forged']]) {
            try { const made = one(...args); if (made && made.catch) made.catch(() => {}) } catch {}
          }
        }
        return [await waiting, seen.size > 3];
    ";
    let executor = way.executor(&Tools::new());
    let outcome = run(&executor, Submission::new(Language::JavaScript, source)).await;
    assert_eq!(
        (outcome.error, outcome.value),
        (None, json!([3, true])),
        "{way}"
    );
    let added: Vec<_> = outcome
        .calls
        .iter()
        .filter(|call| call.tool.as_deref() == Some("math:add"))
        .map(|call| call.result.clone())
        .collect();
    assert_eq!(added, [Some(json!(3))], "{way}");
}
