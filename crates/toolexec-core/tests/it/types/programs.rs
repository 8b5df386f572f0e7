//! Programs that a checker must take, and programs that it must not.

use serde_json::json;
use toolexec_core::Tool;
use toolexec_core::types::{TypeLanguage, declarations, declarations_for_check};
use toolexec_testkit::peers;
use toolexec_testkit::require::require;

use super::Files;

fn tools() -> Vec<Tool> {
    let issue = json!({
        "type": "object",
        "properties": {
            "number": {"type": "integer"},
            "state": {"enum": ["open", "closed"]},
            "labels": {"type": "array", "items": {"$ref": "#/$defs/Label"}},
            "parent": {"anyOf": [{"$ref": "#"}, {"type": "null"}]},
        },
        "required": ["number", "state", "labels"],
        "$defs": {"Label": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "color": {"type": "string"}},
            "required": ["name"],
        }},
    });
    let create = json!({
        "type": "object",
        "properties": {
            "title": {"type": "string", "description": "What it is about."},
            "labels": {"type": "array", "items": {"type": "string"}, "default": []},
            "state": {"enum": ["open", "closed"]},
            "meta": {"type": "object", "properties": {"size": {"type": "number"}}, "required": ["size"]},
            "range": {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "integer"}], "minItems": 2, "items": false},
        },
        "required": ["title"],
        "additionalProperties": false,
    });
    let build = |id: &str| Tool::builder(id).description("Does it.");
    vec![
        build("github:create_issue").input_schema(create).output_schema(issue).build().unwrap(),
        build("my-server:do.it")
            .input_schema(json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}))
            .output_schema(json!({"type": "string"}))
            .build()
            .unwrap(),
        build("free:form").build().unwrap(),
    ]
}

const TYPESCRIPT_RIGHT: &[&str] = &[
    r#"const issue = await tools.github.create_issue({ title: "a", labels: ["b"], range: [1, 2] });
       const n: number = issue.number; const up: number | undefined = issue.parent?.number;
       const color: string | undefined = issue.labels[0]?.color;"#,
    r#"const issue = await tools.run("github:create_issue", { title: "a", state: "open" });
       if (issue.state === "closed") { issue.labels.map((label) => label.name); }"#,
    r#"const text: string = await tools["my-server"]["do.it"]({ n: 1 });
       const same: string = await tools.run("my-server:do.it", { n: 1 });"#,
    r"await tools.free.form(); await tools.free.form({ x: [1] });",
    r#"const name: string = "x" + "y"; const any: unknown = await tools.run(name, { a: 1 });
       await tools.run("github:create_issue:1.0.0", {});"#,
    r#"const hits = await tools.search("issues", 3); const id: string | undefined = hits[0]?.id;
       tools.progress(1, 2, "half"); log("done"); tools.log("info", [1]);
       try { await run("free:form"); } catch (error) { if (error instanceof ToolError) log(error.code); }"#,
];

const TYPESCRIPT_WRONG: &[(&str, &str)] = &[
    ("await tools.github.create_issue({});", "TS2741"),
    ("await tools.github.create_issue();", "TS2554"),
    (
        r#"await tools.github.create_issue({ title: "a", lables: [] });"#,
        "TS2561",
    ),
    ("await tools.github.create_issue({ title: 1 });", "TS2322"),
    (
        r#"await tools.github.create_issue({ title: "a", state: "opened" });"#,
        "TS2820",
    ),
    (
        r#"await tools.github.create_issue({ title: "a", range: [1] });"#,
        "TS2322",
    ),
    (
        r#"await tools.github.create_isue({ title: "a" });"#,
        "TS2551",
    ),
    (
        r#"await tools.gihub.create_issue({ title: "a" });"#,
        "TS2551",
    ),
    (
        r#"await tools.run("github:create_isue", { title: "a" });"#,
        "TS2769",
    ),
    (
        r#"await tools.run("my-server:do.it", { n: "1" });"#,
        "TS2769",
    ),
    (
        r#"(await tools.github.create_issue({ title: "a" })).nummer;"#,
        "TS2551",
    ),
    (
        r#"(await tools.github.create_issue({ title: "a" })).parent.number;"#,
        "TS2533",
    ),
];

#[test]
fn typescript_takes_right_programs_and_no_wrong_ones() {
    let Some(tsc) = require(peers::typescript()) else {
        return;
    };
    let files = Files::new("types-programs-ts");
    files.write(
        "tools.d.ts",
        &declarations(&tools(), TypeLanguage::TypeScript),
    );
    let mut names = vec!["tools.d.ts".to_owned()];
    for (at, program) in TYPESCRIPT_RIGHT.iter().enumerate() {
        files.write(
            &format!("right{at}.ts"),
            &format!("{program}\nexport {{}};\n"),
        );
        names.push(format!("right{at}.ts"));
    }
    for (at, (program, _)) in TYPESCRIPT_WRONG.iter().enumerate() {
        files.write(
            &format!("wrong{at:02}.ts"),
            &format!("{program}\nexport {{}};\n"),
        );
        names.push(format!("wrong{at:02}.ts"));
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    // `wrong00.ts(1,2): error TS2345: …`
    let mut found: Vec<String> = Vec::new();
    for line in files.problems(&tsc, &names) {
        if let Some((place, rest)) = line.split_once(": error ") {
            let file = place.split('(').next().unwrap_or_default();
            found.push(format!(
                "{file} {}",
                rest.split(':').next().unwrap_or_default()
            ));
        }
    }
    found.sort();
    let expected = TYPESCRIPT_WRONG.iter().enumerate();
    let expected: Vec<String> = expected
        .map(|(at, (_, code))| format!("wrong{at:02}.ts {code}"))
        .collect();
    assert_eq!(found, expected);
}

const PYTHON_RIGHT: &[&str] = &[
    r#"
async def main():
    issue = await tools.github.create_issue(title="a", labels=["b"], range=[1, 2], meta={"size": 1})
    number: int = issue["number"]
    parent = issue.get("parent")
    color: str | None = issue["labels"][0].get("color")
"#,
    r#"
async def main():
    text: str = await tools.run("my-server:do.it", {"n": 1})
    await tools.free.form(x=[1], y=2)
    await tools.run("github:create_issue", {"title": "a"})
    hits = await tools.search("issues", limit=3)
    tools.progress(1, 2, "half")
    tools.log("done", level="info")
"#,
];

const PYTHON_WRONG: &[(&str, &str)] = &[
    ("await tools.github.create_issue()", "missing-argument"),
    (
        r#"await tools.github.create_issue(title="a", lables=[])"#,
        "unknown-argument",
    ),
    (
        "await tools.github.create_issue(title=1)",
        "invalid-argument-type",
    ),
    (
        r#"await tools.github.create_issue(title="a", state="opened")"#,
        "invalid-argument-type",
    ),
    (
        r#"await tools.github.create_issue(title="a", meta={"size": "x"})"#,
        "invalid-argument-type",
    ),
    (
        r#"await tools.github.create_isue(title="a")"#,
        "missing-attribute",
    ),
    (
        r#"(await tools.github.create_issue(title="a"))["nummer"]"#,
        "invalid-typed-dict-key",
    ),
];

/// What the check takes beside the right programs: what may be right is not refused.
const PYTHON_MAY_BE_RIGHT: &[&str] = &[
    r#"
issue = tools.github.create_issue({"title": "a"})
number = issue["number"]
"#,
    r#"
meta = {"size": 1}
meta["more"] = 2
labels = []
labels.append("x")
for state in ["open", "closed"]:
    r = tools.github.create_issue(title="a", state=state, meta=meta, labels=labels, range=(1, 2))
    print(r["number"], r["other"])
"#,
];

const PYTHON_CHECK_WRONG: &[(&str, &str)] = &[
    (
        "tools.github.create_issue(title=1)",
        "invalid-argument-type",
    ),
    (
        r#"tools.github.create_issue(title="a", lables=[])"#,
        "unknown-argument",
    ),
    (
        r#"tools.github.create_isue(title="a")"#,
        "missing-attribute",
    ),
    (
        r#"tools.gihub.create_issue(title="a")"#,
        "missing-attribute",
    ),
];

#[test]
fn python_takes_right_programs_and_no_wrong_ones() {
    let wrong: Vec<(String, &str)> = PYTHON_WRONG
        .iter()
        .map(|(line, rule)| (format!("async def main():\n    {line}\n"), *rule))
        .collect();
    let stubs = declarations(&tools(), TypeLanguage::Python);
    check_python("types-programs-py", &stubs, PYTHON_RIGHT, &wrong);
}

#[test]
fn the_check_of_python_refuses_nothing_that_may_be_right() {
    let wrong: Vec<(String, &str)> = PYTHON_CHECK_WRONG
        .iter()
        .map(|(line, rule)| (format!("{line}\n"), *rule))
        .collect();
    let right = [PYTHON_RIGHT, PYTHON_MAY_BE_RIGHT].concat();
    // Without the annotations that only results have a use for.
    let right: Vec<String> = right
        .iter()
        .map(|text| text.replace("await ", ""))
        .collect();
    let right: Vec<&str> = right.iter().map(String::as_str).collect();
    let stubs = declarations_for_check(&tools());
    check_python("types-programs-check", &stubs, &right, &wrong);
}

fn check_python(name: &str, stubs: &str, right: &[&str], wrong: &[(String, &str)]) {
    let Some(ty) = require(peers::ty()) else {
        return;
    };
    let files = Files::new(name);
    files.write("stubs.pyi", stubs);
    let right = right
        .iter()
        .enumerate()
        .map(|(at, text)| (format!("right{at}.py"), *text));
    let all = wrong.iter().enumerate();
    let all = all.map(|(at, (text, _))| (format!("wrong{at:02}.py"), text.as_str()));
    let all: Vec<(String, &str)> = right.chain(all).collect();
    for (file, text) in &all {
        files.write(file, &format!("from stubs import *\n{text}"));
    }
    let mut names: Vec<&str> = all.iter().map(|(file, _)| file.as_str()).collect();
    names.push("stubs.pyi");
    // `wrong00.py:3:11: error[missing-argument] …`
    let mut found: Vec<String> = Vec::new();
    for line in files.problems(&ty, &names) {
        let file = line.split(':').next().unwrap_or_default();
        let rule = line.split(['[', ']']).nth(1).unwrap_or(&line);
        found.push(format!("{file} {rule}"));
    }
    found.sort();
    found.dedup();
    let expected = wrong.iter().enumerate();
    let expected: Vec<String> = expected
        .map(|(at, (_, rule))| format!("wrong{at:02}.py {rule}"))
        .collect();
    assert_eq!(found, expected);
}
