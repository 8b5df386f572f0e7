//! Writing the body of a request.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hash::{BuildHasher, RandomState};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value};

use super::model::{Body, BodyKind, Format, Part, Style};
use super::style;

/// A body as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Encoded {
    pub(super) content_type: String,
    pub(super) bytes: Bytes,
}

/// A file as a caller gives it.
struct File {
    bytes: Vec<u8>,
    name: Option<String>,
    content_type: Option<String>,
}

/// Writes a body. The error says what is wrong with the value.
pub(super) fn encode(body: &Body, value: &Value) -> Result<Encoded, String> {
    let plain = |bytes: Vec<u8>| Encoded {
        content_type: body.content_type.clone(),
        bytes: bytes.into(),
    };
    match &body.kind {
        BodyKind::Json => Ok(plain(value.to_string().into_bytes())),
        BodyKind::Form(formats) => Ok(plain(form(formats, object(value)?).into_bytes())),
        BodyKind::Multipart(parts) => {
            let boundary = format!("toolexec-{:016x}", RandomState::new().hash_one(0));
            Ok(Encoded {
                content_type: format!("multipart/form-data; boundary={boundary}"),
                bytes: multipart(parts, object(value)?, &boundary)?.into(),
            })
        }
        BodyKind::Raw => {
            let file = file(value)?;
            let content_type = file.content_type.unwrap_or_else(|| {
                if body.content_type.contains('*') {
                    "application/octet-stream".to_owned()
                } else {
                    body.content_type.clone()
                }
            });
            Ok(Encoded {
                content_type,
                bytes: file.bytes.into(),
            })
        }
    }
}

fn object(value: &Value) -> Result<&Map<String, Value>, String> {
    value
        .as_object()
        .ok_or_else(|| "it must be an object with the fields of the form".to_owned())
}

fn form(formats: &BTreeMap<String, Format>, fields: &Map<String, Value>) -> String {
    let pairs = fields.iter().flat_map(|(name, value)| {
        let format = formats.get(name).copied().unwrap_or(if value.is_object() {
            Format::Json
        } else {
            Format::Style {
                style: Style::Form,
                explode: true,
                allow_reserved: false,
            }
        });
        style::pairs(name, value, format)
    });
    let pairs: Vec<String> = pairs
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("&")
}

fn multipart(
    parts: &BTreeMap<String, Part>,
    fields: &Map<String, Value>,
    boundary: &str,
) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let default = Part::default();
    for (name, value) in fields {
        let part = parts.get(name).unwrap_or(&default);
        let values = match value {
            Value::Null => continue,
            Value::Array(items) if part.content_type.is_none() => items.as_slice(),
            other => std::slice::from_ref(other),
        };
        for value in values {
            let file = part_value(part, value).map_err(|reason| format!("{name}: {reason}"))?;
            write_part(&mut out, boundary, name, file);
        }
    }
    out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    Ok(out)
}

fn part_value(part: &Part, value: &Value) -> Result<File, String> {
    if part.is_file {
        let mut file = file(value)?;
        file.content_type = file.content_type.or_else(|| part.content_type.clone());
        file.name.get_or_insert_with(|| "file".to_owned());
        return Ok(file);
    }
    let is_json = value.is_object() || value.is_array();
    Ok(File {
        bytes: style::scalar(value).into_bytes(),
        name: None,
        content_type: (part.content_type.clone())
            .or_else(|| is_json.then(|| "application/json".to_owned())),
    })
}

fn write_part(out: &mut Vec<u8>, boundary: &str, name: &str, file: File) {
    let mut head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"",
        quoted(name)
    );
    if let Some(name) = &file.name {
        let _ = write!(head, "; filename=\"{}\"", quoted(name));
    }
    let default = file
        .name
        .is_some()
        .then(|| "application/octet-stream".to_owned());
    if let Some(content_type) = file.content_type.or(default) {
        // A line break here would let a caller write headers.
        let content_type = content_type.replace(['\r', '\n'], " ");
        let _ = write!(head, "\r\nContent-Type: {content_type}");
    }
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(b"\r\n\r\n");
    out.extend_from_slice(&file.bytes);
    out.extend_from_slice(b"\r\n");
}

/// A name inside quotes, as HTML forms write it.
fn quoted(name: &str) -> String {
    name.replace('"', "%22")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// A file: text, or `{data, filename, contentType}` with bytes in base64.
fn file(value: &Value) -> Result<File, String> {
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    match value {
        Value::Object(_) => {
            let data = text("data").ok_or("a file needs its bytes as base64 in \"data\"")?;
            let bytes = STANDARD
                .decode(data.as_bytes())
                .map_err(|error| format!("\"data\" is not base64: {error}"))?;
            Ok(File {
                bytes,
                name: text("filename"),
                content_type: text("contentType"),
            })
        }
        other => Ok(File {
            bytes: style::scalar(other).into_bytes(),
            name: None,
            content_type: None,
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn body(content_type: &str, kind: BodyKind) -> Body {
        Body {
            argument: "body".into(),
            content_type: content_type.into(),
            kind,
        }
    }

    fn text(body: &Body, value: &Value) -> String {
        String::from_utf8(encode(body, value).unwrap().bytes.to_vec()).unwrap()
    }

    #[test]
    fn forms() {
        let deep = Format::Style {
            style: Style::DeepObject,
            explode: true,
            allow_reserved: false,
        };
        let joined = Format::Style {
            style: Style::Form,
            explode: false,
            allow_reserved: false,
        };
        let formats = [("deep".to_owned(), deep), ("joined".to_owned(), joined)];
        let body = body(
            "application/x-www-form-urlencoded",
            BodyKind::Form(formats.into()),
        );
        let value = json!({
            "plain": "a b&c",
            "list": [1, 2],
            "joined": ["x", "y"],
            "deep": {"k": {"l": true}},
            "object": {"a": 1},
            "gone": null,
        });
        assert_eq!(
            text(&body, &value),
            "plain=a%20b%26c&list=1&list=2&joined=x,y&deep%5Bk%5D%5Bl%5D=true\
             &object=%7B%22a%22%3A1%7D"
        );
        assert_eq!(
            encode(&body, &json!("x")).unwrap_err(),
            "it must be an object with the fields of the form"
        );
    }

    #[test]
    fn multipart_bodies() {
        let file = |content_type: Option<&str>| Part {
            is_file: true,
            content_type: content_type.map(str::to_owned),
        };
        let parts = [
            ("photo".to_owned(), file(Some("image/png"))),
            ("notes".to_owned(), file(None)),
        ];
        let fields = json!({
            "title": "caf\u{e9}",
            "meta": {"a": [1]},
            "tags": ["x", "y"],
            "photo": {"data": "AAEC", "filename": "a\"b\r\n.png"},
            "notes": ["one", {"data": "dHdv", "contentType": "text/x\r\nEvil: 1"}],
        });
        let written = multipart(&parts.into(), fields.as_object().unwrap(), "B").unwrap();
        let expected = [
            b"--B\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\ncaf\xc3\xa9\r\n" as &[u8],
            b"--B\r\nContent-Disposition: form-data; name=\"meta\"\r\nContent-Type: application/json\r\n\r\n{\"a\":[1]}\r\n",
            b"--B\r\nContent-Disposition: form-data; name=\"tags\"\r\n\r\nx\r\n",
            b"--B\r\nContent-Disposition: form-data; name=\"tags\"\r\n\r\ny\r\n",
            b"--B\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"a%22b%0D%0A.png\"\r\nContent-Type: image/png\r\n\r\n\x00\x01\x02\r\n",
            b"--B\r\nContent-Disposition: form-data; name=\"notes\"; filename=\"file\"\r\nContent-Type: application/octet-stream\r\n\r\none\r\n",
            b"--B\r\nContent-Disposition: form-data; name=\"notes\"; filename=\"file\"\r\nContent-Type: text/x  Evil: 1\r\n\r\ntwo\r\n",
            b"--B--\r\n",
        ]
        .concat();
        assert_eq!(
            String::from_utf8_lossy(&written),
            String::from_utf8_lossy(&expected)
        );
    }

    #[test]
    fn raw_bodies() {
        let body = body("application/octet-stream", BodyKind::Raw);
        assert_eq!(text(&body, &json!("as it is")), "as it is");
        assert_eq!(
            encode(&body, &json!({"data": "AAEC", "contentType": "image/gif"})).unwrap(),
            Encoded {
                content_type: "image/gif".into(),
                bytes: Bytes::from_static(&[0, 1, 2]),
            }
        );
        assert_eq!(
            encode(&body, &json!({"data": "?"})).unwrap_err(),
            "\"data\" is not base64: Invalid symbol 63, offset 0."
        );
    }
}
