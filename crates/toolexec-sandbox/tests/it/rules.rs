//! Rules about who may call what hold in programs, in each language and each way to run the guest.

use std::sync::Arc;

use serde_json::json;
use toolexec_core::code::Submission;
use toolexec_core::context::Caller;
use toolexec_core::policy::{Effect, Rules};
use toolexec_core::sandbox::Language;
use toolexec_core::{CallContext, RunSettings, Runner};

use crate::support::{Tools, Way};

in_every_sandbox!(a_program_may_do_what_its_caller_may);

const JAVASCRIPT: &str = r#"
const attempts = [
    () => tools.math.add({a: 1, b: 2}),
    () => tools.run("math:add", {a: 6, b: 7 + 6}),
    () => tools.run("math:" + "fail", {}),
    () => tools.chain([{tool: "math:add", args: {a: 1, b: 13}}]).then((chain) => chain.error.message),
];
const seen = [];
for (const attempt of attempts) {
    try { seen.push(await attempt()) } catch (error) { seen.push(error.message) }
}
seen.push((await tools.search("math")).map((hit) => hit.id));
return seen
"#;

const PYTHON: &str = r#"
def attempt(work):
    try:
        return work()
    except ToolError as error:
        return error.message

thirteen = 7 + 6
seen = [
    attempt(lambda: tools.math.add(a=1, b=2)),
    attempt(lambda: tools.run("math:add", {"a": 6, "b": thirteen})),
    attempt(lambda: tools.run("math:" + "fail", {})),
    attempt(lambda: tools.chain([{"tool": "math:add", "args": {"a": 1, "b": 13}}])["error"]["message"]),
    [hit["id"] for hit in tools.search("math")],
]
return seen
"#;

pub(crate) async fn a_program_may_do_what_its_caller_may(way: Way) {
    let rules = json!([
        {"name": "no-13", "effect": "deny", "args": {"/b": {"equals": 13}}},
        {"name": "no-fail", "effect": "deny", "tools": ["fail"], "except_callers": ["ann"]},
    ]);
    let rules = serde_json::from_value(rules).unwrap();
    let rules = Arc::new(Rules::new(rules, Effect::Allow).unwrap());
    for language in way.languages() {
        let index = Tools::new().runner.index().clone();
        let runner = Runner::with(index, RunSettings::default(), rules.clone());
        let executor = way.executor(&Tools::of(runner));
        let source = match language {
            Language::Python => PYTHON,
            _ => JAVASCRIPT,
        };
        let caller = Caller {
            name: "bob".to_owned(),
            roles: Vec::new(),
        };
        let cx = CallContext::new().with_caller(Arc::new(caller));
        let outcome = executor
            .execute(Submission::new(language, source), &cx)
            .await;
        let outcome = outcome.unwrap();
        assert_eq!(outcome.error, None, "{way} {language:?}");
        let no_13 = "calling math:add is denied: rule \"no-13\"";
        let no_fail = "calling math:fail is denied: rule \"no-fail\"";
        let wanted = json!([3, no_13, no_fail, no_13, ["math:add"]]);
        assert_eq!(outcome.value, wanted, "{way} {language:?}");
    }
}
