//! Reading a document and following its references.

use serde_json::Value;
use toolexec_core::{Error, ErrorKind};

use super::swagger;

/// The longest chain of references.
const MAX_CHAIN: usize = 32;
/// The most nodes a YAML document may unfold into (its aliases counted).
const MAX_NODES: usize = 4_000_000;

/// A document in the shape of `OpenAPI` 3.
#[derive(Debug)]
pub(crate) struct Document {
    root: Value,
}

/// Why a reference cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RefError {
    #[error("{0:?} is in another document; only references inside the document are followed")]
    Remote(String),
    #[error("{0:?} points to nothing")]
    Missing(String),
    #[error("{0:?} points to itself")]
    Cycle(String),
}

/// Reads the text of a document, JSON or YAML.
pub(crate) fn parse(text: &str, max_bytes: usize) -> Result<Value, Error> {
    if text.len() > max_bytes {
        return Err(Error::new(
            ErrorKind::LimitExceeded,
            format!(
                "the document has {} bytes; at most {max_bytes} are allowed (max_document)",
                text.len()
            ),
        ));
    }
    let text = text.trim_start_matches('\u{feff}');
    if text.trim_start().starts_with(['{', '[']) {
        serde_json::from_str(text).or_else(|error| {
            // YAML in flow style begins with a brace as well.
            parse_yaml(text).map_err(|_| unreadable("JSON", &error.to_string()))
        })
    } else {
        parse_yaml(text).map_err(|reason| unreadable("YAML", &reason))
    }
}

fn parse_yaml(text: &str) -> Result<Value, String> {
    let mut options = serde_saphyr::Options::default();
    if let Some(budget) = &mut options.budget {
        budget.max_depth = 128;
        budget.max_nodes = MAX_NODES;
        budget.max_events = MAX_NODES * 2;
        budget.max_total_scalar_bytes = text.len() * 2;
    }
    options.with_snippet = false;
    serde_saphyr::from_str_with_options(text, options).map_err(|error| error.to_string())
}

fn unreadable(format: &str, reason: &str) -> Error {
    Error::new(
        ErrorKind::Config,
        format!("the document is not valid {format}: {reason}"),
    )
}

impl Document {
    /// Takes a document of any supported version.
    pub(crate) fn new(root: Value) -> Result<Self, Error> {
        let version = |key: &str| match root.get(key) {
            // YAML reads an unquoted 3.0 as a number.
            Some(Value::Number(number)) => Some(number.to_string()),
            Some(Value::String(text)) => Some(text.clone()),
            _ => None,
        };
        if let Some(version) = version("openapi") {
            if version.starts_with("3.") || version == "3" {
                return Ok(Self { root });
            }
            return Err(unsupported(&format!("OpenAPI {version}")));
        }
        match version("swagger") {
            Some(version) if version.starts_with('2') => Ok(Self {
                root: swagger::upgrade(&root),
            }),
            Some(version) => Err(unsupported(&format!("Swagger {version}"))),
            None => Err(Error::new(
                ErrorKind::Config,
                "this is no OpenAPI document: it has neither \"openapi\" nor \"swagger\" at its top",
            )),
        }
    }

    /// Whether its schemas are JSON Schema 2020-12 (3.1 and later).
    pub(crate) fn is_modern(&self) -> bool {
        let version = self.root.get("openapi");
        let version = version.and_then(Value::as_str).unwrap_or("3.0");
        !version.starts_with("3.0")
    }

    /// The whole document.
    pub(crate) fn root(&self) -> &Value {
        &self.root
    }

    /// What `value` stands for: itself, or what its `$ref` points to.
    pub(crate) fn resolve<'d>(&'d self, value: &'d Value) -> Result<&'d Value, RefError> {
        let mut value = value;
        for _ in 0..MAX_CHAIN {
            match reference(value) {
                None => return Ok(value),
                Some(target) => value = self.target(target)?,
            }
        }
        Err(RefError::Cycle(
            reference(value).unwrap_or_default().to_owned(),
        ))
    }

    /// What a reference points to, followed one step.
    pub(crate) fn target(&self, reference: &str) -> Result<&Value, RefError> {
        let Some(fragment) = reference.strip_prefix('#') else {
            return Err(RefError::Remote(reference.to_owned()));
        };
        let pointer = percent_encoding::percent_decode_str(fragment).decode_utf8_lossy();
        self.root
            .pointer(&pointer)
            .ok_or_else(|| RefError::Missing(reference.to_owned()))
    }
}

/// The `$ref` of an object.
pub(crate) fn reference(value: &Value) -> Option<&str> {
    value.as_object()?.get("$ref")?.as_str()
}

fn unsupported(what: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!("{what} is not supported; OpenAPI 3.x and Swagger 2.0 are"),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn yaml_and_json_read_alike() {
        let yaml = "openapi: 3.0.0\npaths:\n  /a:\n    get:\n      responses:\n        200: {description: fine}\n        default: &d {description: 'on'}\n        404: *d\n";
        let expected = json!({"openapi": "3.0.0", "paths": {"/a": {"get": {"responses": {
            "200": {"description": "fine"},
            "default": {"description": "on"},
            "404": {"description": "on"},
        }}}}});
        assert_eq!(parse(yaml, 1000).unwrap(), expected);
        assert_eq!(parse(&expected.to_string(), 1000).unwrap(), expected);
        assert_eq!(
            parse("{openapi: 3.1.0}", 100).unwrap(),
            json!({"openapi": "3.1.0"})
        );
    }

    #[test]
    fn broken_documents_say_why() {
        let cases = [
            ("{\"openapi\": ", ErrorKind::Config),
            ("a: [b", ErrorKind::Config),
            ("hello", ErrorKind::Config),
            ("{\"swagger\": \"1.2\"}", ErrorKind::Unsupported),
            ("openapi: 4.0.0", ErrorKind::Unsupported),
            ("[]", ErrorKind::Config),
        ];
        for (text, kind) in cases {
            let result = parse(text, 1000).and_then(Document::new);
            assert_eq!(result.unwrap_err().kind(), kind, "{text}");
        }
        assert_eq!(
            parse("openapi: 3.0.0", 4).unwrap_err().kind(),
            ErrorKind::LimitExceeded
        );
    }

    #[test]
    fn a_bomb_of_aliases_is_refused() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..10 {
            let alias = format!("*a{}", n - 1);
            text.extend(["a", &n.to_string(), ": &a", &n.to_string(), " ["]);
            text.extend([&[alias.as_str(); 10].join(", "), "]\n"]);
        }
        assert_eq!(parse(&text, 10_000).unwrap_err().kind(), ErrorKind::Config);
    }

    #[test]
    fn references_are_followed_inside_the_document_only() {
        let document = Document::new(json!({
            "openapi": "3.0.0",
            "a": {"$ref": "#/b~1c/d%20e"},
            "b/c": {"d e": {"found": true}},
            "loop": {"$ref": "#/loop"},
            "away": {"$ref": "other.yaml#/x"},
            "gone": {"$ref": "#/nothing"},
        }))
        .unwrap();
        let follow = |key: &str| document.resolve(&document.root()[key]);
        assert_eq!(follow("a"), Ok(&json!({"found": true})));
        assert_eq!(follow("loop"), Err(RefError::Cycle("#/loop".into())));
        assert_eq!(
            follow("away"),
            Err(RefError::Remote("other.yaml#/x".into()))
        );
        assert_eq!(follow("gone"), Err(RefError::Missing("#/nothing".into())));
    }
}
