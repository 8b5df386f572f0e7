//! The tool calls that stand in a program, against the tools there are.

use std::collections::HashMap;

use toolexec_wire::SeenCall;

use super::failure::Problem;
use crate::index::Index;
use crate::tool::Tool;
use crate::types::{Others, Parameters};

/// The most names that a hint lists.
const MAX_NAMES: usize = 12;

/// What is wrong with the calls: tools that are not there, arguments that a tool does not have,
/// arguments that are missing. The order is that of the calls.
pub(super) fn calls(index: &Index, calls: &[SeenCall]) -> Vec<Problem> {
    let mut known: HashMap<&str, Parameters> = HashMap::new();
    let mut problems = Vec::new();
    for call in calls {
        match index.find(&call.tool) {
            Err(error) => {
                let hints = error.hints().to_vec();
                let message = error.guest_message().to_owned();
                problems.push(problem("unknown_tool", message, hints, call));
            }
            Ok(entry) => {
                let tool: &Tool = entry.tool();
                let parameters = known
                    .entry(&call.tool)
                    .or_insert_with(|| Parameters::of(&tool.input_schema));
                arguments(parameters, call, &mut problems);
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
    use serde_json::{Value, json};

    use super::*;
    use crate::Args;
    use crate::backend::local::{Local, LocalTool};

    fn index() -> Index {
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
        index
    }

    /// `(code, message, hint)` of the problems of one call.
    fn found(tool: &str, args: Option<&[&str]>) -> Vec<(String, String, String)> {
        let call = SeenCall {
            tool: tool.to_owned(),
            line: 3,
            column: 7,
            args: args.map(|names| names.iter().map(|&name| name.to_owned()).collect()),
        };
        let problems = calls(&index(), &[call]);
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
}
