//! Files of programs over MCP: those that a call brings, and those that a program leaves.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use toolexec_core::code::{Artifact, InputFiles};
use toolexec_core::{CallContext, Content, Error, ErrorKind, Result};

use crate::server::results::Results;

/// The files of a call: a text stands for itself, `{"base64": ...}` for bytes, and any other value
/// for its JSON.
pub(super) fn given(files: Map<String, Value>) -> Result<InputFiles> {
    files
        .into_iter()
        .map(|(name, value)| {
            let bytes = bytes(&name, value)?;
            Ok((name, bytes.into()))
        })
        .collect()
}

fn bytes(name: &str, value: Value) -> Result<Vec<u8>> {
    let base64 = match &value {
        Value::Object(fields) if fields.len() == 1 => fields.get("base64").and_then(Value::as_str),
        _ => None,
    };
    let Some(base64) = base64 else {
        return Ok(match value {
            Value::String(text) => text.into_bytes(),
            other => other.to_string().into_bytes(),
        });
    };
    STANDARD.decode(base64).map_err(|error| {
        let message = format!("the file {name:?} is not in base64");
        Error::new(ErrorKind::InvalidInput, message)
            .with_source(error)
            .with_hint("a text stands for itself, {\"base64\": ...} for bytes")
    })
}

/// What is told of the files that a program left, and the blocks that have them. A picture is a
/// picture; any other file is a resource, or a handle where it is too large for one.
pub(super) async fn left(
    artifacts: &[Artifact],
    results: Option<&Results>,
    cx: &CallContext,
) -> (Vec<Value>, Vec<Content>) {
    let (mut told, mut blocks) = (Vec::new(), Vec::new());
    for artifact in artifacts {
        let mut about = json!(artifact);
        if artifact.is_image() {
            blocks.push(Content::Image {
                data: STANDARD.encode(&artifact.bytes),
                mime_type: artifact.media_type.to_owned(),
                extra: Map::new(),
            });
            told.push(about);
            continue;
        }
        let (key, body) = match artifact.as_text() {
            Some(text) => ("text", text.to_owned()),
            None => ("blob", STANDARD.encode(&artifact.bytes)),
        };
        let whole = Value::String(body);
        let fitted = match results {
            Some(results) => results.fit(whole.clone(), cx).await,
            None => whole.clone(),
        };
        if fitted == whole {
            blocks.push(resource(artifact, key, whole));
        } else {
            about[key] = fitted;
        }
        told.push(about);
    }
    (told, blocks)
}

fn resource(artifact: &Artifact, key: &str, body: Value) -> Content {
    let mut resource = Map::new();
    resource.insert("uri".to_owned(), address(&artifact.name).into());
    resource.insert("mimeType".to_owned(), artifact.media_type.into());
    resource.insert(key.to_owned(), body);
    Content::Resource {
        resource,
        extra: Map::new(),
    }
}

fn address(name: &str) -> String {
    let mut address = "artifact:///".to_owned();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            address.push(char::from(byte));
        } else {
            // Writing to a text cannot fail.
            let _ = write!(address, "%{byte:02X}");
        }
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_texts_bytes_or_json() {
        let files = json!({
            "a.txt": "x",
            "b.bin": {"base64": "AP8="},
            "c.json": {"base64": 1, "n": [1]}
        });
        let Value::Object(files) = files else {
            unreachable!()
        };
        let read: Vec<_> = given(files)
            .unwrap()
            .into_iter()
            .map(|(name, bytes)| (name, bytes.to_vec()))
            .collect();
        assert_eq!(
            read,
            [
                ("a.txt".to_owned(), b"x".to_vec()),
                ("b.bin".to_owned(), vec![0, 0xff]),
                ("c.json".to_owned(), br#"{"base64":1,"n":[1]}"#.to_vec()),
            ]
        );
        let wrong = Map::from_iter([("b".to_owned(), json!({"base64": "?"}))]);
        assert_eq!(
            given(wrong).unwrap_err().guest_message(),
            "the file \"b\" is not in base64"
        );
    }

    #[test]
    fn names_become_addresses() {
        assert_eq!(address("a b/ü.txt"), "artifact:///a%20b/%C3%BC.txt");
    }
}
