//! Recorded traces of tool calls as programs: 400 runs of the BFCL multi-turn set.
//!
//! The data is not part of the repository: `TOOLEXEC_TEST_DATA` names the folder that holds it.

use std::collections::VecDeque;
use std::fmt::Write as _;

use ruff_python_ast::{self as ast, Expr, Number, UnaryOp};
use ruff_text_size::Ranged;
use serde_json::{Map, Value, json};
use toolexec_wire::{Op, Outcome};

use super::python;
use crate::harness::Guest;

/// A recorded call.
struct Step {
    turn: u64,
    tool: String,
    /// Its arguments as they stand in the program, and as they must arrive.
    written: String,
    args: Value,
    result: Value,
}

#[test]
fn recorded_traces_run_as_programs() {
    let Some(folder) = std::env::var_os("TOOLEXEC_TEST_DATA") else {
        eprintln!("skipped: TOOLEXEC_TEST_DATA does not name the folder of test data");
        return;
    };
    let path = std::path::Path::new(&folder).join("codemode/bfcl_multi_turn.jsonl");
    let text = std::fs::read_to_string(path).expect("TOOLEXEC_TEST_DATA has the traces");
    let (mut traces, mut calls) = (0, 0);
    for (number, line) in text.lines().enumerate() {
        let record: Value = serde_json::from_str(line).unwrap();
        let steps: Vec<Step> = record["trace"]
            .as_array()
            .unwrap()
            .iter()
            .map(step)
            .collect();
        let results: Vec<_> = steps.iter().map(|step| step.result.clone()).collect();
        // Programs write calls in different ways; each trace takes one.
        let source = match number % 3 {
            0 => plain(&steps),
            1 => awaited(&steps),
            _ => gathered(&steps),
        };
        traces += 1;
        calls += steps.len();
        let mut left: VecDeque<Step> = steps.into();
        let sequential = number % 3 != 2;
        let ran = Guest::new().run(python(&source), move |op| {
            let Op::Run { tool, args } = op else {
                panic!("no other calls: {op:?}");
            };
            let matches = |step: &Step| step.tool == *tool && step.args == *args;
            let at = left
                .iter()
                .position(matches)
                .unwrap_or_else(|| panic!("unknown: {op:?}"));
            assert!(!sequential || at == 0, "out of order: {op:?}");
            Outcome::Ok(left.remove(at).unwrap().result)
        });
        assert_eq!(
            ran.result.unwrap(),
            json!(results),
            "{}\n{source}",
            record["id"]
        );
    }
    eprintln!("{traces} traces with {calls} calls");
    assert_eq!((traces, calls), (400, 2345));
}

/// One call after the other, without `await`.
fn plain(steps: &[Step]) -> String {
    let mut source = String::from("results = []\n");
    for step in steps {
        let call = step.tool.replace(':', ".");
        let _ = writeln!(
            source,
            "r = tools.{call}({})\nresults.append(r)",
            step.written
        );
    }
    source + "results"
}

/// One call after the other, awaited in a function.
fn awaited(steps: &[Step]) -> String {
    let mut source = String::from("async def main():\n    results = []\n");
    for step in steps {
        let call = step.tool.replace(':', ".");
        let _ = writeln!(
            source,
            "    results.append(await tools.{call}({}))",
            step.written
        );
    }
    source + "    return results\nimport asyncio\nasyncio.run(main())"
}

/// The calls of a turn together.
fn gathered(steps: &[Step]) -> String {
    let mut source = String::from("import asyncio\nresults = []\n");
    for turn in steps.chunk_by(|a, b| a.turn == b.turn) {
        source.push_str("results += await asyncio.gather(\n");
        for step in turn {
            let call = step.tool.replace(':', ".");
            let _ = writeln!(source, "    tools.{call}({}),", step.written);
        }
        source.push_str(")\n");
    }
    source + "return results"
}

fn step(recorded: &Value) -> Step {
    let text = recorded["call"].as_str().unwrap();
    let parsed = ruff_python_parser::parse_expression(text).unwrap();
    let Expr::Call(call) = &*parsed.syntax().body else {
        panic!("no call: {text}");
    };
    let Expr::Name(name) = &*call.func else {
        panic!("no name: {text}");
    };
    let mut args = Map::new();
    let mut written = Vec::new();
    for (index, value) in call.arguments.args.iter().enumerate() {
        args.insert(format!("arg{index}"), literal(value));
        written.push(format!("arg{index}={}", &text[value.range()]));
    }
    for keyword in &call.arguments.keywords {
        let name = keyword.arg.as_ref().unwrap();
        args.insert(name.to_string(), literal(&keyword.value));
        written.push(format!("{name}={}", &text[keyword.value.range()]));
    }
    Step {
        turn: recorded["turn"].as_u64().unwrap(),
        tool: format!("bfcl:{}", name.id),
        written: written.join(", "),
        args: Value::Object(args),
        result: recorded["result"].clone(),
    }
}

fn literal(expr: &Expr) -> Value {
    match expr {
        Expr::StringLiteral(text) => text.value.to_str().into(),
        Expr::BooleanLiteral(value) => value.value.into(),
        Expr::NoneLiteral(_) => Value::Null,
        Expr::NumberLiteral(number) => match &number.value {
            Number::Int(int) => int.as_i64().unwrap().into(),
            Number::Float(float) => (*float).into(),
            Number::Complex { .. } => panic!("no JSON: {number:?}"),
        },
        Expr::UnaryOp(ast::ExprUnaryOp {
            op: UnaryOp::USub,
            operand,
            ..
        }) => match literal(operand) {
            Value::Number(number) => match number.as_i64() {
                Some(int) => (-int).into(),
                None => (-number.as_f64().unwrap()).into(),
            },
            other => panic!("not negative: {other}"),
        },
        Expr::List(ast::ExprList { elts, .. }) | Expr::Tuple(ast::ExprTuple { elts, .. }) => {
            elts.iter().map(literal).collect()
        }
        Expr::Dict(dict) => {
            let pairs = dict
                .items
                .iter()
                .map(|item| match literal(item.key.as_ref().unwrap()) {
                    Value::String(key) => (key, literal(&item.value)),
                    other => panic!("no key: {other}"),
                });
            Value::Object(pairs.collect())
        }
        other => panic!("no literal: {other:?}"),
    }
}
