//! Templates: texts with values of a call in them.

use serde_json::Value;
use toolexec_core::Args;

use super::config::{ArgTemplate, CommandTool, StdinTemplate};

/// The longest single argument that Linux takes.
const MAX_ARGUMENT: usize = 128 * 1024 - 1;

/// A text split into what is written and what is filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Value {
        name: String,
        /// Whether it may begin with a dash (`{{name!}}`).
        may_be_option: bool,
    },
}

/// The templates of a program.
#[derive(Debug, Clone)]
pub(super) struct Templates {
    groups: Vec<Group>,
    stdin: Stdin,
}

#[derive(Debug, Clone)]
enum Stdin {
    Nothing,
    Json,
    Text(Template),
}

/// Arguments that come and go together.
#[derive(Debug, Clone)]
struct Group {
    when: Option<String>,
    args: Vec<Template>,
    /// Whether nothing in it can be read as an option, because `--` stands before it.
    is_after_dashes: bool,
    /// Whether it is a single argument, whose values are needed unless the schema says otherwise.
    is_single: bool,
}

/// A value that a template names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Variable<'t> {
    pub(super) name: &'t str,
    pub(super) is_required: bool,
    /// Whether it stands alone, so that a list gives several arguments.
    pub(super) takes_list: bool,
    /// Whether it only decides if arguments are there.
    pub(super) is_switch: bool,
}

/// A program's arguments and standard input.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Filled {
    pub(super) args: Vec<String>,
    /// Absent when it gets none.
    pub(super) stdin: Option<String>,
}

impl Templates {
    /// Reads the templates of a program; the error says which is broken.
    pub(super) fn parse(command: &CommandTool) -> Result<Self, String> {
        let mut groups = Vec::new();
        let mut is_after_dashes = false;
        for arg in &command.args {
            let (when, texts) = match arg {
                ArgTemplate::One(text) => (None, std::slice::from_ref(text)),
                ArgTemplate::Group(texts) => (None, texts.as_slice()),
                ArgTemplate::When { when, args } => (Some(when.clone()), args.as_slice()),
            };
            let args = texts.iter().map(|text| Template::parse(text));
            groups.push(Group {
                when,
                args: args.collect::<Result<_, _>>()?,
                is_after_dashes,
                is_single: matches!(arg, ArgTemplate::One(_)),
            });
            // Dashes in a group may be left out with it.
            is_after_dashes |= matches!(arg, ArgTemplate::One(text) if text == "--");
        }
        let stdin = match &command.stdin {
            StdinTemplate::Nothing => Stdin::Nothing,
            StdinTemplate::Json => Stdin::Json,
            StdinTemplate::Text(text) => Stdin::Text(Template::parse(text)?),
        };
        Ok(Self { groups, stdin })
    }

    /// Every value that is named, in order, as often as it is.
    pub(super) fn variables(&self) -> Vec<Variable<'_>> {
        let mut found = Vec::new();
        for group in &self.groups {
            found.extend(group.when.as_deref().map(|name| Variable {
                name,
                is_required: false,
                takes_list: false,
                is_switch: true,
            }));
            for template in &group.args {
                found.extend(template.names().map(|name| Variable {
                    name,
                    is_required: group.is_single,
                    takes_list: template.parts.len() == 1,
                    is_switch: false,
                }));
            }
        }
        if let Stdin::Text(template) = &self.stdin {
            found.extend(template.names().map(|name| Variable {
                name,
                is_required: false,
                takes_list: false,
                is_switch: false,
            }));
        }
        found
    }

    /// Whether every argument of a call is used, named or not.
    pub(super) fn takes_all(&self) -> bool {
        matches!(self.stdin, Stdin::Json)
    }

    /// Fills in the values of a call; the error says what cannot be passed.
    pub(super) fn fill(&self, values: &Args) -> Result<Filled, String> {
        let mut args = Vec::new();
        for group in &self.groups {
            let is_on = group.when.as_ref().is_none_or(|name| {
                present(values, name).is_some_and(|value| *value != Value::Bool(false))
            });
            let has_values = group
                .args
                .iter()
                .flat_map(Template::names)
                .all(|name| present(values, name).is_some());
            if !is_on || !has_values {
                continue;
            }
            for template in &group.args {
                template.fill(values, group.is_after_dashes, &mut args)?;
            }
        }
        for arg in &args {
            if arg.contains('\0') {
                return Err("an argument has a zero byte in it, which no program can get".into());
            }
            if arg.len() > MAX_ARGUMENT {
                return Err(format!(
                    "an argument has {} bytes; a program takes at most {MAX_ARGUMENT}",
                    arg.len()
                ));
            }
        }
        let stdin = match &self.stdin {
            Stdin::Nothing => None,
            Stdin::Json => Some(Value::Object(values.clone()).to_string()),
            Stdin::Text(template) => Some(template.text(values)),
        };
        Ok(Filled { args, stdin })
    }
}

impl Template {
    fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, after) = after
                .split_once("}}")
                .ok_or_else(|| format!("{text:?} has {{{{ without }}}}"))?;
            let name = name.trim();
            let (name, may_be_option) = match name.strip_suffix('!') {
                Some(name) => (name.trim_end(), true),
                None => (name, false),
            };
            let is_name = |c: char| c.is_alphanumeric() || "_-.".contains(c);
            if name.is_empty() || !name.chars().all(is_name) {
                return Err(format!(
                    "{text:?} has the template {name:?}, which is no name"
                ));
            }
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(Part::Value {
                name: name.to_owned(),
                may_be_option,
            });
            rest = after;
        }
        if !rest.is_empty() || parts.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self { parts })
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Value { name, .. } => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// Adds the argument; several when it is a list alone. Every value is there.
    fn fill(&self, values: &Args, is_safe: bool, args: &mut Vec<String>) -> Result<(), String> {
        let Some(Part::Value {
            name,
            may_be_option,
        }) = self.parts.first()
        else {
            args.push(self.text(values));
            return Ok(());
        };
        let texts = match present(values, name) {
            Some(Value::Array(items)) if self.parts.len() == 1 => items.iter().map(text).collect(),
            _ => vec![self.text(values)],
        };
        if !is_safe
            && !may_be_option
            && let Some(text) = texts.iter().find(|text| text.starts_with('-'))
        {
            let start: String = text.chars().take(20).collect();
            return Err(format!(
                "argument {name:?} begins with a dash ({start:?}), which the program would read \
                 as an option"
            ));
        }
        args.extend(texts);
        Ok(())
    }

    fn text(&self, values: &Args) -> String {
        let parts = self.parts.iter().map(|part| match part {
            Part::Text(text) => text.clone(),
            Part::Value { name, .. } => present(values, name).map(joined).unwrap_or_default(),
        });
        parts.collect()
    }
}

/// A value that is there and not null.
fn present<'v>(values: &'v Args, name: &str) -> Option<&'v Value> {
    values.get(name).filter(|value| !value.is_null())
}

/// A value inside a text: a list is joined with commas.
fn joined(value: &Value) -> String {
    match value {
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(","),
        other => text(other),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => integer.to_string(),
            None => number.to_string(),
        },
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fill(args: &Value, stdin: StdinTemplate, values: &Value) -> Result<Filled, String> {
        let command = CommandTool {
            args: serde_json::from_value(args.clone()).unwrap(),
            stdin,
            ..CommandTool::new("x", "x")
        };
        Templates::parse(&command)?.fill(values.as_object().unwrap())
    }

    #[test]
    fn values_go_where_the_templates_are() {
        let cases = [
            (
                json!(["{{a}}"]),
                json!({"a": "x y; rm -rf /"}),
                json!(["x y; rm -rf /"]),
            ),
            (
                json!(["a={{a}},{{ b }}"]),
                json!({"a": 1, "b": true}),
                json!(["a=1,true"]),
            ),
            (
                json!(["{{a}}"]),
                json!({"a": ["x", 2, ""]}),
                json!(["x", "2", ""]),
            ),
            (
                json!(["-l={{a}}"]),
                json!({"a": ["x", "y"]}),
                json!(["-l=x,y"]),
            ),
            (json!(["{{a}}"]), json!({"a": []}), json!([])),
            (
                json!(["x", "{{a}}", "y"]),
                json!({"a": null}),
                json!(["x", "y"]),
            ),
            (json!(["x", ["-n", "{{a}}"]]), json!({}), json!(["x"])),
            (
                json!(["x", ["-n", "{{a}}"]]),
                json!({"a": 3}),
                json!(["x", "-n", "3"]),
            ),
            (
                json!([{"when": "v", "args": ["-v"]}]),
                json!({"v": true}),
                json!(["-v"]),
            ),
            (
                json!([{"when": "v", "args": ["-v"]}]),
                json!({"v": false}),
                json!([]),
            ),
            (json!([{"when": "v", "args": ["-v"]}]), json!({}), json!([])),
            (
                json!(["{{a}}"]),
                json!({"a": {"k": 1}}),
                json!(["{\"k\":1}"]),
            ),
            (
                json!(["{{a!}}", "--", "{{b}}"]),
                json!({"a": "-x", "b": "-y"}),
                json!(["-x", "--", "-y"]),
            ),
            (json!(["", "{"]), json!({}), json!(["", "{"])),
        ];
        for (args, values, expected) in cases {
            let filled = fill(&args, StdinTemplate::Nothing, &values).unwrap();
            assert_eq!(json!(filled.args), expected, "{args} {values}");
        }
    }

    #[test]
    fn a_value_cannot_become_an_option() {
        let refused = |start: &str| {
            Err(format!(
                "argument \"a\" begins with a dash ({start:?}), which the program would read as \
                 an option"
            ))
        };
        let cases = [
            (
                json!(["{{a}}"]),
                json!({"a": "--output=/etc/passwd"}),
                "--output=/etc/passw",
            ),
            (json!(["{{a}}"]), json!({"a": ["fine", "-x"]}), "-x"),
            (json!(["{{a}}.txt"]), json!({"a": "-x"}), "-x.txt"),
            (json!([["-n", "{{a}}"]]), json!({"a": -5}), "-5"),
            // Dashes that may be left out protect nothing.
            (json!([["--", "{{b}}"], "{{a}}"]), json!({"a": "-x"}), "-x"),
        ];
        for (args, values, start) in cases {
            let result = fill(&args, StdinTemplate::Nothing, &values);
            let start = if start.len() > 18 {
                "--output=/etc/passwd"
            } else {
                start
            };
            assert_eq!(result, refused(start), "{args}");
        }
    }

    #[test]
    fn what_no_program_can_get_is_refused() {
        let args = json!(["{{a}}"]);
        for value in ["a\0b".to_owned(), "x".repeat(MAX_ARGUMENT + 1)] {
            fill(&args, StdinTemplate::Nothing, &json!({ "a": value })).unwrap_err();
        }
    }

    #[test]
    fn standard_input() {
        let stdin = |template| {
            fill(&json!([]), template, &json!({"a": "x"}))
                .unwrap()
                .stdin
        };
        assert_eq!(stdin(StdinTemplate::Nothing), None);
        assert_eq!(stdin(StdinTemplate::Json).as_deref(), Some("{\"a\":\"x\"}"));
        let text = StdinTemplate::Text("<{{a}}|{{b}}>".into());
        assert_eq!(stdin(text).as_deref(), Some("<x|>"));
    }

    #[test]
    fn broken_templates_are_named() {
        let broken =
            |text: &str| fill(&json!([text]), StdinTemplate::Nothing, &json!({})).unwrap_err();
        assert_eq!(broken("a {{b"), "\"a {{b\" has {{ without }}");
        assert_eq!(
            broken("{{}}"),
            "\"{{}}\" has the template \"\", which is no name"
        );
        assert_eq!(
            broken("{{a b}}"),
            "\"{{a b}}\" has the template \"a b\", which is no name"
        );
    }
}
