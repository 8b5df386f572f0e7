//! Scripts.

use proptest::prelude::*;
use serde_json::{Value, json};
use toolexec_guest::script::{Known, compile};
use toolexec_wire::{FailureKind, Language, Op, Outcome, SeenCall};

use crate::harness::{Guest, program, run, tools};

fn value(source: &str) -> Value {
    let result = run(Language::Script, source).result;
    result.unwrap_or_else(|failure| panic!("{failure:#?}\nof {source}"))
}

/// Seed 003 §6, as printed.
const SEED: &str = r#"
  // Create an issue
  issue := run("github:create_issue", {
    title: "Bug report",
    body: "Found a problem"
  })

  // Add labels based on title
  if (issue.title.contains("bug")) {
    run("github:add_labels", {
      issue: issue.number,
      labels: ["bug", "needs-triage"]
    })
  }

  // Return the issue
  issue
"#;

#[test]
fn the_program_of_the_seed_runs_as_printed() {
    for (title, calls) in [("a bug report", 2), ("Report", 1)] {
        let issue = json!({"number": 42, "title": title});
        let ran = Guest::new().run(program(Language::Script, SEED), |_: &Op| {
            Outcome::Ok(issue.clone())
        });
        let tools = ran.tools();
        assert_eq!(ran.result.unwrap(), issue);
        assert_eq!(tools.len(), calls);
        assert_eq!(
            tools[0],
            (
                "github:create_issue".into(),
                json!({"title": "Bug report", "body": "Found a problem"})
            )
        );
        if let Some(second) = tools.get(1) {
            let args = json!({"issue": 42, "labels": ["bug", "needs-triage"]});
            assert_eq!(second, &("github:add_labels".into(), args));
        }
    }
}

#[test]
fn the_last_expression_is_the_value() {
    assert_eq!(value("1 + 2 * 3"), json!(7));
    assert_eq!(
        value("x := 5\nif x > 3 { \"big\" } else if x > 1 { \"mid\" } else { \"small\" }"),
        json!("big")
    );
    assert_eq!(
        value("for x in [1, 2, 3] { if x == 2 { return x * 10 } }\n0"),
        json!(20)
    );
    assert_eq!(value("x := 1"), json!(null));
    assert_eq!(value(""), json!(null));
}

#[test]
fn values_and_operators() {
    assert_eq!(
        value(
            "a := {n: 1, \"k l\": [1, 2.5, null], t: true}\nb := a.n\n[a[\"k l\"][1], a.t && !false || null, -b, 7 % 4, \"x\" + 1 + [2], [1] + [2], a == {n: 1, t: true, \"k l\": [1, 2.5, null]}, 1 != 2, \"a\" < \"b\", a.missing ?? 9, [1,2,3][-1], 010]"
        ),
        json!([
            2.5,
            true,
            -1,
            3,
            "x1[2]",
            [1, 2],
            true,
            true,
            true,
            9,
            3,
            10
        ])
    );
    assert_eq!(
        value("n := 3\n`n is ${n + 1} and ${ {a: `in ${n}`}.a } \\${x}`"),
        json!("n is 4 and in 3 ${x}")
    );
    assert_eq!(
        value(
            "total := 0\nfor i, x in [10, 20] {\n  total := total + i * x\n}\nkeys := []\nfor k, v in {a: 1, b: 2} { keys.push(k + v) }\nfor i in range(2, 4) { if i == 3 { continue }\n total = total + i }\n[total, keys]"
        ),
        json!([22, ["a1", "b2"]])
    );
    assert_eq!(
        value(
            "o := {}\no.a = 1\no[\"__proto__\"] = 2\nl := [1]\nl[1] = 5\n[o, l, o.contains(\"__proto__\")]"
        ),
        json!([{"a": 1, "__proto__": 2}, [1, 5], true])
    );
}

#[test]
fn methods_of_values() {
    assert_eq!(
        value(
            "l := [3, 1, 2]\n[l.length, l.length(), l.map(x => x * 2), l.filter(x => x > 1), l.sort(), l.sort(x => -x), l.reduce((a, b) => a + b, 0), l.any(x => x == 1), l.join(\"-\"), l.sum(), l.max(), l.contains(2)]"
        ),
        json!([
            3,
            3,
            [6, 2, 4],
            [3, 2],
            [1, 2, 3],
            [3, 2, 1],
            6,
            true,
            "3-1-2",
            6,
            3,
            true
        ])
    );
    assert_eq!(
        value(
            "s := \" A b \"\n[s.trim().lower(), s.split(\" \"), s.contains(\"b\"), s.length, \"a.a\".replace(\".\", \"$&\"), {b: 1, a: 2}.keys(), 1.2345.round(2), \"7\".number() + 1]"
        ),
        json!([
            "a b",
            ["", "A", "b", ""],
            true,
            5,
            "a$&a",
            ["b", "a"],
            1.23,
            8
        ])
    );
}

#[test]
fn calls_in_a_map_run_side_by_side() {
    let ran = run(
        Language::Script,
        "[1, 2, 3].map(n => run(\"echo:x\", {n: n}).n + tools.math.add({a: n, b: 1}).result)",
    );
    assert_eq!(ran.most_open, 3);
    assert_eq!(ran.result.unwrap(), json!([3, 5, 7]));
    let found = value(
        "[search(\"x\", 2), describe(\"a:b\"), namespaces(), tools.run(\"echo:y\", {a: 1}), chain([{tool: \"a:b\"}])]",
    );
    assert_eq!(found[3], json!({"a": 1}));
}

#[test]
fn errors_point_into_the_script() {
    let wrong = |source: &str| {
        let failure = run(Language::Script, source).failure();
        (failure.kind, failure.message, failure.line, failure.column)
    };
    let syntax = |message: &str, line, column| {
        (
            FailureKind::Syntax,
            message.to_owned(),
            Some(line),
            Some(column),
        )
    };
    assert_eq!(
        wrong("x := 1\ny := (x + "),
        syntax("expected a value, found the end", 2, 11)
    );
    assert_eq!(
        wrong("é := [1, 2\nx := 3"),
        syntax("expected `,` or `]`, found `x`", 2, 1)
    );
    assert_eq!(
        wrong("a b"),
        syntax("expected the end of the statement, found `b`", 1, 3)
    );
    assert_eq!(
        wrong("total := 1\ntotl + 1"),
        syntax("there is no variable `totl`", 2, 1)
    );
    assert_eq!(wrong("let x = 1"), syntax("`let` is not needed", 1, 1));
    assert_eq!(wrong("\"abc"), syntax("the text is not closed", 1, 1));
    assert_eq!(
        wrong("break"),
        syntax("there is no `for` around this to leave", 1, 1)
    );
    assert_eq!(wrong("x = 1 # 2"), syntax("`#` has no meaning here", 1, 7));

    let failure = run(Language::Script, "x := null\n\ny := x.title").failure();
    assert_eq!(
        (
            failure.name.as_deref(),
            failure.message.as_str(),
            failure.line,
            failure.column
        ),
        (Some("ScriptError"), "null has no `title`", Some(3), Some(6))
    );
    let failure = run(Language::Script, "a := 1\nrun(\"fail:busy\", {})").failure();
    assert_eq!(
        (failure.call.unwrap().code.as_str(), failure.line),
        ("busy", Some(2))
    );
    let failure = run(Language::Script, "\"a\" * 2").failure();
    assert_eq!(failure.message, "`*` does not work on a text and a number");
}

#[test]
fn the_engine_cannot_be_reached_by_name() {
    for name in [
        "globalThis",
        "console",
        "Function",
        "constructor",
        "v_x",
        "this",
        "eval",
    ] {
        let failure = run(Language::Script, name).failure();
        assert_eq!(failure.message, format!("there is no variable `{name}`"));
    }
    assert_eq!(value("this := 1\nclass := 2\nthis + class"), json!(3));
    assert_eq!(value("[{}.constructor, {}.__proto__]"), json!([null, null]));
}

#[test]
fn inputs_and_kept_variables() {
    let mut guest = Guest::new();
    let mut keep = |source: &str| {
        let mut start = program(Language::Script, source);
        start.keep = true;
        start.inputs = serde_json::from_value(json!({"user": {"name": "x"}})).unwrap();
        guest.run(start, tools).result.map_err(Box::new)
    };
    assert_eq!(keep("a := user.name\na").unwrap(), json!("x"));
    assert_eq!(keep("a = a + 1\na").unwrap(), json!("x1"));
    assert_eq!(keep("b").unwrap_err().message, "b is not defined");
}

#[test]
fn a_check_sees_the_tool_calls() {
    let (problems, calls) = Guest::new().check(program(Language::Script, SEED));
    assert_eq!(problems, []);
    let seen = |tool: &str, line, column, args: &[&str], literals: Value| SeenCall {
        tool: tool.into(),
        line,
        column,
        args: Some(args.iter().map(ToString::to_string).collect()),
        literals: literals.as_object().unwrap().clone(),
    };
    assert_eq!(
        calls,
        [
            seen(
                "github:create_issue",
                3,
                12,
                &["title", "body"],
                json!({"title": "Bug report", "body": "Found a problem"})
            ),
            seen(
                "github:add_labels",
                10,
                5,
                &["issue", "labels"],
                json!({"labels": ["bug", "needs-triage"]})
            ),
        ]
    );
}

fn compiles(source: &str) {
    let lines = source.lines().count().max(1) + 1;
    if let Err(failure) = compile(source, Known::default()) {
        let line = failure.line.expect("a place") as usize;
        assert!((1..=lines).contains(&line), "line {line} of {lines}");
        assert!(failure.column.expect("a place") >= 1);
    }
}

proptest! {
    #[test]
    fn any_text_compiles_or_says_where_it_does_not(source in "\\PC{0,60}") {
        compiles(&source);
    }

    #[test]
    fn any_row_of_words_compiles_or_says_where_it_does_not(
        words in proptest::collection::vec(
            prop::sample::select(vec![
                "x", ":=", "=", "if", "else", "for", "in", "{", "}", "(", ")", "[", "]", ",", ".",
                "1", "\"t\"", "`a${", "}`", "=>", "&&", "-", "!", "\n", "run", "tools", "return", ":",
            ]),
            0..40,
        )
    ) {
        compiles(&words.join(" "));
    }
}

#[test]
fn deep_scripts_are_refused() {
    for source in [
        "(".repeat(10_000),
        "!".repeat(10_000),
        "`${".repeat(10_000),
        "1+".repeat(10_000),
        "a.".repeat(10_000),
        "if x {".repeat(10_000),
        "[".repeat(10_000),
        "x=>".repeat(10_000),
    ] {
        assert!(compile(&source, Known::default()).is_err());
    }
}
