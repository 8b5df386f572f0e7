//! Go.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use toolexec_testkit::{peers, require};
use toolexec_wire::{FailureKind, Language, Start};

use super::{Place, run};
use crate::harness::{Ran, program};

/// The snippet of seed 000, section 7.
const SEED: &str = r#"
        // Access tools via the tools interface
        result, _ := tools.RunTool(ctx, "math:add", map[string]any{"a": 1, "b": 2})
        return result.Structured
"#;

fn go() -> Option<PathBuf> {
    require(peers::go())
}

fn snippet(source: &str) -> Start {
    program(Language::Go, source)
}

fn ran(source: &str) -> Option<Ran> {
    Some(run(&[&go()?], snippet(source)))
}

/// The values of snippets, in one guest.
fn have_values(cases: &[(&str, Value)]) {
    let Some(go) = go() else { return };
    let mut place = Place::new(&[&go]);
    for (source, expected) in cases {
        let mut start = snippet(source);
        start.inputs = serde_json::from_value(json!({"n": 7, "name": "x", "list": [1]})).unwrap();
        let ran = place.run(start);
        assert_eq!(
            ran.result.as_ref().ok(),
            Some(expected),
            "{source}\n{:#?}",
            ran.result
        );
    }
    place.end();
}

#[test]
fn the_snippets_of_the_seed_run_as_printed() {
    have_values(&[(SEED, json!({"result": 3})), ("__out = 1 + 1", json!(2))]);
}

#[test]
fn values_of_snippets() {
    have_values(&[
        ("return strings.ToUpper(name), nil", json!("X")),
        ("x := n * 2\nx", json!(14)),
        ("fmt.Sprintf(\"%d %v\", n, list)", json!("7 [1]")),
        ("return n, name, len(inputs)", json!([7, "x", 3])),
        ("if n > 3 {\n\treturn \"big\"\n}\nreturn", json!("big")),
        (
            "__out := map[string]any{\"a\": []int{1}}",
            json!({"a": [1]}),
        ),
        (
            "import \"math\"\n\ntype P struct { X float64 `json:\"x\"` }\nfunc (p P) root() P { return P{math.Sqrt(p.X)} }\nreturn P{16}.root()",
            json!({"x": 4}),
        ),
        (
            "package main\n\nimport \"fmt\"\n\nfunc main() {\n\tr, err := tools.Run(ctx, \"echo:x\", map[string]any{\"k\": \"<&>\"})\n\tif err != nil {\n\t\tpanic(err)\n\t}\n\tfmt.Println(\"printed\")\n\t__out = r\n}\n",
            json!({"k": "<&>"}),
        ),
        ("fmt.Println(\"only printed\")", Value::Null),
        (
            "r, _ := tools.Search(ctx, \"add\", 2)\nvar hits []struct{ Query string }\nif err := r.Decode(&hits); err != nil {\n\treturn nil, err\n}\nreturn hits[0].Query",
            json!("add"),
        ),
    ]);
}

#[test]
fn calls_of_goroutines_are_open_together() {
    let source = r#"
        var wg sync.WaitGroup
        sums := make([]any, 5)
        for i := range sums {
            wg.Add(1)
            go func() {
                defer wg.Done()
                r, err := tools.RunTool(ctx, "math:add", map[string]any{"a": i, "b": 1})
                if err != nil { panic(err) }
                sums[i] = r.Structured.(map[string]any)["result"]
            }()
        }
        wg.Wait()
        return sums
    "#;
    let Some(ran) = ran(source) else { return };
    assert_eq!(ran.result, Ok(json!([1, 2, 3, 4, 5])));
    assert_eq!(ran.calls.len(), 5);
}

#[test]
fn a_failed_call_is_an_error_that_says_what_happened() {
    let source = "_, err := tools.RunTool(ctx, \"fail:busy\", nil)\nvar failed *ToolError\nif errors.As(err, &failed) && failed.Retryable {\n\tfmt.Println(failed.Code)\n}\nreturn nil, fmt.Errorf(\"adding: %w\", err)";
    let Some(ran) = ran(source) else { return };
    assert_eq!(ran.stdout, "busy\n");
    let failure = ran.failure();
    assert_eq!(failure.message, "adding: busy happened");
    assert_eq!(failure.name.as_deref(), Some("ToolError"));
    assert_eq!(failure.call.unwrap().value, json!({"detail": 7}));
}

#[test]
fn compile_errors_are_where_the_author_wrote_them() {
    let Some(go) = go() else { return };
    let mut place = Place::new(&[&go]);
    let mut problems = |source: &str| {
        let (problems, _) = place.guest().check(snippet(source));
        let told = |problem: &toolexec_wire::Failure| {
            assert_eq!(problem.kind, FailureKind::Syntax);
            (
                problem.line.unwrap(),
                problem.column.unwrap(),
                problem.message.clone(),
            )
        };
        problems.iter().map(told).collect::<Vec<_>>()
    };
    let one = |line, column, message: &str| vec![(line, column, message.to_owned())];
    assert_eq!(
        problems("x := 1\n\treturn \"é\", y + x"),
        one(2, 14, "undefined: y")
    );
    assert_eq!(
        problems("// c\nx := 1"),
        one(2, 1, "declared and not used: x")
    );
    assert_eq!(
        problems("import \"github.com/a/b\"\nreturn b.C"),
        one(
            1,
            8,
            "no required module provides package github.com/a/b; to add it:"
        )
    );
    assert_eq!(
        problems("func f() int {\n\treturn \"a\"\n}\nreturn f()"),
        one(
            2,
            9,
            "cannot use \"a\" (untyped string constant) as int value in return statement"
        )
    );
    assert_eq!(
        problems("if true {\n\treturn 1"),
        one(2, 10, "unexpected EOF, expected }")
    );
    assert_eq!(problems("return 1"), []);
    place.end();
}

#[test]
fn a_panic_is_told_with_its_line() {
    let Some(ran) = ran("func f(l []int) int {\n\treturn l[3]\n}\n\nreturn f(nil)") else {
        return;
    };
    let failure = ran.failure();
    assert_eq!(
        (
            failure.name.as_deref(),
            failure.line,
            failure.message.as_str()
        ),
        (
            Some("panic"),
            Some(2),
            "runtime error: index out of range [3] with length 0"
        )
    );
    assert_eq!(failure.trace, ["f program.go:2", "snippet program.go:5"]);
}

#[test]
fn a_panic_of_a_goroutine_is_told_too() {
    let Some(ran) = ran("go func() {\n\tpanic(\"away\")\n}()\nselect {}") else {
        return;
    };
    let failure = ran.failure();
    assert_eq!(
        (
            failure.name.as_deref(),
            failure.line,
            failure.message.as_str()
        ),
        (Some("panic"), Some(2), "away")
    );
}

#[test]
fn what_was_compiled_once_is_not_compiled_again() {
    let Some(go) = go() else { return };
    let cache = tempfile::tempdir().unwrap();
    // The packages that are compiled already serve a new cache too.
    let own = Path::new(env!("CARGO_TARGET_TMPDIR")).join("toolchains/go/build");
    std::fs::create_dir_all(&own).unwrap();
    std::fs::create_dir(cache.path().join("go")).unwrap();
    std::os::unix::fs::symlink(&own, cache.path().join("go/build")).unwrap();
    let prepared = |source: &str, n: i64| {
        let mut place = Place::with_cache(&[&go], Some(cache.path()));
        let mut start = snippet(source);
        start.inputs = serde_json::from_value(json!({"n": n})).unwrap();
        let ran = place.run(start);
        place.end();
        (ran.result, ran.prepared)
    };
    assert_eq!(prepared("return n + 1", 1), (Ok(json!(2)), 1));
    assert_eq!(prepared("return n + 1", 5), (Ok(json!(6)), 0));
    assert_eq!(prepared("return n + 2", 5), (Ok(json!(7)), 1));
}

#[test]
fn what_was_compiled_to_be_checked_is_what_runs() {
    let Some(go) = go() else { return };
    let mut place = Place::new(&[&go]);
    let source = format!("return {}", std::process::id());
    assert_eq!(
        place.guest().check(snippet(&source)),
        (Vec::new(), Vec::new())
    );
    let ran = place.run(snippet(&source));
    assert_eq!(
        (ran.result, ran.prepared),
        (Ok(json!(std::process::id())), 0)
    );
    place.end();
}
