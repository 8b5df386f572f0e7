//! The schema of a program's arguments.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::template::{Templates, Variable};

/// A schema of what the templates name: texts, numbers and booleans, and lists of them where a
/// template stands alone. A value is required when an argument outside of any group needs it.
pub(super) fn infer(templates: &Templates) -> Value {
    let mut properties = Map::new();
    let mut required = BTreeSet::new();
    let variables = templates.variables();
    for variable in &variables {
        let named: Vec<&Variable<'_>> = variables
            .iter()
            .filter(|other| other.name == variable.name)
            .collect();
        let scalar = json!(["string", "number", "boolean"]);
        let schema = if named.iter().all(|variable| variable.is_switch) {
            json!({"type": "boolean"})
        } else if named
            .iter()
            .all(|variable| variable.is_switch || variable.takes_list)
        {
            json!({"type": ["string", "number", "boolean", "array"], "items": {"type": scalar}})
        } else {
            json!({ "type": scalar })
        };
        properties.insert(variable.name.to_owned(), schema);
        if variable.is_required {
            required.insert(variable.name);
        }
    }
    let mut schema = json!({"type": "object", "properties": properties});
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema["additionalProperties"] = json!(templates.takes_all());
    schema
}

/// Says where a declared schema and the templates do not fit together.
pub(super) fn compare(name: &str, schema: &Value, templates: &Templates) -> Vec<String> {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return Vec::new();
    };
    let used: BTreeSet<&str> = templates
        .variables()
        .iter()
        .map(|variable| variable.name)
        .collect();
    let unknown = used
        .iter()
        .filter(|used| !properties.contains_key(**used))
        .map(|used| {
            format!(
                "command {name}: its templates use {used:?}, which its input schema does not have"
            )
        });
    let unused = properties
        .keys()
        .filter(|property| !templates.takes_all() && !used.contains(property.as_str()))
        .map(|property| {
            format!("command {name}: no template uses {property:?} of its input schema")
        });
    unknown.chain(unused).collect()
}

#[cfg(test)]
mod tests {
    use super::super::config::{CommandTool, StdinTemplate};
    use super::*;

    fn templates(args: &Value, stdin: StdinTemplate) -> Templates {
        let command = CommandTool {
            args: serde_json::from_value(args.clone()).unwrap(),
            stdin,
            ..CommandTool::new("x", "x")
        };
        Templates::parse(&command).unwrap()
    }

    #[test]
    fn schemas_are_inferred() {
        let args = json!([
            "{{files}}", "--in={{dir}}", ["-n", "{{count}}"], {"when": "all", "args": ["-a"]},
        ]);
        let scalar = json!(["string", "number", "boolean"]);
        let many =
            json!({"type": ["string", "number", "boolean", "array"], "items": {"type": scalar}});
        assert_eq!(
            infer(&templates(&args, StdinTemplate::Text("{{note}}".into()))),
            json!({
                "type": "object",
                "properties": {
                    "files": many,
                    "dir": {"type": scalar},
                    "count": many,
                    "all": {"type": "boolean"},
                    "note": {"type": scalar},
                },
                "required": ["dir", "files"],
                "additionalProperties": false,
            })
        );
        assert_eq!(
            infer(&templates(&json!([]), StdinTemplate::Json)),
            json!({"type": "object", "properties": {}, "additionalProperties": true})
        );
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let schema = json!({"properties": {"a": {}, "c": {}}});
        let templates = templates(&json!(["{{a}}", "{{b}}"]), StdinTemplate::Nothing);
        assert_eq!(
            compare("x", &schema, &templates),
            [
                "command x: its templates use \"b\", which its input schema does not have",
                "command x: no template uses \"c\" of its input schema",
            ]
        );
    }
}
