//! One thing that is wrong with a value.

use std::fmt;

use jsonschema::error::{TypeKind, ValidationError, ValidationErrorKind};
use serde::Serialize;
use serde_json::Value;

/// One thing that is wrong with a value: where, which rule, and what was found.
///
/// The found value is described by its kind, never quoted: arguments may hold secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// JSON Pointer into the value (RFC 6901); empty for the whole.
    pub path: String,
    /// The keyword of the schema that was broken, such as `required` or `type`.
    pub rule: String,
    /// What the rule wants, in words.
    pub expected: String,
    /// The kind of what was found.
    pub found: String,
}

impl Violation {
    pub(super) fn of(error: &ValidationError<'_>) -> Self {
        use ValidationErrorKind as Kind;
        let mut path = error.instance_path().to_string();
        // A missing or unknown property is reported at the property, not at its parent.
        let property = match error.kind() {
            Kind::Required { property } => property.as_str().map(str::to_owned),
            Kind::AdditionalProperties { unexpected }
            | Kind::UnevaluatedProperties { unexpected } => unexpected.first().cloned(),
            _ => None,
        };
        if let Some(property) = &property {
            path.push('/');
            path.push_str(&property.replace('~', "~0").replace('/', "~1"));
        }
        Self {
            path,
            rule: error.kind().keyword().to_owned(),
            expected: expected(error.kind()),
            found: match error.kind() {
                Kind::Required { .. } => "nothing".to_owned(),
                Kind::AdditionalProperties { unexpected }
                | Kind::UnevaluatedProperties { unexpected }
                    if unexpected.len() > 1 =>
                {
                    format!("unknown properties {}", unexpected.join(", "))
                }
                Kind::AdditionalProperties { .. } | Kind::UnevaluatedProperties { .. } => {
                    "an unknown property".to_owned()
                }
                _ => describe(error.instance()),
            },
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() {
            "(the whole value)"
        } else {
            &self.path
        };
        write!(
            f,
            "{path}: expected {}, found {}",
            self.expected, self.found
        )
    }
}

fn expected(kind: &ValidationErrorKind) -> String {
    use ValidationErrorKind as Kind;
    match kind {
        Kind::Required { .. } => "a value (it is required)".to_owned(),
        Kind::Type {
            kind: TypeKind::Single(one),
        } => format!("type {one}"),
        Kind::Type {
            kind: TypeKind::Multiple(set),
        } => {
            let names: Vec<String> = set.iter().map(|one| one.to_string()).collect();
            format!("type {}", names.join(" or "))
        }
        Kind::Enum { options } => format!("one of {options}"),
        Kind::Constant { expected_value } => expected_value.to_string(),
        Kind::AdditionalProperties { .. } | Kind::UnevaluatedProperties { .. } => {
            "only properties the schema names".to_owned()
        }
        Kind::PropertyNames { error } => format!("property names: {}", expected(error.kind())),
        Kind::Minimum { limit } => format!("at least {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("more than {limit}"),
        Kind::Maximum { limit } => format!("at most {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("less than {limit}"),
        Kind::MultipleOf { multiple_of } => format!("a multiple of {multiple_of}"),
        Kind::MinLength { limit } => format!("at least {limit} characters"),
        Kind::MaxLength { limit } => format!("at most {limit} characters"),
        Kind::MinItems { limit } => format!("at least {limit} items"),
        Kind::MaxItems { limit } => format!("at most {limit} items"),
        Kind::AdditionalItems { limit } => format!("at most {limit} items"),
        Kind::MinProperties { limit } => format!("at least {limit} properties"),
        Kind::MaxProperties { limit } => format!("at most {limit} properties"),
        Kind::UniqueItems => "items that all differ".to_owned(),
        Kind::Contains => "an item of the kind the schema asks for".to_owned(),
        Kind::UnevaluatedItems { .. } => "only items the schema describes".to_owned(),
        Kind::Pattern { pattern } => format!("text that matches {pattern}"),
        Kind::BacktrackLimitExceeded { .. } | Kind::RegexEngineFailure { .. } => {
            "text that its pattern can decide in time".to_owned()
        }
        Kind::Format { format } => format!("a valid {format}"),
        Kind::AnyOf { context } => alternatives("any", context),
        Kind::OneOfNotValid { context } => alternatives("exactly one", context),
        Kind::OneOfMultipleValid { .. } => "exactly one alternative, not several".to_owned(),
        Kind::Not { .. } => "a value the schema does not exclude".to_owned(),
        Kind::FalseSchema => "no value at all".to_owned(),
        Kind::ContentEncoding { content_encoding } => format!("{content_encoding} text"),
        Kind::FromUtf8 { .. } => "UTF-8 text".to_owned(),
        Kind::ContentMediaType { content_media_type } => content_media_type.clone(),
        Kind::Custom { message, .. } => message.clone(),
        Kind::Referencing(_) => "a reference inside the schema".to_owned(),
    }
}

/// What each alternative wants first, so that the caller can pick one.
fn alternatives(how_many: &str, context: &[Vec<ValidationError<'static>>]) -> String {
    const SHOWN: usize = 4;
    let wants: Vec<String> = context
        .iter()
        .take(SHOWN)
        .filter_map(|errors| errors.first())
        .map(|error| {
            let violation = Violation::of(error);
            format!("{} {}", violation.path, violation.expected)
                .trim()
                .to_owned()
        })
        .collect();
    let more = context.len().saturating_sub(SHOWN);
    let rest = if more > 0 {
        format!(", or {more} more")
    } else {
        String::new()
    };
    format!(
        "{how_many} of {} alternatives ({}{rest})",
        context.len(),
        wants.join("; ")
    )
}

/// The kind and size of a value, without the value.
fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "a boolean".to_owned(),
        Value::Number(number) if number.is_f64() => "a number with a fraction".to_owned(),
        Value::Number(_) => "an integer".to_owned(),
        Value::String(text) => format!("a string of {} characters", text.chars().count()),
        Value::Array(items) => format!("an array of {} items", items.len()),
        Value::Object(fields) => format!("an object of {} properties", fields.len()),
    }
}
