//! The same ten programs in every language and every sandbox: their outcomes are the same but for
//! times.
//!
//! The snapshot is one for all sandboxes. In it a program stands once where its outcome is the same
//! in every language, and by language where an engine has words of its own.

use serde_json::{Map, Value, json};
use toolexec_core::code::{Outcome, Submission};
use toolexec_core::sandbox::Language::{self, JavaScript, Python, Script, TypeScript};
use toolexec_core::sandbox::Limits;

use crate::support::{Tools, Way, run};

in_every_sandbox!(outcomes_are_the_same_but_for_times);

/// A program in JavaScript (which is TypeScript too), Python and script.
struct Program {
    name: &'static str,
    javascript: &'static str,
    typescript: &'static str,
    python: &'static str,
    script: &'static str,
}

const PROGRAMS: [Program; 10] = [
    Program {
        name: "a value",
        javascript: "return {text: 'ä€😀', list: [1, 2.5, null, true], empty: {}}",
        typescript: "const text: string = 'ä€😀'; return {text, list: [1, 2.5, null, true], empty: {}}",
        python: "return {'text': 'ä€😀', 'list': [1, 2.5, None, True], 'empty': {}}",
        script: "{text: \"ä€😀\", list: [1, 2.5, null, true], empty: {}}",
    },
    Program {
        name: "printing",
        javascript: "console.log('one'); console.log('two'); return null",
        typescript: "for (const word of ['one', 'two'] as string[]) console.log(word); return null",
        python: "print('one')\nprint('two')\nreturn None",
        script: "print(\"one\")\nprint(\"two\")\nreturn null",
    },
    Program {
        name: "a call",
        javascript: "return await tools.math.add({a: 1, b: 2})",
        typescript: "const sum: number = await tools.math.add({a: 1, b: 2}); return sum",
        python: "return tools.math.add(a=1, b=2)",
        script: "run(\"math:add\", {a: 1, b: 2})",
    },
    Program {
        name: "a call in a loop, each with the last one's result",
        javascript: "let n = 0; for (let i = 1; i < 5; i++) n = await tools.math.add({a: n, b: i}); return n",
        typescript: "let n: number = 0; for (let i = 1; i < 5; i++) n = await tools.math.add({a: n, b: i}); return n",
        python: "n = 0\nfor i in range(1, 5):\n    n = tools.math.add(a=n, b=i)\nreturn n",
        script: "n := 0\nfor i in range(1, 5) { n = run(\"math:add\", {a: n, b: i}) }\nn",
    },
    Program {
        name: "a chain",
        javascript: "const all = await tools.chain([{tool: 'math:add', args: {a: 1, b: 2}}, {tool: 'math:add', args: {a: '{{prev}}', b: 3}}]); return all.value",
        typescript: "const steps = [{tool: 'math:add', args: {a: 1, b: 2}}, {tool: 'math:add', args: {a: '{{prev}}', b: 3}}]; const all: any = await tools.chain(steps); return all.value",
        python: "return tools.chain([{'tool': 'math:add', 'args': {'a': 1, 'b': 2}}, {'tool': 'math:add', 'args': {'a': '{{prev}}', 'b': 3}}])['value']",
        script: "all := chain([{tool: \"math:add\", args: {a: 1, b: 2}}, {tool: \"math:add\", args: {a: \"{{prev}}\", b: 3}}])\nall.value",
    },
    Program {
        name: "inputs",
        javascript: "return [items, n]",
        typescript: "return [items as number[], n as number]",
        python: "return [items, n]",
        script: "[items, n]",
    },
    Program {
        name: "searching",
        javascript: "return (await tools.search('slow', 1)).map((hit) => hit.id)",
        typescript: "return (await tools.search('slow', 1)).map((hit: {id: string}) => hit.id)",
        python: "return [hit['id'] for hit in tools.search('slow', 1)]",
        script: "search(\"slow\", 1).map(hit => hit.id)",
    },
    Program {
        name: "a call that fails",
        javascript: "await tools.math.fail({})",
        typescript: "const none: never = await tools.math.fail({})",
        python: "tools.math.fail()",
        script: "run(\"math:fail\", {})",
    },
    Program {
        name: "more calls than it may make",
        javascript: "for (let i = 0; i < 9; i++) await tools.math.add({a: i, b: 0})",
        typescript: "for (let i: number = 0; i < 9; i++) await tools.math.add({a: i, b: 0})",
        python: "for i in range(9):\n    tools.math.add(a=i, b=0)",
        script: "for i in range(9) { run(\"math:add\", {a: i, b: 0}) }",
    },
    Program {
        name: "a tool that does not exist",
        javascript: "await tools.math.ad({a: 1})",
        typescript: "const sum: number = await tools.math.ad({a: 1})",
        python: "tools.math.ad(a=1)",
        script: "tools.math.ad({a: 1})",
    },
];

pub(crate) async fn outcomes_are_the_same_but_for_times(way: Way) {
    let executor = way.executor(&Tools::new());
    let limits = Limits {
        tool_calls: Some(6),
        ..Limits::default()
    };
    let mut all = Map::new();
    for program in &PROGRAMS {
        let mut outcomes = Map::new();
        for (language, source) in program.texts() {
            let submission = Submission::new(language, source).limits(limits);
            let submission = submission.input("items", json!([1, 2])).input("n", 3);
            let outcome = run(&executor, submission).await;
            assert_eq!((outcome.language, &*outcome.sandbox), (language, way.name));
            outcomes.insert(format!("{language:?}"), timeless(&outcome));
        }
        let is_one = outcomes.values().all(|one| *one == outcomes["JavaScript"]);
        let outcome = match outcomes.remove("JavaScript") {
            Some(outcome) if is_one => outcome,
            outcome => {
                outcomes.insert("JavaScript".to_owned(), outcome.unwrap());
                outcomes.into()
            }
        };
        all.insert(program.name.to_owned(), outcome);
    }
    insta::assert_json_snapshot!("ten_programs", all);
}

impl Program {
    fn texts(&self) -> [(Language, &'static str); 4] {
        [
            (JavaScript, self.javascript),
            (TypeScript, self.typescript),
            (Python, self.python),
            (Script, self.script),
        ]
    }
}

/// An outcome without times, and without where and in which language it ran.
fn timeless(outcome: &Outcome) -> Value {
    let mut outcome = serde_json::to_value(outcome).unwrap();
    let fields = outcome.as_object_mut().unwrap();
    for name in ["enforced", "language", "sandbox", "profile"] {
        assert!(fields.shift_remove(name).is_some(), "{name}");
    }
    without_times(&mut outcome);
    outcome
}

fn without_times(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !name.ends_with("_ms") && name != "memory_bytes");
            fields.values_mut().for_each(without_times);
        }
        Value::Array(items) => items.iter_mut().for_each(without_times),
        _ => {}
    }
}
