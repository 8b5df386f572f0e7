//! The tool calls that stand in a program, against the tools there are.

use std::collections::HashMap;

use serde_json::Value;
use toolexec_wire::SeenCall;

use super::failure::Problem;
use crate::error::Error;
use crate::gateway::Gateway;
use crate::index::Entry;
use crate::results::holds_handle;
use crate::schema::{Schema, Violation};
use crate::tool::Tool;
use crate::types::{Others, Parameters};

/// The most names that a hint lists.
const MAX_NAMES: usize = 12;

/// What is wrong with the calls: tools that are not there, arguments that a tool does not have,
/// arguments that are missing, values that do not fit. The order is that of the calls.
pub(super) fn calls(
    gateway: &dyn Gateway,
    unloaded: &[(String, Error)],
    calls: &[SeenCall],
) -> Vec<Problem> {
    let mut known: HashMap<&str, Parameters> = HashMap::new();
    let mut problems = Vec::new();
    for call in calls {
        match gateway.find(&call.tool) {
            Err(error) => {
                let why = unloaded.iter().find(|(tool, _)| *tool == call.tool);
                let (code, error) = match why {
                    Some((_, why)) => ("tool_unavailable", why),
                    None => ("unknown_tool", &error),
                };
                let hints = error.hints().to_vec();
                let message = error.guest_message().to_owned();
                problems.push(problem(code, message, hints, call));
            }
            // Arguments that do not fit are passed on as they are.
            Ok(_) if !gateway.checks_input() => {}
            Ok(entry) => {
                let tool: &Tool = entry.tool();
                let parameters = known
                    .entry(&call.tool)
                    .or_insert_with(|| Parameters::of(&tool.input_schema));
                arguments(parameters, call, &mut problems);
                values(&entry, call, &mut problems);
            }
        }
    }
    problems
}

fn arguments(parameters: &Parameters, call: &SeenCall, problems: &mut Vec<Problem>) {
    // They are computed, or some of them are.
    let Some(given) = &call.args else {
        return;
    };
    for name in given {
        if let Some(hint) = unknown(parameters, name, given) {
            let message = format!("tool {} has no argument {name:?}", call.tool);
            problems.push(problem("unknown_argument", message, vec![hint], call));
        }
    }
    for parameter in parameters.named.iter().filter(|one| one.required) {
        if !given.contains(&parameter.name) {
            let message = format!("tool {} needs the argument {:?}", call.tool, parameter.name);
            problems.push(problem(
                "missing_argument",
                message,
                vec![listed(parameters)],
                call,
            ));
        }
    }
}

/// Values that stand in the text and do not fit. What is computed may make up for what is missing
/// beside them, so only what is wrong with the values themselves counts.
fn values(entry: &Entry, call: &SeenCall, problems: &mut Vec<Problem>) {
    let schemas = entry.bindings().first().map(|first| first.schemas());
    // A tool whose schema is broken says so when it is called.
    let Some(Ok(schemas)) = schemas else {
        return;
    };
    let is_whole = call
        .args
        .as_ref()
        .is_some_and(|names| names.iter().all(|name| call.literals.contains_key(name)));
    if call.literals.is_empty() || (!is_whole && depends(&schemas.input)) {
        return;
    }
    let Err(violations) = schemas.input.validate(&call.literals.clone().into()) else {
        return;
    };
    for violation in violations {
        if let Some(message) = of_value(&violation, call) {
            problems.push(problem("wrong_argument", message, Vec::new(), call));
        }
    }
}

/// What a violation says of a value that was given.
fn of_value(violation: &Violation, call: &SeenCall) -> Option<String> {
    let path = violation.path.strip_prefix('/')?;
    let (name, inside) = path.split_once('/').unwrap_or((path, ""));
    let name = name.replace("~1", "/").replace("~0", "~");
    // Missing and unknown arguments are reported by name.
    let is_about_names = inside.is_empty()
        && matches!(
            violation.rule.as_str(),
            "required" | "additionalProperties" | "unevaluatedProperties" | "propertyNames"
        );
    let value = call.literals.get(&name)?;
    // A handle stands for a value that is not in the text.
    if is_about_names || holds_handle(value) {
        return None;
    }
    let place = match inside {
        "" => format!("argument {name:?}"),
        inside => format!("argument {name:?} at /{inside}"),
    };
    let Violation {
        expected, found, ..
    } = violation;
    let tool = &call.tool;
    Some(format!(
        "tool {tool}, {place}: expected {expected}, found {found}"
    ))
}

/// Whether what one argument may be can depend on another being there.
fn depends(schema: &Schema) -> bool {
    fn look(schema: &Value) -> bool {
        match schema {
            Value::Object(fields) => fields.contains_key("if") || fields.values().any(look),
            Value::Array(items) => items.iter().any(look),
            _ => false,
        }
    }
    look(schema.source())
}

/// What to do about an argument that the tool does not have. Where the schema does not forbid
/// other arguments, only one that is spelled nearly like another is taken to be wrong.
fn unknown(parameters: &Parameters, name: &str, given: &[String]) -> Option<String> {
    if parameters.named.iter().any(|known| known.name == name) {
        return None;
    }
    let left = parameters
        .named
        .iter()
        .filter(|known| !given.contains(&known.name));
    let nearest = left
        .map(|known| (distance(name, &known.name), known))
        .filter(|(distance, _)| *distance <= MAX_DISTANCE)
        .min_by(|(a, _), (b, _)| a.total_cmp(b));
    match (nearest, parameters.others) {
        (_, Others::Allowed) | (None, Others::Unsaid) => None,
        (Some((_, near)), _) => Some(format!("did you mean {:?}?", near.name)),
        (None, Others::Forbidden) => Some(listed(parameters)),
    }
}

/// How different two names may be, from 0 to 1.
const MAX_DISTANCE: f64 = 0.34;

/// From 0, the same letters, to 1.
fn distance(a: &str, b: &str) -> f64 {
    let letters = |text: &str| -> String {
        let letters = text.chars().filter(|c| c.is_alphanumeric());
        letters.flat_map(char::to_lowercase).collect()
    };
    let (a, b) = (letters(a), letters(b));
    let longer = a.chars().count().max(b.chars().count()).max(1);
    strsim::osa_distance(&a, &b) as f64 / longer as f64
}

fn listed(parameters: &Parameters) -> String {
    let names = parameters.named.iter().take(MAX_NAMES).map(|one| {
        let mark = if one.required { " (required)" } else { "" };
        format!("{}{mark}", one.name)
    });
    let mut names: Vec<String> = names.collect();
    if parameters.named.len() > MAX_NAMES {
        names.push("…".to_owned());
    }
    if names.is_empty() {
        return "it takes no arguments".to_owned();
    }
    format!("its arguments: {}", names.join(", "))
}

fn problem(code: &str, message: String, hints: Vec<String>, call: &SeenCall) -> Problem {
    Problem {
        code: code.to_owned(),
        message,
        line: Some(call.line),
        column: Some(call.column),
        tool: Some(call.tool.clone()),
        hints,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Map, json};

    use super::*;
    use crate::Args;
    use crate::Runner;
    use crate::backend::local::{Local, LocalTool};
    use crate::gateway::Direct;
    use crate::index::Index;

    fn gateway() -> Direct {
        let tool = |name: &str, schema: Value| {
            LocalTool::new(name, async |_: Args| Ok::<_, String>(Value::Null)).input_schema(schema)
        };
        let properties = json!({"title": {}, "labels": {}, "issue_number": {}});
        let tools = Local::new("github")
            .tool(tool(
                "closed",
                json!({"properties": properties, "required": ["title"], "additionalProperties": false}),
            ))
            .tool(tool("unsaid", json!({"type": "object", "properties": properties})))
            .tool(tool("open", json!({"properties": properties, "additionalProperties": true})))
            .tool(tool("none", json!({"type": "object", "additionalProperties": false})));
        let index = Index::new();
        index.register_all(tools.registrations().unwrap());
        over(index)
    }

    fn over(index: Index) -> Direct {
        Direct::new(Runner::new(index), Arc::default())
    }

    /// `(code, message, hint)` of the problems of one call.
    fn found(tool: &str, args: Option<&[&str]>) -> Vec<(String, String, String)> {
        let call = SeenCall {
            tool: tool.to_owned(),
            line: 3,
            column: 7,
            args: args.map(|names| names.iter().map(|&name| name.to_owned()).collect()),
            literals: Map::new(),
        };
        let problems = calls(&gateway(), &[], &[call]);
        for problem in &problems {
            assert_eq!((problem.line, problem.column), (Some(3), Some(7)));
            assert_eq!(problem.tool.as_deref(), Some(tool));
        }
        let texts = problems
            .into_iter()
            .map(|one| (one.code, one.message, one.hints.join("; ")));
        texts.collect()
    }

    fn text(code: &str, message: &str, hint: &str) -> (String, String, String) {
        (code.to_owned(), message.to_owned(), hint.to_owned())
    }

    #[test]
    fn right_calls_have_no_problems() {
        for (tool, args) in [
            ("github:closed", Some(&["title", "labels"][..])),
            ("github:closed", None),
            ("github:unsaid", Some(&["something"])),
            ("github:open", Some(&["lables"])),
            ("github:none", Some(&[])),
        ] {
            assert_eq!(found(tool, args), [], "{tool}");
        }
    }

    #[test]
    fn wrong_calls_say_what_is_near() {
        assert_eq!(
            found("github:closd", None),
            [text(
                "unknown_tool",
                "there is no tool github:closd",
                "did you mean github:closed?"
            )]
        );
        let listed = "its arguments: title (required), labels, issue_number";
        assert_eq!(
            found("github:closed", Some(&["issueNumbr", "x"])),
            [
                text(
                    "unknown_argument",
                    "tool github:closed has no argument \"issueNumbr\"",
                    "did you mean \"issue_number\"?"
                ),
                text(
                    "unknown_argument",
                    "tool github:closed has no argument \"x\"",
                    listed
                ),
                text(
                    "missing_argument",
                    "tool github:closed needs the argument \"title\"",
                    listed
                ),
            ]
        );
        assert_eq!(
            found("github:unsaid", Some(&["lables"])),
            [text(
                "unknown_argument",
                "tool github:unsaid has no argument \"lables\"",
                "did you mean \"labels\"?"
            )]
        );
        assert_eq!(
            found("github:none", Some(&["x"])),
            [text(
                "unknown_argument",
                "tool github:none has no argument \"x\"",
                "it takes no arguments"
            )]
        );
    }

    /// The messages about the values of one call; `more` says that other arguments are computed.
    fn wrong(schema: &Value, literals: Value, more: bool) -> Vec<String> {
        let tool = LocalTool::new("f", async |_: Args| Ok::<_, String>(Value::Null));
        let tools = Local::new("t").tool(tool.input_schema(schema.clone()));
        let index = Index::new();
        index.register_all(tools.registrations().unwrap());
        let Value::Object(literals) = literals else {
            panic!("{literals}");
        };
        let call = SeenCall {
            tool: "t:f".to_owned(),
            line: 1,
            column: 1,
            args: (!more).then(|| literals.keys().cloned().collect()),
            literals,
        };
        let problems = calls(&over(index), &[], &[call]).into_iter();
        let wrong = problems.filter(|problem| problem.code == "wrong_argument");
        wrong.map(|problem| problem.message).collect()
    }

    #[test]
    fn values_that_do_not_fit_are_told_with_their_place() {
        let schema = json!({
            "properties": {
                "n": {"type": "integer", "minimum": 1},
                "kind": {"enum": ["a", "b"]},
                "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}},
                "o": {"type": "object", "required": ["x"], "additionalProperties": false}
            },
            "required": ["n", "missing"],
            "additionalProperties": false,
            "$defs": {"tag": {"type": "string"}}
        });
        assert_eq!(
            wrong(&schema, json!({"n": 1, "kind": "a", "tags": ["x"]}), true),
            [""; 0]
        );
        assert_eq!(
            wrong(
                &schema,
                json!({"n": "1", "kind": "c", "tags": ["x", 2], "o": {}, "z": 1}),
                true
            ),
            [
                "tool t:f, argument \"kind\": expected one of [\"a\",\"b\"], found a string of 1 characters",
                "tool t:f, argument \"n\": expected type integer, found a string of 1 characters",
                "tool t:f, argument \"o\" at /x: expected a value (it is required), found nothing",
                "tool t:f, argument \"tags\" at /1: expected type string, found an integer",
            ]
        );
        assert_eq!(
            wrong(&schema, json!({"n": 0}), false),
            ["tool t:f, argument \"n\": expected at least 1, found an integer"]
        );
    }

    #[test]
    fn what_a_computed_argument_could_make_right_is_no_problem() {
        let schema = json!({
            "properties": {"mode": {}, "size": {}},
            "if": {"properties": {"mode": {"const": "small"}}},
            "then": {"properties": {"size": {"maximum": 10}}}
        });
        let size = json!({"size": 11});
        assert_eq!(wrong(&schema, size.clone(), true), [""; 0]);
        assert_eq!(
            wrong(&schema, size, false),
            ["tool t:f, argument \"size\": expected at most 10, found an integer"]
        );
        let either = json!({"oneOf": [{"required": ["a"]}, {"required": ["b"]}]});
        assert_eq!(wrong(&either, json!({"c": 1}), true), [""; 0]);
    }
}
