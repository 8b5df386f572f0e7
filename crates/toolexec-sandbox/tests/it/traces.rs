//! Recorded tool calls as programs: 400 runs of the BFCL multi-turn set, in JavaScript and
//! Python, against tools that replay what was recorded. All of them run in wasm, some in every
//! other sandbox.
//!
//! The data is not part of the repository: `TOOLEXEC_TEST_DATA` names the folder that holds it.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value, json};
use toolexec_core::backend::local::{Local, LocalTool};
use toolexec_core::code::Submission;
use toolexec_core::index::Index;
use toolexec_core::sandbox::{Language, Limits};
use toolexec_core::{Args, Runner};
use toolexec_testkit::{Missing, require};

use crate::support::{Tools, Way, run};

in_every_sandbox!(recorded_traces_run_as_programs);

/// A recorded call.
#[derive(Debug, Clone)]
struct Step {
    name: String,
    args: Map<String, Value>,
    result: Value,
}

async fn recorded_traces_run_as_programs(way: Way) {
    let remedy = "set TOOLEXEC_TEST_DATA to the folder of test data";
    let folder = std::env::var_os("TOOLEXEC_TEST_DATA")
        .ok_or_else(|| Missing::new("test-data", "TOOLEXEC_TEST_DATA is not set", remedy));
    let Some(folder) = require(folder) else {
        return;
    };
    let path = std::path::Path::new(&folder).join("codemode/bfcl_multi_turn.jsonl");
    let text = std::fs::read_to_string(path).expect("TOOLEXEC_TEST_DATA has the traces");
    let traces: Vec<Vec<Step>> = text.lines().map(trace).collect();
    assert_eq!(traces.len(), 400);
    for language in way.languages() {
        for steps in traces.iter().step_by(way.every) {
            replay(way, language, steps).await;
        }
    }
}

async fn replay(way: Way, language: Language, steps: &[Step]) {
    let left: VecDeque<Step> = steps.iter().cloned().collect();
    let left = Arc::new(Mutex::new(left));
    let tools = Tools::of(Runner::new(index(&left, steps)));
    let source = match language {
        Language::Python => python(steps),
        _ => javascript(steps),
    };
    let limits = Limits {
        tool_calls: Some(steps.len() as u64),
        ..Limits::default()
    };
    let submission = Submission::new(language, source.as_str()).limits(limits);
    let outcome = run(&way.executor(&tools), submission).await;
    assert_eq!(outcome.error, None, "{way} {source}");
    let expected: Value = steps.iter().map(|step| step.result.clone()).collect();
    assert_eq!(
        numbers(&outcome.value),
        numbers(&expected),
        "{way} {source}"
    );
    assert!(left.lock().unwrap().is_empty(), "{way} {source}");
}

/// The value with every number as a double: in JavaScript `1.0` and `1` are the same.
fn numbers(value: &Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().unwrap().into(),
        Value::Array(items) => items.iter().map(numbers).collect(),
        Value::Object(fields) => {
            let fields = fields.iter();
            Value::Object(
                fields
                    .map(|(key, value)| (key.clone(), numbers(value)))
                    .collect(),
            )
        }
        other => other.clone(),
    }
}

/// Tools that take the recorded calls, in order, and give what was recorded.
fn index(left: &Arc<Mutex<VecDeque<Step>>>, steps: &[Step]) -> Index {
    let mut names: Vec<&str> = steps.iter().map(|step| step.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let mut tools = Local::new("bfcl");
    for name in names {
        let (left, own) = (left.clone(), name.to_owned());
        tools = tools.tool(LocalTool::new(name, move |args: Args| {
            let next = left.lock().unwrap().pop_front();
            let answer = match next {
                Some(step)
                    if step.name == own
                        && numbers(&step.args.clone().into()) == numbers(&args.clone().into()) =>
                {
                    Ok(step.result)
                }
                other => Err(format!("{other:?} was recorded")),
            };
            async move { answer }
        }));
    }
    let index = Index::new();
    index.register_all(tools.registrations().unwrap());
    index
}

fn javascript(steps: &[Step]) -> String {
    let mut source = String::from("const results = [];\n");
    for step in steps {
        let args = Value::from(step.args.clone());
        let _ = writeln!(
            source,
            "results.push(await tools.bfcl.{}({args}));",
            step.name
        );
    }
    source + "return results"
}

fn python(steps: &[Step]) -> String {
    let mut source = String::from("results = []\n");
    for step in steps {
        let args = step.args.iter();
        let args: Vec<String> = args
            .map(|(name, value)| format!("{name}={}", python_literal(value)))
            .collect();
        let _ = writeln!(
            source,
            "results.append(tools.bfcl.{}({}))",
            step.name,
            args.join(", ")
        );
    }
    source + "return results"
}

fn python_literal(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(python_literal).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(key, value)| format!("{}: {}", json!(key), python_literal(value)))
                .collect();
            format!("{{{}}}", fields.join(", "))
        }
        other => other.to_string(),
    }
}

fn trace(line: &str) -> Vec<Step> {
    let record: Value = serde_json::from_str(line).unwrap();
    let steps = record["trace"].as_array().unwrap();
    steps
        .iter()
        .map(|step| {
            let mut reader = Literals(step["call"].as_str().unwrap());
            let (name, args) = reader.call();
            Step {
                name,
                args,
                result: step["result"].clone(),
            }
        })
        .collect()
}

/// Reads a recorded call: `name(value, key=value)` with Python's literals.
struct Literals<'a>(&'a str);

impl Literals<'_> {
    fn call(&mut self) -> (String, Map<String, Value>) {
        let name = self.word();
        self.expect("(");
        let mut args = Map::new();
        while !self.take(")") {
            // A name before `=`, or the value of an argument without name.
            let before = self.0;
            let key = self.word();
            let key = if !key.is_empty() && self.take("=") {
                key
            } else {
                self.0 = before;
                format!("arg{}", args.len())
            };
            let value = self.value();
            args.insert(key, value);
            self.take(",");
        }
        (name, args)
    }

    fn value(&mut self) -> Value {
        self.0 = self.0.trim_start();
        match self.0.chars().next().unwrap() {
            quote @ ('\'' | '"') => self.text(quote).into(),
            '[' => {
                self.expect("[");
                self.list("]")
            }
            '(' => {
                self.expect("(");
                self.list(")")
            }
            '{' => self.object(),
            _ => {
                let end = self.0.find([',', ')', ']', '}']).unwrap();
                let (word, rest) = self.0.split_at(end);
                self.0 = rest;
                match word.trim() {
                    "True" => true.into(),
                    "False" => false.into(),
                    "None" => Value::Null,
                    number => serde_json::from_str(number).unwrap(),
                }
            }
        }
    }

    fn list(&mut self, end: &str) -> Value {
        let mut items = Vec::new();
        while !self.take(end) {
            items.push(self.value());
            self.take(",");
        }
        items.into()
    }

    fn object(&mut self) -> Value {
        self.expect("{");
        let mut fields = Map::new();
        while !self.take("}") {
            let Value::String(key) = self.value() else {
                panic!("no key before {}", self.0);
            };
            self.expect(":");
            let value = self.value();
            fields.insert(key, value);
            self.take(",");
        }
        fields.into()
    }

    fn text(&mut self, quote: char) -> String {
        let mut text = String::new();
        let mut chars = self.0[1..].char_indices();
        while let Some((at, char)) = chars.next() {
            match char {
                '\\' => match chars.next().unwrap().1 {
                    'n' => text.push('\n'),
                    't' => text.push('\t'),
                    other => text.push(other),
                },
                end if end == quote => {
                    self.0 = &self.0[at + 2..];
                    return text;
                }
                other => text.push(other),
            }
        }
        panic!("a text does not end: {}", self.0);
    }

    fn word(&mut self) -> String {
        self.0 = self.0.trim_start();
        let end = self.0.find(|c: char| !c.is_alphanumeric() && c != '_');
        let (word, rest) = self.0.split_at(end.unwrap_or(self.0.len()));
        self.0 = rest;
        word.to_owned()
    }

    fn take(&mut self, mark: &str) -> bool {
        let rest = self.0.trim_start().strip_prefix(mark);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn expect(&mut self, mark: &str) {
        assert!(self.take(mark), "{mark} before {}", self.0);
    }
}
