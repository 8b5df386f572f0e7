//! Examples of calls.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::entry::fit_text;
use crate::error::{Error, ErrorKind, Result};
use crate::tool::Args;

/// The longest description of an example, in characters.
pub const MAX_EXAMPLE_DESCRIPTION: usize = 300;
/// The longest result hint of an example, in characters.
pub const MAX_RESULT_HINT: usize = 200;
/// How deep the arguments of an example may nest; the arguments themselves are level 1.
pub const MAX_ARGS_DEPTH: usize = 5;
/// How many keys and list items the arguments of an example may have, at all levels together.
pub const MAX_ARGS_ITEMS: usize = 50;

/// A call that shows the use of a tool.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Example {
    /// What it shows, in a few words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// What it shows; at most [`MAX_EXAMPLE_DESCRIPTION`] characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The arguments; at most [`MAX_ARGS_DEPTH`] deep, with at most [`MAX_ARGS_ITEMS`] keys and
    /// items.
    pub args: Args,
    /// What to expect; at most [`MAX_RESULT_HINT`] characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result_hint: Option<String>,
    /// Whether it was derived from the input schema and nobody has tried it.
    #[serde(skip_deserializing, skip_serializing_if = "std::ops::Not::not")]
    pub generated: bool,
}

impl Example {
    /// Checks the arguments, cuts the texts and reports what was cut.
    pub(super) fn fit(&mut self, number: usize, notices: &mut Vec<String>) -> Result<()> {
        let name = self.name(number);
        check_args(&self.args).map_err(|excess| excess.error(&name))?;
        let what = format!("description of {name}");
        fit_text(
            &mut self.description,
            what,
            MAX_EXAMPLE_DESCRIPTION,
            notices,
        );
        let what = format!("result hint of {name}");
        fit_text(&mut self.result_hint, what, MAX_RESULT_HINT, notices);
        Ok(())
    }

    fn name(&self, number: usize) -> String {
        if self.title.is_empty() {
            format!("example {}", number + 1)
        } else {
            format!("example {} ({})", number + 1, self.title)
        }
    }
}

/// How the arguments of an example are too large.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Excess {
    Depth,
    Items,
}

impl Excess {
    fn error(&self, name: &str) -> Error {
        let what = match self {
            Self::Depth => format!("nest deeper than {MAX_ARGS_DEPTH} levels"),
            Self::Items => format!("have more than {MAX_ARGS_ITEMS} keys and items"),
        };
        Error::new(
            ErrorKind::LimitExceeded,
            format!("arguments of {name} {what}"),
        )
        .with_hint("show a smaller call; an example need not set every argument")
    }
}

/// Whether arguments are small enough for an example.
pub(super) fn check_args(args: &Args) -> Result<(), Excess> {
    let mut items = 0;
    args.values()
        .try_for_each(|value| count(value, 2, &mut items))
}

// Counts `value` itself; what is in it is at level `depth`.
fn count(value: &Value, depth: usize, items: &mut usize) -> Result<(), Excess> {
    *items += 1;
    if *items > MAX_ARGS_ITEMS {
        return Err(Excess::Items);
    }
    let nested = matches!(value, Value::Array(_) | Value::Object(_));
    if nested && depth > MAX_ARGS_DEPTH {
        return Err(Excess::Depth);
    }
    match value {
        Value::Array(values) => values
            .iter()
            .try_for_each(|value| count(value, depth + 1, items)),
        Value::Object(map) => map
            .values()
            .try_for_each(|value| count(value, depth + 1, items)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn example(args: Value) -> Example {
        Example {
            title: "big".to_owned(),
            args: serde_json::from_value(args).unwrap(),
            ..Example::default()
        }
    }

    #[test]
    fn arguments_up_to_the_limits_are_kept() {
        let deep = json!({"a": {"b": {"c": {"d": {"e": 1}}}}});
        let wide = json!({"list": (0..49).collect::<Vec<_>>()});
        for args in [deep, wide] {
            let mut kept = example(args.clone());
            assert!(kept.fit(0, &mut Vec::new()).is_ok(), "{args}");
            assert_eq!(kept, example(args));
        }
    }

    #[test]
    fn larger_arguments_are_an_error_that_names_the_example_and_the_limit() {
        let deep = json!({"a": {"b": {"c": {"d": {"e": {}}}}}});
        let wide = json!({"list": (0..50).collect::<Vec<_>>()});
        let cases = [
            (
                deep,
                "arguments of example 3 (big) nest deeper than 5 levels",
            ),
            (
                wide,
                "arguments of example 3 (big) have more than 50 keys and items",
            ),
        ];
        for (args, message) in cases {
            let error = example(args).fit(2, &mut Vec::new()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::LimitExceeded);
            assert_eq!(error.to_string(), message);
        }
    }

    #[test]
    fn texts_are_cut_in_characters() {
        let mut cut = Example {
            description: Some("é".repeat(400)),
            result_hint: Some("é".repeat(200)),
            ..Example::default()
        };
        let mut notices = Vec::new();
        cut.fit(0, &mut notices).unwrap();
        assert_eq!(
            cut.description.unwrap().chars().count(),
            MAX_EXAMPLE_DESCRIPTION
        );
        assert_eq!(cut.result_hint.unwrap().chars().count(), MAX_RESULT_HINT);
        assert_eq!(
            notices,
            ["description of example 1 of 400 characters cut to 300"]
        );
    }
}
